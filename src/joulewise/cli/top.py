"""``joulewise top``: what devices use now, and which processes draw it, live in the terminal."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Annotated

import typer


def top(
    *,
    device: Annotated[
        list[str] | None, typer.Option(help="Which, as in nvidia:0, cpu or sim:a100x8; may be given again.")
    ] = None,
    period: Annotated[float, typer.Option(min=0.1, max=3600, help="How often to refresh, in seconds.")] = 1.0,
) -> None:
    """Show power, limits, clocks, temperature and energy of devices, and the processes that draw it.

    A simulated device is as busy as this machine's CPUs. Press ? for the keys.
    """
    from joulewise.cli.device_names import device_names  # noqa: PLC0415 (--help needs none of this)
    from joulewise.cli.left_behind import report_left_behind  # noqa: PLC0415
    from joulewise.cli.machine_load import following_machine  # noqa: PLC0415
    from joulewise.cli.top_shares import ProcessShares  # noqa: PLC0415
    from joulewise.clock import MonotonicClock  # noqa: PLC0415
    from joulewise.devices.device import Host  # noqa: PLC0415
    from joulewise.devices.selection import find_devices  # noqa: PLC0415
    from joulewise.errors import MissingExtraError, UsageError  # noqa: PLC0415
    from joulewise.export.watch import Watch  # noqa: PLC0415

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        fix = "run it in one; joulewise run and joulewise export tell the same to files and to other tools"
        raise UsageError("joulewise top needs a terminal", "its input or output is none", fix)
    if find_spec("textual") is None:
        raise MissingExtraError("top")
    from joulewise.cli.top_app import TopApp  # noqa: PLC0415

    report_left_behind()
    clock = MonotonicClock()
    host = Host(clock=clock)
    devices = find_devices(device, host)
    if not devices:
        raise UsageError("there is nothing to watch", "no device was found", "joulewise doctor says why")
    shares = ProcessShares(devices, host)
    with following_machine(devices, clock), Watch(devices, clock, device_names(devices, host)) as watch:
        TopApp(watch, shares.mark, shares.reset, clock, period).run()
