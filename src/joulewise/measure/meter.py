"""The meter: what devices use while programs run.

>>> from joulewise.clock import VirtualClock
>>> meter = Meter("sim:a100", clock=VirtualClock())
>>> with meter.window("nap") as nap:
...     meter.sleep(10.0)
>>> nap.lo_j < nap.energy_j < nap.hi_j, str(nap.provenance)
(True, 'simulated')
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from joulewise.clock import Clock, MonotonicClock, epoch_offset_s
from joulewise.devices.device import Device, Host
from joulewise.devices.selection import find_devices
from joulewise.errors import UsageError
from joulewise.measure.sampler import Sampler
from joulewise.measure.synchronise import Wait
from joulewise.measure.window import Window

if TYPE_CHECKING:
    import random

    from joulewise.measure.baseline import Baseline
    from joulewise.measure.measurement import Measurement
    from joulewise.measure.repeat import Repeated
    from joulewise.measure.steps import Steps
    from joulewise.measure.timeline import Timeline

T = TypeVar("T")
PATIENCE_S = 2.0


class Meter:
    """Measures what devices use, in windows of time.

    Args:
        devices: Which, as in ``nvidia:0`` or ``sim:a100``, or several of these; or devices themselves. By default all
            that are found.
        clock: Time; with a virtual clock there is no thread, and devices are read at edges and by `tick`.
        chance: For the jitter of readings of sensors that see only part of the time.

    Raises:
        UsageError: If a text means no device.

    Effects:
        Nothing is read before the first window. Then one thread reads, until `close`, until nobody holds the meter any
        more, or the program ends. Any thread may open and end windows. A child that was forked reads for itself.
    """

    def __init__(
        self,
        devices: str | Sequence[str] | Iterable[Device] | None = None,
        *,
        clock: Clock | None = None,
        chance: random.Random | None = None,
    ) -> None:
        """Find the devices."""
        self.clock = clock or MonotonicClock()
        self.devices: tuple[Device, ...] = tuple(_meant(devices, self.clock))
        self.sampler = Sampler(self.devices, self.clock, chance)
        self._epoch_offset_s = epoch_offset_s(self.clock)
        self._idle_w: dict[str, float] = {}

    def window(self, name: str = "", *, synchronise: bool | str | Wait | None = None, at_ticks: bool = False) -> Window:
        """A window, to be entered, begun, or put on a function as a decorator.

        Args:
            name: For people.
            synchronise: Which frameworks to wait for at the edges (`joulewise.measure.synchronise.wait_for_work`).
            at_ticks: Whether each edge waits for the next tick of the energy counters, at most a second: less is then
                unknown of short windows.
        """
        return Window(self, name, synchronise, at_ticks=at_ticks)

    def begin(self, name: str = "", *, synchronise: bool | str | Wait | None = None, at_ticks: bool = False) -> Window:
        """A window that begins now; ``end()`` ends it."""
        return Window(self, name, synchronise, at_ticks=at_ticks).begin()

    def steps(
        self,
        batches: Iterable[T],
        *,
        samples: float | Callable[[T], float] | None = None,
        progress: bool | None = None,
        synchronise: bool | str | Wait | None = False,
        name: str = "step",
    ) -> Steps[T]:
        """Loop over batches, measuring each turn; arguments as of `joulewise.measure.steps.Steps`."""
        from joulewise.measure.steps import Steps  # noqa: PLC0415 (it needs this module)

        return Steps(self, batches, samples=samples, progress=progress, synchronise=synchronise, name=name)

    def tick(self) -> float:
        """Read what is due, on a virtual clock; how long nothing will be due [s]."""
        return self.sampler.tick()

    def measure_idle(self, duration_s: float = 10.0) -> Baseline:
        """Measure idle power for some time [s], and from then on tell net energy beside gross; blocks."""
        from joulewise.measure.baseline import measure_baseline  # noqa: PLC0415 (as above)

        found = measure_baseline(self, duration_s)
        self._idle_w.update(found.idle_w)
        return found

    def repeat_until(
        self, function: Callable[[], object], *, rel: float = 0.02, max_s: float = 60.0, warm_up: int = 1
    ) -> Repeated:
        """Call a function until the energy of a call is known; see `joulewise.measure.repeat.repeat_until`."""
        from joulewise.measure.repeat import repeat_until  # noqa: PLC0415 (as above)

        return repeat_until(self, function, rel=rel, max_s=max_s, warm_up=warm_up)

    def timeline(self, begin_ns: int | None = None, end_ns: int | None = None) -> Timeline:
        """What devices were read to be, between two instants [ns]; by default all that is kept."""
        from joulewise.measure.history import timeline_of  # noqa: PLC0415 (as above)

        return timeline_of(self.sampler, self._epoch_offset_s, begin_ns, end_ns)

    def sleep(self, duration_s: float) -> None:
        """Let time pass [s]; on a virtual clock devices are read meanwhile, as the thread does on a real one."""
        if self.sampler.threaded:
            self.clock.sleep(duration_s)
            return
        end_ns = self.clock.now_ns() + round(duration_s * 1e9)
        while (left_ns := end_ns - self.clock.now_ns()) > 0:
            self.clock.sleep(min(self.tick(), left_ns * 1e-9))

    def settle(self, edge_ns: int, *, wait: bool = True) -> bool:
        """Wait until every sensor has told what was used until an instant; whether they have."""
        return self.sampler.wait_settled(edge_ns, PATIENCE_S if wait else 0.0)

    def measurement(
        self, name: str, begin_ns: int, end_ns: int, *, synchronised: bool | None = None, cpu_ns: int = 0
    ) -> Measurement:
        """What was used between two instants, as far as it is known by now.

        Args:
            name: For people.
            begin_ns, end_ns: Instants since the first window began [ns].
            synchronised: Whether accelerators had finished at both.
            cpu_ns: CPU time of the sampler [ns].
        """
        from joulewise.measure.outcome import measure  # noqa: PLC0415 (windows need it when their figures are asked for)

        return measure(
            self.sampler,
            name,
            (begin_ns, end_ns),
            began_at=self._epoch_offset_s + begin_ns * 1e-9,
            idle_w=self._idle_w,
            synchronised=synchronised,
            cpu_s=cpu_ns * 1e-9,
        )

    def close(self) -> None:
        """Stop reading. A window that begins later starts it again."""
        self.sampler.close()

    def __enter__(self) -> Self:
        """For ``with Meter() as meter``."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Read what the last edge still needs, and close."""
        self.sampler.finish()


def _meant(devices: str | Sequence[str] | Iterable[Device] | None, clock: Clock) -> list[Device]:
    if devices is None or isinstance(devices, str):
        return find_devices(devices, Host(clock=clock))
    found: list[Device] = []
    for one in devices if isinstance(devices, Iterable) else (devices,):
        if isinstance(one, str):
            found += find_devices(one, Host(clock=clock))
        elif hasattr(one, "identity") and hasattr(one, "capabilities"):
            found.append(one)
        else:
            fix = "name some as in 'nvidia:0' or 'cpu', several as a list, or give devices themselves"
            raise UsageError("a meter measures devices", repr(one)[:80], fix)
    return found
