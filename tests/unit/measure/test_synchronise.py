"""Edges wait for accelerators of frameworks that are imported, and never import one."""

from __future__ import annotations

import json
import sys

import pytest

import joulewise as jw
from joulewise.clock import VirtualClock
from joulewise.errors import UsageError
from joulewise.measure.synchronise import wait_for_work
from joulewise.testing import FakeDevice
from nvml_stage import run_python

# Just enough of each framework's public face, as a package on the path of a child.
TORCH = """
class Backend:
    def __init__(self, devices, fails=False):
        self.devices, self.fails, self.waited = devices, fails, []
    def is_available(self): return self.devices > 0
    def is_initialized(self): return self.devices > 0
    def device_count(self): return self.devices
    def synchronize(self, index=None):
        if self.fails: raise RuntimeError("an earlier kernel failed")
        self.waited.append(index)
cuda, xpu = Backend({cuda}, {fails}), Backend({xpu})
class backends: mps = Backend(0)
mps = Backend(0)
"""
CUPY = """
waited = []
class cuda:
    class runtime:
        @staticmethod
        def getDeviceCount(): return 2
    class Device:
        def __init__(self, index): self.index = index
        def synchronize(self): waited.append(self.index)
"""


@pytest.fixture
def meter():
    clock = VirtualClock()
    return jw.Meter([FakeDevice(clock)], clock=clock)


def with_torch(tmp_path, code, **options):
    (tmp_path / "torch.py").write_text(TORCH.format(**{"cuda": 0, "xpu": 0, "fails": False, **options}))
    (tmp_path / "cupy.py").write_text(CUPY)
    start = "import json, sys\nfrom joulewise.measure.synchronise import wait_for_work\n"
    done = run_python(start + code, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_nothing_is_imported_for_it(tmp_path):
    code = "print(json.dumps([wait_for_work(), wait_for_work('torch'), 'torch' in sys.modules]))"
    assert with_torch(tmp_path, code, cuda=2) == [None, False, False]


def test_every_device_of_what_is_imported_is_waited_for(tmp_path):
    code = "import torch, cupy\nprint(json.dumps([wait_for_work(), torch.cuda.waited, torch.xpu.waited, cupy.waited]))"
    assert with_torch(tmp_path, code, cuda=2, xpu=1) == [True, [0, 1], [0], [0, 1]]


def test_one_framework_may_be_named(tmp_path):
    code = "import torch, cupy\nprint(json.dumps([wait_for_work('cupy'), torch.cuda.waited, cupy.waited]))"
    assert with_torch(tmp_path, code, cuda=2) == [True, [], [0, 1]]


def test_a_framework_without_accelerators_has_nothing_to_wait_for(tmp_path):
    assert with_torch(tmp_path, "import torch\nprint(json.dumps(wait_for_work()))") is None


def test_an_error_of_the_framework_is_told_and_not_raised(tmp_path):
    assert with_torch(tmp_path, "import torch\nprint(json.dumps(wait_for_work()))", cuda=1, fails=True) is False


def test_a_callable_waits_at_both_edges(meter):
    waited = []
    with meter.window(synchronise=lambda: waited.append(len(waited))) as w:
        meter.sleep(1.0)
    assert waited == [0, 1]
    assert w.synchronised is True
    assert w.result().synchronised is True


def test_a_window_says_when_it_could_not(meter):
    def fails():
        raise OSError

    with meter.window(synchronise=fails) as w:
        meter.sleep(1.0)
    assert w.result().synchronised is False
    assert any("may not have finished" in one for one in w.warnings)


def test_a_framework_that_nobody_knows_is_refused(meter):
    with pytest.raises(UsageError, match="'pytorch'; name torch, jax, cupy"):
        meter.begin("step", synchronise="pytorch")


def test_false_waits_for_nothing():
    assert wait_for_work(False) is None
    assert "cupy" not in sys.modules
