"""Profiles that can be used are read as they were meant."""

from pathlib import Path

import pytest

from joulewise.errors import UsageError
from joulewise.records import Instruction, Profile, Provenance, Reading
from joulewise.wire.profile import read_profile, write_profile

ROOT = Path(__file__).parents[3]
MEASURED = ROOT.parent / "shared" / "data" / "perseus"
PLAIN = """stage,instruction,frequency,time,energy
0,forward,1410,0.05,23.8
0,forward,1110,0.06,18.9
0,backward,1410,0.09,44.5
0,backward,1110,0.11,35.4
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "stages", "readings"), [("gpt3-175b+a100_sxm_bf16.csv", 8, 608), ("bloom+a40_bf16.csv", 8, 960)]
)
def test_published_measurements_are_accepted_and_survive_a_round_trip(
    tmp_path: Path, name: str, stages: int, readings: int
) -> None:
    if not (MEASURED / name).exists():
        pytest.skip(f"published measurements are not at {MEASURED}")
    profile = read_profile(MEASURED / name)
    assert (profile.stages, len(profile.readings)) == (stages, readings)
    assert profile.provenance is Provenance.MEASURED
    assert profile.wait_power_w is None
    write_profile(tmp_path / "copy.csv", profile)
    assert read_profile(tmp_path / "copy.csv") == profile


def test_the_example_in_the_reference_is_read_as_it_says(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "reference" / "profile-format.md").read_text(encoding="utf-8")
    plain, richer = [part.split("```")[0] for part in page.split("```csv\n")[1:]]
    assert read_profile(write(tmp_path / "plain.csv", plain)).stages == 1
    profile = read_profile(write(tmp_path / "richer.csv", richer))
    assert profile.provenance is Provenance.SIMULATED
    assert profile.source == "two stages written by hand"
    assert profile.wait_power_w == (83.64, 80.0)
    assert profile.notes == ("any remark", "and another")
    assert profile.by_operation()[0, Instruction.LOAD] == (Reading(0, Instruction.LOAD, None, 0.002, 0.2),)
    assert [row.clock_mhz for row in profile.by_operation()[0, Instruction.FORWARD]] == [1410, 1410, 1110]


def test_units_in_column_names_are_converted(tmp_path: Path) -> None:
    milli = "stage,instruction,clock_mhz,time_ms,energy_mj\n" + "".join(
        f"0,{name},{clock},{time},{energy}\n"
        for name, clock, time, energy in [
            ("forward", 1410, 50, 23800),
            ("forward", 1110, 60, 18900),
            ("backward", 1410, 90, 44500),
            ("backward", 1110, 110, 35400),
        ]
    )
    first = read_profile(write(tmp_path / "profile.csv", milli)).readings
    assert first == read_profile(write(tmp_path / "profile.csv", PLAIN)).readings


def test_parallel_ranks_are_repetitions_of_their_stage(tmp_path: Path) -> None:
    rows = PLAIN.splitlines()
    text = "rank,dp_rank,pp_rank,tp_rank," + rows[0] + "\n"
    text += "".join(f"{rank},0,0,{rank},{row}\n" for rank in (0, 1) for row in rows[1:])
    groups = read_profile(write(tmp_path / "profile.csv", text)).by_operation()
    assert {key: len(rows) for key, rows in groups.items()} == {
        (0, Instruction.FORWARD): 4,
        (0, Instruction.BACKWARD): 4,
    }


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\n\n"),
        PLAIN.replace(",", " , "),
        PLAIN.replace("1410", "1410.0"),
        PLAIN.rstrip("\n"),
        PLAIN.replace("forward", '"forward"'),
        "#\n" + PLAIN,
    ],
)
def test_habits_of_other_programs_do_not_matter(tmp_path: Path, text: str) -> None:
    (tmp_path / "plain").mkdir()
    plain = read_profile(write(tmp_path / "plain" / "profile.csv", PLAIN))
    (tmp_path / "profile.csv").write_bytes(text.encode())
    assert read_profile(tmp_path / "profile.csv") == plain


def test_split_backward_counts_as_backward(tmp_path: Path) -> None:
    halves = PLAIN + "".join(
        f"1,{name},{clock},{time},20\n"
        for name in ("forward", "backward_input", "backward_weight")
        for clock, time in ((1410, 0.05), (1110, 0.06))
    )
    assert read_profile(write(tmp_path / "profile.csv", halves)).stages == 2


@pytest.mark.parametrize("change", ["source", "note", "wait"])
def test_what_the_format_cannot_hold_is_not_written(tmp_path: Path, change: str) -> None:
    good = read_profile(write(tmp_path / "profile.csv", PLAIN))
    bad = Profile(
        good.readings,
        good.provenance,
        "two\nlines" if change == "source" else "one",
        (1.0, 2.0) if change == "wait" else None,
        (" spaced",) if change == "note" else (),
    )
    with pytest.raises(UsageError):
        write_profile(tmp_path / "out.csv", bad)
    assert [path.name for path in tmp_path.iterdir()] == ["profile.csv"]


@pytest.mark.parametrize("target", ["missing/out.csv", "."])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, target: str) -> None:
    profile = read_profile(write(tmp_path / "profile.csv", PLAIN))
    with pytest.raises(UsageError, match="cannot write"):
        write_profile(tmp_path / target, profile)
    assert [path.name for path in tmp_path.iterdir()] == ["profile.csv"]
