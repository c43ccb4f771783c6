"""What ``joulewise calibrate`` prints."""

from __future__ import annotations

from collections.abc import Iterator

from joulewise.devices.calibrate import Calibration
from joulewise.devices.device import Device


def lines(device: Device, found: Calibration) -> Iterator[str]:
    """A calibration for people, line by line."""
    simulated = "  (simulated: nothing was measured)" if device.identity.driver == "sim" else ""
    yield f"{device.identity.model}  {device.identity.uid}{simulated}"
    for kind, tick in found.ticks.items():
        yield f"  {kind} changes every        {_ms(tick.value)} +- {_ms(tick.error)}"
    if found.idle_w is not None:
        yield f"  idle power                  {found.idle_w} W"
    if found.integral_ratio is not None:
        yield f"  counter over integral       {found.integral_ratio}"
    for kind, rows in found.latencies.items():
        for row in rows:
            obeyed = "never" if row.obeyed is None else f"{_ms(row.obeyed.value)} +- {_ms(row.obeyed.error)}"
            yield f"  {kind} {row.value:g} MHz: call {_ms(row.call_s)}, obeyed after {obeyed}"
    for sentence in found.unknown:
        yield f"  unknown: {sentence}"


def _ms(time_s: float) -> str:
    return f"{time_s * 1e3:.3g} ms"
