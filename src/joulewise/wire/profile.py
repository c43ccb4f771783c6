"""Read and write profiles: the time and energy of each operation of a pipeline, clock by clock.

The format, in both its forms, is described in docs/reference/profile-format.md.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from joulewise.errors import InputFileError, UsageError
from joulewise.records import Profile, Provenance
from joulewise.wire.atomic import write_text_atomically
from joulewise.wire.profile_checks import check_rows
from joulewise.wire.profile_rows import COLUMNS, SCHEMA, Header, read_rows, split_header


def read_profile(path: str | Path) -> Profile:
    """Read a profile from a CSV file.

    Rows that name data- or tensor-parallel ranks (columns rank, dp_rank, pp_rank, tp_rank) become
    repetitions of their stage: these ranks do the same work side by side, and a reading is that of one GPU.

    Args:
        path: File in either form of docs/reference/profile-format.md.

    Returns:
        The profile; ``source`` is the header's, or the name of the file. ``wait_power_w`` has one value per stage.

    Raises:
        InputFileError: If the file cannot be used: names the file, the line, what was seen and what to do.

    Effects:
        Reads the file; changes nothing.
    """
    return _parse(str(path), Path(path).name, _read_lines(str(path), Path(path)))


def write_profile(path: str | Path, profile: Profile) -> None:
    """Write a profile in the richer form, so that ``read_profile`` gives it back equal.

    Args:
        path: File to write, whole or not at all.
        profile: What to write.

    Raises:
        InputFileError: If the readings do not make a usable profile; nothing is written.
        UsageError: If the profile does not fit the format or the file cannot be written.

    Effects:
        Replaces the file.
    """
    write_text_atomically(path, render_profile(profile))


def render_profile(profile: Profile) -> str:
    """The text that ``write_profile`` writes.

    Raises:
        InputFileError: If the readings do not make a usable profile.
        UsageError: If the source or a note does not fit one line, or the wait power does not fit the stages.
    """
    headers = [("schema", SCHEMA), ("provenance", profile.provenance.value), ("source", profile.source)]
    if profile.wait_power_w is not None:
        watts = profile.wait_power_w[:1] if len(set(profile.wait_power_w)) == 1 else profile.wait_power_w
        headers.append(("wait_power_w", " ".join(repr(float(watt)) for watt in watts)))
    headers += [("note", note) for note in profile.notes]
    for key, value in headers:
        if value.splitlines() != [value] or value.strip() != value:
            raise UsageError(
                f"the {key} of a profile must be one line, without space around it", f"seen: {value!r}", "shorten it"
            )
    stream = io.StringIO()
    stream.writelines(f"# {key}: {value}\n" for key, value in headers)
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(
        (row.stage, row.instruction.value, row.clock_mhz, row.time_s, row.energy_j) for row in profile.readings
    )
    text = stream.getvalue()
    if _parse(profile.source, profile.source, text.split("\n")) != profile:
        raise UsageError(
            "the profile does not fit the format",
            f"seen: {len(profile.wait_power_w or ())} values of wait_power_w for {profile.stages} stages",
            "give tuples, and one wait_power_w per stage",
        )
    return text


def _parse(file: str, name: str, lines: list[str]) -> Profile:
    headers, start = split_header(file, lines)
    values = {header.key: header for header in headers}
    _check_schema(file, values.get("schema"))
    provenance = _read_provenance(file, values.get("provenance"))
    rows = list(read_rows(file, lines[start:], start + 1))
    check_rows(file, rows)
    stages = 1 + max(row.reading.stage for row in rows)
    return Profile(
        readings=tuple(row.reading for row in rows),
        provenance=provenance,
        source=values["source"].value if "source" in values else name,
        wait_power_w=_read_wait_power(file, values.get("wait_power_w"), stages),
        notes=tuple(header.value for header in headers if header.key == "note"),
    )


def _read_lines(file: str, path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        seen = f"byte 0x{error.object[error.start]:02x} at offset {error.start}"
        row = error.object[: error.start].count(b"\n") + 1
        raise InputFileError(file, row, "the file is not UTF-8 text", seen, "save it as CSV in UTF-8") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise InputFileError(
            file, None, "cannot read the profile", reason or str(error), "name a readable CSV file"
        ) from error


def _check_schema(file: str, header: Header | None) -> None:
    if header is not None and header.value != SCHEMA:
        raise InputFileError(
            file,
            header.line,
            "unknown schema",
            header.value,
            f"use {SCHEMA}, or a joulewise that knows this one",
        )


def _read_provenance(file: str, header: Header | None) -> Provenance:
    if header is None:
        return Provenance.MEASURED
    try:
        return Provenance(header.value)
    except ValueError:
        known = ", ".join(Provenance)
        raise InputFileError(
            file, header.line, "unknown provenance", repr(header.value), f"use one of {known}"
        ) from None


def _read_wait_power(file: str, header: Header | None, stages: int) -> tuple[float, ...] | None:
    if header is None:
        return None
    try:
        watts = tuple(float(text) for text in header.value.replace(",", " ").split())
    except ValueError:
        watts = ()
    if not watts or not all(0 <= watt <= 3000 for watt in watts):
        raise InputFileError(
            file,
            header.line,
            "wait_power_w must be watts of one GPU, from 0 to 3000",
            header.value,
            "give one value, or one per stage separated by spaces",
        )
    if len(watts) not in (1, stages):
        raise InputFileError(
            file,
            header.line,
            f"wait_power_w must have one value, or one for each of the {stages} stages",
            f"{len(watts)} values",
            "add or remove values",
        )
    return watts * stages if len(watts) == 1 else watts
