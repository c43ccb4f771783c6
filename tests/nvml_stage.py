"""Simulated GPUs behind a real libnvidia-ml.so.1, for programs in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from joulewise.clock import MonotonicClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Device
from joulewise.devices.simulated.nvml_bridge import BOARDS, NvmlBoard, NvmlBridge
from joulewise.devices.simulated.nvml_build import build_nvml, find_compiler
from joulewise.devices.simulated.nvml_page import NvmlPage
from joulewise.testing.fake import FakeDevice

GPU_KINDS = tuple(kind for kind in Kind if not kind.startswith("cpu"))
CLOCK = MonotonicClock()

needs_compiler = pytest.mark.skipif(
    find_compiler(os.environ) is None or sys.platform != "linux", reason="no C compiler, or no Linux: no fake NVML"
)
needs_binding = pytest.mark.skipif(find_spec("pynvml") is None, reason="nvidia-ml-py is not installed")


def run_python(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run code in a Python that sees other environment variables."""
    source = str(Path(__file__).parents[1] / "src")
    path = os.pathsep.join(filter(None, (environ.pop("PYTHONPATH", ""), source, os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": path, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@dataclass
class Stage:
    """A page that is published."""

    page: NvmlPage
    bridge: NvmlBridge
    library: Path

    @property
    def environ(self) -> dict[str, str]:
        """What a program must see to meet the simulated GPUs."""
        return {"LD_LIBRARY_PATH": str(self.library), "JOULEWISE_NVML_PAGE": str(self.page.path)}

    def run(self, code: str) -> Any:
        """What a program prints as JSON that drives the GPUs through nvidia-ml-py."""
        done = run_python(code, **self.environ)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@contextmanager
def publish(folder: Path, twins: Sequence[Device], board: str | NvmlBoard = "h100") -> Iterator[Stage]:
    """Show twins as boards of one model."""
    library = build_nvml(os.environ, folder.parent / "nvml-cache")
    page = NvmlPage(folder / "page", len(twins))
    boards = [BOARDS[board] if isinstance(board, str) else board] * len(twins)
    with NvmlBridge(twins, boards, page, CLOCK) as bridge:
        yield Stage(page, bridge, library)


def fake_gpu(index: int = 0, **options: Any) -> FakeDevice:
    """A GPU that draws 250 W."""
    return FakeDevice(CLOCK, uid=f"fake-{index}", **{"kinds": GPU_KINDS, **options})
