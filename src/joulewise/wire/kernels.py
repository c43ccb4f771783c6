"""Read and write described kernel sequences: time and energy of each kernel of an iteration, clock by clock.

The format is described in docs/reference/kernel-format.md.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from joulewise.errors import InputFileError
from joulewise.records import Provenance
from joulewise.wire.atomic import write_text_atomically
from joulewise.wire.profile_rows import Header, split_header

SCHEMA = "joulewise.kernels/1"
COLUMNS = ("phase", "block", "repeats", "kernel", "clock_mhz", "time_s", "energy_j")


@dataclass(frozen=True, slots=True)
class KernelReading:
    """What a kernel takes and draws at a clock.

    Attributes:
        phase: The pass that it belongs to, such as forward.
        block: The layer that it belongs to; kernels in a row with the same phase and block are one layer.
        repeats: How many such layers follow each other.
        kernel: Its name.
        clock_mhz: Core clock [MHz].
        time_s, energy_j: What it takes [s] and draws [J] once.
    """

    phase: str
    block: str
    repeats: int
    kernel: str
    clock_mhz: int
    time_s: float
    energy_j: float


@dataclass(frozen=True, slots=True)
class KernelFile:
    """A described sequence: readings in the order in which kernels run, all clocks of a kernel together.

    Attributes:
        readings: The rows.
        provenance: Where the figures come from.
        source: The same for people.
        wait_power_w: What the device draws while it waits for a switch [W].
        notes: Remarks.
    """

    readings: tuple[KernelReading, ...]
    provenance: Provenance
    source: str
    wait_power_w: float = 0.0
    notes: tuple[str, ...] = ()


def read_kernels(path: str | Path) -> KernelFile:
    """Read a kernel sequence from a CSV file.

    Raises:
        InputFileError: If the file cannot be used: names the file, the line, what was seen and what to do.
    """
    file = str(path)
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError) as error:
        fix = "name a readable CSV file in UTF-8"
        raise InputFileError(file, None, "cannot read the kernel sequence", str(error), fix) from error
    headers, begin = split_header(file, lines)
    known = {header.key: header for header in headers}
    schema = known.get("schema")
    if schema is None or schema.value != SCHEMA:
        seen = "no schema" if schema is None else schema.value
        raise InputFileError(
            file, schema.line if schema else None, "unknown schema", seen, f"begin '# schema: {SCHEMA}'"
        )
    rows = csv.reader(lines[begin:])
    if tuple(next(rows)) != COLUMNS:
        raise InputFileError(file, begin + 1, "unknown columns", lines[begin], f"use {','.join(COLUMNS)}")
    readings = []
    for line, row in enumerate(rows, begin + 2):
        if row:
            readings.append(_reading(file, line, row))
    if not readings:
        raise InputFileError(file, begin + 1, "no kernels", "only column names", "give a row for each kernel and clock")
    return KernelFile(
        tuple(readings),
        _provenance(file, known.get("provenance")),
        known["source"].value if "source" in known else Path(path).name,
        _watts(file, known.get("wait_power_w")),
        tuple(header.value for header in headers if header.key == "note"),
    )


def write_kernels(path: str | Path, sequence: KernelFile) -> None:
    """Write a kernel sequence, so that ``read_kernels`` gives it back equal. Replaces the file, whole or not at all."""
    stream = io.StringIO()
    headers = [("schema", SCHEMA), ("provenance", sequence.provenance.value), ("source", sequence.source)]
    headers += [("wait_power_w", repr(sequence.wait_power_w)), *(("note", note) for note in sequence.notes)]
    stream.writelines(f"# {key}: {value}\n" for key, value in headers)
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([getattr(reading, column) for column in COLUMNS] for reading in sequence.readings)
    write_text_atomically(path, stream.getvalue())


def _reading(file: str, line: int, row: list[str]) -> KernelReading:
    try:
        phase, block, repeats, kernel, clock_mhz, time_s, energy_j = row
        reading = KernelReading(phase, block, int(repeats), kernel, int(clock_mhz), float(time_s), float(energy_j))
    except ValueError as error:
        fix = f"give {','.join(COLUMNS)}, whole numbers for repeats and clock_mhz"
        raise InputFileError(file, line, "a row is not usable", ",".join(row), fix) from error
    usable = 0 <= reading.time_s < float("inf") and 0 <= reading.energy_j < float("inf")
    if not usable or reading.repeats < 1 or reading.clock_mhz < 1 or not kernel:
        fix = "give a name, repeats and clock from 1, time and energy from 0"
        raise InputFileError(file, line, "a row is not usable", ",".join(row), fix)
    return reading


def _provenance(file: str, header: Header | None) -> Provenance:
    if header is None:
        return Provenance.MEASURED
    try:
        return Provenance(header.value)
    except ValueError:
        fix = f"use one of {', '.join(one.value for one in Provenance)}"
        raise InputFileError(file, header.line, "unknown provenance", header.value, fix) from None


def _watts(file: str, header: Header | None) -> float:
    try:
        watts = 0.0 if header is None else float(header.value)
    except ValueError:
        watts = -1.0
    if header is not None and not 0 <= watts < float("inf"):
        raise InputFileError(file, header.line, "the waiting power is not usable", header.value, "give watts")
    return watts
