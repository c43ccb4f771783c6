"""Which AMD GPUs are there, by PCI address, and which of them another one's figures include.

Two designs show several devices for what one sensor sees. An MI250 is two dies: the first of each pair reports the
power of both, the second none. A partitioned MI3xx appears once for each partition, and only partition 0 reports.
Both kinds of mute devices get the reporting one as parent, so that totals do not count, or miss, anything twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from joulewise.devices.amdsmi_binding import Binding, number
from joulewise.errors import JoulewiseError


@dataclass(frozen=True)
class Seat:
    """One device as the library lists it.

    Attributes:
        handle: The library's handle.
        pci: PCI address, such as 0000:c1:00.0.
        names: Its UUID in AMD's management and in ROCm ("GPU-..."), as far as known.
        model: Market name.
        partition: Which partition of its GPU it is.
        reports_power: Whether it answers with a power above zero.
        parent: PCI address of the device whose figures include this one's, or None.
        covers: What else its own figures include, in words; empty for an ordinary GPU.
    """

    handle: Any
    pci: str
    names: tuple[str, ...]
    model: str
    partition: int
    reports_power: bool
    parent: str | None = None
    covers: str = ""


def list_seats(binding: Binding) -> list[Seat]:
    """All GPUs in the order of their PCI addresses, whatever order the library has."""
    seats = [_seat(binding, handle) for handle in binding.call("amdsmi_get_processor_handles")]
    seats.sort(key=lambda seat: (seat.pci, seat.partition))
    return _pair_dies(_group_partitions(seats))


def read_power_w(binding: Binding, handle: Any, field: str) -> float | None:
    """One of the two power readings [W], or None if this GPU does not have it (MI300X no average, MI210 no present)."""
    power_w = number(binding.call("amdsmi_get_power_info", handle).get(field))
    return power_w if power_w else None  # nothing that answers draws 0 W


def _seat(binding: Binding, handle: Any) -> Seat:
    def said(function: str, field: str = "") -> Any:
        try:
            answer = binding.call(function, handle)
        except JoulewiseError:
            return None
        return answer.get(field) if field else answer

    power = said("amdsmi_get_power_info") or {}
    serial = said("amdsmi_get_gpu_asic_info", "asic_serial")
    partition = number(said("amdsmi_get_gpu_kfd_info", "current_partition_id"))
    return Seat(
        handle=handle,
        pci=str(binding.call("amdsmi_get_gpu_device_bdf", handle)).lower(),
        names=tuple(filter(None, (said("amdsmi_get_gpu_device_uuid"), _rocm_uuid(serial)))),
        model=str(said("amdsmi_get_gpu_asic_info", "market_name") or "AMD GPU"),
        partition=int(partition or 0),
        reports_power=any(number(power.get(f"{when}_socket_power")) for when in ("current", "average")),
    )


def _rocm_uuid(serial: object) -> str:
    """The UUID that ROCR_VISIBLE_DEVICES takes: "GPU-" and the 16 digits of the chip's serial number.

    Example:
        >>> _rocm_uuid("0xD5A1AFD4EC7820C1"), _rocm_uuid("N/A")
        ('GPU-d5a1afd4ec7820c1', '')
    """
    text = str(serial).lower()
    return f"GPU-{text[2:].zfill(16)}" if text.startswith("0x") else ""


def _group_partitions(seats: Sequence[Seat]) -> list[Seat]:
    whole = {_slot(seat): seat.pci for seat in reversed(seats) if seat.partition == 0}
    split = {_slot(seat) for seat in seats if seat.partition > 0}
    grouped = []
    for seat in seats:
        if seat.partition > 0:
            # Partitions can share one PCI address; the name of each must still be its own.
            own = seat.pci if seat.pci != whole.get(_slot(seat)) else f"{seat.pci}#{seat.partition}"
            grouped.append(replace(seat, pci=own, parent=whole.get(_slot(seat))))
        else:
            grouped.append(replace(seat, covers="all partitions of this GPU") if _slot(seat) in split else seat)
    return grouped


def _slot(seat: Seat) -> str:
    return seat.pci.rpartition(".")[0]


def _pair_dies(seats: Sequence[Seat]) -> list[Seat]:
    paired = list(seats)
    reporting: int | None = None  # the die that may still get its mute twin
    for index, seat in enumerate(seats):
        if "MI250" not in seat.model or seat.parent is not None:
            continue
        if seat.reports_power:
            reporting = index
        elif reporting is not None:
            paired[reporting] = replace(paired[reporting], covers="both dies of this MI250")
            paired[index] = replace(seat, parent=seats[reporting].pci)
            reporting = None
    return paired
