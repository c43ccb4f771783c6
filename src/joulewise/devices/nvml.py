"""NVIDIA GPUs, through NVML: what `joulewise doctor` looks for, and the devices that it finds.

Each GPU is a device named by its UUID; so is each MIG slice, with its board as parent; and where the driver tells the
power of a module of GPU and CPU (as on GH200), so is the module, with the GPU as its part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from joulewise.devices.capabilities import Capabilities, Kind
from joulewise.devices.device import Device, Finding, Host, Identity, Scope
from joulewise.devices.nvml_gpu import NvmlGpu, NvmlModule, NvmlSlice
from joulewise.devices.nvml_library import INSTALL, PRIVILEGE, NvmlLibrary, load_library
from joulewise.devices.nvml_probe import REFUSED, Probe, Probed
from joulewise.errors import CapabilityError, DeviceLostError, JoulewiseError, MissingExtraError, UsageError

NAME, VENDOR = "nvidia", "nvidia"
LIBRARY = "libnvidia-ml.so.1"


class NvmlDriver:
    """Finds NVIDIA GPUs."""

    name = NAME

    def find(self, host: Host) -> Sequence[Device]:
        """GPUs in the library's order, each after its module and before its slices."""
        try:
            library = _library(host)
            return [device for index in range(_count(library)) for device in self._at(library, index)]
        except JoulewiseError:
            return []

    def examine(self, host: Host) -> Sequence[Finding]:
        """What of the binding, the library and the GPUs is there."""
        try:
            library = _library(host)
            count = _count(library)
        except MissingExtraError:
            return [Finding(NAME, "nvidia-ml-py", False, "not installed", INSTALL)]
        except JoulewiseError as error:
            looked_for = "nvidia-ml-py" if isinstance(error, UsageError) else LIBRARY
            return [Finding(NAME, looked_for, False, error.seen.removeprefix("it has "), error.fix)]
        seen = f"driver {library.driver_version}, {count} GPU{'s' if count != 1 else ''}"
        findings = [Finding(NAME, LIBRARY, count > 0, seen, "" if count else "see what lspci says")]
        for index in range(count):
            findings.extend(_examine(library, index))
        return findings

    def _at(self, library: NvmlLibrary, index: int) -> Iterator[Device]:
        """Devices of one GPU; none if it is lost, or supports nothing, as Jetson boards (see their own driver)."""
        try:
            handle, identity = _identify(library, index)
            probed = Probe(library, handle, identity.uid).run()
        except DeviceLostError:
            return
        if not probed.found and not probed.module:
            return
        if probed.module:
            module = replace(identity, uid=f"{identity.uid}/module", scope=Scope.MODULE, aliases=())
            yield NvmlModule(library, handle, module, Capabilities(probed.module))
            identity = replace(identity, parent=module.uid)
        yield NvmlGpu(library, handle, identity, probed.capabilities, probed.plain_power)
        yield from _slices(library, handle, identity)


def _library(host: Host) -> NvmlLibrary:
    """NVML, which speaks of the machine that we run on, whatever other machine a host may show."""
    if host.root != Path("/"):
        raise CapabilityError("another machine", "NVML", f"its files under {host.root}", "run on that machine")
    return load_library()


def _count(library: NvmlLibrary) -> int:
    count: int = library.call("the driver", "nvmlDeviceGetCount")
    return count


def _identify(library: NvmlLibrary, index: int) -> tuple[object, Identity]:
    """Handle and identity of a GPU."""
    who = f"GPU {index}"
    handle: object = library.call(who, "nvmlDeviceGetHandleByIndex", index)
    uid: str = library.call(who, "nvmlDeviceGetUUID", handle)
    model: str = library.call(uid, "nvmlDeviceGetName", handle)
    try:
        bus_id: str = library.call(uid, "nvmlDeviceGetPciInfo", handle).busId
        aliases: tuple[str, ...] = (bus_id.lower()[-12:],)  # as Linux writes it: 0000:07:00.0
    except CapabilityError:
        aliases = ()
    version = library.driver_version
    return handle, Identity(uid, VENDOR, model, Scope.BOARD, driver=NAME, driver_version=version, aliases=aliases)


def _slices(library: NvmlLibrary, handle: object, board: Identity) -> Iterator[Device]:
    """MIG slices of a board."""
    try:
        current, _pending = library.call(board.uid, "nvmlDeviceGetMigMode", handle)
        count = library.call(board.uid, "nvmlDeviceGetMaxMigDeviceCount", handle) if current else 0
    except CapabilityError:
        return
    for index in range(count):
        try:
            found = library.call(board.uid, "nvmlDeviceGetMigDeviceHandleByIndex", handle, index)
        except CapabilityError:  # places are numbered with gaps
            continue
        uid: str = library.call(board.uid, "nvmlDeviceGetUUID", found)
        identity = replace(board, uid=uid, scope=Scope.DIE, parent=board.uid, aliases=())
        yield NvmlSlice(library, found, identity, Capabilities())


def _examine(library: NvmlLibrary, index: int) -> Iterator[Finding]:
    """What one GPU can, and cannot."""
    try:
        handle, identity = _identify(library, index)
        probed = Probe(library, handle, identity.uid).run()
    except JoulewiseError as error:
        yield Finding(NAME, f"GPU {index}", False, f"{error.what}: {error.seen}", error.fix)
        return
    yield Finding(NAME, f"GPU {index}", True, f"{identity.model}, {identity.uid}")
    yield from _missing(identity, probed)


def _missing(identity: Identity, probed: Probed) -> Iterator[Finding]:
    knobs = [kind for kind, capability in probed.capabilities.items() if not capability.permitted]
    if knobs:
        why = probed.refusal()
        fix = f"run with {PRIVILEGE}, or as root" if why == REFUSED else "nothing to do: this board does not take it"
        yield Finding(NAME, f"permission to set {', '.join(knobs)} of {identity.uid}", False, why, fix)
    for why in dict.fromkeys(probed.missing.values()):
        kinds = [kind for kind, reason in probed.missing.items() if reason == why]
        fix = "integrate power" if Kind.ENERGY_COUNTER in kinds else "nothing to do: this board does not have it"
        yield Finding(NAME, f"{', '.join(kinds)} of {identity.uid}", False, why, fix)


driver = NvmlDriver()
