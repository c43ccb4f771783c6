"""Measure what is claimed of live pipelines; see README.md.

python benchmarks/perseus/run.py                     all sections; writes result.json
python benchmarks/perseus/run.py --quick             what takes less than a minute or two; writes nothing
python benchmarks/perseus/run.py --only plan_time    one section again, the others of result.json stay

A section is a module of this folder with measure(quick) -> Section and table(section) -> str, named in SECTIONS.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
sys.path.append(str(Path(__file__).resolve().parents[1] / "planner"))  # sections, claims and cases are shared

from cases import DATA
from measure import commit, machine

SECTIONS = ("plan_time", "setter", "emulation")


def main() -> None:
    """Run, print, and write result.json."""
    parser = argparse.ArgumentParser(description="Measure what is claimed of live pipelines.")
    parser.add_argument("--quick", action="store_true", help="the smallest rows only; writes nothing")
    parser.add_argument("--only", nargs="+", metavar="SECTION", choices=SECTIONS, help="measure these only")
    options = parser.parse_args()
    if not DATA.is_dir():
        sys.exit("the public stage profiles are not at ../shared/data/perseus (from the project's root)")
    output = Path(__file__).with_name("result.json")
    kept = json.loads(output.read_text())["sections"] if output.exists() else {}
    failed = 0
    for name in options.only or SECTIONS:
        module = importlib.import_module(name)
        stamp = {"commit": commit(), "machine": machine()}
        section = module.measure(options.quick)
        failed += sum(not claim.holds for claim in section.claims)
        lines = [f"\n{section.title}", *(f"  {claim}" for claim in section.claims), module.table(section)]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        if not options.quick:
            kept[name] = {**stamp, "claims": [claim.row() for claim in section.claims], **section.details}
            output.write_text(json.dumps({"sections": _rounded(kept)}, indent=1) + "\n")
    sys.exit(bool(failed))


def _rounded(value: object) -> object:
    """Floats to six digits: what lies beyond is noise."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list | tuple) else value


if __name__ == "__main__":
    main()
