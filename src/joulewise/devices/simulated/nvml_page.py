"""The page of nvml_fake/page.h, in Python: where simulated GPUs and the stand-in for NVML meet.

The structures mirror that header field by field. Each field is written at once (one aligned store), so a reader in
another process never sees half of one.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Mapping, Sequence
from pathlib import Path

from joulewise.errors import UsageError

MAGIC, VERSION = 0x4C4D564E2D57414A, 1
ABSENT, ABSENT_64 = 2**32 - 1, 2**64 - 1
MAX_CLOCKS, MAX_MEMORY_CLOCKS, MAX_ERRORS, MAX_PROCESSES, MAX_SLICES = 256, 16, 32, 16, 7
SET_POWER_LIMIT, LOCK_CORE, UNLOCK_CORE, LOCK_MEMORY, UNLOCK_MEMORY, PERSIST = range(1, 7)

_U32, _U64, _I32 = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_int32


class _InjectedError(ctypes.Structure):
    _fields_ = (("call", ctypes.c_char * 60), ("code", _I32))


class _Process(ctypes.Structure):
    _fields_ = (("memory_bytes", _U64), ("pid", _U32), ("busy_percent", _U32))


class _Slice(ctypes.Structure):
    _fields_ = (
        ("uuid", ctypes.c_char * 96),
        ("memory_bytes", _U64),
        ("gpu_instance", _U32),
        ("compute_instance", _U32),
    )


def _fields(kind: type, names: str) -> list[tuple[str, type]]:
    return [(name, kind) for name in names.split()]


class GpuPage(ctypes.Structure):
    """One GPU; ``page.h`` says what the fields mean."""

    _fields_ = (
        ("uuid", ctypes.c_char * 96),
        ("name", ctypes.c_char * 96),
        ("serial", ctypes.c_char * 32),
        ("bus_id", ctypes.c_char * 32),
        *_fields(_U32, "pci_domain pci_bus pci_device pci_device_id pci_subsystem_id"),
        *_fields(_U32, "architecture compute_major compute_minor"),
        *_fields(_U64, "energy_mj throttle_reasons memory_total_bytes memory_used_bytes"),
        *_fields(_U32, "plain_power_mw average_power_mw instant_power_mw module_power_mw"),
        *_fields(_U32, "core_clock_mhz memory_clock_mhz temperature_c core_busy_percent memory_busy_percent"),
        *_fields(_U32, "persistence limit_minimum_mw limit_maximum_mw limit_default_mw"),
        *_fields(_U32, "limit_requested_mw limit_enforced_mw slice_count"),
        *_fields(_U32, "core_clock_count memory_clock_count process_count error_count"),
        ("core_clocks_mhz", _U32 * MAX_CLOCKS),
        ("memory_clocks_mhz", _U32 * MAX_MEMORY_CLOCKS),
        ("processes", _Process * MAX_PROCESSES),
        ("slices", _Slice * MAX_SLICES),
        ("errors", _InjectedError * MAX_ERRORS),
        *_fields(_U32, "request_kind request_low request_high request_seq answer_seq"),
        ("answer_code", _I32),
    )

    def set_clocks(self, core_mhz: Sequence[int], memory_mhz: Sequence[int]) -> None:
        """List the clocks that can be locked, in any order [MHz]; the lists are cut to what fits."""
        core, memory = sorted(core_mhz, reverse=True)[:MAX_CLOCKS], sorted(memory_mhz, reverse=True)[:MAX_MEMORY_CLOCKS]
        self.core_clocks_mhz[: len(core)] = core
        self.memory_clocks_mhz[: len(memory)] = memory
        self.core_clock_count, self.memory_clock_count = len(core), len(memory)

    def set_processes(
        self, memory_bytes_of: Mapping[int, int], busy_percent_of: Mapping[int, int] | None = None
    ) -> None:
        """Say which processes use the GPU: memory [bytes] by pid, and in which part of the time they compute [%]."""
        busy = busy_percent_of or {}
        for entry, (pid, memory_bytes) in zip(self.processes, memory_bytes_of.items(), strict=False):
            entry.pid, entry.memory_bytes, entry.busy_percent = pid, memory_bytes, busy.get(pid, 0)
        self.process_count = min(len(memory_bytes_of), MAX_PROCESSES)

    def set_slices(self, slices: Sequence[tuple[str, int]]) -> None:
        """Divide the GPU into MIG slices, each with its UUID and memory [bytes]; none turns MIG off."""
        if len(slices) > MAX_SLICES:
            raise UsageError("too many MIG slices", f"{len(slices)}", f"give at most {MAX_SLICES}")
        for index, (uuid, memory_bytes) in enumerate(slices):
            entry = self.slices[index]
            entry.uuid, entry.memory_bytes = uuid.encode(), memory_bytes
            entry.gpu_instance, entry.compute_instance = index + 1, 0
        self.slice_count = len(slices)

    def set_errors(self, codes: Mapping[str, int]) -> None:
        """Make calls fail: NVML code by name of call, "field:186", or "*" for all."""
        if len(codes) > MAX_ERRORS:
            raise UsageError("too many calls are to fail", f"{len(codes)}", f'give at most {MAX_ERRORS}, or "*"')
        self.error_count = 0
        for entry, (call, code) in zip(self.errors, codes.items(), strict=False):
            entry.call, entry.code = call.encode(), code
        self.error_count = len(codes)


class _Header(ctypes.Structure):
    _fields_ = (
        ("magic", _U64),
        *_fields(_U32, "version header_size gpu_size gpu_count"),
        ("init_code", _I32),
        ("cuda_driver", _I32),
        ("driver_version", ctypes.c_char * 80),
        ("nvml_version", ctypes.c_char * 80),
        ("beat_ns", _U64),
    )


class NvmlPage:
    """A page in a file, mapped.

    Args:
        path: File to create.
        gpu_count: GPUs on it.
        driver_version: What the library says of its driver.
        init_code: What nvmlInit answers, such as 9 for a driver that is not loaded.
    """

    def __init__(self, path: Path, gpu_count: int, *, driver_version: str = "570.124.06", init_code: int = 0) -> None:
        """Write the header; the magic last, so that nobody reads before."""
        size = ctypes.sizeof(_Header) + gpu_count * ctypes.sizeof(GpuPage)
        with path.open("w+b") as file:
            file.truncate(size)
            self._map = mmap.mmap(file.fileno(), size)
        self.path = path
        self._header = _Header.from_buffer(self._map)
        self.gpus = [
            GpuPage.from_buffer(self._map, ctypes.sizeof(_Header) + index * ctypes.sizeof(GpuPage))
            for index in range(gpu_count)
        ]
        header = self._header
        header.version, header.gpu_count, header.init_code = VERSION, gpu_count, init_code
        header.header_size, header.gpu_size = ctypes.sizeof(_Header), ctypes.sizeof(GpuPage)
        header.driver_version, header.nvml_version = driver_version.encode(), f"12.{driver_version}".encode()
        header.cuda_driver = 12080
        header.magic = MAGIC

    def beat(self, now_ns: int) -> None:
        """Note when the readings were last brought up to date [ns]."""
        self._header.beat_ns = now_ns
