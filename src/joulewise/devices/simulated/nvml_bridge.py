"""Simulated GPUs as NVML shows them: readings out to the page, a thousand times a second, and requests back in.

Theory of operation. A thread steps through the GPUs: it answers requests that the library wrote into the page by
calling the twin's own setters, then writes what the twin's own sensors read. So whatever a twin does (ticks, windows,
gain, faults, refusals) shows through NVML as it would on hardware: an error of ours becomes the NVML code that our
driver translates back into that error. Readings that change slowly are written at every tenth step.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType, TracebackType
from typing import Any, Self

from joulewise.clock import Clock
from joulewise.devices.capabilities import Capability, Kind
from joulewise.devices.device import SIMULATED_MARK, Device
from joulewise.devices.settings import nearest_allowed
from joulewise.devices.simulated import nvml_page
from joulewise.devices.simulated.model import load_model
from joulewise.devices.simulated.nvml_page import ABSENT, ABSENT_64, GpuPage, NvmlPage
from joulewise.errors import (
    CapabilityError,
    DeviceLostError,
    JoulewiseError,
    PermissionDeniedError,
    UsageError,
)

SLOW_EVERY = 10
GPU_IS_LOST, UNKNOWN = 15, 999
CODES: Mapping[type[JoulewiseError], int] = MappingProxyType(
    {UsageError: 2, CapabilityError: 3, PermissionDeniedError: 4, DeviceLostError: GPU_IS_LOST}
)
THROTTLE_BITS: Mapping[str, int] = MappingProxyType(
    {"idle": 1, "setting": 2, "power_cap": 4, "hardware": 8, "sync": 0x10, "thermal": 0x20, "power_brake": 0x80}
)


@dataclass(frozen=True, slots=True)
class NvmlBoard:
    """What NVML tells of a board besides its sensors.

    Attributes:
        name: Product name.
        architecture: nvmlDeviceArchitecture_t: 5 Volta, 6 Turing, 7 Ampere, 8 Ada, 9 Hopper, 10 Blackwell.
        compute: CUDA compute capability; 8.0 tells the A100 from other Amperes.
        memory_gib: Memory [GiB].
        memory_mhz: Memory clock of a twin that does not let it be chosen [MHz].
        pci_device_id: PCI device and vendor.
        default_limit_w: Power limit after the driver is loaded [W]; None for the highest.
    """

    name: str
    architecture: int
    compute: tuple[int, int]
    memory_gib: int
    memory_mhz: int
    pci_device_id: int
    default_limit_w: float | None = None


BOARDS: Mapping[str, NvmlBoard] = MappingProxyType(
    {
        "v100": NvmlBoard("Tesla V100-PCIE-32GB", 5, (7, 0), 32, 877, 0x1DB610DE),
        "a40": NvmlBoard("NVIDIA A40", 7, (8, 6), 45, 7251, 0x223510DE),
        "a100": NvmlBoard("NVIDIA A100-SXM4-80GB", 7, (8, 0), 80, 1593, 0x20B210DE),
        "h100": NvmlBoard("NVIDIA H100 80GB HBM3", 9, (9, 0), 80, 2619, 0x233010DE),
        "b200": NvmlBoard("NVIDIA B200", 10, (10, 0), 180, 3996, 0x290110DE),
    }
)
"""The boards that are simulated as NVIDIA's, by name of the twin's model."""


def boards_of(twins: Sequence[Device]) -> list[NvmlBoard]:
    """What NVML tells of twins besides their sensors.

    Raises:
        UsageError: If one is no twin of an NVIDIA GPU.
    """
    names = [getattr(getattr(twin, "model", None), "name", twin.identity.model) for twin in twins]
    other = sorted({name for name in names if name not in BOARDS})
    if other or not names:
        what = "NVML can show only twins of NVIDIA GPUs"
        raise UsageError(what, ", ".join(other) or "no device", f"use {', '.join(f'sim:{name}' for name in BOARDS)}")
    return [replace(BOARDS[name], default_limit_w=load_model(name).limit.default_w) for name in names]


def nvml_uuid(uid: str) -> str:
    """The UUID under which NVML shows a twin: made from the twin's own uid, so it stays the same."""
    return f"GPU-{uuid.uuid5(uuid.NAMESPACE_OID, uid)}"


def _clocks(knob: Capability | None) -> list[int]:
    """What a clock can be locked to [MHz]."""
    if knob is None or knob.minimum is None or knob.maximum is None:
        return []
    count = round((knob.maximum - knob.minimum) / knob.step) + 1 if knob.step else 1
    return [round(value) for value in knob.values or (knob.minimum + i * (knob.step or 0) for i in range(count))]


def _milli(value: float) -> int:
    return max(0, round(value * 1000))


class _Shown:
    """One twin and its part of the page."""

    def __init__(self, twin: Any, board: NvmlBoard, gpu: GpuPage, index: int) -> None:
        self.twin, self.gpu, self._memory_mhz = twin, gpu, board.memory_mhz
        self.injected: dict[str, int] = {}
        self._errors: dict[str, int] = {}
        self._written: dict[str, int] | None = None
        can = twin.capabilities
        gpu.uuid, gpu.name = nvml_uuid(twin.identity.uid).encode(), f"{board.name} {SIMULATED_MARK}".encode()
        gpu.serial, gpu.bus_id = f"{index:013d}".encode(), f"00000000:{index + 1:02X}:00.0".encode()
        gpu.pci_bus, gpu.pci_device_id, gpu.pci_subsystem_id = index + 1, board.pci_device_id, 0x10DE
        gpu.architecture, (gpu.compute_major, gpu.compute_minor) = board.architecture, board.compute
        gpu.memory_total_bytes, gpu.persistence = board.memory_gib << 30, 1
        gpu.module_power_mw = gpu.memory_busy_percent = ABSENT
        limit = can.get(Kind.POWER_LIMIT)
        gpu.limit_minimum_mw = ABSENT if limit is None else _milli(limit.minimum or 0.0)
        gpu.limit_maximum_mw = ABSENT if limit is None else _milli(limit.maximum or 0.0)
        default_w = board.default_limit_w
        gpu.limit_default_mw = gpu.limit_maximum_mw if default_w is None or limit is None else _milli(default_w)
        gpu.set_clocks(_clocks(can.get(Kind.CORE_CLOCK)), _clocks(can.get(Kind.MEMORY_CLOCK)) or [board.memory_mhz])

    def _read(self, kind: Kind, method: str, absent: int, scale: float = 1.0, calls: Sequence[str] = ()) -> int:
        if kind not in self.twin.capabilities:
            return absent
        try:
            value: float = getattr(self.twin, method)()
        except JoulewiseError as error:
            code = next((code for kind_, code in CODES.items() if isinstance(error, kind_)), UNKNOWN)
            self._errors.update(dict.fromkeys(("*",) if code == GPU_IS_LOST else calls, code))
            return absent
        return max(0, round(value * scale))

    def show_fast(self) -> None:
        """Write what changes fast: energy and power."""
        gpu, self._errors = self.gpu, {}
        gpu.energy_mj = self._read(
            Kind.ENERGY_COUNTER, "read_energy_j", ABSENT_64, 1e3, ("nvmlDeviceGetTotalEnergyConsumption", "field:83")
        )
        calls = ("nvmlDeviceGetPowerUsage", "field:186")
        gpu.instant_power_mw = self._read(Kind.POWER_INSTANT, "read_power_w", ABSENT, 1e3, calls)
        gpu.average_power_mw = self._read(
            Kind.POWER_AVERAGE, "read_average_power_w", ABSENT, 1e3, ("nvmlDeviceGetPowerUsage", "field:185")
        )
        has_average = gpu.average_power_mw != ABSENT
        gpu.plain_power_mw = gpu.average_power_mw if has_average else gpu.instant_power_mw
        errors = {**self._errors, **self.injected}
        if errors != self._written:
            gpu.set_errors(errors)
            self._written = errors

    def show_slow(self) -> None:
        """Write what changes slowly."""
        gpu = self.gpu
        gpu.core_clock_mhz = self._read(Kind.CORE_CLOCK, "read_core_clock_mhz", ABSENT)
        gpu.memory_clock_mhz = self._read(Kind.MEMORY_CLOCK, "read_memory_clock_mhz", self._memory_mhz)
        gpu.temperature_c = self._read(Kind.TEMPERATURE, "read_temperature_c", ABSENT)
        gpu.core_busy_percent = self._read(Kind.UTILISATION, "read_utilisation_frac", ABSENT, 100)
        gpu.limit_requested_mw = self._read(Kind.POWER_LIMIT, "read_power_limit_w", ABSENT, 1e3)
        gpu.limit_enforced_mw = gpu.limit_requested_mw
        gpu.throttle_reasons = self._throttle_bits()

    def _throttle_bits(self) -> int:
        if Kind.THROTTLE_REASONS not in self.twin.capabilities:
            return ABSENT_64
        try:
            return sum(THROTTLE_BITS.get(word, 0) for word in self.twin.read_throttle_reasons())
        except JoulewiseError:
            return ABSENT_64

    def answer(self) -> None:
        """Carry out a request, if there is one."""
        gpu = self.gpu
        wanted = gpu.request_seq
        if wanted == gpu.answer_seq:
            return
        gpu.answer_code = self._carry_out(gpu.request_kind, gpu.request_low, gpu.request_high)
        self.show_slow()
        gpu.answer_seq = wanted

    def _snapped(self, kind: Kind, *clocks_mhz: int) -> list[int]:
        """The nearest clocks that the twin has, which is what NVML makes of others."""
        knob = self.twin.capabilities.get(kind)
        return [round(nearest_allowed(knob, clock)) if knob else clock for clock in clocks_mhz]

    def _carry_out(self, kind: int, low: int, high: int) -> int:
        twin = self.twin
        try:
            match kind:
                case nvml_page.SET_POWER_LIMIT:
                    twin.set_power_limit_w(nearest_allowed(twin.capabilities[Kind.POWER_LIMIT], low / 1000))
                case nvml_page.LOCK_CORE:
                    twin.lock_core_clock(*self._snapped(Kind.CORE_CLOCK, low, high))
                case nvml_page.UNLOCK_CORE:
                    twin.unlock_core_clock()
                case nvml_page.LOCK_MEMORY:
                    twin.lock_memory_clock(*self._snapped(Kind.MEMORY_CLOCK, low, high))
                case nvml_page.UNLOCK_MEMORY:
                    twin.unlock_memory_clock()
                case nvml_page.PERSIST:
                    self.gpu.persistence = low
        except JoulewiseError as error:
            return next((code for kind_, code in CODES.items() if isinstance(error, kind_)), UNKNOWN)
        return 0


class NvmlBridge:
    """Keeps a page up to date with simulated GPUs while it is entered.

    Args:
        twins: GPUs with the methods of the Protocols of their capabilities.
        boards: What NVML tells of each besides.
        page: Page with room for them.
        clock: Real time; readings are written each ``period_s``.
        period_s: Time between steps [s].

    Effects:
        Runs one thread. Entering returns after the first step, so that readers find all readings.
    """

    def __init__(
        self, twins: Sequence[Device], boards: Sequence[NvmlBoard], page: NvmlPage, clock: Clock, period_s: float = 1e-3
    ) -> None:
        """Write what does not change."""
        parts = zip(twins, boards, page.gpus, strict=True)
        self._shown = [_Shown(twin, board, gpu, index) for index, (twin, board, gpu) in enumerate(parts)]
        self._page, self._clock, self._period_s = page, clock, period_s
        self._steps, self._stop = 0, threading.Event()
        self._thread = threading.Thread(target=self._run, name="joulewise-nvml-bridge", daemon=True)

    def inject(self, index: int, codes: Mapping[str, int]) -> None:
        """Make calls on one GPU fail with NVML codes; see `GpuPage.set_errors`. An empty mapping heals it."""
        self._shown[index].injected = dict(codes)

    def step(self) -> None:
        """Answer requests and write readings, once."""
        slow = self._steps % SLOW_EVERY == 0
        for shown in self._shown:
            shown.answer()
            if slow:
                shown.show_slow()
            shown.show_fast()
        self._page.beat(self._clock.now_ns())
        self._steps += 1

    def _run(self) -> None:
        while not self._stop.is_set():
            self.step()
            self._clock.sleep(self._period_s)

    def __enter__(self) -> Self:
        """Start."""
        self.step()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and wait until the thread has ended."""
        self._stop.set()
        self._thread.join()
