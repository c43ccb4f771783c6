"""What better hardware would be worth: switch latency against clock domains, for every given profile."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from joulewise.records import Provenance
from joulewise.sim.emulation import LAYERS, MICROBATCHES, TENSOR_PARALLEL, wait_power_w
from joulewise.sim.reproduce.data import Data
from joulewise.sim.reproduce.exhibit import Column, Exhibit, Origin
from joulewise.sim.whatif.asks import value_of
from joulewise.sim.whatif.contract import COMPUTE_MEMORY, DEVICE, JOB, PARTITION, Contract
from joulewise.sim.whatif.evaluate import evaluate
from joulewise.sim.whatif.study import Answers, Axis, Corner, changed, grid, parse_axis
from joulewise.sim.whatif.workload import PipelineWork
from joulewise.wire.profile import read_profile

LATENCIES = "switch-latency=10us,1ms,10ms,100ms,500ms"
SHOWN = (JOB, DEVICE, PARTITION, COMPUTE_MEMORY)
SLOWDOWNS = {1.0: "without slowdown", 1.2: "while a straggler takes 1.2 times as long"}
NONE = "\u2013"
SOURCE = (
    "stage profiles of Perseus (`chung2024perseus`), as given; the question: `chung2024cross`; "
    "models: `joulewise.sim.whatif`"
)


class Line(NamedTuple):
    """A profile at one latency: where its figures come from, and cells by slowdown."""

    name: str
    latency: str
    origins: tuple[Origin, ...]
    saved: dict[float, tuple[str, ...]]
    interaction: dict[float, tuple[str, ...]]


def exhibits(data: Data) -> tuple[Exhibit, ...]:
    """A table for each slowdown."""
    lines, missing = list[Line](), list[str]()
    for file in data.profiles:
        power_w = wait_power_w(read_profile(file), file.name)
        if power_w is None:
            missing.append(file.name)
        else:
            lines += _lines(file, power_w if isinstance(power_w, float) else power_w[0])
    left_out = f" Left out, since the power of a waiting GPU is not known: {', '.join(missing)}." if missing else ""
    origins = [_weakest(line.origins[k] for line in lines) for k in range(len(SHOWN))]
    return tuple(
        Exhibit(
            f"whatif-{slowdown:g}".replace(".", "-"),
            f"Energy saved {words}, by switch latency and clock domains",
            f"1F1B, {MICROBATCHES[0]} microbatches; planned anew for each contract, against everything at the highest "
            "clock. A domain is what has a clock of its own: the whole job (one clock for all), a GPU, a partition of "
            "it, or its compute apart from its memory. Interaction: what both are worth together less what each is "
            f"worth alone, from today's 20 ms and one domain for a GPU.{left_out}",
            SOURCE,
            (
                Column("profile"),
                Column("switch latency"),
                *(Column(f"{name} [%]", origin) for name, origin in zip(SHOWN, origins, strict=True)),
                *(
                    Column(f"interaction with {name} [points]", origin)
                    for name, origin in zip(SHOWN, origins, strict=True)
                    if name in (PARTITION, COMPUTE_MEMORY)
                ),
            ),
            tuple((line.name, line.latency, *line.saved[slowdown], *line.interaction[slowdown]) for line in lines),
        )
        for slowdown, words in SLOWDOWNS.items()
    )


def _lines(file: Path, power_w: float) -> list[Line]:
    work = PipelineWork(
        read_profile(file),
        microbatches=MICROBATCHES[0],
        scale=LAYERS,
        gpus_per_rank=TENSOR_PARALLEL,
        wait_power_w=power_w,
        slowdowns=tuple(SLOWDOWNS),
    )
    today = Contract()
    axes = [parse_axis(text, work, today) for text in (LATENCIES, "domains=" + ",".join(SHOWN))]
    points = grid(axes, work, today)
    rows = [evaluate(point, work=work, today=today) for point in points]
    answers = Answers.of(points, rows, today, work)
    return [_line(file.stem, work, answers, axes, number) for number in range(len(axes[0].values))]


def _line(name: str, work: PipelineWork, answers: Answers, axes: list[Axis], number: int) -> Line:
    (latency, domains), offered = axes, work.offered(Contract())
    value = latency.values[number]
    asked = [changed({latency.ask.name: value, domains.ask.name: domain}, offered) for domain in domains.values]
    found = [answers.at(dict(values)) for values in asked]
    origins = tuple(_origin(str(row["provenance"]) if row else "") for row in found)
    saved, interaction = dict[float, tuple[str, ...]](), dict[float, tuple[str, ...]]()
    for slowdown in SLOWDOWNS:
        figures = [answers.figures(dict(values), slowdown) for values in asked]
        saved[slowdown] = tuple(NONE if one is None else f"{100 * one.saving_frac:.1f}" for one in figures)
        now = answers.figures({}, slowdown)
        cells = []
        for domain in domains.values:
            if domain in (PARTITION, COMPUTE_MEMORY):
                if value == value_of(offered, latency.ask):
                    cells.append(f"{0.0:+.1f}")
                    continue
                beyond_j = answers.interaction_j(Corner(latency.ask, value), Corner(domains.ask, domain), slowdown)
                cells.append(NONE if beyond_j is None or now is None else f"{100 * beyond_j / now.untold_j:+.1f}")
        interaction[slowdown] = tuple(cells)
    return Line(name, latency.ask.show(value), origins, saved, interaction)


def _origin(provenance: str) -> Origin:
    return Origin.RECOMPUTED if provenance in ("", Provenance.MEASURED) else Origin(provenance)


def _weakest(origins: Iterable[Origin]) -> Origin:
    found = set(origins)
    return next(one for one in (Origin.SIMULATED, Origin.MODELLED, Origin.RECOMPUTED) if one in found)
