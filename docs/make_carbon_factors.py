"""Make the shipped table of carbon intensities from the data inside a wheel of carbontracker.

    pip download --no-deps carbontracker==2.4.7
    python docs/make_carbon_factors.py carbontracker-2.4.7-py3-none-any.whl

The wheel carries a table per country, for its latest year, in the form and under the names of the series "Carbon
intensity of electricity" of Our World in Data (from Ember and the Energy Institute). The wheel does not name its
source; that it is this series is our reading of it. Rows of before 2020 and rows of zero are left out: a figure over
the life cycle is not zero, but a country that makes next to no power rounds to it. The page of the documentation is
written too.
"""

from __future__ import annotations

import csv
import io
import sys
import zipfile
from pathlib import Path

MEMBER = "carbontracker/data/carbon-intensities.csv"
VALUE = "Carbon intensity of electricity (gCO2eq/kWh)"
OLDEST = 2020
ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "src/joulewise/measure/footprint/carbon_intensity.csv"
PAGE = ROOT / "docs/reference/carbon-factors.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def main(wheel: str) -> None:
    """Write the table and the page."""
    with zipfile.ZipFile(wheel) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read(MEMBER).decode("utf-8-sig"))))
    kept = sorted(
        (row for row in rows if int(row["Year"]) >= OLDEST and float(row[VALUE]) > 0), key=lambda r: r["Code"]
    )
    lines = [
        f"# source: the table in carbontracker {Path(wheel).name.split('-')[1]}, which looks like Our World in Data's",
        "# licence: CC BY 4.0",
        "# scope: lifecycle",
        f"# obtained: {MEMBER} of {Path(wheel).name}, by docs/make_carbon_factors.py",
        "# note: yearly averages, location-based; rounded to 0.1 g; licence and scope: of Our World in Data",
        "alpha2,alpha3,country,year,g_per_kwh",
    ]
    table = [(r["alpha-2"], r["Code"], r["Entity"], r["Year"], f"{float(r[VALUE]):.1f}") for r in kept]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(table)
    TABLE.write_text("\n".join(lines) + "\n" + out.getvalue(), encoding="utf-8")
    shown = ["| code | country | year | g/kWh |", "|---|---|---:|---:|"]
    shown += [f"| {alpha2} | {country} | {year} | {value} |" for alpha2, _, country, year, value in table]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(before + "\n".join([BEGIN, *shown, END]) + after, encoding="utf-8")
    left_out = sorted(row["Entity"] for row in rows if row not in kept)
    print(f"{len(kept)} countries; left out: {', '.join(left_out)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
