"""The law of a simulated GPU and its fit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from joulewise.devices.simulated import fit
from joulewise.devices.simulated.power_model import DeviceLaw, OperationLaw, load_device_law, read_device_law
from joulewise.errors import InputFileError, UsageError
from joulewise.records import Instruction, Profile, Provenance, Reading
from joulewise.wire.profile import read_profile

MEASURED = Path(__file__).parents[4] / "shared" / "data" / "perseus" / "gpt3-175b+a100_sxm_bf16.csv"
A100_TOML = Path(fit.__file__).with_name("a100.toml")


def profile_of(law: DeviceLaw) -> Profile:
    """What a GPU that follows the law exactly would have measured."""
    readings = [
        Reading(stage, one.instruction, clock, time, time * float(law.power_w(one, clock)))
        for one in law.operations
        for stage in one.stages
        for clock in law.clocks_mhz
        for time in [float(law.time_s(one, clock))]
    ]
    return Profile(tuple(readings), Provenance.SIMULATED, "exact")


def test_fit_finds_the_law_that_made_the_profile() -> None:
    law = load_device_law("a100")
    exact = profile_of(law)
    found = fit.fit_device_law(exact, law.name, law.wait_power_w, source=law.source)
    assert found.cap_mhz == law.cap_mhz
    assert found.clocks_mhz == law.clocks_mhz
    assert [one.stages for one in found.operations] == [one.stages for one in law.operations]
    errors = fit.fit_errors(found, exact.readings)
    assert errors.time_max < 1e-5
    assert errors.power_max < 1e-5


def test_without_a_cap_none_is_found() -> None:
    law = load_device_law("a100")
    free = replace(law, cap_mhz=law.clock_max_mhz)
    assert fit.fit_device_law(profile_of(free), "", 0.0).cap_mhz == law.clock_max_mhz


def test_lower_clock_is_slower_and_draws_less_up_to_the_cap() -> None:
    law = load_device_law("a100")
    for one in law.operations:
        clocks = np.array([clock for clock in law.clocks_mhz if clock <= law.cap_mhz])
        assert (np.diff(law.time_s(one, clocks)) > 0).all()
        assert (np.diff(law.power_w(one, clocks)) < 0).all()
        assert law.time_s(one, law.clock_max_mhz) == law.time_s(one, law.cap_mhz)
        assert law.power_w(one, law.clock_max_mhz) == law.power_w(one, law.cap_mhz)


@pytest.mark.parametrize("clock", [840, 1425, float("nan")])
def test_law_is_refused_outside_its_clocks(clock: float) -> None:
    law = load_device_law("a100")
    with pytest.raises(UsageError, match="855 to 1410 MHz"):
        law.power_w(law.operations[0], clock)


def test_unknown_device_or_operation_names_what_is_known() -> None:
    with pytest.raises(UsageError, match="known: a100"):
        load_device_law("../a100")
    with pytest.raises(UsageError, match="it has forward of"):
        load_device_law("a100").operation(Instruction.P2P, 0)


@pytest.mark.parametrize("text", ["", "name = 3", "[power]\n", "= 1"])
def test_a_file_that_is_no_law_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "law.toml").write_text(text)
    with pytest.raises(InputFileError, match="not the law of a GPU"):
        read_device_law(tmp_path / "law.toml")


def test_printed_law_is_read_back(tmp_path: Path) -> None:
    law = load_device_law("a100")
    (tmp_path / "law.toml").write_text(fit.render_toml(law, ["a comment"], "a source"), encoding="utf-8")
    assert read_device_law(tmp_path / "law.toml") == law


def test_too_few_clocks_are_refused() -> None:
    exact = profile_of(load_device_law("a100"))
    few = tuple(row for row in exact.readings if row.clock_mhz in {1410, 1200, 1005})
    with pytest.raises(UsageError, match="3 clocks"):
        fit.fit_device_law(replace(exact, readings=few), "", 0.0)


def test_committed_law_is_what_the_command_prints(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    if not MEASURED.exists():
        pytest.skip(f"published measurements are not at {MEASURED}")
    committed = load_device_law("a100")
    wait_source = next(
        line.split("source: ")[1]
        for line in A100_TOML.read_text(encoding="utf-8").splitlines()
        if line.startswith("wait_power_w")
    )
    options = ["--name", committed.name, "--wait-power-w", "83.64", "--wait-source", wait_source]
    assert fit.main([str(MEASURED), *options, "--source", committed.source]) == 0
    printed = capsys.readouterr().out
    (tmp_path / "law.toml").write_text(printed, encoding="utf-8")
    law = read_device_law(tmp_path / "law.toml")
    strip = {"operations": (), "c0_w": 0.0, "c1_w_per_ghz": 0.0, "c2_w_per_ghz3": 0.0}
    assert replace(law, **strip) == replace(committed, **strip)  # type: ignore[arg-type]
    power = (law.c0_w, law.c1_w_per_ghz, law.c2_w_per_ghz3)
    assert power == pytest.approx((committed.c0_w, committed.c1_w_per_ghz, committed.c2_w_per_ghz3), rel=1e-4)
    for one, other in zip(law.operations, committed.operations, strict=True):
        assert (one.instruction, one.stages) == (other.instruction, other.stages)
        figures = (other.a_s, other.b_s_ghz, other.power_scale)
        assert (one.a_s, one.b_s_ghz, one.power_scale) == pytest.approx(figures, rel=1e-4)
    assert printed.splitlines()[:7] == A100_TOML.read_text(encoding="utf-8").splitlines()[:7]


def test_committed_law_is_near_the_measurements() -> None:
    if not MEASURED.exists():
        pytest.skip(f"published measurements are not at {MEASURED}")
    profile = read_profile(MEASURED)
    errors = fit.fit_errors(load_device_law("a100"), profile.readings)
    assert errors.time_mean < 0.005
    assert errors.power_mean < 0.015
    held_out = fit.held_out_errors(profile)
    assert held_out.time_max < 0.015
    assert held_out.power_max < 0.04


def test_fit_command_says_what_is_missing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert fit.main([str(tmp_path / "absent.csv")]) == 2
    assert "absent.csv" in capsys.readouterr().err


def test_operation_law_is_a_plain_value() -> None:
    one = OperationLaw(Instruction.FORWARD, (0,), 1.0, 2.0, 1.0)
    law = load_device_law("a100")
    assert float(law.time_s(one, 1000)) == pytest.approx(3.0)
