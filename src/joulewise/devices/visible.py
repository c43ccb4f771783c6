"""Which GPUs the environment lets this process use, by the rules of the run times that obey these variables.

CUDA reads ``CUDA_VISIBLE_DEVICES`` from the left and stops at the first entry that means nothing (-1 is the usual one);
an entry that comes twice leaves no device at all, and so does an empty variable. Entries are indices, UUIDs, or starts
of UUIDs that are unique; the order counts. ROCm filters by ``ROCR_VISIBLE_DEVICES``, then counts what is left in
``HIP_VISIBLE_DEVICES`` (or, like CUDA, ``CUDA_VISIBLE_DEVICES``). Where none is set, Slurm's step or job says which
GPUs of the node are ours, unless it already hides the others. Devices of other kinds are always visible.

Indices count in PCI order. CUDA's own default puts the fastest first, which differs only if models are mixed; it says
``CUDA_DEVICE_ORDER=PCI_BUS_ID`` to make them agree (`mixed_order` tells when that matters).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from joulewise.devices.device import Device

SLURM = ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS")
HIP = ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")
LEADING_NUMBER = re.compile(r"\s*([+-]?\d+)")


def visible(devices: Sequence[Device], environ: Mapping[str, str]) -> list[Device]:
    """Those devices that the environment does not hide; GPUs of a vendor in the order that it gives them."""
    nvidia = [d for d in devices if d.identity.driver == "nvidia"]
    amd = [d for d in devices if d.identity.vendor == "amd" and d.identity.driver in ("amd", "hwmon")]
    shown = {"nvidia": _nvidia(nvidia, environ), "amd": _amd(amd, environ)}
    result: list[Device] = []
    for device in devices:
        vendor = "nvidia" if device in nvidia else "amd" if device in amd else None
        if vendor is None:
            result.append(device)
        else:
            result += shown.pop(vendor, [])
    return result


def mixed_order(devices: Sequence[Device], environ: Mapping[str, str]) -> bool:
    """Whether CUDA may count these devices in another order than we do."""
    models = {device.identity.model for device in devices if device.identity.driver == "nvidia"}
    indexed = LEADING_NUMBER.match(environ.get("CUDA_VISIBLE_DEVICES", "")) is not None
    return len(models) > 1 and indexed and environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID"


def _nvidia(devices: Sequence[Device], environ: Mapping[str, str]) -> list[Device]:
    text = environ.get("CUDA_VISIBLE_DEVICES")
    return _slurm(devices, environ) if text is None else filter_visible(devices, text)


def _amd(devices: Sequence[Device], environ: Mapping[str, str]) -> list[Device]:
    outer = environ.get("ROCR_VISIBLE_DEVICES")
    inner = next((environ[name] for name in HIP if name in environ), None)
    if outer is None and inner is None:
        return _slurm(devices, environ)
    left = list(devices) if outer is None else filter_visible(devices, outer, parts=True)
    return left if inner is None else filter_visible(left, inner, parts=True)


def filter_visible(devices: Sequence[Device], text: str, *, parts: bool = False) -> list[Device]:
    """Devices in the order of a ``..._VISIBLE_DEVICES`` variable, up to the first entry that means none.

    Args:
        devices: Devices of one vendor.
        text: The variable.
        parts: Whether dies and partitions count as devices of their own, as ROCm counts them.
    """
    uids = {device.identity.uid for device in devices}
    whole = [device for device in devices if parts or device.identity.parent not in uids]
    chosen: list[Device] = []
    for entry in text.split(","):
        device = _one(devices, whole, entry.strip())
        if device is None:
            break
        if device in chosen:
            return []
        chosen.append(device)
    return chosen


def _one(devices: Sequence[Device], whole: Sequence[Device], entry: str) -> Device | None:
    """The device of one entry, if it means one: an index among whole GPUs, or the start of a uid."""
    number = LEADING_NUMBER.match(entry)
    if number is not None:
        index = int(number[1])
        return whole[index] if 0 <= index < len(whole) else None
    if not re.match(r"(GPU|MIG)-.", entry):
        return None
    exact = [device for device in devices if entry in device.identity.names]
    known = exact or [device for device in devices if any(name.startswith(entry) for name in device.identity.names)]
    if not known and entry.startswith("MIG-GPU-"):  # the form of drivers before 470: MIG-GPU-<uuid>/<gpu>/<compute>
        board = entry.removeprefix("MIG-").partition("/")[0]
        known = [device for device in devices if board in device.identity.names]
    return known[0] if len(known) == 1 else None


def _slurm(devices: Sequence[Device], environ: Mapping[str, str]) -> list[Device]:
    text = next((environ[name] for name in SLURM if environ.get(name)), None)
    uids = {device.identity.uid for device in devices}
    whole = [device for device in devices if device.identity.parent not in uids]
    wanted = _indices(text or "")
    if text is None or not wanted or len(whole) <= len(wanted) or max(wanted) >= len(whole):
        return list(devices)  # not ours to say, or Slurm hides the others by itself
    chosen = [whole[index] for index in wanted]
    inside = {device.identity.uid for device in chosen}
    return [*chosen, *(device for device in devices if device.identity.parent in inside)]


def _indices(text: str) -> list[int]:
    """Indices of a Slurm list such as ``0,2-3``; none if it is something else."""
    indices: list[int] = []
    for part in text.split(","):
        span = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if span is None:
            return []
        indices += range(int(span[1]), int(span[2] or span[1]) + 1)
    return indices
