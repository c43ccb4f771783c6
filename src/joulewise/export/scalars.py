"""A measurement as named numbers and tags, as experiment loggers want it."""

from __future__ import annotations

import re

from joulewise.measure.measurement import Measurement
from joulewise.records import Provenance

NOT_ALLOWED = re.compile(r"[^\w\-. /:]", re.ASCII)  # by MLflow, the strictest


def prefix_of(measurement: Measurement) -> str:
    """Where its numbers stand: ``energy/NAME``, or under what they are worth, so that no chart mixes the two.

    Example:
        >>> prefix_of(Measurement("step", 0.0, 0, 1, ()))
        'energy/step'
    """
    told = measurement.total
    worth = Provenance.MEASURED if told is None else told.provenance
    above = "" if worth is Provenance.MEASURED else f"{worth}/"
    return f"{above}energy/{_clean(measurement.name) or 'window'}"


def scalars(measurement: Measurement) -> dict[str, float]:
    """Its figures by name, with bounds; what is not known is left out."""
    prefix, found = prefix_of(measurement), {"duration_s": measurement.duration_s}
    told = measurement.total
    if told is not None:
        found |= {"energy_j": told.energy_j, "lo_j": told.lo_j, "hi_j": told.hi_j, "resolution_j": told.resolution_j}
        found["mean_power_w"] = measurement.mean_power_w
        if measurement.net_j is not None:
            found["net_j"] = measurement.net_j
    for one in measurement.devices:
        if one.energy is not None and len(measurement.devices) > 1:
            found[f"{_clean(one.identity.uid)}/energy_j"] = one.energy.energy_j
    return {f"{prefix}/{name}": value for name, value in found.items()}


def tags(measurement: Measurement) -> dict[str, str]:
    """What its figures are worth, in words."""
    prefix, told = prefix_of(measurement), measurement.total
    warnings = [
        *measurement.warnings,
        *(text for one in measurement.devices if one.energy for text in one.energy.warnings),
    ]
    failures = [f"{one.identity.uid}: {one.failure}" for one in measurement.devices if one.failure]
    found = {
        "provenance": "" if told is None else str(told.provenance),
        "method": "not known" if told is None else str(told.method),
        "warnings": "; ".join(dict.fromkeys(warnings)),
        "failures": "; ".join(failures),
    }
    return {f"{prefix}/{name}": text for name, text in found.items() if text}


def _clean(text: str) -> str:
    return NOT_ALLOWED.sub("_", text)
