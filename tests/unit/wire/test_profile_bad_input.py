"""Every bad profile is refused with its file, its line, what was seen and what to do."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from joulewise.errors import InputFileError
from joulewise.wire.profile import read_profile

CLOCKS = (1410, 1260, 1110, 960)
HEAD = "stage,instruction,clock_mhz,time_s,energy_j"


def good_lines(stages: int = 2) -> list[str]:
    """Line 1 has the columns; stage s has forward on lines 8s+2..8s+5 and backward on 8s+6..8s+9."""
    lines = [HEAD]
    for stage in range(stages):
        for name, work in (("forward", 60.0), ("backward", 120.0)):
            for clock in CLOCKS:
                time, power = work / clock, 100 + 300 * (clock / 1410) ** 3
                lines.append(f"{stage},{name},{clock},{time:.6g},{time * power:.6g}")
    return lines


def put(line: int, text: str) -> Callable[[list[str]], list[str]]:
    return lambda lines: [*lines[: line - 1], text, *lines[line:]]


def scale(column: int, factor: float) -> Callable[[list[str]], list[str]]:
    def change(lines: list[str]) -> list[str]:
        rows = [line.split(",") for line in lines[1:]]
        for row in rows:
            row[column] = repr(float(row[column]) * factor)
        return [lines[0], *(",".join(row) for row in rows)]

    return change


def shuffle(column: int) -> Callable[[list[str]], list[str]]:
    def change(lines: list[str]) -> list[str]:
        rows = [line.split(",") for line in lines[1:]]
        order = np.random.default_rng(1).permutation(len(rows))
        values = [row[column] for row in rows]
        return [
            lines[0],
            *(",".join([*row[:column], values[i], *row[column + 1 :]]) for row, i in zip(rows, order, strict=True)),
        ]

    return change


def header(text: str) -> Callable[[list[str]], list[str]]:
    return lambda lines: [text, *lines]


def without(*fragments: str) -> Callable[[list[str]], list[str]]:
    return lambda lines: [line for line in lines if not line.startswith(fragments)]


CASES: dict[str, tuple[Callable[[list[str]], list[str]], int | None, str, str]] = {
    # name: (change, line, what failed, what was seen)
    "empty": (lambda _: [], None, "empty", "no line"),
    "blank": (lambda _: ["", "  "], None, "empty", "no line"),
    "only columns": (lambda lines: lines[:1], None, "no readings", "no row"),
    "only header": (lambda _: ["# note: x"], None, "empty", "no line"),
    "unknown column": (put(1, HEAD + ",colour"), 1, "unknown column", "colour"),
    "semicolons": (put(1, HEAD.replace(",", ";")), 1, "unknown column", "stage;"),
    "missing column": (put(1, HEAD.replace(",energy_j", "")), 1, "missing column 'energy_j'", "time_s"),
    "duplicated column": (put(1, HEAD + ",energy_j"), 1, "two columns for the energy", "energy_j and energy_j"),
    "two units": (put(1, HEAD + ",time"), 1, "two columns for the time", "time_s and time"),
    "columns in the middle": (put(6, HEAD), 6, "unknown instruction", "instruction"),
    "too few fields": (put(3, "0,forward,1260,0.05"), 3, "expected 5 fields", "4 in"),
    "too many fields": (put(3, "0,forward,1260,0.05,20,1"), 3, "expected 5 fields", "6 in"),
    "open quote": (put(3, '0,"forward,1260,0.05,20'), 3, "comma-separated", "forward"),
    "comment in the middle": (put(3, "# a remark"), 3, "expected 5 fields", "1 in"),
    "text for a number": (put(3, "0,forward,1260,fast,20"), 3, "time_s must be", "fast"),
    "underscore": (put(3, "0,forward,1_260,0.05,20"), 3, "clock_mhz must be", "1_260"),
    "no time": (put(3, "0,forward,1260,,20"), 3, "time_s must be", "an empty field"),
    "nan": (put(3, "0,forward,1260,nan,20"), 3, "time_s must be", "nan"),
    "inf": (put(3, "0,forward,1260,0.05,inf"), 3, "energy_j must be", "inf"),
    "negative": (put(3, "0,forward,1260,0.05,-20"), 3, "energy_j must be", "-20"),
    "zero time": (put(3, "0,forward,1260,0,20"), 3, "no time", "0"),
    "negative stage": (put(3, "-1,forward,1260,0.05,20"), 3, "stage must be", "-1"),
    "half a stage": (put(3, "0.5,forward,1260,0.05,20"), 3, "whole number", "0.5"),
    "broken clock": (put(3, "0,forward,1260.5,0.05,20"), 3, "whole number", "1260.5"),
    "unknown instruction": (put(3, "0,sideways,1260,0.05,20"), 3, "unknown instruction", "sideways"),
    "huge stage": (put(3, "1e300,forward,1260,0.05,20"), 3, "stage 2 is missing", "stage 1000"),
    "missing stage": (without("0,"), 2, "stage 0 is missing", "stage 1 as the first"),
    "no forward": (without("1,f"), 10, "stage 1 has no forward", "backward"),
    "no backward": (without("0,b"), 2, "stage 0 has no backward", "forward"),
    "half a backward": (
        lambda lines: [line.replace("1,backward", "1,backward_input") for line in lines],
        10,
        "stage 1 has no backward_weight",
        "backward_input",
    ),
    "one clock": (without("1,forward,12", "1,forward,11", "1,forward,9"), 10, "one clock only", "1410 MHz in 1 row"),
    "mixed clocks": (put(4, "0,forward,,0.05,20"), 4, "rows with a clock and rows without", "empty clock"),
    "time in ms": (scale(3, 1e3), 2, "units look mixed up", "which no GPU draws"),
    "one time in ms": (put(3, "0,forward,1260,47.6,15"), 3, "units look mixed up", "47.6 s is 0.3"),
    "one row in milli-units": (put(3, "0,forward,1260,47.6,15000"), 3, "units look mixed up", "47.6 s where"),
    "energy in mJ": (scale(4, 1e3), 2, "units look mixed up", "which no GPU draws"),
    "energy in kJ": (scale(4, 1e-3), 2, "units look mixed up", "which no GPU draws"),
    "clock in GHz": (scale(2, 1e-3), 2, "not one of a GPU in MHz", "GHz"),
    "clock in kHz": (scale(2, 1e3), 2, "not one of a GPU in MHz", "kHz"),
    "clock in Hz": (scale(2, 1e6), 2, "not one of a GPU in MHz", "is it in Hz"),
    "random times": (shuffle(3), None, "does not", "rank correlation"),
    "random energies": (shuffle(4), None, "does not rise", "rank correlation"),
    "random clocks": (shuffle(2), None, "does not fall", "rank correlation"),
    "unknown header": (header("# wait_power: 80"), 1, "unknown header", "wait_power: 80"),
    "header without value": (header("# source:"), 1, "no value", "source"),
    "header twice": (lambda lines: ["# source: a", "# source: b", *lines], 2, "stands twice", "source: b"),
    "unknown schema": (header("# schema: joulewise.profile/9"), 1, "unknown schema", "joulewise.profile/9"),
    "unknown provenance": (header("# provenance: guessed"), 1, "unknown provenance", "guessed"),
    "wait power count": (header("# wait_power_w: 80 81 82"), 1, "one for each of the 2 stages", "3 values"),
    "wait power negative": (header("# wait_power_w: -80"), 1, "wait_power_w must be", "-80"),
    "wait power nan": (header("# wait_power_w: nan"), 1, "wait_power_w must be", "nan"),
    "wait power in mW": (header("# wait_power_w: 83640"), 1, "wait_power_w must be", "83640"),
    "wait power text": (header("# wait_power_w: low"), 1, "wait_power_w must be", "low"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_profile_is_refused_with_line_and_what_was_seen(tmp_path: Path, case: str) -> None:
    change, line, what, seen = CASES[case]
    path = tmp_path / "profile.csv"
    path.write_text("\n".join(change(good_lines())) + "\n", encoding="utf-8")
    with pytest.raises(InputFileError) as caught:
        read_profile(path)
    error = caught.value
    assert error.file == str(path)
    assert error.row == line or (line is None and "rank" in seen)
    assert what in error.what
    assert seen in error.seen
    assert error.fix


def test_the_profile_that_the_cases_change_is_good(tmp_path: Path) -> None:
    path = tmp_path / "profile.csv"
    path.write_text("\n".join(good_lines()), encoding="utf-8")
    assert read_profile(path).stages == 2


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary.csv").write_bytes(b"stage,\n\xff\xfe")
    for name, line, seen in [
        ("absent.csv", None, "No such file"),
        (".", None, "Is a directory"),
        ("binary.csv", 2, "byte 0xff"),
        ("nul\0.csv", None, "null"),
    ]:
        with pytest.raises(InputFileError) as caught:
            read_profile(tmp_path / name)
        assert caught.value.row == line
        assert seen in caught.value.seen


def test_noise_is_not_garbage(tmp_path: Path) -> None:
    """Memory-bound work is flat, and on real GPUs a lower clock can be a few percent faster."""
    lines = [HEAD]
    for name in ("forward", "backward"):
        lines += [
            f"0,{name},{clock},{time},{time * 300}" for clock, time in zip(CLOCKS, (0.5, 0.48, 0.49, 0.47), strict=True)
        ]
    path = tmp_path / "profile.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    assert len(read_profile(path).readings) == 8
