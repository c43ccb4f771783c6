"""Files of sysfs, read cheaply and told carefully; what the kernel refuses becomes one of our errors.

A sysfs file computes its text anew whenever it is read from its start. So one descriptor is kept and `os.pread` asks
again: opening a path, which dominates the cost of a reading, is paid once.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from joulewise.devices.device import Finding, Host
from joulewise.errors import CapabilityError, CounterError, DeviceLostError, PermissionDeniedError

_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR})
_TEXT_BYTES = 4096  # a sysfs file is at most one page


def read_text(path: Path) -> str | None:
    """The text of a file without surrounding blanks, or None if it cannot be read for whatever reason."""
    try:
        return path.read_bytes().decode("utf-8", "replace").strip("\x00 \t\r\n")
    except OSError:
        return None


def read_int(path: Path) -> int | None:
    """The number in a file, or None if there is none to be read."""
    try:
        return int(read_text(path) or "")
    except ValueError:
        return None


def folders(parent: Path, pattern: str) -> list[Path]:
    """Folders (or links to some) by name, in numeric order; none if the parent is not there or not readable."""
    try:
        found = [path for path in parent.glob(pattern) if path.is_dir()]
    except OSError:
        return []
    return sorted(found, key=lambda path: [int(part) if part.isdigit() else 0 for part in _parts(path.name)])


def _parts(name: str) -> list[str]:
    return "".join(letter if letter.isdigit() else " " for letter in name).split()


def can_read(path: Path) -> bool:
    """Whether a file opens for reading."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def can_write(path: Path) -> bool:
    """Whether a file may be written; False too where /sys is mounted read-only."""
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def anyone_can_read(path: Path) -> bool:
    """Whether reading a file takes no privilege."""
    try:
        return bool(path.stat().st_mode & 0o004)
    except OSError:
        return False


def surroundings(host: Host) -> str:
    """What stands between us and the hardware: "a container", "a virtual machine", both, or ""."""
    walls = []
    if any(host.path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv")):
        walls.append("a container")
    if " hypervisor" in (read_text(host.path("/proc/cpuinfo")) or ""):
        walls.append("a virtual machine")
    return " in ".join(walls)


def without_sysfs(host: Host, driver: str, looked_for: str) -> Finding | None:
    """What to say where there is no /sys at all, as on other systems than Linux; None where there is."""
    if host.path("/sys").is_dir():
        return None
    return Finding(driver, looked_for, False, "no /sys, as only Linux has it", "nothing to do on another system")


def cpu_vendor_and_model(host: Host) -> tuple[str, str]:
    """Vendor and name of the CPU as /proc/cpuinfo tells; "unknown" and "CPU" where it does not."""
    lines = (read_text(host.path("/proc/cpuinfo")) or "").splitlines()
    told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    vendors = {"GenuineIntel": "intel", "AuthenticAMD": "amd", "HygonGenuine": "hygon"}
    vendor = vendors.get(told.get("vendor_id", ""), "arm" if "CPU implementer" in told else "unknown")
    return vendor, told.get("model name", "CPU")


class KeptFile:
    """A number in a file that is read often: opened at the first reading, kept until closed.

    Args:
        path: The file.
        device: Whose it is, for messages.
        privilege: What reading takes.
    """

    def __init__(self, path: Path, device: str, privilege: str = "root") -> None:
        """Open nothing yet."""
        self.path, self.device, self.privilege = path, device, privilege
        self._descriptor = -1

    def read_int(self) -> int:
        """The number as it stands.

        Raises:
            PermissionDeniedError: If the file may not be opened.
            DeviceLostError: If it, or the hardware behind it, is gone.
            CounterError: If it gives no number.
        """
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            return int(os.pread(self._descriptor, _TEXT_BYTES, 0))
        except ValueError:
            raise CounterError(f"{self.device} gave no reading", f"{self.path} holds no number", "read again") from None
        except OSError as error:
            opened = self._descriptor >= 0
            if error.errno in _GONE:
                self.close()
                raise DeviceLostError(
                    f"{self.device} is gone", f"{self.path}: {error.strerror}", "find it anew"
                ) from error
            if isinstance(error, PermissionError) and not opened:
                raise PermissionDeniedError(f"reading {self.path}", self.privilege) from error
            # An open file refuses while its hardware sleeps or is being reset.
            seen = f"{self.path}: {error.strerror}"
            raise CounterError(f"{self.device} gave no reading", seen, "read again") from error

    def close(self) -> None:
        """Give the descriptor back; a later reading opens the file again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        """Give the descriptor back."""
        self.close()


def write_int(path: Path, value: int, device: str, privilege: str = "root") -> None:
    """Tell a knob.

    Raises:
        PermissionDeniedError: If the file may not be written, or /sys is mounted read-only.
        DeviceLostError: If it, or the hardware behind it, is gone.
        CapabilityError: If the kernel refuses the value.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        try:
            os.write(descriptor, f"{value}\n".encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in _GONE:
            raise DeviceLostError(f"{device} is gone", f"{path}: {error.strerror}", "find it anew") from error
        if error.errno == errno.EROFS:
            raise PermissionDeniedError(f"writing {path}", "a writable /sys (containers mount it read-only)") from error
        if isinstance(error, PermissionError):
            raise PermissionDeniedError(f"writing {path}", privilege) from error
        raise CapabilityError(device, f"{value} in {path} ({error.strerror})", "other values") from error


def join_some(names: Iterable[str], most: int = 6) -> str:
    """Names in one short line."""
    known = list(names)
    return ", ".join(known[:most]) + (f", and {len(known) - most} more" if len(known) > most else "")
