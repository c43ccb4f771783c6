"""Models of chips: what ships, and what is refused."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from joulewise.devices.simulated import model as module
from joulewise.devices.simulated.model import load_model, model_names, read_model
from joulewise.errors import InputFileError, UsageError

FOLDER = Path(module.__file__).with_name("models")


def test_models_that_are_promised_ship() -> None:
    assert {"v100", "a40", "a100", "h100", "b200", "mi300x", "epyc"} <= set(model_names())


@pytest.mark.parametrize("name", model_names())
def test_every_parameter_names_its_source(name: str) -> None:
    model = load_model(name)
    assert len(model.sources) > 40
    assert all(len(source) > 3 for source in model.sources.values())


@pytest.mark.parametrize("name", model_names())
def test_ranges_make_sense(name: str) -> None:
    model = load_model(name)
    clocks, limit = model.clock.core_mhz, model.limit
    assert (clocks[0], clocks[-1]) == (model.clock.minimum_mhz, model.clock.maximum_mhz)
    assert sorted(set(clocks)) == list(clocks)
    assert limit.minimum_w <= limit.default_w <= limit.maximum_w
    assert model.power.leakage_w_per_k * model.heat.resistance_k_per_w < 0.5, "heat would run away"
    assert 0 < limit.margin_frac <= 1


def test_v100_has_steps_of_seven_and_eight() -> None:
    clocks = load_model("v100").clock.core_mhz
    assert {b - a for a, b in pairwise(clocks)} == {7, 8}


def test_a100_has_the_81_clocks_of_the_listing() -> None:
    assert len(load_model("a100").clock.core_mhz) == 81


def test_unknown_model_names_what_is_known() -> None:
    with pytest.raises(UsageError, match="a100, a40"):
        load_model("abacus")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('source = "product name"', 'source = ""'),
        ("[heat]", "[warmth]"),
        ("idle_w = {", "idle_power_w = {"),
        ("value = 58,", "worth = 58,"),
        ("compute_frac = 0.92069", "compute_frac = 1.92"),
        ("[identity]", "[identity"),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, old: str, new: str) -> None:
    text = (FOLDER / "a100.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "broken.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputFileError, match="not the model of a chip"):
        read_model(tmp_path / "broken.toml")
