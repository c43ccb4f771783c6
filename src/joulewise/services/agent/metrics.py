"""The text that Prometheus scrapes, in its exposition format 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Device
from joulewise.devices.settings import PowerLimit
from joulewise.services.agent.history import Sample
from joulewise.services.agent.lease import Lease

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_HELP = {
    "joulewise_energy_joules_total": ("counter", "Energy since the agent started, by the device's counter."),
    "joulewise_power_watts": ("gauge", "Power, as the device's sensor sees it."),
    "joulewise_sample_age_seconds": ("gauge", "Time since the device was read."),
    "joulewise_power_limit_watts": ("gauge", "Power limit that a lease has set."),
    "joulewise_agent_leases": ("gauge", "Knobs of the device that are in a client's hands."),
}


def render(
    devices: Iterable[Device], samples: Mapping[str, Sample | None], leases: Iterable[Lease], now_ns: int
) -> str:
    """The metrics of some devices. Figures of nested scopes are labelled, never summed.

    Args:
        devices: Whose; those that the reader may read.
        samples: The last sample of each, by uid.
        leases: All leases.
        now_ns: Now [ns].
    """
    lines: dict[str, list[str]] = {name: [] for name in _HELP}
    held = list(leases)
    for device in devices:
        identity = device.identity
        labels = {
            "device": identity.model,
            "uuid": identity.uid,
            "vendor": identity.vendor,
            "scope": str(identity.scope),
            "source": identity.driver,
            "provenance": str(identity.provenance),
            "parent": identity.parent or "",
        }
        text = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
        mine = [lease for lease in held if lease.knob[0] == identity.uid]
        sample = samples.get(identity.uid)
        values = {
            "joulewise_energy_joules_total": sample.energy_j if sample else None,
            "joulewise_power_watts": sample.power_w if sample else None,
            "joulewise_sample_age_seconds": (now_ns - sample.at_ns) / 1e9 if sample else None,
            "joulewise_power_limit_watts": next((_limit_w(lease) for lease in mine if _limit_w(lease)), None),
            "joulewise_agent_leases": len(mine),
        }
        for name, value in values.items():
            if value is not None:
                lines[name].append(f"{name}{{{text}}} {float(value)!r}")
    parts = []
    for name, (kind, help_) in _HELP.items():
        if lines[name]:
            parts += [f"# HELP {name} {help_}", f"# TYPE {name} {kind}", *lines[name]]
    return "\n".join(parts) + "\n"


def _limit_w(lease: Lease) -> float | None:
    limit = lease.setting
    return limit.limit_w if lease.knob[1] is Kind.POWER_LIMIT and isinstance(limit, PowerLimit) else None
