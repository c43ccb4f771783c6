"""What the NVML driver knows without NVML: words, generations, and how it says that something is missing."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewise.devices.device import Host
from joulewise.devices.nvml import driver
from joulewise.devices.nvml_gpu import THROTTLE_WORDS, throttle_words
from joulewise.devices.nvml_library import translated
from joulewise.devices.nvml_power import AMPERE, HOPPER, MAXWELL, VOLTA, Sensing, power_sensing
from joulewise.devices.simulated.nvml_build import build_nvml
from joulewise.devices.simulated.nvml_page import NvmlPage
from joulewise.errors import CapabilityError, DeviceLostError, JoulewiseError, PermissionDeniedError, UsageError
from nvml_stage import needs_compiler, run_python

EXAMINE = """
from joulewise.devices.device import Host
from joulewise.devices.nvml import driver
assert driver.find(Host()) == []
for finding in driver.examine(Host()):
    assert not finding.found
    print(finding.looked_for, finding.seen, finding.fix, sep="|")
"""


@given(st.integers(0, 2**64 - 1))
def test_every_bit_is_said(bits):
    words = throttle_words(bits)
    assert all(word in words for bit, word in THROTTLE_WORDS.items() if bits & bit)
    unnamed = bits & ~sum(THROTTLE_WORDS)
    assert (f"unknown_{unnamed:#x}" in words) == bool(unnamed)


@pytest.mark.parametrize(
    ("board", "instant", "plain_is_average"),
    [
        ((AMPERE, (8, 0), "550.54"), Sensing(0.025, 0.25), False),
        ((AMPERE, (8, 6), "550.54"), Sensing(0.1, 1.0), True),
        ((AMPERE, (8, 6), "530.30.02"), Sensing(0.1, 1.0), False),
        ((HOPPER, (9, 0), "570.1"), Sensing(0.025, 0.25), True),
        ((VOLTA, (7, 0), "470.1"), Sensing(0.010, 0.5), False),
        ((MAXWELL, (5, 2), "470.1"), Sensing(0.1), False),
        ((10, (10, 0), "570.1"), Sensing(), True),
        ((0, (0, 0), "390.1"), Sensing(), False),
        ((2**32 - 1, (12, 0), "570.1"), Sensing(), False),
    ],
)
def test_power_is_sensed_as_published(board, instant, plain_is_average):
    sensing = power_sensing(*board)
    assert (sensing.instant, sensing.plain_is_average) == (instant, plain_is_average)


@given(st.integers(1, 1000))
def test_every_code_becomes_an_error_of_ours(code):
    error = translated(code, "text", "GPU-1", "call")
    expected = {2: UsageError, 3: CapabilityError, 4: PermissionDeniedError, 15: DeviceLostError}
    assert isinstance(error, expected.get(code, JoulewiseError))
    assert error.what
    assert error.fix


def test_other_machine_is_not_taken_for_this_one(tmp_path):
    host = Host(tmp_path, {})
    assert driver.find(host) == []
    (finding,) = driver.examine(host)
    assert not finding.found


def test_binding_that_is_not_installed(tmp_path):
    (tmp_path / "pynvml.py").write_text("raise ModuleNotFoundError('pynvml')")
    done = run_python(EXAMINE, PYTHONPATH=str(tmp_path))
    assert done.stdout == "nvidia-ml-py|not installed|pip install 'joulewise[nvidia]'\n", done.stderr


@pytest.mark.parametrize("path", ["pynvml/__init__.py", "pynvml.py"])
def test_other_package_of_the_same_name_is_refused(tmp_path, path):
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text("def nvmlInit(): raise SystemExit('used')\n")
    done = run_python(EXAMINE, PYTHONPATH=str(tmp_path))
    assert "third-party package pynvml" in done.stdout, done.stderr
    assert "pip uninstall pynvml" in done.stdout


def test_no_compiler_is_said(tmp_path):
    with pytest.raises(CapabilityError, match="no C compiler"):
        build_nvml({"PATH": str(tmp_path)}, tmp_path)


def test_compiler_that_fails_is_quoted(tmp_path):
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho no such luck >&2\nexit 1\n")
    compiler.chmod(0o755)
    with pytest.raises(UsageError, match="no such luck"):
        build_nvml({"CC": str(compiler)}, tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


@needs_compiler
def test_cache_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="XDG_CACHE_HOME"):
        build_nvml({**os.environ, "XDG_CACHE_HOME": str(tmp_path / "file")})


@needs_compiler
def test_library_is_built_once(tmp_path):

    folder = build_nvml(os.environ, tmp_path)
    assert build_nvml({"PATH": ""}, tmp_path) == folder
    assert [path.name for path in folder.iterdir()] == ["libnvidia-ml.so.1"]


def test_page_says_when_it_is_full(tmp_path):
    (gpu,) = NvmlPage(tmp_path / "page", 1).gpus
    with pytest.raises(UsageError, match="give at most 32"):
        gpu.set_errors({str(number): 3 for number in range(33)})
    with pytest.raises(UsageError, match="give at most 7"):
        gpu.set_slices([("", 0)] * 8)
