"""Simulated profiles, the command that makes them, and the example that it made."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from joulewise.cli.sim import app
from joulewise.devices.simulated.power_model import load_device_law
from joulewise.errors import UsageError
from joulewise.records import Instruction, Provenance
from joulewise.sim.profile import partition_layers, simulate_profile
from joulewise.wire.profile import read_profile, render_profile

EXAMPLE = Path(__file__).parents[3] / "examples" / "profiles" / "sim-a100-8stages.csv"


def test_committed_example_is_what_its_command_makes(tmp_path: Path) -> None:
    made_by = next(note for note in read_profile(EXAMPLE).notes if note.startswith("made by: joulewise sim "))
    output = tmp_path / "profile.csv"
    arguments = made_by.removeprefix("made by: joulewise sim ").split()
    result = CliRunner().invoke(app, [*arguments, "-o", str(output)])
    assert result.exit_code == 0, result.output
    assert output.read_bytes() == EXAMPLE.read_bytes()


def test_defaults_make_the_example(tmp_path: Path) -> None:
    output = tmp_path / "profile.csv"
    command = f"profile --device a100 --stages 8 --seed 0 -o {output}"
    assert CliRunner().invoke(app, command.split()).exit_code == 0
    assert output.read_bytes() == EXAMPLE.read_bytes()


def test_example_says_that_it_is_simulated() -> None:
    profile = read_profile(EXAMPLE)
    assert profile.provenance is Provenance.SIMULATED
    assert any("simulated" in note for note in profile.notes)
    assert profile.wait_power_w == (83.64,) * 8


def test_stages_are_of_unequal_size() -> None:
    groups = read_profile(EXAMPLE).by_operation()
    fastest = [min(row.time_s for row in groups[stage, Instruction.FORWARD]) for stage in range(8)]
    assert max(fastest) / min(fastest) > 1.05


def test_unknown_device_writes_nothing(tmp_path: Path) -> None:
    output = tmp_path / "profile.csv"
    result = CliRunner().invoke(app, ["profile", "--device", "abacus", "-o", str(output)])
    assert isinstance(result.exception, UsageError)
    assert not output.exists()


@pytest.mark.slow
@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 2**32))
def test_simulated_profile_is_usable_and_repeatable(stages: int, repetitions: int, seed: int) -> None:
    law = load_device_law("a100")
    profile = simulate_profile(law, stages, repetitions=repetitions, seed=seed)
    assert profile.stages == stages
    assert len(profile.readings) == stages * 2 * len(law.clocks_mhz) * repetitions
    assert render_profile(profile) == render_profile(simulate_profile(law, stages, repetitions=repetitions, seed=seed))


@given(st.integers(1, 200), st.integers(1, 64))
def test_partition_keeps_every_layer_and_is_even(layers: int, stages: int) -> None:
    if stages > layers:
        with pytest.raises(UsageError):
            partition_layers(layers, stages)
        return
    sizes = partition_layers(layers, stages)
    assert (len(sizes), sum(sizes)) == (stages, layers)
    assert max(sizes) - min(sizes) <= 1
