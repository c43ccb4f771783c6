"""What one AMD GPU can, found by asking."""

from __future__ import annotations

import os
from collections.abc import Callable

from joulewise.devices.amdsmi_binding import Binding, number
from joulewise.devices.amdsmi_gpu import DOMAINS, AmdGpu
from joulewise.devices.amdsmi_seats import Seat
from joulewise.devices.amdsmi_validation import Suspect
from joulewise.devices.capabilities import Capabilities, Capability, Kind
from joulewise.devices.device import Host
from joulewise.errors import CapabilityError, JoulewiseError

OF_THE_WHOLE = {Kind.ENERGY_COUNTER, Kind.POWER_INSTANT, Kind.POWER_AVERAGE, Kind.POWER_LIMIT}
ROOT = "root, with a writable /sys"
CAP_TRAP = "a cap below the present draw has switched capping off on some boards: verify by reading power"


def probe(binding: Binding, seat: Seat, gpu: AmdGpu, host: Host) -> None:
    """Give a GPU the capabilities that it answers for; whoever has a parent leaves energy and power to that."""
    found = {}
    for kind, ask in _questions(binding, seat, gpu, host).items():
        if seat.parent is not None and kind in OF_THE_WHOLE:
            continue
        try:
            found[kind] = ask()
        except JoulewiseError:
            continue
    gpu.capabilities = Capabilities(found)


def suspect_of(gpu: AmdGpu) -> Suspect | None:
    """The GPU's energy counter beside its power, if it has both."""
    if Kind.ENERGY_COUNTER not in gpu.capabilities:
        return None
    for kind, read in ((Kind.POWER_INSTANT, gpu.read_power_w), (Kind.POWER_AVERAGE, gpu.read_average_power_w)):
        if kind in gpu.capabilities:
            return Suspect(lambda: gpu.read_accumulated_j()[0], read)
    return None


def _questions(binding: Binding, seat: Seat, gpu: AmdGpu, host: Host) -> dict[Kind, Callable[[], Capability]]:
    def energy() -> Capability:
        source, note = "amdsmi_get_energy_count", f"covers {seat.covers}" if seat.covers else ""
        return Capability(Kind.ENERGY_COUNTER, "J", source, resolution=gpu.read_accumulated_j()[1], note=note)

    def power(kind: Kind, read: Callable[[], float], field: str) -> Capability:
        read()
        note = f"covers {seat.covers}" if seat.covers else ""
        return Capability(kind, "W", f"amdsmi_get_power_info {field}", resolution=1.0, note=note)

    def temperature() -> Capability:
        gpu.read_temperature_c()
        return Capability(Kind.TEMPERATURE, "C", "amdsmi_get_temp_metric", resolution=1.0)

    def utilisation() -> Capability:
        gpu.read_utilisation_frac()
        return Capability(Kind.UTILISATION, "fraction", "amdsmi_get_gpu_activity", resolution=0.01)

    def throttle() -> Capability:
        gpu.read_throttle_reasons()
        return Capability(Kind.THROTTLE_REASONS, "", "amdsmi_get_violation_status")

    def limit() -> Capability:
        return _limit(binding, seat, host)

    return {
        Kind.ENERGY_COUNTER: energy,
        Kind.POWER_INSTANT: lambda: power(Kind.POWER_INSTANT, gpu.read_power_w, "current_socket_power"),
        Kind.POWER_AVERAGE: lambda: power(Kind.POWER_AVERAGE, gpu.read_average_power_w, "average_socket_power"),
        Kind.TEMPERATURE: temperature,
        Kind.UTILISATION: utilisation,
        Kind.THROTTLE_REASONS: throttle,
        Kind.POWER_LIMIT: limit,
        Kind.CORE_CLOCK: lambda: _clock(binding, seat, gpu, host, "sclk"),
        Kind.MEMORY_CLOCK: lambda: _clock(binding, seat, gpu, host, "mclk"),
    }


def _limit(binding: Binding, seat: Seat, host: Host) -> Capability:
    cap = binding.call("amdsmi_get_power_cap_info", seat.handle)
    low, high, now = (number(cap.get(f"{which}power_cap")) for which in ("min_", "max_", ""))
    if low is None or not high or not now:
        raise CapabilityError(seat.pci, "a power cap", "no range of it")
    return Capability(
        Kind.POWER_LIMIT,
        "W",
        "amdsmi_set_power_cap",
        minimum=low * 1e-6,
        maximum=high * 1e-6,
        step=1.0,
        resolution=1.0,
        privilege=ROOT,
        permitted=_writable(host, seat, "hwmon/hwmon*/power1_cap"),
        note=CAP_TRAP,
    )


def _clock(binding: Binding, seat: Seat, gpu: AmdGpu, host: Host, domain: str) -> Capability:
    limits = gpu.read_soft_range_mhz(domain, "{}_freq_limits")
    if limits is None or not binding.has("amdsmi_set_gpu_clk_limit"):
        raise CapabilityError(seat.pci, f"limits of {domain}", "no overdrive range")
    low, high = limits
    kind = binding.enum("AmdSmiClkType", DOMAINS[domain])
    if "Instinct" not in seat.model:
        # Consumer boards may be told more than they are sold for; we only ever clock down.
        factory = number(binding.call("amdsmi_get_clock_info", seat.handle, kind).get("max_clk"))
        high = min(high, round(factory or high))
    levels: tuple[float, ...] | None = None
    if domain == "mclk":
        hertz = binding.call("amdsmi_get_clk_freq", seat.handle, kind).get("frequency", [])
        levels = tuple(sorted({float(round(one * 1e-6)) for one in hertz if low <= round(one * 1e-6) <= high})) or None
    return Capability(
        Kind.CORE_CLOCK if domain == "sclk" else Kind.MEMORY_CLOCK,
        "MHz",
        "amdsmi_set_gpu_clk_limit",
        minimum=float(low),
        maximum=float(high),
        step=None if levels else 1.0,
        values=levels,
        resolution=1.0,
        privilege=ROOT,
        permitted=_writable(host, seat, "pp_od_clk_voltage"),
        note="limits, not a lock: the clock may be lower; unlocking returns the performance level too",
    )


def _writable(host: Host, seat: Seat, pattern: str) -> bool:
    """Whether the file behind a knob may be written; containers mount it read-only even for root."""
    files = sorted(host.path(f"/sys/bus/pci/devices/{seat.pci.partition('#')[0]}").glob(pattern))
    return os.access(files[0], os.W_OK) if files else os.geteuid() == 0
