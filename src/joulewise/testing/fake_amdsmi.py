"""A stand-in for AMD's Python binding, with GPUs that draw power on a clock and have the defects of real ones.

`FakeAmdsmi` has the functions of `amdsmi` that joulewise uses, with its names, units, dictionaries, errors and rules:
microwatts in caps, hertz in the overdrive table, "N/A" for what is not there, limits that are checked one against the
other, and no patience with two threads at once.
"""

# ruff: noqa: D102  the functions are those of amdsmi, and documented there

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar

from joulewise.clock import Clock

NOT_SUPPORTED, INVALID, NO_PERMISSION, NOT_FOUND = 2, 1, 10, 31
TICK_UJ = 15.259
NOTHING = "N/A"


class FakeAmdSmiException(Exception):  # noqa: N818  the name that it stands for
    """The binding's library error.

    Args:
        err_code: Status code of the C library.
    """

    def __init__(self, err_code: int) -> None:
        """Say the code as the binding does."""
        self.err_code = err_code
        super().__init__(f"Error code:\n\t{err_code} | AMDSMI_STATUS")


@dataclass
class FakeGpu:
    """A GPU: idle power plus a part that grows with activity and clock, cut by the cap.

    Attributes:
        clock: Time.
        pci: PCI address.
        model: Market name.
        counter: "good", "frozen" (MI100; MI210 within a process), "backward", "misscaled", or "none".
        gauges: Which power readings it has: "current" (MI300X), "average" (MI210), both, or none (second die).
        partition: Which partition it is.
        activity_frac: How busy it is.
        limits_mhz: Range of the core clock.
        refuses: Functions that answer with a status code.
    """

    clock: Clock
    pci: str = "0000:05:00.0"
    model: str = "AMD Instinct MI300X"
    counter: str = "good"
    gauges: tuple[str, ...] = ("current",)
    partition: int = 0
    activity_frac: float = 0.5
    idle_w: float = 140.0
    busy_w: float = 610.0
    cap_w: float = 750.0
    cap_range_w: tuple[float, float] = (100.0, 750.0)
    limits_mhz: tuple[int, int] = (132, 2100)
    memory_levels_mhz: tuple[int, ...] = (900, 1100, 1200, 1300)
    temperature_c: float = 45.0
    level: str = "AUTO"
    refuses: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin at the free clocks."""
        self.soft_mhz = {"sclk": list(self.limits_mhz), "mclk": [self.memory_levels_mhz[0], self.memory_levels_mhz[-1]]}
        self._begun_ns, self._energy_j = self.clock.now_ns(), 1_000.0

    @property
    def power_w(self) -> float:
        """What it draws now [W]."""
        share = self.soft_mhz["sclk"][1] / self.limits_mhz[1]
        return min(self.cap_w, self.idle_w + self.busy_w * self.activity_frac * share)

    def settle(self) -> float:
        """Integrate power up to now; called before whatever changes it. Returns the true energy [J]."""
        now_ns = self.clock.now_ns()
        self._energy_j += self.power_w * (now_ns - self._begun_ns) * 1e-9
        self._begun_ns = now_ns
        return self._energy_j

    def counted_j(self) -> float:
        """What its counter says [J], with its defect."""
        true_j = self.settle()
        return {"frozen": 1_000.0, "backward": max(0.0, 5_000.0 - true_j), "misscaled": true_j * 1.6}.get(
            self.counter, true_j
        )


class FakeAmdsmi:
    """The module: pass ``lambda: FakeAmdsmi([...])`` as the ``load`` of the driver.

    Args:
        gpus: In the library's order, which need not be that of PCI addresses.
        init_code: Status code with which it refuses to start, or 0.
    """

    AmdSmiException = FakeAmdSmiException
    AmdSmiInitFlags = IntEnum("AmdSmiInitFlags", {"INIT_AMD_GPUS": 2})
    AmdSmiClkType = IntEnum("AmdSmiClkType", {"GFX": 0, "MEM": 4})
    AmdSmiTemperatureType = IntEnum("AmdSmiTemperatureType", {"EDGE": 0, "HOTSPOT": 1, "VRAM": 2})
    AmdSmiTemperatureMetric = IntEnum("AmdSmiTemperatureMetric", {"CURRENT": 0})
    AmdSmiDevPerfLevel = IntEnum("AmdSmiDevPerfLevel", {"AUTO": 0, "LOW": 1, "HIGH": 2, "MANUAL": 3, "DETERMINISM": 8})
    PREFIX: ClassVar[str] = "AMDSMI_DEV_PERF_LEVEL_"

    def __init__(self, gpus: Sequence[FakeGpu], init_code: int = 0) -> None:
        """Own the GPUs."""
        self.gpus, self._init_code = list(gpus), init_code
        self._inside = False
        self.calls: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        """Functions of the library, one call at a time."""
        found = object.__getattribute__(self, name)
        return _Call(self, name, found) if name.startswith("amdsmi_") else found

    def amdsmi_init(self, flag: int) -> None:
        if self._init_code:
            raise FakeAmdSmiException(self._init_code)

    def amdsmi_get_processor_handles(self) -> list[FakeGpu]:
        return list(self.gpus)

    def amdsmi_get_gpu_device_bdf(self, gpu: FakeGpu) -> str:
        return gpu.pci

    def amdsmi_get_gpu_device_uuid(self, gpu: FakeGpu) -> str:
        return f"00ff74a1-0000-1000-80{gpu.partition:02x}-{gpu.pci.replace(':', '').replace('.', '')}"

    def amdsmi_get_gpu_asic_info(self, gpu: FakeGpu) -> dict[str, Any]:
        serial = f"0xD5A1AFD4{gpu.pci.replace(':', '')[4:8]}{gpu.partition:04X}".upper().replace("0X", "0x", 1)
        return {"market_name": gpu.model, "oam_id": NOTHING, "asic_serial": serial}

    def amdsmi_get_gpu_driver_info(self, gpu: FakeGpu) -> dict[str, str]:
        return {"driver_name": "amdgpu", "driver_version": "6.12.12"}

    def amdsmi_get_gpu_kfd_info(self, gpu: FakeGpu) -> dict[str, int]:
        return {"kfd_id": 1, "node_id": 1, "current_partition_id": gpu.partition}

    def amdsmi_get_energy_count(self, gpu: FakeGpu) -> dict[str, float]:
        if gpu.counter == "none":
            raise FakeAmdSmiException(NOT_SUPPORTED)
        ticks = int(gpu.counted_j() * 1e6 / TICK_UJ)
        return {"energy_accumulator": ticks, "counter_resolution": TICK_UJ, "timestamp": gpu.clock.now_ns()}

    def amdsmi_get_power_info(self, gpu: FakeGpu) -> dict[str, Any]:
        said: dict[str, Any] = {f"{g}_socket_power": round(gpu.power_w) for g in gpu.gauges}
        empty: Any = NOTHING if gpu.gauges else 0  # a second die says 0
        return {"current_socket_power": empty, "average_socket_power": empty, "power_limit": round(gpu.cap_w)} | said

    def amdsmi_get_power_cap_info(self, gpu: FakeGpu) -> dict[str, int]:
        low_w, high_w = gpu.cap_range_w
        return {
            "power_cap": round(gpu.cap_w * 1e6),
            "default_power_cap": round(high_w * 1e6),
            "dpm_cap": 0,
            "min_power_cap": round(low_w * 1e6),
            "max_power_cap": round(high_w * 1e6),
        }

    def amdsmi_set_power_cap(self, gpu: FakeGpu, sensor: int, cap_uw: int) -> None:
        low_w, high_w = gpu.cap_range_w
        if not low_w <= cap_uw * 1e-6 <= high_w:
            raise FakeAmdSmiException(INVALID)
        gpu.settle()
        gpu.cap_w = cap_uw // 1_000_000

    def amdsmi_get_clock_info(self, gpu: FakeGpu, kind: int) -> dict[str, Any]:
        low, high = gpu.soft_mhz["sclk" if kind == 0 else "mclk"]
        return {"clk": high if gpu.activity_frac else low, "min_clk": low, "max_clk": high, "clk_locked": False}

    def amdsmi_get_clk_freq(self, gpu: FakeGpu, kind: int) -> dict[str, Any]:
        levels = gpu.limits_mhz if kind == 0 else gpu.memory_levels_mhz
        return {"num_supported": len(levels), "current": 0, "frequency": [mhz * 1_000_000 for mhz in levels]}

    def amdsmi_get_gpu_od_volt_info(self, gpu: FakeGpu) -> dict[str, Any]:
        whole = {"sclk": gpu.limits_mhz, "mclk": (gpu.memory_levels_mhz[0], gpu.memory_levels_mhz[-1])}
        now = {f"curr_{name}_range": _hertz(ends) for name, ends in gpu.soft_mhz.items()}
        return now | {f"{name}_freq_limits": _hertz(ends) for name, ends in whole.items()}

    def amdsmi_set_gpu_clk_limit(self, gpu: FakeGpu, domain: str, end: str, clock_mhz: int) -> None:
        whole = gpu.limits_mhz if domain == "sclk" else (gpu.memory_levels_mhz[0], gpu.memory_levels_mhz[-1])
        low, high = gpu.soft_mhz[domain]
        fits = whole[0] <= clock_mhz <= high if end == "min" else low <= clock_mhz <= whole[1]
        if not fits:
            raise FakeAmdSmiException(INVALID)
        gpu.settle()
        gpu.soft_mhz[domain][end == "max"] = clock_mhz
        gpu.level = "MANUAL"

    def amdsmi_get_gpu_perf_level(self, gpu: FakeGpu) -> str:
        return self.PREFIX + gpu.level

    def amdsmi_set_gpu_perf_level(self, gpu: FakeGpu, level: Any) -> None:
        gpu.settle()
        gpu.level = level.name
        gpu.soft_mhz["sclk"] = list(gpu.limits_mhz)
        gpu.soft_mhz["mclk"] = [gpu.memory_levels_mhz[0], gpu.memory_levels_mhz[-1]]

    def amdsmi_get_temp_metric(self, gpu: FakeGpu, sensor: int, metric: int) -> int:
        if sensor == 0 and "MI300" in gpu.model:  # has no edge sensor
            raise FakeAmdSmiException(NOT_SUPPORTED)
        return round(gpu.temperature_c)

    def amdsmi_get_gpu_activity(self, gpu: FakeGpu) -> dict[str, Any]:
        return {"gfx_activity": round(gpu.activity_frac * 100), "umc_activity": 3, "mm_activity": NOTHING}

    def amdsmi_get_violation_status(self, gpu: FakeGpu) -> dict[str, Any]:
        if "MI300" not in gpu.model:
            raise FakeAmdSmiException(NOT_SUPPORTED)
        capped = gpu.power_w >= gpu.cap_w
        return {"active_ppt_pwr": capped, "active_socket_thrm": gpu.temperature_c > 95, "active_vr_thrm": NOTHING}


class _Call:
    """One function, which fails when another thread is inside the library."""

    def __init__(self, library: FakeAmdsmi, name: str, function: Any) -> None:
        self._library, self._name, self._function = library, name, function

    def __call__(self, *arguments: Any) -> Any:
        library = self._library
        if library._inside:
            raise RuntimeError("two threads are inside the library")
        library._inside = True
        try:
            library.calls.append(self._name)
            for argument in arguments:
                if isinstance(argument, FakeGpu) and (code := argument.refuses.get(self._name)):
                    raise FakeAmdSmiException(code)
            return self._function(*arguments)
        finally:
            library._inside = False


def _hertz(ends: Sequence[int]) -> dict[str, int]:
    return {"lower_bound": ends[0] * 1_000_000, "upper_bound": ends[1] * 1_000_000}
