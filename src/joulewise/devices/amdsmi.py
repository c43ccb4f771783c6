"""AMD GPUs through amdsmi, AMD's own Python binding.

Theory of operation: every GPU is asked what it can (`amdsmi_probe`), by PCI address since the library's order is not
HIP's. Devices without sensors of their own (second dies of MI250, partitions above 0) name the device whose figures
include them. Each energy counter must then agree with the integral of the same GPU's power for half a second before
it may be used (`amdsmi_validation`); a rejected one is no capability, and the note of the power reading says why.
Without amdsmi, `hwmon` still reads the power of amdgpu boards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from joulewise.devices.amdsmi_binding import Binding, import_amdsmi
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Finding, Host, Identity, Scope
from joulewise.errors import DeviceLostError, JoulewiseError, MissingExtraError, PermissionDeniedError

if TYPE_CHECKING:
    from joulewise.devices.amdsmi_gpu import AmdGpu
    from joulewise.devices.amdsmi_seats import Seat

NOTHING_TO_COMPARE = "never compared with power: this GPU has no power reading"


@dataclass
class AmdSmiDriver:
    """AMD GPUs.

    Attributes:
        load: Imports the binding; tests hand in another one.
    """

    load: Callable[[], Any] = import_amdsmi
    name: str = "amd"
    _binding: Binding | None = field(default=None, repr=False)
    _verdicts: dict[str, str | None] = field(default_factory=dict, repr=False)

    def find(self, host: Host) -> Sequence[AmdGpu]:
        """GPUs in the order of their PCI addresses.

        Effects:
            Blocks for 0.5 to 1.5 s while energy counters run beside power, once in a process.
        """
        try:
            return self._look(host)
        except JoulewiseError:
            return []

    def examine(self, host: Host) -> Sequence[Finding]:
        """The binding, the library and driver behind it, the GPUs, and each rejected counter."""
        try:
            gpus = self._look(host)
        except MissingExtraError as error:
            return [Finding(self.name, "amdsmi", False, "not installed", str(error))]
        except DeviceLostError as error:
            return [Finding(self.name, "the amdgpu driver", False, _sentence(error), "sudo modprobe amdgpu")]
        except PermissionDeniedError as error:
            groups = "sudo usermod -aG render,video $USER, then log in again"
            return [Finding(self.name, "access to AMD GPUs", False, _sentence(error), groups)]
        except JoulewiseError as error:
            return [Finding(self.name, "a working amdsmi", False, _sentence(error), error.fix)]
        if not gpus:
            fix = "load amdgpu (sudo modprobe amdgpu), or pass the GPUs into this container"
            return [Finding(self.name, "AMD GPUs", False, "amdsmi works, but lists none", fix)]
        return [Finding(self.name, "AMD GPUs", True, f"{len(gpus)} found"), *_about_counters(gpus)]

    def _look(self, host: Host) -> list[AmdGpu]:
        binding = self._open()
        from joulewise.devices.amdsmi_seats import list_seats  # noqa: PLC0415 (as all below: only with AMD's library)

        gpus = [_gpu(binding, seat, host) for seat in list_seats(binding)]
        self._validate(gpus, host)
        return gpus

    def _validate(self, gpus: Sequence[AmdGpu], host: Host) -> None:
        """Mark energy counters that are not to be believed; each is examined once in this process."""
        from joulewise.devices.amdsmi_probe import suspect_of  # noqa: PLC0415
        from joulewise.devices.amdsmi_validation import examine  # noqa: PLC0415

        having = {gpu.identity.uid: gpu for gpu in gpus if Kind.ENERGY_COUNTER in gpu.capabilities}
        suspects = {uid: suspect_of(gpu) for uid, gpu in having.items() if uid not in self._verdicts}
        examine([suspect for suspect in suspects.values() if suspect is not None], host.clock)
        for uid, suspect in suspects.items():
            self._verdicts[uid] = None if suspect is None else suspect.reason
        for uid, gpu in having.items():
            reason = self._verdicts[uid]
            if reason is None:
                gpu.capabilities = gpu.capabilities.with_(Kind.ENERGY_COUNTER, note=NOTHING_TO_COMPARE)
            elif reason:
                gpu.reject_counter(reason)

    def _open(self) -> Binding:
        if self._binding is None:
            self._binding = Binding(self.load())
        return self._binding


def _gpu(binding: Binding, seat: Seat, host: Host) -> AmdGpu:
    from joulewise.devices.amdsmi_gpu import AmdGpu  # noqa: PLC0415
    from joulewise.devices.amdsmi_probe import probe  # noqa: PLC0415

    try:
        version = str(binding.call("amdsmi_get_gpu_driver_info", seat.handle).get("driver_version", ""))
    except JoulewiseError:
        version = ""
    identity = Identity(
        uid=seat.pci,
        vendor="amd",
        model=seat.model,
        scope=Scope.BOARD if seat.parent is None else Scope.DIE,
        parent=seat.parent,
        driver="amd",
        driver_version=version,
        aliases=seat.names,
    )
    gpu = AmdGpu(binding, seat.handle, identity)
    probe(binding, seat, gpu, host)
    return gpu


def _about_counters(gpus: Sequence[AmdGpu]) -> list[Finding]:
    fix = "nothing to do: its power is integrated instead"
    return [
        Finding("amd", f"a true energy counter on {gpu.identity.uid}", False, f"rejected: {gpu.rejected}", fix)
        for gpu in gpus
        if gpu.rejected
    ]


def _sentence(error: JoulewiseError) -> str:
    return "; ".join(part for part in (error.what, error.seen) if part)


driver = AmdSmiDriver()
