"""From the options of ``joulewise whatif`` to a workload, today's contract and a fleet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from joulewise.cli.run_options import parse_factors
from joulewise.devices.capabilities import Capabilities
from joulewise.devices.simulated.model import load_model
from joulewise.errors import InputFileError, UsageError
from joulewise.measure.footprint.rate import Flat
from joulewise.sim.whatif.asks import ask_named
from joulewise.sim.whatif.contract import Contract, contract_of
from joulewise.sim.whatif.fleet import Fleet
from joulewise.sim.whatif.workload import SIM, Assumptions, PipelineWork, Work, open_job, open_pipeline

EQUAL_ENERGY = 1.1
"""Slowdown at which time is priced: by how much sooner the energy that today's takes there is enough."""


@dataclass(frozen=True)
class Chosen:
    """What is asked of what.

    Attributes:
        source: As the user named it.
        work: What is planned anew.
        today: Under which contract.
        stragglers: Slowdowns to report besides none.
    """

    source: str
    work: Work
    today: Contract
    stragglers: tuple[float, ...]


def choose(
    source: str,
    *,
    today: Sequence[str],
    contract: str | None,
    job: str | None,
    steps: int,
    seeds: int,
    stragglers: Sequence[float],
    pipeline: dict[str, Any],
) -> Chosen:
    """The workload and today's contract.

    Raises:
        UsageError: If an option cannot be meant.
        InputFileError: If a file is not usable.
    """
    slowdowns = tuple(sorted({1.0, EQUAL_ENERGY, *stragglers}))
    now = Contract() if contract is None else _contract(contract)
    if source.endswith(".json") or _is_power_table(source):
        work: Work = open_job(source, job, steps=steps, seeds=seeds, slowdowns=slowdowns)
    else:
        work = open_pipeline(source, slowdowns=slowdowns, seeds=seeds, **pipeline)
    for text in today:
        name, _, value = text.partition("=")
        ask = ask_named(name.strip())
        now = now.with_({ask.field: ask.parse(value.strip(), None)})
    if isinstance(work, PipelineWork) and not work.chip and now.idle_power_w is not None:
        work = replace(work, idle_power_w=now.idle_power_w)
    return Chosen(source, work, now, tuple(sorted(set(stragglers))))


def _is_power_table(source: str) -> bool:
    """Whether a CSV file tells of power limits rather than clocks."""
    path = Path(source)
    if source.startswith(SIM) or not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return any("power_limit" in line for _, line in zip(range(50), file, strict=False) if not line.startswith("#"))


def _contract(text: str) -> Contract:
    """The contract of a simulated chip, or of a document of capabilities."""
    if text.startswith(SIM):
        model = load_model(text.removeprefix(SIM))
        sensor, switch = model.sensor, model.switch
        window_s, period_s = sensor.instant_window_s, sensor.instant_period_s
        return Contract(
            switch_latency_s=max(switch.top_s, switch.bottom_s),
            counter_period_s=sensor.counter_period_s,
            counter_step_j=sensor.counter_step_j,
            sensor_duty_frac=min(1.0, window_s / period_s) if period_s else 1.0,
            cap_response_s=switch.limit_s,
            idle_power_w=model.power.idle_w,
        )
    try:
        document = json.loads(Path(text).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        fix = "give a document of capabilities, or sim:CHIP"
        raise InputFileError(text, None, "cannot be read as JSON", str(error), fix) from error
    return contract_of(Capabilities.from_dict(document))


def assumptions(imbalance: str | None, phases: int | None, stalled_power: float | None) -> Assumptions:
    """What no profile tells, as far as the user says it.

    Raises:
        UsageError: If loads are no numbers, or anything is out of range.
    """
    found: dict[str, Any] = {}
    if imbalance is not None:
        try:
            found["loads"] = tuple(float(part) for part in imbalance.split(","))
        except ValueError:
            raise UsageError("--imbalance is not usable", repr(imbalance), "give loads, as 1,0.9,0.8,0.7") from None
    if phases is not None:
        found["phases"] = phases
    if stalled_power is not None:
        found["stalled_frac"] = stalled_power
    return Assumptions(**found)


def fleet_of(gpus: int, busy: float, price: str, *, pue: float, country: str | None, intensity: str | None) -> Fleet:
    """Who asks.

    Raises:
        UsageError: If a price or an intensity cannot be meant, or changes with time: a year has one.
    """
    factors = parse_factors(price, country, intensity)
    tariff, carbon = factors.tariff, factors.intensity
    for name, rate in (("price", tariff.rate if tariff else None), ("intensity", carbon.rate if carbon else None)):
        if rate is not None and not isinstance(rate, Flat):
            raise UsageError(f"the {name} changes with time", "a year is priced as a whole", "give one figure per kWh")
    per_kwh = tariff.rate.per_kwh if tariff is not None and isinstance(tariff.rate, Flat) else 0.0
    g_per_kwh = carbon.rate.per_kwh if carbon is not None and isinstance(carbon.rate, Flat) else None
    return Fleet(
        gpus, busy, per_kwh, tariff.currency if tariff else "", pue, g_per_kwh,
        tariff.source if tariff else "", carbon.source if carbon else "",
    )  # fmt: skip
