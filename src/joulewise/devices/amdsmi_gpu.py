"""One AMD GPU: its sensors and knobs in SI units."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from joulewise.devices.amdsmi_binding import Binding, number
from joulewise.devices.amdsmi_seats import read_power_w
from joulewise.devices.capabilities import Capabilities, Kind
from joulewise.devices.device import Identity
from joulewise.errors import CapabilityError, CounterError, UsageError

TEMPERATURES = ("EDGE", "HOTSPOT", "JUNCTION")
VIOLATIONS = {
    "active_ppt_pwr": "power_cap",
    "active_prochot_thrm": "thermal",
    "active_socket_thrm": "thermal",
    "active_vr_thrm": "thermal",
    "active_hbm_thrm": "thermal",
}
DOMAINS = {"sclk": "GFX", "mclk": "MEM"}


class AmdGpu:
    """A GPU through amdsmi; has the methods of every kind in its capabilities.

    Safe to use from several threads: calls take turns.
    """

    def __init__(self, binding: Binding, handle: Any, identity: Identity) -> None:
        """Know how to ask; `probe` gives it its capabilities."""
        self._binding, self._handle, self._identity = binding, handle, identity
        self.capabilities = Capabilities()
        self._found_level: str | None = None
        self._told: set[str] = set()
        self._rejected = ""
        self._temperature: Any = None

    @property
    def identity(self) -> Identity:
        """PCI address, market name."""
        return self._identity

    def read_energy_j(self) -> float:
        """Accumulator times resolution [J].

        Raises:
            CounterError: If the counter was rejected at start-up.
        """
        if self._rejected:
            fix = "integrate its power instead"
            raise CounterError(f"the energy counter of {self._identity.uid} is rejected", self._rejected, fix)
        return self.read_accumulated_j()[0]

    @property
    def rejected(self) -> str:
        """Why its energy counter is rejected; empty if it is not."""
        return self._rejected

    def reject_counter(self, reason: str) -> None:
        """Take the energy counter out of the capabilities, and say so in those of its power."""
        self._rejected = reason
        entries = dict(self.capabilities)
        entries.pop(Kind.ENERGY_COUNTER, None)
        for kind in (Kind.POWER_INSTANT, Kind.POWER_AVERAGE):
            if kind in entries:
                note = f"integrate this: the energy counter is rejected, {reason}"
                entries[kind] = replace(
                    entries[kind], note="; ".join(part for part in (note, entries[kind].note) if part)
                )
        self.capabilities = Capabilities(entries)

    def read_accumulated_j(self) -> tuple[float, float]:
        """The counter whether rejected or not, and its resolution [J].

        Raises:
            CapabilityError: If there is none.
        """
        answer = self._binding.call("amdsmi_get_energy_count", self._handle)
        ticks = number(answer.get("energy_accumulator", answer.get("power")))  # "power" before ROCm 6.2
        tick_uj = number(answer.get("counter_resolution"))
        if ticks is None or not tick_uj:
            raise CapabilityError(self._identity.uid, "an energy counter", "no values in it")
        return ticks * tick_uj * 1e-6, tick_uj * 1e-6

    def read_power_w(self) -> float:
        """Present socket power [W]."""
        return self._number(read_power_w(self._binding, self._handle, "current_socket_power"), "present power")

    def read_average_power_w(self) -> float:
        """Averaged socket power [W]."""
        return self._number(read_power_w(self._binding, self._handle, "average_socket_power"), "averaged power")

    def read_temperature_c(self) -> float:
        """Edge temperature, or the hot spot where there is no edge sensor [C]."""
        if self._temperature is None:
            self._temperature = self._find_temperature()
        return self._read_temperature(self._temperature)

    def read_utilisation_frac(self) -> float:
        """Fraction of recent time in which the graphics engine was busy."""
        activity = self._binding.call("amdsmi_get_gpu_activity", self._handle)
        return self._number(number(activity.get("gfx_activity")), "activity") / 100

    def read_throttle_reasons(self) -> frozenset[str]:
        """Violations that are active now, of power_cap and thermal."""
        status = self._binding.call("amdsmi_get_violation_status", self._handle)
        return frozenset(reason for field, reason in VIOLATIONS.items() if status.get(field) is True)

    def read_power_limit_w(self) -> float:
        """The cap in force [W]."""
        cap = self._binding.call("amdsmi_get_power_cap_info", self._handle)
        return self._number(number(cap.get("power_cap")), "power cap") * 1e-6

    def set_power_limit_w(self, limit_w: float) -> None:
        """Set the cap [W]. It outlives this process.

        Raises:
            UsageError: If the library refuses it. Less than 1 W is never passed on: the driver takes 0 as "back to
                factory".
        """
        if not 1 <= limit_w < float("inf"):
            raise UsageError("this is no power limit", f"{limit_w} W", "give watts within the capability's range")
        self._binding.call("amdsmi_set_power_cap", self._handle, 0, round(limit_w * 1e6))

    def read_core_clock_mhz(self) -> int:
        """Clock of the graphics engine [MHz]."""
        return self._read_clock_mhz("sclk")

    def read_core_clock_lock(self) -> tuple[int, int] | None:
        """Its soft range if narrower than the capability's, else None [MHz]."""
        return self._read_lock("sclk", Kind.CORE_CLOCK)

    def lock_core_clock(self, minimum_mhz: int, maximum_mhz: int) -> None:
        """Limit the clock [MHz]."""
        self._lock("sclk", minimum_mhz, maximum_mhz)

    def unlock_core_clock(self) -> None:
        """Widen the limits to the whole range; give the performance level back once memory is free too."""
        self._unlock("sclk", Kind.CORE_CLOCK)

    def read_memory_clock_mhz(self) -> int:
        """Clock of the memory [MHz]."""
        return self._read_clock_mhz("mclk")

    def read_memory_clock_lock(self) -> tuple[int, int] | None:
        """Its soft range if narrower than the capability's, else None [MHz]."""
        return self._read_lock("mclk", Kind.MEMORY_CLOCK)

    def lock_memory_clock(self, minimum_mhz: int, maximum_mhz: int) -> None:
        """Limit the memory clock [MHz]; it runs at the levels in the capability's ``values``."""
        self._lock("mclk", minimum_mhz, maximum_mhz)

    def unlock_memory_clock(self) -> None:
        """Widen the limits to the whole range; give the performance level back once the core is free too."""
        self._unlock("mclk", Kind.MEMORY_CLOCK)

    def read_soft_range_mhz(self, domain: str, field: str) -> tuple[int, int] | None:
        """A range of the overdrive table [MHz], or None: field is curr_{}_range or {}_freq_limits."""
        table = self._binding.call("amdsmi_get_gpu_od_volt_info", self._handle)[field.format(domain)]
        ends = [number(table.get(end)) for end in ("lower_bound", "upper_bound")]
        low, high = (None if end is None else _mhz(end) for end in ends)
        return None if low is None or not high else (low, high)

    def _read_clock_mhz(self, domain: str) -> int:
        kind = self._binding.enum("AmdSmiClkType", DOMAINS[domain])
        answer = self._binding.call("amdsmi_get_clock_info", self._handle, kind)
        # "clk" since ROCm 6.1, "cur_clk" before
        return round(self._number(number(answer.get("clk", answer.get("cur_clk"))), f"{domain} clock"))

    def _read_lock(self, domain: str, kind: Kind) -> tuple[int, int] | None:
        knob, soft = self.capabilities[kind], self.read_soft_range_mhz(domain, "curr_{}_range")
        whole = soft is not None and soft[0] <= (knob.minimum or 0) and soft[1] >= (knob.maximum or 0)
        return None if whole and domain not in self._told else soft

    def _lock(self, domain: str, minimum_mhz: int, maximum_mhz: int) -> None:
        low, high = self.read_soft_range_mhz(domain, "{}_freq_limits") or (minimum_mhz, maximum_mhz)
        if not low <= minimum_mhz <= maximum_mhz <= high:
            seen = f"{minimum_mhz} to {maximum_mhz} MHz"
            raise UsageError("this clock range cannot be", seen, f"give a rising range within {low} to {high} MHz")
        if self._found_level is None:
            self._found_level = str(self._binding.call("amdsmi_get_gpu_perf_level", self._handle))
        self._told.add(domain)
        self._move(domain, low, minimum_mhz, maximum_mhz)

    def _move(self, domain: str, floor_mhz: int, minimum_mhz: int, maximum_mhz: int) -> None:
        """Set both ends. Each is checked against the other as it stands, so the lower end first goes out of the way."""
        steps = [("min", floor_mhz), ("max", maximum_mhz), ("min", minimum_mhz)]
        for end, clock_mhz in steps if minimum_mhz != floor_mhz else steps[:2]:
            self._binding.call("amdsmi_set_gpu_clk_limit", self._handle, domain, end, clock_mhz)

    def _unlock(self, domain: str, kind: Kind) -> None:
        low, high = (round(end or 0) for end in (self.capabilities[kind].minimum, self.capabilities[kind].maximum))
        self._move(domain, low, low, high)
        self._told.discard(domain)
        others = [("sclk", Kind.CORE_CLOCK), ("mclk", Kind.MEMORY_CLOCK)]
        free = all(self._read_lock(d, k) is None for d, k in others if k in self.capabilities)
        if free:  # the level cannot be given back for one domain alone
            found = (self._found_level or "").removeprefix("AMDSMI_DEV_PERF_LEVEL_")
            level = found if found not in ("", "MANUAL", "UNKNOWN") else "AUTO"
            self._binding.call(
                "amdsmi_set_gpu_perf_level", self._handle, self._binding.enum("AmdSmiDevPerfLevel", level)
            )
            self._found_level = None

    def _find_temperature(self) -> Any:
        for sensor in TEMPERATURES:
            try:
                kind = self._binding.enum("AmdSmiTemperatureType", sensor)
                self._read_temperature(kind)
            except CapabilityError:
                continue
            return kind
        raise CapabilityError(self._identity.uid, "a temperature", "no such sensor")

    def _read_temperature(self, sensor: Any) -> float:
        now = self._binding.enum("AmdSmiTemperatureMetric", "CURRENT")
        answer = number(self._binding.call("amdsmi_get_temp_metric", self._handle, sensor, now))
        return self._number(answer or None, "temperature")

    def _number(self, value: float | None, wanted: str) -> float:
        if value is None:
            raise CapabilityError(self._identity.uid, wanted, "no value in it")
        return value


def _mhz(frequency: float) -> int:
    """The overdrive table is in Hz, in some releases in MHz; no clock is above 100 GHz or below 100 kHz."""
    return round(frequency * 1e-6 if frequency > 1e5 else frequency)
