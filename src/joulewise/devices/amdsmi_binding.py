"""The one way into AMD's library: importing it, taking turns in it, and saying its errors in ours.

Before ROCm 7.2 the library may not be called from two threads at once, so that all calls of this process take turns.
"""

from __future__ import annotations

import contextlib
import importlib
import io
from threading import RLock
from typing import Any

from joulewise.errors import (
    CapabilityError,
    DeviceLostError,
    JoulewiseError,
    MissingExtraError,
    PermissionDeniedError,
    UsageError,
)

# Status codes of the library's C header; they have kept their numbers since ROCm 5.7.
INVALID = {1, 17}  # INVAL, INPUT_OUT_OF_BOUNDS
ABSENT = {2, 3, 5, 40, 52, 55}  # NOT_SUPPORTED, NOT_YET_IMPLEMENTED, no symbol, NO_DATA, no file, SETTING_UNAVAILABLE
REFUSED = {10}  # NO_PERM
LOST = {6, 12, 31, 32, 33, 34, 54}  # DRM_ERROR, IO, NOT_FOUND, NOT_INIT, NO_SLOT, DRIVER_NOT_LOADED, restart failed
WHOLE_OF_N = {0xFFFF, 0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF}  # how unsigned integers say "not available"

_one_at_a_time = RLock()


def import_amdsmi() -> Any:
    """AMD's Python binding.

    What it prints while it looks for its library is swallowed: the errors say the same.

    Raises:
        MissingExtraError: If it is not installed.
        JoulewiseError: If it is installed but the library behind it is not there, or has other symbols.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return importlib.import_module("amdsmi")
    except ModuleNotFoundError as error:
        if error.name != "amdsmi":
            raise JoulewiseError("amdsmi cannot be imported", str(error), f"pip install {error.name}") from error
        raise MissingExtraError("amd") from error
    except (ImportError, OSError, KeyError) as error:
        fix = "install ROCm's amd-smi-lib, or point ROCM_PATH at the ROCm that has it"
        # When it finds no library, the binding says so on standard output and fails over the missing entry.
        seen = "neither ROCM_PATH nor the linker knows it" if isinstance(error, KeyError) else str(error)
        raise JoulewiseError("amdsmi finds no libamd_smi.so", seen, fix) from error
    except AttributeError as error:  # the binding expects symbols of one release of the library
        fix = "install the binding that came with your ROCm: pip install $ROCM_PATH/share/amd_smi"
        raise JoulewiseError("amdsmi does not fit the installed libamd_smi.so", str(error), fix) from error


def number(value: object) -> float | None:
    """What the library reported, or None where it says in one of its ways that there is nothing.

    Example:
        >>> number(303), number("N/A"), number(65535)
        (303.0, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or value in WHOLE_OF_N:
        return None
    return float(value)


class Binding:
    """Calls into the library, one at a time, with errors in our words.

    Args:
        module: The imported binding.
    """

    def __init__(self, module: Any) -> None:
        """Initialise the library for GPUs.

        Raises:
            JoulewiseError: If there is no driver, or no access to it.
        """
        self._module = module
        self.call("amdsmi_init", module.AmdSmiInitFlags.INIT_AMD_GPUS)

    def has(self, function: str) -> bool:
        """Whether this release has a function."""
        return hasattr(self._module, function)

    def enum(self, name: str, member: str) -> Any:
        """A member of one of the library's enumerations.

        Raises:
            CapabilityError: If this release does not have it.
        """
        found = getattr(getattr(self._module, name, None), member, None)
        if found is None:
            raise CapabilityError("this release of amdsmi", f"{name}.{member}", "others")
        return found

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a function.

        Raises:
            CapabilityError: If this release, or this GPU, does not have it.
            PermissionDeniedError: If it takes more privilege.
            UsageError: If the library refuses the values.
            DeviceLostError: If the GPU or its driver is gone.
            JoulewiseError: For the library's other errors.
        """
        if not self.has(function):
            raise CapabilityError("this release of amdsmi", function, "other functions")
        with _one_at_a_time:
            try:
                return getattr(self._module, function)(*arguments)
            except Exception as error:
                raise _ours(function, error) from error


def _ours(function: str, error: Exception) -> JoulewiseError:
    code = getattr(error, "err_code", None)
    seen = " ".join(str(error).split())
    if code in ABSENT:
        return CapabilityError("this AMD GPU", f"{function} ({seen})", "what its capabilities list")
    if code in REFUSED:
        return PermissionDeniedError(function, "root with a writable /sys, or the groups render and video to read")
    if code in INVALID:
        return UsageError(f"{function} refused the values", seen, "stay within the capability's range")
    if code in LOST:
        return DeviceLostError(f"{function} found no GPU to answer", seen, "see dmesg for amdgpu; reload it or reboot")
    return JoulewiseError(f"{function} failed", seen or repr(error), "try again; see dmesg for amdgpu")
