"""Apple silicon through zeus-apple-silicon: the energy model of macOS, for the chip and for its memory.

The figures come from Apple's model of utilisation, frequency and voltage, not from a sensor, in steps of 1 mJ. They
need no privilege. The chip's is what powermetrics calls combined power: CPU, GPU and neural engine. Counters are
published in batches, 0.3 s apart on an M1 Ultra and 2.2 s on an M5 Max; windows of less than 10 ms mean nothing on any.
Since macOS 27 the CPU's and the memory's can stall while the GPU's goes on, which would pass for a small total: a part
that always draws and has not moved for 10 s is refused as a `CounterError`.

Source: the README of zeus-apple-silicon 1.1; stalling: macmon issue 76; batches: all-smi pull request 412.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from joulewise.clock import Clock
from joulewise.devices.capabilities import Capabilities, Capability, Kind
from joulewise.devices.device import Finding, Host, Identity, Scope
from joulewise.errors import CounterError, DeviceLostError, JoulewiseError, MissingExtraError

STALLED_AFTER_S = 10.0
SYSCTL_TIMEOUT_S = 2.0
CHIP = {"always": "cpu_total_mj", "sometimes": ("gpu_mj", "ane_mj")}
MEMORY = {"always": "dram_mj", "sometimes": ()}
NOTE = "modelled, not measured; published in batches of up to 2.2 s; windows of less than 10 ms mean nothing"


def import_zeus_apple_silicon() -> Any:
    """The library.

    Raises:
        MissingExtraError: If it is not installed.
        JoulewiseError: If it is, but does not load.
    """
    try:
        return importlib.import_module("zeus_apple_silicon")
    except ModuleNotFoundError as error:
        raise MissingExtraError("apple") from error
    except (ImportError, OSError) as error:
        fix = "pip install --force-reinstall zeus-apple-silicon"
        raise JoulewiseError("zeus-apple-silicon does not load", str(error), fix) from error


def read_chip_name() -> str:
    """Name of the chip, such as Apple M4 Pro."""
    command = ["sysctl", "-n", "machdep.cpu.brand_string"]
    import subprocess  # noqa: PLC0415 (costs every machine milliseconds, and only a Mac needs it)

    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SYSCTL_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "Apple silicon"
    return done.stdout.strip() or "Apple silicon"


class AppleDomain:
    """The chip or its memory.

    Args:
        monitor: Reads all parts at once.
        always: The part that draws whenever the machine is on, so that it must move.
        sometimes: Other parts of the sum; a chip may lack them.
        identity: Who it is.
        clock: Time, for telling that a counter stalled.
    """

    def __init__(self, monitor: Any, always: str, sometimes: Sequence[str], identity: Identity, clock: Clock) -> None:
        """Start watching."""
        self.identity = identity
        source = "IOReport Energy Model through zeus-apple-silicon"
        self.capabilities = Capabilities(
            {Kind.ENERGY_COUNTER: Capability(Kind.ENERGY_COUNTER, "J", source, resolution=1e-3, note=NOTE)}
        )
        self._monitor, self._always, self._sometimes, self._clock = monitor, always, sometimes, clock
        self._moved: tuple[int, int] | None = None

    def read_energy_j(self) -> float:
        """Energy since some instant before this process began to read [J].

        Raises:
            CounterError: If macOS stopped publishing it.
            DeviceLostError: If the library fails.
        """
        try:
            energies = self._monitor.get_cumulative_energy()
        except Exception as error:
            fix = "start the process again; see joulewise doctor"
            raise DeviceLostError("IOReport failed", str(error) or repr(error), fix) from error
        always_mj = getattr(energies, self._always, None)
        if always_mj is None:
            fix = "a newer zeus-apple-silicon may know this chip: pip install -U zeus-apple-silicon"
            raise CounterError(f"{self._always} is gone", "None where there was a number", fix)
        self._watch(always_mj)
        others_mj = (getattr(energies, part, None) or 0 for part in self._sometimes)
        return float(always_mj + sum(others_mj)) * 1e-3

    def _watch(self, energy_mj: int) -> None:
        now_ns = self._clock.now_ns()
        if self._moved is None or self._moved[1] != energy_mj:
            self._moved = (now_ns, energy_mj)
        elif (now_ns - self._moved[0]) * 1e-9 > STALLED_AFTER_S:
            still_s = (now_ns - self._moved[0]) * 1e-9
            fix = "keep `sudo powermetrics -i 1000 >/dev/null` running, which makes macOS 27 publish it"
            raise CounterError(f"{self._always} stalled", f"it stands still for {still_s:.0f} s", fix)


@dataclass(frozen=True)
class AppleDriver:
    """Apple silicon.

    Attributes:
        load: Imports the library; tests hand in another one.
        platform: As ``sys.platform``.
        chip_name: Names the chip.
    """

    load: Callable[[], Any] = import_zeus_apple_silicon
    platform: str = sys.platform
    chip_name: Callable[[], str] = read_chip_name
    name: str = "apple"

    def find(self, host: Host) -> Sequence[AppleDomain]:
        """The chip, and its memory where the model has it."""
        try:
            return self._look(host)
        except JoulewiseError:
            return []

    def examine(self, host: Host) -> Sequence[Finding]:
        """The system, the library, and the parts of the model."""
        if self.platform != "darwin":
            fix = "nothing to do here; run on a Mac with Apple silicon"
            return [Finding(self.name, "macOS", False, f"this is {self.platform}", fix)]
        try:
            domains = self._look(host)
        except MissingExtraError as error:
            return [Finding(self.name, "zeus-apple-silicon", False, "not installed", str(error))]
        except JoulewiseError as error:
            return [Finding(self.name, "Apple's energy model", False, f"{error.what}; {error.seen}", error.fix)]
        seen = " and ".join(domain.identity.scope for domain in domains)
        fix = "" if domains else "a newer zeus-apple-silicon may know this chip: pip install -U zeus-apple-silicon"
        return [Finding(self.name, "Apple's energy model", bool(domains), seen or "no known channels", fix)]

    def _look(self, host: Host) -> list[AppleDomain]:
        if self.platform != "darwin":
            return []
        module = self.load()
        try:
            monitor = module.AppleEnergyMonitor()
            energies = monitor.get_cumulative_energy()
        except Exception as error:
            fix = "pip install -U zeus-apple-silicon; virtual machines have no energy model"
            raise JoulewiseError("Apple's energy model is not readable", str(error) or repr(error), fix) from error
        chip = self.chip_name()
        known = [(Scope.PACKAGE, CHIP, chip), (Scope.DRAM, MEMORY, f"{chip} memory")]
        return [
            AppleDomain(
                monitor,
                str(parts["always"]),
                tuple(parts["sometimes"]),
                Identity(f"apple-{scope}", "apple", model, scope, driver=self.name, modelled=True),
                host.clock,
            )
            for scope, parts, model in known
            if getattr(energies, str(parts["always"]), None) is not None
        ]


driver = AppleDriver()
