"""Laws of reading and writing profiles."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from joulewise.errors import InputFileError
from joulewise.records import Instruction, Profile, Provenance, Reading
from joulewise.wire.profile import read_profile, render_profile, write_profile

one_line = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
constant = st.sampled_from([Instruction.LOAD, Instruction.P2P, Instruction.OPTIMIZER, Instruction.EMBEDDING])


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    stages = draw(st.integers(1, 3))
    clocks = draw(st.lists(st.integers(200, 2500), min_size=2, max_size=4, unique=True))
    readings = []
    for stage in range(stages):
        for instruction in (Instruction.FORWARD, Instruction.BACKWARD):
            work = draw(st.floats(1, 5))
            for clock in clocks:
                for _ in range(draw(st.integers(1, 2))):
                    time = work / clock
                    power = 50 + clock * draw(st.floats(0.2, 0.2001))
                    readings.append(Reading(stage, instruction, clock, time, time * power))
        for instruction in draw(st.lists(constant, unique=True, max_size=2)):
            readings.append(Reading(stage, instruction, None, draw(st.floats(1e-6, 1)), 0.0))
    watts = st.floats(0, 3000)
    return Profile(
        tuple(draw(st.permutations(readings))),
        draw(st.sampled_from(Provenance)),
        draw(one_line),
        draw(st.none() | st.tuples(*[watts] * stages)),
        tuple(draw(st.lists(one_line, max_size=2))),
    )


@given(profiles())
def test_what_is_written_is_read_back_equal(profile: Profile) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "profile.csv")
        write_profile(path, profile)
        assert read_profile(path) == profile
        assert [one.name for one in Path(folder).iterdir()] == ["profile.csv"]


@given(profiles(), st.data())
def test_a_damaged_file_is_read_or_refused_never_a_crash(profile: Profile, data: st.DataObject) -> None:
    text = render_profile(profile)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 8)))
    damage = data.draw(st.text(st.sampled_from('0123456789.,-+eEnaif#:"\n\r \0x\u0664'), max_size=8))
    with TemporaryDirectory() as folder:
        path = Path(folder, "profile.csv")
        path.write_bytes((text[:start] + damage + text[end:]).encode())
        refused = None
        try:
            assert read_profile(path).readings
        except InputFileError as error:
            refused = error
        if refused is not None:
            lines = text.count("\n") + damage.count("\n") + damage.count("\r") + 1
            assert refused.file == str(path)
            assert all((refused.what, refused.seen, refused.fix))
            assert refused.row is None or 1 <= refused.row <= lines
