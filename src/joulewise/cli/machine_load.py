"""Keep simulated devices as busy as this machine's CPUs are, so that live views and exporters of twins show life."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from joulewise.clock import Clock
from joulewise.devices.device import Busy, Device, Host
from joulewise.devices.simulated.shadow import FOLLOW_PERIOD_S, Shadow
from joulewise.errors import UsageError

IDLE = (3, 4)  # idle, iowait; the two columns after steal are part of the first two


def read_machine_cpu_s(host: Host) -> float:
    """CPU time that all processes of the machine have used [s], from /proc.

    Raises:
        UsageError: If there is no /proc.
    """
    path = host.path("/proc/stat")
    try:
        ticks = [int(word) for word in path.read_text(encoding="utf-8").split("\n")[0].split()[1:9]]
    except (OSError, ValueError) as error:
        raise UsageError("cannot tell how busy the machine is", f"{path}: {error}", "use Linux") from error
    return sum(one for place, one in enumerate(ticks) if place not in IDLE) / os.sysconf("SC_CLK_TCK")


@contextmanager
def following_machine(devices: Sequence[Device], clock: Clock) -> Iterator[None]:
    """Let those devices that no hardware keeps busy follow all CPUs together, a few times each second.

    Effects:
        Runs a thread, if there is such a device. They stay idle where there is no /proc.
    """
    chips, host = [one for one in devices if isinstance(one, Busy)], Host(clock=clock)
    ended = threading.Event()

    def follow() -> None:
        with suppress(UsageError):
            cpus = float(os.cpu_count() or 1)
            shadows = [Shadow(chip, clock, lambda: read_machine_cpu_s(host), cpus=cpus) for chip in chips]
            while not ended.wait(FOLLOW_PERIOD_S):
                for shadow in shadows:
                    shadow.follow()

    thread = threading.Thread(target=follow, name="joulewise-machine-load", daemon=True)
    if chips:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if chips:
            thread.join()
