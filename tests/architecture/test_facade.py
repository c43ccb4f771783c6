"""``import joulewise`` is cheap, and offers few names, all of which exist."""

from __future__ import annotations

import doctest
import resource
import subprocess
import sys
import tomllib

import pytest
from house import ROOT

import joulewise

CPU_LIMIT_S = 0.2
HEAVY = ["fastapi", "highspy", "numpy", "plotly", "rich", "scipy", "torch", "typer"]


def children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_import_costs_less_than_a_fifth_of_a_second_of_cpu_interpreter_included():
    run("import joulewise")  # whatever is compiled once
    costs_s = []
    for _ in range(5):
        before_s = children_cpu_s()
        run("import joulewise")
        costs_s.append(children_cpu_s() - before_s)
    assert min(costs_s) < CPU_LIMIT_S, f"CPU seconds of five runs: {costs_s}"


def test_import_loads_nothing_heavy():
    loaded = run("import sys, joulewise; print(*sys.modules)").split()
    assert sorted(set(loaded) & set(HEAVY)) == []


def test_names_are_few_and_sorted():
    assert joulewise.__all__ == sorted(set(joulewise.__all__))
    assert len(joulewise.__all__) <= 20


@pytest.mark.parametrize("name", joulewise.__all__)
def test_name_is_found_and_is_that_of_its_home(name):
    found = getattr(joulewise, name)
    assert getattr(sys.modules[found.__module__], name) is found
    assert found.__doc__


def test_nothing_is_left_out_of_dir_and_nothing_else_resolves():
    assert {*joulewise.__all__, "__version__"} <= set(dir(joulewise))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = joulewise.nonsense


def test_version_is_that_of_pyproject_and_stands_in_the_changelog():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert joulewise.__version__ == version
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_example_is_true():
    result = doctest.testmod(joulewise)
    assert (result.attempted, result.failed) == (3, 0)
