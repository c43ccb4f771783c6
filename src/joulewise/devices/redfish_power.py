"""Where a chassis says its power and energy: three generations of the Redfish standard, the newest first.

1. ``EnvironmentMetrics``: PowerWatts, and EnergyJoules or EnergykWh.
2. ``PowerSubsystem``: the input of every power supply, summed.
3. ``Power`` (deprecated since 2020.4): PowerControl, of which the first entry is the chassis.

Source: DMTF DSP8010, schemas EnvironmentMetrics 1.5, PowerSubsystem 1.1, PowerSupplyMetrics 1.1, Power 1.7, Sensor 1.8.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from joulewise.devices.redfish_client import RedfishClient
from joulewise.errors import CapabilityError, JoulewiseError

KWH_J = 3.6e6
MOST = 10**12  # a terawatt, or terajoules: whatever says more is no sensor
SECONDS = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


@dataclass(frozen=True)
class Source:
    """A way to read one figure.

    Attributes:
        path: The resource and field, for people.
        read: Reads it, in W or J.
        resolution: Smallest difference, as far as its digits show.
        update_period_s: How often it is sensed [s], if the controller says so.
        averaging_window_s: Over how long it is averaged [s], if the controller says so.
    """

    path: str
    read: Callable[[], float]
    resolution: float | None = None
    update_period_s: float | None = None
    averaging_window_s: float | None = None


def find_power(client: RedfishClient, chassis: Mapping[str, Any]) -> Source:
    """The power of a chassis.

    Raises:
        CapabilityError: If it says it nowhere.
    """
    for way in (_metrics_power, _supplies_power, _control_power):
        try:
            return way(client, chassis)
        except CapabilityError:
            continue
    raise CapabilityError(str(chassis.get("@odata.id")), "power", "other readings")


def find_energy(client: RedfishClient, chassis: Mapping[str, Any]) -> Source:
    """The energy counter of a chassis.

    Raises:
        CapabilityError: If it has none.
    """
    path = link(chassis, "EnvironmentMetrics")
    metrics = client.get(path)
    for name, field, unit_j in (
        ("EnergyJoules", "Reading", 1.0),
        ("EnergykWh", "LifetimeReading", KWH_J),
        ("EnergykWh", "Reading", KWH_J),
    ):
        value = _at(metrics, name, field)
        if _number(value) is not None:

            def read(name: str = name, field: str = field, unit_j: float = unit_j) -> float:
                return _must(_at(client.get(path), name, field), f"{path} {name}") * unit_j

            return Source(f"{path} {name}.{field}", read, _step(value) * unit_j)
    raise CapabilityError(path, "energy", "no EnergyJoules and no EnergykWh")


def link(resource: Mapping[str, Any], name: str) -> str:
    """The path that a resource points to.

    Raises:
        CapabilityError: If it does not.
    """
    target = _at(resource, name, "@odata.id")
    if not isinstance(target, str):
        raise CapabilityError(
            str(resource.get("@odata.id")), name, ", ".join(key for key in resource if "@" not in key)
        )
    return target


def members(collection: Mapping[str, Any]) -> list[str]:
    """Paths of the members of a collection."""
    listed = collection.get("Members")
    paths = [_at(member, "@odata.id") for member in listed] if isinstance(listed, list) else []
    return [path for path in paths if isinstance(path, str)]


def _metrics_power(client: RedfishClient, chassis: Mapping[str, Any]) -> Source:
    path = link(chassis, "EnvironmentMetrics")
    metrics = client.get(path)
    value = _at(metrics, "PowerWatts", "Reading")
    _must(value, f"{path} PowerWatts")
    period_s = window_s = None
    where = _at(metrics, "PowerWatts", "DataSourceUri")
    if isinstance(where, str):
        try:
            sensor = client.get(where)
            period_s, window_s = (_seconds(sensor.get(name)) for name in ("SensingInterval", "AveragingInterval"))
        except JoulewiseError:
            pass  # the reading is there; only its timing stays unknown

    def read() -> float:
        return _must(_at(client.get(path), "PowerWatts", "Reading"), f"{path} PowerWatts")

    return Source(f"{path} PowerWatts.Reading", read, _step(value), period_s, window_s)


def _supplies_power(client: RedfishClient, chassis: Mapping[str, Any]) -> Source:
    supplies = link(client.get(link(chassis, "PowerSubsystem")), "PowerSupplies")
    paths = []
    for member in members(client.get(supplies)):
        supply = client.get(member)
        if _at(supply, "Status", "State") != "Absent":
            paths.append(link(supply, "Metrics"))  # a supply that does not tell would make the sum too small
    if not paths:
        raise CapabilityError(supplies, "power", "no power supplies")

    def read() -> float:
        values = [_at(client.get(path), "InputPowerWatts", "Reading") for path in paths]
        return sum(_must(value, f"{supplies} InputPowerWatts") for value in values)

    read()
    return Source(f"{supplies} InputPowerWatts.Reading, summed over {len(paths)}", read)


def _control_power(client: RedfishClient, chassis: Mapping[str, Any]) -> Source:
    path = link(chassis, "Power")

    def control() -> Mapping[str, Any]:
        entries = client.get(path).get("PowerControl") or [{}]
        return entries[0] if isinstance(entries, list) and isinstance(entries[0], Mapping) else {}

    def read() -> float:
        return _must(control().get("PowerConsumedWatts"), f"{path} PowerControl")

    first = control()
    _must(first.get("PowerConsumedWatts"), f"{path} PowerControl")
    return Source(f"{path} PowerControl[0].PowerConsumedWatts", read, _step(first.get("PowerConsumedWatts")))


def _at(resource: object, *names: str) -> Any:
    for name in names:
        resource = resource.get(name) if isinstance(resource, Mapping) else None
    return resource


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return float(value) if -MOST < value < MOST else None


def _must(value: object, what: str) -> float:
    number = _number(value)
    if number is None or number < 0:
        raise CapabilityError(what, "a reading", f"{value!r}")
    return number


def _step(value: object) -> float:
    exponent = value.as_tuple().exponent if isinstance(value, Decimal) else 0
    return float(10.0 ** min(exponent, 0)) if isinstance(exponent, int) else 1.0


def _seconds(text: object) -> float | None:
    """Seconds of an ISO 8601 duration, or None.

    Example:
        >>> _seconds("PT1S"), _seconds("PT1M30.5S"), _seconds("soon")
        (1.0, 90.5, None)
    """
    match = SECONDS.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return days * 86_400 + hours * 3_600 + minutes * 60 + seconds or None
