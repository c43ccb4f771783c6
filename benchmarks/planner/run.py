"""Measure what is claimed of the planner, in one run on one machine; see README.md.

python benchmarks/planner/run.py             everything but lowtime with 32 microbatches
python benchmarks/planner/run.py --long      that too
python benchmarks/planner/run.py --quick     what takes less than a minute
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

import many_plans
import published
import quality
import reaction
import speed
import worst_case
from cases import DATA
from measure import Section, commit, machine

LOWTIME = "0.3.0"


def check_installed() -> None:
    """End with a message if lowtime is missing or of another version."""
    try:
        found = metadata.version("lowtime")
    except metadata.PackageNotFoundError:
        found = "not installed"
    if found != LOWTIME:
        sys.exit(f"this benchmark compares with lowtime {LOWTIME} (here: {found}): pip install lowtime=={LOWTIME}")


def main() -> None:
    """Run, print, and write result.json."""
    parser = argparse.ArgumentParser(description="Measure what is claimed of the planner.")
    parser.add_argument("--quick", action="store_true", help="what takes less than a minute; writes no file by default")
    parser.add_argument("--long", action="store_true", help="compare plans for 32 microbatches too: ten minutes more")
    parser.add_argument("--only", nargs="+", metavar="SECTION", help="measure these sections and keep the others")
    parser.add_argument("--output", type=Path, help="file for the result")
    options = parser.parse_args()
    check_installed()
    if not DATA.is_dir():
        sys.exit("the public stage profiles are not at ../shared/data/perseus (from the project's root)")
    output = options.output or (None if options.quick else Path(__file__).with_name("result.json"))
    sections: list[Section] = []
    measures: dict[str, Callable[[], Section]] = {
        "published": lambda: published.measure(options.quick),
        "reaction": lambda: reaction.measure(options.quick),
        "many_plans": lambda: many_plans.measure(options.quick),
        "worst_case": lambda: worst_case.measure(options.quick),
        "speed": lambda: speed.measure(options.quick),
        "quality": lambda: quality.measure(options.quick, options.long),
    }
    for name in set(options.only or ()) - set(measures):
        parser.error(f"no section {name}; there are {', '.join(measures)}")
    kept = json.loads(output.read_text())["sections"] if options.only and output and output.exists() else {}
    stamped: dict[str, object] = {}
    for name, measure in measures.items():
        if options.only and name not in options.only:
            continue
        stamp = {"commit": commit(), "load_before": machine()["load"]}
        sys.stderr.write(f"measuring {name} ...\n")
        section = measure()
        sections.append(section)
        stamped[section.title] = {**stamp, "claims": [claim.row() for claim in section.claims], **section.details}
        sys.stdout.write("\n".join([f"\n{section.title}", *(f"  {claim}" for claim in section.claims)]) + "\n")
        if section.title == "published savings":
            sys.stdout.write(published.table(section) + "\n")
        if section.title == "full exact frontier":
            for size, ratio in section.details["lowtime_over_ours"].items():
                peer = section.details["lowtime"][size]
                ours = section.details["ours"][size.split(",")[0]]
                sys.stdout.write(
                    f"  {size:16} lowtime {peer['cpu_s']:9.2f} s, {peer['peak_mb']:4.0f} MB ({peer['how']}); "
                    f"ours {ours['cpu_s']:7.4f} s, {ours['peak_mb']:4.0f} MB; ratio {ratio:,.0f}\n"
                )
        sys.stdout.flush()
        if output is not None:
            result = {"machine": machine(), "lowtime": LOWTIME, "sections": {**kept, **stamped}}
            output.write_text(json.dumps(_rounded(result), indent=1) + "\n")
    failed = [claim for section in sections for claim in section.claims if not claim.holds]
    sys.stdout.write(f"\n{len(failed)} of {sum(len(s.claims) for s in sections)} claims fail\n")
    sys.exit(bool(failed))


def _rounded(value: object) -> object:
    """Floats to six digits: what lies beyond is noise."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return value


if __name__ == "__main__":
    main()
