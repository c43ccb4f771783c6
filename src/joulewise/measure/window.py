"""A window of time whose energy is asked for: open, ended, and what came of it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, cast

from joulewise.errors import UsageError
from joulewise.measure.synchronise import Wait, wait_for_work

if TYPE_CHECKING:
    from joulewise.measure.energy import Method
    from joulewise.measure.measurement import DeviceEnergy, Measurement, SelfCost
    from joulewise.measure.meter import Meter
    from joulewise.records import Provenance

P = ParamSpec("P")
R = TypeVar("R")


class Window:
    """A window of a meter. Use it in ``with``, ``async with``, as a decorator, or with `begin` and `end`.

    Its figures are worked out when they are first asked for; that waits, at most two seconds, until every sensor has
    told what was used until the end. Ending it waits for nothing.

    Attributes:
        name: For people.
        begin_ns, end_ns: Its edges [ns]; -1 before it begins, None while it is open.
        synchronised: Whether accelerators had finished at both edges; None if there was nothing to wait for.
    """

    __slots__ = (
        "__weakref__",
        "_cpu_ns",
        "_meter",
        "_result",
        "_tick",
        "_wait",
        "begin_ns",
        "cpu_ns",
        "end_ns",
        "name",
        "synchronised",
    )

    def __init__(
        self, meter: Meter, name: str, synchronise: bool | str | Wait | None = None, *, at_ticks: bool = False
    ) -> None:
        """Not begun yet."""
        self._meter, self.name, self._wait, self._tick = meter, name, synchronise, at_ticks
        self.begin_ns, self.end_ns = -1, cast("int | None", None)
        self.synchronised: bool | None = None
        self.cpu_ns = 0
        self._result: Measurement | None = None

    def begin(self) -> Self:
        """Begin now.

        Raises:
            UsageError: If it has begun.
        """
        if self.begin_ns >= 0:
            raise UsageError("a window begins once", f"{self.name!r} has begun", "open another one")
        self.synchronised = wait_for_work(self._wait)
        sampler = self._meter.sampler
        if self._tick:
            sampler.start()
            sampler.wait_tick()
        self.cpu_ns = sampler.cpu_ns
        sampler.keep(self)
        self.begin_ns = sampler.edge()
        return self

    def end(self) -> Self:
        """End now.

        Raises:
            UsageError: If it has not begun, or has ended.
        """
        if self.begin_ns < 0 or self.end_ns is not None:
            seen = f"{self.name!r} has {'ended' if self.begin_ns >= 0 else 'not begun'}"
            raise UsageError("a window ends once, after it began", seen, "begin another one")
        done = wait_for_work(self._wait)
        sampler = self._meter.sampler
        if self._tick:
            sampler.wait_tick()
        self.end_ns = sampler.edge()
        self.cpu_ns = sampler.cpu_ns - self.cpu_ns
        if done is not None or self.synchronised is not None:
            self.synchronised = done is not False and self.synchronised is not False
        return self

    def result(self, *, wait: bool = True) -> Measurement:
        """What was used, once it has ended.

        Args:
            wait: Whether to wait for the readings after the end; without them, bounds are wider, and the next call may
                know more.

        Raises:
            UsageError: If it has not ended; see `so_far`.
        """
        if self._result is not None:
            return self._result
        if self.end_ns is None:
            raise UsageError("an open window has no result yet", f"{self.name!r} is open", "ask so_far(), or end it")
        settled = self._meter.settle(self.end_ns, wait=wait)
        found = self._meter.measurement(
            self.name, self.begin_ns, self.end_ns, synchronised=self.synchronised, cpu_ns=self.cpu_ns
        )
        if settled or wait:
            self._result = found
        return found

    def so_far(self) -> Measurement:
        """What was used until now, without waiting; after the end as `result`.

        Raises:
            UsageError: If it has not begun.
        """
        if self.end_ns is not None:
            return self.result(wait=False)
        if self.begin_ns < 0:
            raise UsageError("a window that has not begun has used nothing", repr(self.name), "begin it")
        sampler = self._meter.sampler
        return self._meter.measurement(
            self.name,
            self.begin_ns,
            sampler.edge(),
            synchronised=False if self.synchronised else self.synchronised,
            cpu_ns=sampler.cpu_ns - self.cpu_ns,
        )

    def __enter__(self) -> Self:
        """Begin."""
        return self.begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, whatever was raised."""
        self.end()

    async def __aenter__(self) -> Self:
        """Begin; nothing is waited for but accelerators."""
        return self.begin()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, whatever was raised."""
        self.end()

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a function, plain or async: each call is a window of this name, in ``function.windows``."""
        windows: list[Window] = []

        def another() -> Window:
            windows[:-999] = []
            windows.append(Window(self._meter, self.name, self._wait, at_ticks=self._tick))
            return windows[-1]

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def measured_async(*args: P.args, **kwargs: P.kwargs) -> Any:
                async with another():
                    return await function(*args, **kwargs)

            measured = cast("Callable[P, R]", measured_async)
        else:

            @functools.wraps(function)
            def measured_plain(*args: P.args, **kwargs: P.kwargs) -> R:
                with another():
                    return function(*args, **kwargs)

            measured = measured_plain
        cast(Any, measured).windows = windows
        return measured

    def __repr__(self) -> str:
        """Its name and whether it is open."""
        state = "not begun" if self.begin_ns < 0 else "open" if self.end_ns is None else f"{self.duration_s:.6g} s"
        return f"<Window {self.name!r}: {state}>"

    @property
    def duration_s(self) -> float:
        """How long it was, or has been so far [s]."""
        if self.begin_ns < 0:
            return 0.0
        end_ns = self._meter.sampler.clock.now_ns() if self.end_ns is None else self.end_ns
        return (end_ns - self.begin_ns) * 1e-9

    @property
    def energy_j(self) -> float:
        """What was used [J]; see `joulewise.measure.measurement.Measurement.energy_j`."""
        return self.result().energy_j

    @property
    def lo_j(self) -> float:
        """No less than this was used [J]."""
        return self.result().lo_j

    @property
    def hi_j(self) -> float:
        """No more than this was used [J]."""
        return self.result().hi_j

    @property
    def resolution_j(self) -> float:
        """How far two windows of the same use may read apart [J]."""
        return self.result().resolution_j

    @property
    def mean_power_w(self) -> float:
        """Energy over duration [W]."""
        return self.result().mean_power_w

    @property
    def idle_j(self) -> float | None:
        """What the same devices would have used idle [J]; None without a baseline."""
        return self.result().idle_j

    @property
    def net_j(self) -> float | None:
        """Energy above idle [J]; None without a baseline."""
        return self.result().net_j

    @property
    def method(self) -> Method:
        """How the energy was found."""
        return self.result().method

    @property
    def provenance(self) -> Provenance:
        """What the figure is worth."""
        return self.result().provenance

    @property
    def by_device(self) -> Mapping[str, DeviceEnergy]:
        """The devices, by uid."""
        return self.result().by_device

    @property
    def warnings(self) -> tuple[str, ...]:
        """What else to know: of the window, and of each device."""
        return self.result().warnings

    @property
    def self_cost(self) -> SelfCost:
        """What measuring cost."""
        return self.result().self_cost
