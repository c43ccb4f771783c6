"""Measure what is claimed of the policy for recurring jobs; see README.md.

python benchmarks/bandit/run.py             everything; minutes on two cores
python benchmarks/bandit/run.py --quick     few seeds, writes no file
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

import cases
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
LEAST = 0.05
"""Regrets below this [oracle runs] count as this in geometric means of ratios."""

Row = dict[str, object]
Claims = list[tuple[str, bool]]


class Bench:
    """Runs streams in processes, prints tables, keeps claims."""

    def __init__(self, pool: Pool, quick: bool) -> None:
        """Start empty."""
        self.pool, self.quick = pool, quick
        self.claims: Claims = []

    def seeds(self, count: int) -> range:
        """Seeds of a section."""
        return range(301, 301 + (2 if self.quick else count))  # others than those that constants were set on

    def means(
        self, function: Callable[..., dict[str, float]], calls: Sequence[tuple], seeds: range
    ) -> list[dict[str, float]]:
        """Mean of a function's answers over seeds, for each call; stuck recurrences are summed."""
        answers = self.pool.starmap(function, [(*call, seed) for call in calls for seed in seeds], chunksize=4)
        groups = [answers[at : at + len(seeds)] for at in range(0, len(answers), len(seeds))]
        return [
            {name: float((np.sum if name == "stuck" else np.mean)([one[name] for one in group])) for name in group[0]}
            for group in groups
        ]

    def claim(self, text: str, holds: bool) -> None:
        """Note and print a claim."""
        self.claims.append((text, bool(holds)))
        say(f"  [{'holds' if holds else 'FAILS'}] {text}")

    def compare(self, title: str, keys: Sequence[cases.Key], answers: list, fields: Sequence[str]) -> Row:
        """Print every problem, Zeus's answers and then ours, with sum, geometric mean and worst of the ratios."""
        names, theirs, ours = list(map(label, keys)), answers[: len(keys)], answers[len(keys) :]
        say(f"\n{title}\n  {'problem':30}" + "".join(f"{'Zeus':>9}{'ours':>8}{'ratio':>7}" for _ in fields))
        rows = {}
        for name, their, our in zip(names, theirs, ours, strict=True):
            cells = [(their[field], our[field], our[field] / max(their[field], LEAST)) for field in fields]
            say(f"  {name:30}" + "".join(f"{a:9.2f}{b:8.2f}{c:7.2f}" for a, b, c in cells))
            rows[name] = {field: cell[:2] for field, cell in zip(fields, cells, strict=True)}
        summary = {}
        for field in fields:
            a, b = (np.array([one[field] for one in side]) for side in (theirs, ours))
            ratios = np.maximum(b, LEAST) / np.maximum(a, LEAST)
            summary[field] = {
                "sum_zeus": float(a.sum()),
                "sum_ours": float(b.sum()),
                "ratio": float(b.sum() / a.sum()),
                "geometric_mean": float(np.exp(np.log(ratios).mean())),
                "worst": float(ratios.max()),
            }
            say(
                f"  {field}: sum {a.sum():.1f} and {b.sum():.1f}, ratio {summary[field]['ratio']:.3f}, "
                f"geometric mean {summary[field]['geometric_mean']:.3f}, worst {ratios.max():.2f}"
            )
        stuck = [sum(one["stuck"] for one in side) for side in (theirs, ours)]
        say(f"  stuck recurrences: Zeus {stuck[0]:.0f}, ours {stuck[1]:.0f}")
        return {"problems": rows, "summary": summary, "stuck": stuck}


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def label(key: cases.Key) -> str:
    """Name of a problem."""
    return cases.problem(key).name


def against_zeus(bench: Bench, title: str, keys: Sequence[cases.Key], seeds: range) -> Row:
    """Regret at 50 and at 100 recurrences."""
    calls = [(name, key, 100) for name in ("zeus", "ours") for key in keys]
    answers = bench.means(cases.stream, calls, seeds)
    return bench.compare(title, keys, answers, ("half", "whole"))


def at_most(bench: Bench, row: Row, title: str, bars: tuple[float, float, float]) -> None:
    """Claims on both horizons: ratio of sums, geometric mean, worst ratio."""
    total, mean, worst = bars
    for field, horizon in (("half", 50), ("whole", 100)):
        if field in row["summary"]:
            one = row["summary"][field]
            seen = f"{one['ratio']:.3f}, {one['geometric_mean']:.3f}, {one['worst']:.2f}"
            text = f"in total <= {total}, geometric mean <= {mean}, worst <= {worst}"
            text = f"{title}, {horizon} recurrences: regret over Zeus's {text}: {seen}"
            bench.claim(text, one["ratio"] <= total and one["geometric_mean"] <= mean and one["worst"] <= worst)
    bench.claim(f"{title}: nothing stuck", row["stuck"][1] == 0)


def published(bench: Bench) -> Row:
    """The paper's targets at three goals."""
    rows = {}
    for eta in (0.5, 0.0, 1.0):
        title = f"paper's targets, eta {eta:g}"
        rows[f"eta {eta:g}"] = against_zeus(bench, title, cases.published(eta), bench.seeds(20))
        at_most(bench, rows[f"eta {eta:g}"], title, (0.50, 0.40, 1.1))
    return rows


def last_five(bench: Bench) -> Row:
    """Where policies end, in % of energy and time saved against the default at the highest limit."""
    names, keys = ("default", "grid", "zeus", "ours", "oracle"), cases.published(0.5)
    answers = bench.means(cases.ends, [(name, key) for key in keys for name in names], bench.seeds(20))
    rows: Row = {}
    say(
        "\nlast five of 2*|B|*|P| recurrences: energy saved in % (time saved in %), and cost saved over all\n  "
        + f"{'problem':26}"
        + "".join(f"{name:>24}" for name in names)
    )
    for at, key in enumerate(keys):
        mine = answers[at * len(names) : (at + 1) * len(names)]
        cells = [f"{one['last-5 energy']:.1f} ({one['last-5 time']:.1f}) {one['cost']:.1f}" for one in mine]
        say(f"  {label(key):26}" + "".join(f"{cell:>24}" for cell in cells))
        rows[label(key)] = dict(zip(names, mine, strict=True))
    mean = {name: float(np.mean([one[name]["last-5 energy"] for one in rows.values()])) for name in names}
    say("  mean energy saved: " + ", ".join(f"{name} {value:.2f} %" for name, value in mean.items()))
    bench.claim(
        f"last-5 energy saved, mean, not below Zeus's {mean['zeus']:.2f} %: {mean['ours']:.2f} %",
        mean["ours"] >= mean["zeus"] - 0.05,
    )
    return {"problems": rows, "mean": mean}


def other_targets(bench: Bench) -> Row:
    """Every other target in the table, and sets A and B of it."""
    able, unable = cases.every_other_target()
    rows = {
        "every other target": against_zeus(bench, "every other target that the default reaches", able, bench.seeds(10))
    }
    at_most(bench, rows["every other target"], "every other target", (0.50, 0.45, 1.5))
    for name, of in (("set A", cases.SET_A), ("set B", cases.SET_B)):
        keys = cases.chosen(of)
        held = rows["every other target"]["problems"]
        pairs = np.array([held[label(key)]["whole"] for key in keys])
        ratio = float(pairs[:, 1].sum() / pairs[:, 0].sum())
        say(
            f"  {name}, of it ({len(keys)} problems): sum {pairs[:, 0].sum():.1f} and {pairs[:, 1].sum():.1f}, "
            f"ratio {ratio:.3f}"
        )
        rows[name] = {"sum_zeus": float(pairs[:, 0].sum()), "sum_ours": float(pairs[:, 1].sum()), "ratio": ratio}
    title = "targets that the default never reaches within max_epochs (the published simulator refuses them)"
    rows["default never reaches"] = against_zeus(bench, title, unable, bench.seeds(10))
    count = rows["default never reaches"]["stuck"][1]
    bench.claim(f"targets that the default never reaches: nothing stuck: {count:.0f} recurrences", count == 0)
    return rows


def overlap(bench: Bench) -> Row:
    """Submissions that overlap."""
    rows = {}
    for load, most in ((1.0, 0.5), (4.0, 0.22), (8.0, 0.28)):
        keys = cases.published(0.5)
        answers = bench.means(
            cases.overlap, [(name, key, load) for name in ("zeus", "ours") for key in keys], bench.seeds(10)
        )
        rows[f"{load:g}"] = bench.compare(f"overlap, {load:g} under way on average", keys, answers, ("whole",))
        ratio = rows[f"{load:g}"]["summary"]["whole"]["ratio"]
        bench.claim(f"overlap {load:g}: regret over Zeus's in total <= {most}: {ratio:.3f}", ratio <= most)
    return rows


def drift(bench: Bench) -> Row:
    """Targets that change untold."""
    names = ("zeus", "zeus, window 10", "ours")
    numbers = range(len(cases.DRIFT))
    answers = bench.means(cases.drift, [(name, number) for number in numbers for name in names], bench.seeds(10))
    say("\ndrift: regret (stuck recurrences; cost over the default's from the 20th recurrence after a change)")
    rows: Row = {}
    for number in numbers:
        mine = dict(zip(names, answers[number * len(names) : (number + 1) * len(names)], strict=True))
        dataset, device, levels = cases.DRIFT[number]
        title = f"{dataset} {device} {' '.join(f'{level:g}' for level in levels)}"
        cells = [
            f"{name} {one['whole']:.1f} ({one['stuck']:.0f}; {one['settled over default']:.2f})"
            for name, one in mine.items()
        ]
        say(f"  {title:30} default {mine['ours']['default']:.1f}  " + "  ".join(cells))
        rows[title] = mine
    bench.claim("drift: never stuck", all(one["ours"]["stuck"] == 0 for one in rows.values()))
    good = sum(one["ours"]["settled over default"] <= 1.0 for one in rows.values())
    bench.claim(
        f"drift: at or below the default's cost 20 recurrences after a change on every stream: {good} of {len(rows)}",
        good == len(rows),
    )
    return rows


def switches(bench: Bench) -> Row:
    """Another device, another goal, keeping what was learned of epochs."""
    devices = [
        ((d, a, 0.5, None), (d, b, 0.5, None))
        for d in cases.datasets()
        for a in cases.DEVICES
        for b in cases.DEVICES
        if a != b
    ]
    goals = [((d, device, 0.5, None), (d, device, 1.0, None)) for d in cases.datasets() for device in cases.DEVICES]
    rows = {}
    for title, pairs, most in (("another device", devices, 0.2), ("eta 0.5 to 1", goals, 0.15)):
        answers = bench.means(
            cases.switch, [(name, *pair) for name in ("zeus", "ours") for pair in pairs], bench.seeds(10)
        )
        labels = [after for _, after in pairs]
        rows[title] = bench.compare(f"{title}: 50 recurrences after the switch", labels, answers, ("whole",))
        ratio = rows[title]["summary"]["whole"]["ratio"]
        bench.claim(f"{title}: regret over that of Zeus from scratch in total <= {most}: {ratio:.3f}", ratio <= most)
    return rows


def families(bench: Bench) -> Row:
    """Jobs that nobody has measured."""
    rows = {}
    for family in ("bend", "valley", "level", "rough", "brief"):
        keys = [(family, "family", 0.5, float(number)) for number in range(300, 306 if bench.quick else 324)]
        rows[family] = against_zeus(bench, f"drawn jobs: {family}", keys, bench.seeds(2))
        one = rows[family]["summary"]["whole"]
        seen = f"{one['ratio']:.3f}, {one['geometric_mean']:.3f}"
        bench.claim(
            f"drawn jobs, {family}: in total <= 0.75, geometric mean <= 0.5: {seen}",
            one["ratio"] <= 0.75 and one["geometric_mean"] <= 0.5,
        )
    return rows


SECTIONS: dict[str, Callable[[Bench], Row]] = {
    "published": published,
    "last_five": last_five,
    "overlap": overlap,
    "switches": switches,
    "drift": drift,
    "other_targets": other_targets,
    "families": families,
}


def rounded(value: object) -> object:
    """Floats to six digits: what lies beyond is noise."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(inner) for inner in value]
    return value


def commit() -> str:
    """The commit that is measured."""
    told = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or "unknown"


def chosen(only: Sequence[str] | None) -> Iterator[tuple[str, Callable[[Bench], Row]]]:
    """Sections to run."""
    return ((name, section) for name, section in SECTIONS.items() if not only or name in only)


def main() -> None:
    """Run, print, and write result.json."""
    parser = argparse.ArgumentParser(description="Measure what is claimed of the policy for recurring jobs.")
    parser.add_argument("--quick", action="store_true", help="two seeds; writes no file")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="these sections; the others of result.json stay")
    options = parser.parse_args()
    if not cases.DATA.is_dir():
        sys.exit("the public traces are not at ../shared/data/zeus_nsdi23 (from the project's root)")
    output = Path(__file__).with_name("result.json")
    sections = json.loads(output.read_text()) if output.exists() else {}
    failed = total = 0
    with get_context("fork").Pool(2) as pool:
        for name, section in chosen(options.only):
            bench = Bench(pool, options.quick)
            row = section(bench)
            claims = [{"claim": text, "holds": holds} for text, holds in bench.claims]
            failed, total = failed + sum(not holds for _, holds in bench.claims), total + len(claims)
            sections[name] = rounded({"commit": commit(), "claims": claims, **row})
            if not options.quick:
                output.write_text(json.dumps(sections, indent=1) + "\n")
    say(f"\n{failed} of {total} claims fail")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
