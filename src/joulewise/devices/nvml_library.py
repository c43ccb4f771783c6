"""NVIDIA's management library through its official binding, nvidia-ml-py: the only module that imports it.

Errors of the SDK are translated here, once. The third-party package that also calls itself ``pynvml`` is refused: it
knows neither instant power nor today's clock reasons, and hides the official one.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from joulewise.devices.capabilities import Kind
from joulewise.devices.nvml_field import NvmlField
from joulewise.errors import (
    CapabilityError,
    DeviceLostError,
    JoulewiseError,
    MissingExtraError,
    PermissionDeniedError,
    UsageError,
)

PRIVILEGE = "CAP_SYS_ADMIN"
INSTALL = str(MissingExtraError("nvidia"))

SUCCESS = 0
INVALID_ARGUMENT, NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND = 2, 3, 4, 6
DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND, FUNCTION_NOT_FOUND = 9, 12, 13
VERSIONS_DIFFER, FREQUENCY_NOT_SUPPORTED = 18, 24

_NEEDED = ("nvmlDeviceGetFieldValues", "nvmlDeviceGetCurrentClocksEventReasons", "NVML_FI_DEV_POWER_INSTANT")
_STARTING: dict[int, tuple[str, str]] = {
    LIBRARY_NOT_FOUND: ("there is no libnvidia-ml.so.1", "install NVIDIA's driver; start a container with --gpus all"),
    DRIVER_NOT_LOADED: ("NVIDIA's driver is not loaded", "modprobe nvidia"),
    VERSIONS_DIFFER: ("NVIDIA's library and kernel driver are of different versions", "reboot, or reload the driver"),
    NO_PERMISSION: ("NVIDIA's device files may not be opened", "join the group that owns /dev/nvidiactl"),
}


class NvmlLibrary:
    """The library, initialised.

    Attributes:
        driver_version: Of the kernel driver.
        locks: Clock locks of our own by (uid, kind): NVML sets them, but cannot be asked for them.
        refusals: Why settings are refused, by uid, once it was tried; empty if they are not.
    """

    def __init__(self, binding: Any) -> None:
        """Initialise the library."""
        self._binding = binding
        self.locks: dict[tuple[str, Kind], tuple[int, int]] = {}
        self.refusals: dict[str, str] = {}
        self._fields: dict[tuple[str, int, int], NvmlField] = {}
        try:
            binding.nvmlInit()
        except binding.NVMLError as error:
            seen, fix = _STARTING.get(error.value, (f"nvmlInit: {error}", "see what nvidia-smi says"))
            raise CapabilityError("this machine", "NVML", seen, fix) from error
        self.driver_version: str = self.call("the driver", "nvmlSystemGetDriverVersion")

    def call(self, device: str, name: str, *arguments: object) -> Any:
        """Call a function of NVML.

        Args:
            device: Which device it is about, for people.
            name: The function.
            arguments: Its arguments.

        Raises:
            CapabilityError: If the device, or its driver, does not support it.
            PermissionDeniedError: If a privilege is missing.
            UsageError: If the device does not take the arguments.
            DeviceLostError: If the device is gone, or errs for another reason.
        """
        try:
            return getattr(self._binding, name)(*arguments)
        except self._binding.NVMLError as error:
            raise translated(error.value, str(error), device, name) from error

    def read_process_samples(self, device: str, handle: object, since_us: int) -> list[Any]:
        """Samples of how busy processes kept a GPU since an instant of the driver [us]; none if nobody did.

        Raises:
            JoulewiseError: As `call`.
        """
        name = "nvmlDeviceGetProcessUtilization"
        try:
            return list(getattr(self._binding, name)(handle, since_us))
        except self._binding.NVMLError as error:
            if error.value in (SUCCESS, NOT_FOUND):  # the binding takes "no sample" for an error, whatever its code
                return []
            raise translated(error.value, str(error), device, name) from error

    def read_field(self, device: str, handle: object, field: int, scope: int = 0) -> int | float:
        """Value of a field, of the GPU (scope 0) or the module that it is part of (scope 1).

        Raises:
            JoulewiseError: As `call`.
        """
        reader = self._fields.get((device, field, scope))
        if reader is None:
            reader = self._fields[device, field, scope] = NvmlField(self._binding, handle, field, scope)
        code, value = reader.read()
        if code:
            text = str(self._binding.NVMLError(code))
            raise translated(code, text, device, f"field {field} of scope {scope}")
        return value


def translated(code: int, text: str, device: str, wanted: str) -> JoulewiseError:
    """Our error for a code of NVML."""
    if code in (NOT_SUPPORTED, FUNCTION_NOT_FOUND, NOT_FOUND):
        return CapabilityError(device, wanted, f"no such thing: {text}")
    if code == NO_PERMISSION:
        return PermissionDeniedError(f"{wanted} on {device}", PRIVILEGE)
    if code in (INVALID_ARGUMENT, FREQUENCY_NOT_SUPPORTED):
        return UsageError(f"{device} does not take what {wanted} was given", text, "give a value that it lists")
    fix = "see dmesg for an Xid; reset the GPU or reboot"
    return DeviceLostError(f"{device} did not answer {wanted}", f"{text} ({code})", fix)


def import_binding() -> Any:
    """The module of nvidia-ml-py.

    Raises:
        MissingExtraError: If it is not installed.
        UsageError: If another package of the same name hides it, or it is too old.
    """
    try:
        binding = import_module("pynvml")
    except ImportError:
        raise MissingExtraError("nvidia") from None
    if hasattr(binding, "__path__") or not all(hasattr(binding, name) for name in _NEEDED):
        seen = "an older nvidia-ml-py, or the third-party package pynvml, which hides it"
        raise UsageError("the module pynvml is not the one of nvidia-ml-py", seen, f"pip uninstall pynvml; {INSTALL}")
    return binding


@cache
def load_library() -> NvmlLibrary:
    """The library of this process, initialised once and kept: handles stay good.

    Raises:
        MissingExtraError, UsageError: As `import_binding`.
        CapabilityError: If the library or the driver is not there.
    """
    return NvmlLibrary(import_binding())
