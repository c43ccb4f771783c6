"""``joulewise sim nvml -- CMD``: run any program that uses NVML with simulated GPUs in place of real ones."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from joulewise.clock import Clock


def nvml(
    command: Annotated[list[str], typer.Argument(help="Program and its arguments, after --.", metavar="CMD...")],
    *,
    device: Annotated[str, typer.Option(help="Simulated GPUs, such as sim:a100x2.")] = "sim:a100",
    busy: Annotated[
        float | None, typer.Option(min=0, max=1, help="How busy the GPUs are; by default as the program keeps a CPU.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not say on stderr that the GPUs are simulated.")] = False,
) -> None:
    """Run a program that uses NVML on simulated GPUs; exit code, signals and standard streams are the program's."""
    from joulewise.cli.child import end_by_signal, run_forwarding  # noqa: PLC0415 (--help needs none of this)
    from joulewise.clock import MonotonicClock  # noqa: PLC0415
    from joulewise.devices.device import Host  # noqa: PLC0415
    from joulewise.devices.selection import find_devices  # noqa: PLC0415
    from joulewise.devices.simulated.nvml_bridge import NvmlBridge, boards_of  # noqa: PLC0415
    from joulewise.devices.simulated.nvml_build import build_nvml  # noqa: PLC0415
    from joulewise.devices.simulated.nvml_page import NvmlPage  # noqa: PLC0415

    clock = MonotonicClock()
    twins = find_devices(device, Host(clock=clock))
    boards = boards_of(twins)
    library = build_nvml(os.environ)
    if not quiet:
        verb = "GPUs of {} are" if len(twins) > 1 else "GPU of {} is"
        typer.echo(f"joulewise: {len(twins)} {verb.format(device)} simulated", err=True)
    with tempfile.TemporaryDirectory(prefix="joulewise-nvml-") as folder:
        page = NvmlPage(Path(folder) / "page", len(twins))
        with NvmlBridge(twins, boards, page, clock):
            paths = [str(library), os.environ.get("LD_LIBRARY_PATH", "")]
            seen = {"LD_LIBRARY_PATH": os.pathsep.join(filter(None, paths)), "JOULEWISE_NVML_PAGE": str(page.path)}
            load = partial(_keep_busy, twins, clock, busy)
            code = run_forwarding(command, {**os.environ, **seen}, load).code
    if code < 0:
        end_by_signal(-code)
    raise typer.Exit(code)


@contextmanager
def _keep_busy(twins: Sequence[Any], clock: Clock, busy: float | None, pid: int) -> Iterator[None]:
    """Load twins, evenly if ``busy`` says how much, else as a process loads a CPU."""
    from joulewise.devices.simulated.shadow import MEMORY_SHARE, following  # noqa: PLC0415

    if busy is None:
        with following(twins, clock, pid):
            yield
        return
    for twin in twins:
        twin.set_activity(busy, busy * MEMORY_SHARE)
    yield
