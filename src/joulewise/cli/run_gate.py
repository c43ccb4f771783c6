"""``--fail-above 1.05x baseline.json``: whether a run used more than an earlier one, for CI."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from joulewise.cli.run_output import DOCUMENT, VERSION, mark, plain
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Device, Identity, can, top_level
from joulewise.errors import InputFileError, UsageError
from joulewise.measure.comparison import Ratio, Verdict, to_baseline
from joulewise.measure.document import measurement_from_dict
from joulewise.measure.integrate import UNKNOWN_GAIN_FRAC
from joulewise.measure.measurement import Measurement
from joulewise.measure.trace import READERS
from joulewise.wire.envelope import open_envelope

ABOVE, UNDECIDED = 110, 111
"""Exit codes: it used more than the limit; the measurement cannot tell."""


@dataclass(frozen=True)
class Gate:
    """A limit, as a ratio to an earlier run."""

    limit: float
    file: str
    baseline: Measurement
    gain_frac: Mapping[str, float]

    def judge(self, measurement: Measurement) -> Judgement:
        """Whether a run stays below it."""
        told = sorted(_kind(one.identity) for one in measurement.devices if one.in_total and one.energy is not None)
        if told != sorted(_kinds(self.baseline)):
            return Judgement(self, None, "not all devices of the baseline told their energy")
        return Judgement(self, to_baseline(measurement, self.baseline, self.gain_frac))


@dataclass(frozen=True)
class Judgement:
    """What a gate says of a run; without a ratio, why there is none."""

    gate: Gate
    ratio: Ratio | None
    reason: str = ""

    @property
    def exit_code(self) -> int:
        """0, or one that says what is wrong."""
        if self.ratio is None:
            return UNDECIDED
        return {Verdict.LESS: 0, Verdict.MORE: ABOVE, Verdict.UNDECIDED: UNDECIDED}[self.ratio.against(self.gate.limit)]

    @property
    def word(self) -> str:
        """For documents."""
        return {0: "below", ABOVE: "above", UNDECIDED: "undecided"}[self.exit_code]

    def to_dict(self) -> dict[str, Any]:
        """For documents."""
        ratio = None if self.ratio is None else asdict(self.ratio)
        entry = {"baseline": self.gate.file, "limit": self.gate.limit, "ratio": plain(ratio), "verdict": self.word}
        return {**entry, "provenance": self.gate.baseline.provenance}

    def line(self) -> str:
        """For people."""
        file, limit, worth = self.gate.file, self.gate.limit, mark(self.gate.baseline.provenance)
        if self.ratio is None:
            return f"cannot tell whether this is above {limit:g} times {file}: {self.reason}{worth}"
        seen = f"{self.ratio.ratio:.4g} times the energy of {file} ({self.ratio.lo:.4g} to {self.ratio.hi:.4g})"
        if self.exit_code == UNDECIDED:
            return f"cannot tell whether this is above {limit:g}: {seen}; measure longer, or allow more{worth}"
        return f"{seen}: {'above' if self.exit_code == ABOVE else 'not above'} {limit:g}{worth}"


def read_gate(limit: float, path: Path, devices: Sequence[Device]) -> Gate:
    """The gate that a file of ``--json`` sets.

    Args:
        limit: How many times its energy may be used.
        path: The file.
        devices: That will be measured.

    Raises:
        InputFileError: If it is no run with an energy, or not of devices like these.
    """
    fix = "name a file that joulewise run --json wrote"
    try:
        entry = open_envelope(json.loads(path.read_text(encoding="utf-8")), DOCUMENT, VERSION)
        baseline, exit_code = measurement_from_dict(entry.get("measurement")), entry.get("exit_code")
    except UsageError as error:
        raise InputFileError(str(path), None, error.what, error.seen, error.fix or fix) from error
    except (OSError, ValueError) as error:
        raise InputFileError(str(path), None, "is no baseline", f"{type(error).__name__}: {error}", fix) from error
    if baseline.total is None or baseline.energy_j <= 0:
        raise InputFileError(str(path), None, "is no baseline", "no device told its energy, or it was 0 J", fix)
    if exit_code != 0:
        raise InputFileError(str(path), None, "is no baseline", f"its program ended with {exit_code!r}", fix)
    here, there = Counter(_kind(device.identity) for device in top_level(devices)), Counter(_kinds(baseline))
    if here != there:
        seen = f"it is of {_names(there)}; here is {_names(here)}"
        raise InputFileError(
            str(path),
            None,
            "is a baseline of other devices",
            seen,
            "measure a baseline on these, or choose with --device",
        )
    return Gate(limit, str(path), baseline, gains_of(devices))


def gains_of(devices: Sequence[Device]) -> dict[str, float]:
    """How far the sensors of devices may be off, by uid."""
    gains: dict[str, float] = {}
    for device in devices:
        entries = [device.capabilities[kind] for kind in (Kind.ENERGY_COUNTER, *READERS) if can(device, kind)]
        known = [UNKNOWN_GAIN_FRAC if one.gain_error_frac is None else one.gain_error_frac for one in entries]
        gains[device.identity.uid] = max(known, default=UNKNOWN_GAIN_FRAC)
    return gains


Like = tuple[str, str, str]


def _kind(who: Identity) -> Like:
    """What must be the same for two devices to be compared; vendor tells simulated ones apart."""
    return (who.vendor, who.model, str(who.scope))


def _kinds(measurement: Measurement) -> list[Like]:
    return [_kind(one.identity) for one in measurement.devices if one.in_total and one.energy is not None]


def _names(kinds: Counter[Like]) -> str:
    return ", ".join(f"{count} x {model} ({scope})" for (_, model, scope), count in kinds.items()) or "nothing"
