"""Every error that joulewise raises, on the axis of who must act.

    JoulewiseError
    ├── UsageError (ValueError)        the caller passed something that cannot be meant
    │   └── InputFileError             a file that we were given is not usable: file, row, what was seen
    ├── InfeasibleError (ValueError)   no point meets the request; carries the tightest value that can be met
    ├── CapabilityError                the device cannot do that; lists what it can
    ├── PermissionDeniedError          the operator must grant a privilege; says which
    ├── MissingExtraError (ImportError)  an optional dependency is absent; the text is the install command
    ├── DeviceLostError                the hardware is gone, or errs for ever
    ├── CounterError                   a reading cannot be true
    └── RestoreError                   hardware could not be put back as it was found: the loudest

The sentence for people has three parts: what failed; what was seen; what to do.
"""

from __future__ import annotations


class JoulewiseError(Exception):
    """Base of all errors of this package.

    Args:
        what: What failed.
        seen: What was seen.
        fix: What to do.
    """

    def __init__(self, what: str, seen: str = "", fix: str = "") -> None:
        """Join the three parts of the sentence."""
        self.what, self.seen, self.fix = what, seen, fix
        super().__init__("; ".join(part for part in (what, seen, fix) if part))


class UsageError(JoulewiseError, ValueError):
    """The caller passed something that cannot be meant."""


class InputFileError(UsageError):
    """A file that we were given is not usable.

    Args:
        file: Path as the user gave it.
        row: Line number in the file, counted from 1, or None if no one line is at fault.
        what: What failed.
        seen: What was seen.
        fix: What to do.
    """

    def __init__(self, file: str, row: int | None, what: str, seen: str, fix: str) -> None:
        """Put the place in front."""
        self.file, self.row = file, row
        place = file if row is None else f"{file}, line {row}"
        super().__init__(f"{place}: {what}", f"seen: {seen}", fix)


class InfeasibleError(JoulewiseError, ValueError):
    """No point meets the request.

    Args:
        what: The request that cannot be met.
        tightest: The tightest value that can be met, in the unit of the request.
        unit: Unit of ``tightest``.
    """

    def __init__(self, what: str, tightest: float, unit: str) -> None:
        """Name the tightest value."""
        self.tightest, self.unit = tightest, unit
        super().__init__(what, f"the tightest feasible value is {tightest:.9g} {unit}")


class MissingExtraError(JoulewiseError, ImportError):
    """An optional dependency is absent; the text is the command that installs it.

    Args:
        extra: Name of the extra, as in ``pip install 'joulewise[extra]'``.
    """

    def __init__(self, extra: str) -> None:
        """Say the command."""
        self.extra = extra
        super().__init__(f"pip install 'joulewise[{extra}]'")


class CapabilityError(JoulewiseError):
    """The device cannot do that.

    Args:
        device: Which device.
        wanted: What was asked of it.
        has: What it can do.
        fix: What to do.
    """

    def __init__(self, device: str, wanted: str, has: str, fix: str = "choose a device that can") -> None:
        """List what it can."""
        super().__init__(f"{device} cannot do {wanted}", f"it has {has or 'nothing'}", fix)


class PermissionDeniedError(JoulewiseError):
    """A privilege is missing.

    Args:
        what: What was refused.
        privilege: What it takes.
    """

    def __init__(self, what: str, privilege: str) -> None:
        """Say which privilege."""
        self.privilege = privilege
        fix = "get that, or go through an agent (--device agent:) whose policy allows it"
        super().__init__(f"{what} was refused", f"it takes {privilege}", fix)


class DeviceLostError(JoulewiseError):
    """The hardware is gone, or answers every call with an error."""


class CounterError(JoulewiseError):
    """A reading cannot be true."""


class RestoreError(JoulewiseError):
    """Hardware could not be put back as it was found."""
