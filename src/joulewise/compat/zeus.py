"""Zeus 0.16 in shape: change ``from zeus.monitor import ZeusMonitor`` to ``from joulewise.compat.zeus import ...``.

What differs: ending a window waits for nothing, its figures are worked out when they are read; boards without an energy
counter need no helper process and no ``__main__`` guard; only frameworks that are imported already are synchronised;
and behind each figure stands a `joulewise.measure.window.Window` with bounds, provenance and warnings. ``soc_energy``
is always None: parts of Apple's chips are devices here.

Source: names, arguments and results of zeus-0.16.0, zeus/monitor/energy.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from joulewise.devices.device import Device, Scope
from joulewise.errors import UsageError
from joulewise.measure.measurement import DeviceEnergy
from joulewise.measure.meter import Meter
from joulewise.measure.synchronise import wait_for_work
from joulewise.measure.window import Window

__all__ = ["Measurement", "ZeusMonitor"]
NOT_GPUS = frozenset({Scope.PACKAGE, Scope.DRAM, Scope.NODE, Scope.MODULE})


class Measurement:
    """What a window used; energies are worked out when they are first read, which may wait for a sensor's next tick.

    Attributes:
        time: How long it was [s].
        soc_energy: Always None.
        window: The window itself: bounds, method, provenance, warnings; None of a cancelled one.
    """

    def __init__(self, time: float, window: Window | None, monitor: ZeusMonitor) -> None:
        """Nothing is worked out yet."""
        self.time, self.window, self._monitor = time, window, monitor
        self.soc_energy = None

    @cached_property
    def gpu_energy(self) -> dict[int, float]:
        """Energy by index of GPU [J]."""
        monitor = self._monitor
        energies = {index: self._of(monitor.gpus[index]) or 0.0 for index in monitor.gpu_indices}
        if monitor.approx_instant_energy and self.window is not None:
            for index, energy_j in energies.items():
                if energy_j == 0.0:
                    energies[index] = monitor.last_power_w(monitor.gpus[index]) * self.time
        return energies

    @cached_property
    def cpu_energy(self) -> dict[int, float] | None:
        """Energy by index of CPU package [J]; None if there is none."""
        return self._known(self._monitor.cpus)

    @cached_property
    def dram_energy(self) -> dict[int, float] | None:
        """Energy of memory by index of its CPU package [J]; None if there is none."""
        return self._known(self._monitor.drams)

    @cached_property
    def total_energy(self) -> float:
        """Energy of all GPUs [J], as in Zeus."""
        return sum(self.gpu_energy.values())

    def __repr__(self) -> str:
        """As the dataclass that it stands for."""
        said = (f"time={self.time!r}", f"gpu_energy={self.gpu_energy!r}", f"cpu_energy={self.cpu_energy!r}")
        return f"Measurement({', '.join(said)}, dram_energy={self.dram_energy!r}, soc_energy=None)"

    def _of(self, device: Device) -> float | None:
        if self.window is None:
            return 0.0
        part: DeviceEnergy | None = self.window.by_device.get(device.identity.uid)
        return None if part is None or part.energy is None else part.energy.energy_j

    def _known(self, devices: dict[int, Device]) -> dict[int, float] | None:
        known = {index: self._of(devices[index]) for index in self._monitor.cpu_indices if index in devices}
        return {index: energy_j for index, energy_j in known.items() if energy_j is not None} or None


class ZeusMonitor:
    """Measures windows by name.

    Args:
        gpu_indices: GPUs as frameworks number them (after CUDA_VISIBLE_DEVICES); all by default.
        cpu_indices: CPU packages; all by default.
        approx_instant_energy: Whether a GPU that showed no energy in a window is told as its power times the duration.
        log_file: A CSV file to which each window is written as it ends, which waits for its figures.
        sync_execution_with: "torch", "jax" or "cupy".
        meter: Measures instead of a new one on all devices; ours, not in Zeus.

    Raises:
        UsageError: If there is no GPU or CPU of an index. It is a ValueError, as in Zeus.
    """

    def __init__(
        self,
        gpu_indices: Sequence[int] | None = None,
        cpu_indices: Sequence[int] | None = None,
        approx_instant_energy: bool = False,
        log_file: str | Path | None = None,
        sync_execution_with: str = "torch",
        *,
        meter: Meter | None = None,
    ) -> None:
        """Find the devices."""
        self._meter = meter or Meter()
        self.gpus = dict(enumerate(self._gpus()))
        self.cpus = dict(enumerate(d for d in self._meter.devices if d.identity.scope is Scope.PACKAGE))
        index_of = {one.identity.uid: index for index, one in self.cpus.items()}
        drams = (one for one in self._meter.devices if one.identity.scope is Scope.DRAM)
        self.drams = {index_of.get(one.identity.parent or "", i): one for i, one in enumerate(drams)}
        self.gpu_indices = _chosen("GPU", gpu_indices, self.gpus)
        self.cpu_indices = _chosen("CPU", cpu_indices, self.cpus)
        self.approx_instant_energy, self.sync_with = approx_instant_energy, sync_execution_with
        self._windows: dict[str, Window] = {}
        self._log = None if log_file is None else Path(log_file)
        if self._log is not None:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            columns = [f"gpu{index}_energy" for index in self.gpu_indices]
            self._log.write_text(",".join(["start_time", "window_name", "elapsed_time", *columns]) + "\n")

    def _gpus(self) -> list[Device]:
        """Boards; dies only where no board includes them (slices of a GPU have no figures of their own)."""
        devices = [one for one in self._meter.devices if one.identity.scope not in NOT_GPUS and one.capabilities]
        uids = {one.identity.uid for one in devices}
        return [one for one in devices if one.identity.parent not in uids]

    def begin_window(self, key: str, sync_execution: bool = True, restart: bool = False) -> None:
        """Begin a window.

        Args:
            key: Its name.
            sync_execution: Whether to wait for accelerators first.
            restart: Whether an open window of that name is forgotten.

        Raises:
            UsageError: If a window of that name is open.
        """
        if key in self._windows and not restart:
            raise UsageError(f"Measurement window '{key}' already exists", "it is open", "end it, or pass restart=True")
        self._synchronise(wanted=sync_execution)
        self._windows[key] = self._meter.begin(key, synchronise=False)

    def end_window(self, key: str, sync_execution: bool = True, cancel: bool = False) -> Measurement:
        """End a window.

        Args:
            key: Its name.
            sync_execution: Whether to wait for accelerators first.
            cancel: Whether to forget it: all figures are 0.

        Raises:
            UsageError: If no window of that name is open.
        """
        window = self._windows.pop(key, None)
        if window is None:
            raise UsageError(f"Measurement window '{key}' does not exist", f"open: {list(self._windows)}", "begin it")
        self._synchronise(wanted=sync_execution)
        if cancel:
            return Measurement(0.0, None, self)
        found = Measurement(window.end().duration_s, window, self)
        if self._log is not None:
            figures = (window.result().began_at, key, found.time, *found.gpu_energy.values())
            with self._log.open("a", encoding="utf-8") as file:
                file.write(",".join(map(str, figures)) + "\n")
        return found

    def reset_windows(self) -> None:
        """Forget all open windows."""
        self._windows.clear()

    def last_power_w(self, device: Device) -> float:
        """The last power that was read of a device [W]; 0 if none was."""
        rows = next((t.power.rows(2**62, 2**62) for t in self._meter.sampler.traces if t.device is device), [])
        return rows[-1][1] if rows else 0.0

    def _synchronise(self, *, wanted: bool) -> None:
        if wanted and self.gpu_indices:
            wait_for_work(self.sync_with)


def _chosen(what: str, indices: Sequence[int] | None, there: dict[int, Device]) -> list[int]:
    chosen = list(there) if indices is None else list(indices)
    missing = [index for index in chosen if index not in there]
    if missing:
        raise UsageError(f"there is no {what} {missing[0]}", f"there are {list(there)}", "joulewise devices lists them")
    return chosen
