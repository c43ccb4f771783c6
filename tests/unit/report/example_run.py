"""Runs as a report shows them, made by hand."""

from __future__ import annotations

import numpy as np

from joulewise.devices.device import SIMULATED, Identity, Scope
from joulewise.measure.energy import Energy, Method
from joulewise.measure.measurement import DeviceEnergy, Measurement, SelfCost
from joulewise.measure.timeline import Series, Span, Timeline, Track
from joulewise.report.run_report import Figure, RunReport, Table

BEGIN_NS = 5_000_000_000


def example_run(gpus: int = 2, duration_s: float = 30.0, simulated: bool = False, period_s: float = 0.1) -> RunReport:
    """GPUs with gauges and counters, and a CPU package with a counter only."""
    at_s = np.arange(-0.5, duration_s + 0.5, period_s)
    at_ns = BEGIN_NS + np.round(at_s * 1e9).astype(np.int64)
    end_ns = BEGIN_NS + round(duration_s * 1e9)
    rng, devices, tracks = np.random.default_rng(7), [], []
    vendor = SIMULATED if simulated else "nvidia"
    for number in range(gpus + 1):
        is_gpu = number < gpus
        busy = (at_s > 1.5) & (at_s % 5 > 0.8)
        power_w = np.where(busy, 330.0 - 20 * number, 62.0) + rng.normal(0, 4, len(at_s))
        power_w = power_w if is_gpu else np.where(busy, 145.0, 70.0) + rng.normal(0, 2, len(at_s))
        energy_j = np.cumsum(power_w) * period_s
        model = ("A100-SXM4-80GB" if is_gpu else "EPYC 7763") if not simulated else f"simulated device {number}"
        uid = f"GPU-5f0c1f2e-77aa-{number:04d}" if is_gpu else "cpu-package-0"
        who = Identity(uid, vendor, model, Scope.BOARD if is_gpu else Scope.PACKAGE, driver="example")
        inside = (at_ns >= BEGIN_NS) & (at_ns <= end_ns)
        used_j = float(energy_j[inside][-1] - energy_j[inside][0])
        warnings = ("the sensor sees 25% of the time: no bound holds for faster loads",) if number == 0 else ()
        energy = Energy(used_j, used_j * 0.94, used_j * 1.07, 33.0, Method.COUNTER, who.provenance, warnings)
        devices.append(DeviceEnergy(who, energy, True, float(power_w.max()), 55.0, 41.0, 63.0))
        celsius = 41 + 22 * (1 - np.exp(-np.maximum(at_s, 0) / 12)) if is_gpu else []
        clock_mhz = np.where(busy, 1410.0, 210.0) if is_gpu else []
        tracks.append(
            Track(
                who,
                Series(at_ns, power_w) if is_gpu else Series(),
                Series(at_ns, energy_j),
                Series(at_ns, celsius) if is_gpu else Series(),
                Series(at_ns, clock_mhz) if is_gpu else Series(),
                limit_w=400.0 if is_gpu else None,
            )
        )
    spans = tuple(
        Span(f"epoch {n}", BEGIN_NS + n * 10 * 10**9, BEGIN_NS + (n + 1) * 10 * 10**9)
        for n in range(int(duration_s // 10))
    )
    cost = SelfCost(0.031, 0.4)
    measurement = Measurement(
        "train.py", 1.79e9, BEGIN_NS, end_ns, tuple(devices), None, cost, ("the clock was stepped",)
    )
    timeline = Timeline(1.79e9, BEGIN_NS, end_ns, tuple(tracks), spans)
    figures = (
        Figure("electricity", "0.0021 EUR", "0.30 EUR/kWh, as given"),
        Figure("carbon", "2.4 g CO2e", "Germany, 2023, average, as given"),
    )
    table = Table(
        "Runs", "In the order in which they were made.", (("run", "energy"), ("first", "11 J"), ("second", "12 J"))
    )
    return RunReport(
        "python train.py --epochs 3", "2026-11-23 15:30 UTC, exit code 0", measurement, timeline, figures,
        (table,), ("Energies of two boards may differ by their gain.",),
    )  # fmt: skip
