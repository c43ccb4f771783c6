"""What our figures are called elsewhere: one table for Prometheus and OpenTelemetry.

Prometheus: base units, the unit in the name, ``_total`` on counters. OpenTelemetry: the hardware conventions, whose
status is Development, so that names may change; where they have none, ours begin with ``joulewise.``. A whole node
must be reported under ``hw.host.*`` and nothing else, so that nobody adds it to what is in it.

Source: OpenTelemetry semantic conventions, hardware, of `SEMCONV`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from joulewise.devices.device import Identity, Scope
from joulewise.export.observation import Observation

SEMCONV = "1.44.0"
SCHEMA_URL = f"https://opentelemetry.io/schemas/{SEMCONV}"
MEGA = 1e6


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure.

    Attributes:
        prometheus: Its name, without the ``_total`` that counters get.
        otel: Its name for OpenTelemetry, by the type of the hardware; "" stands for every other type.
        unit: Its unit (UCUM), the same in both.
        text: What it is.
        value: Reads it from an observation; given also the instant of now [ns].
        counter: Whether it only rises.
        source: Reads how and where the figure was found.
        attributes: What the conventions want besides.
    """

    prometheus: str
    otel: Mapping[str, str]
    unit: str
    text: str
    value: Callable[[Observation, int], float | None]
    counter: bool = False
    source: Callable[[Observation], tuple[str, str]] = lambda one: (one.energy_means, one.energy_source)
    attributes: Mapping[str, str] | None = None


def _of_power(one: Observation) -> tuple[str, str]:
    return one.power_means, one.power_source


def _of_itself(one: Observation) -> tuple[str, str]:
    return "gauge", one.identity.driver


METRICS = (
    Metric(
        "joulewise_energy_joules",
        {"": "hw.energy", "host": "hw.host.energy"},
        "J",
        "Energy used since the exporter started. Do not add devices that name a parent, nor the node to what is in it.",
        lambda one, _: one.energy_j,
        counter=True,
    ),
    Metric(
        "joulewise_energy_resolution_joules",
        {"": "joulewise.energy.resolution"},
        "J",
        "By how much the energy may lag behind what was used, at the power of now; the sensor's gain error aside.",
        lambda one, _: one.lag_j,
    ),
    Metric(
        "joulewise_sample_age_seconds",
        {"": "joulewise.sample.age"},
        "s",
        "Time since the energy was last read. Rises while a device does not answer.",
        lambda one, now_ns: one.age_s(now_ns),
    ),
    Metric(
        "joulewise_power_watts",
        {"": "hw.power", "host": "hw.host.power"},
        "W",
        "Power, of the gauge, else the mean of the energy counter over a second or more.",
        lambda one, _: one.power_w,
        source=_of_power,
    ),
    Metric(
        "joulewise_power_limit_watts",
        {"": "joulewise.power.limit"},
        "W",
        "The power limit in force.",
        lambda one, _: one.power_limit_w,
        source=_of_itself,
    ),
    Metric(
        "joulewise_clock_hertz",
        {"": "joulewise.clock.frequency", "cpu": "hw.cpu.speed"},
        "Hz",
        "The core clock that is achieved.",
        lambda one, _: None if one.core_mhz is None else one.core_mhz * MEGA,
        source=_of_itself,
    ),
    Metric(
        "joulewise_temperature_celsius",
        {"": "hw.temperature"},
        "Cel",
        "Temperature of the core.",
        lambda one, _: one.temperature_c,
        source=_of_itself,
    ),
    Metric(
        "joulewise_utilization_ratio",
        {"": "joulewise.utilization", "gpu": "hw.gpu.utilization"},
        "1",
        "Fraction of recent time in which it was busy.",
        lambda one, _: one.utilisation_frac,
        source=_of_itself,
        attributes={"hw.gpu.task": "general"},
    ),
)
INFO = "joulewise_device"
"""Prometheus adds ``_info``."""


def labels(one: Observation, metric: Metric) -> dict[str, str]:
    """Labels of one figure for Prometheus. ``parent`` is empty for those that may be added up."""
    who, (means, source) = one.identity, metric.source(one)
    return {
        "device": one.name,
        "uuid": who.uid,
        "vendor": who.vendor,
        "scope": str(who.scope),
        "parent": one.within,
        "source": source,
        "method": str(means),
        "provenance": str(who.provenance),
    }


def facts(one: Observation) -> dict[str, str]:
    """What a device is, for Prometheus' info metric."""
    who = one.identity
    return {
        "device": one.name,
        "uuid": who.uid,
        "vendor": who.vendor,
        "scope": str(who.scope),
        "parent": one.within,
        "provenance": str(who.provenance),
        "model": who.model,
        "driver": who.driver,
        "driver_version": who.driver_version,
    }


def hardware_type(who: Identity, within: str = "") -> str:
    """Its type by the conventions; "host" for a whole node, which they name otherwise, and "module" is ours."""
    if who.scope is Scope.NODE:
        return "enclosure" if within else "host"
    if who.scope is Scope.DRAM:
        return "memory"
    if who.scope is Scope.MODULE:
        return "module"
    return "cpu" if who.scope is Scope.PACKAGE or who.driver in ("cpu", "cpufreq") else "gpu"


def otel_name(metric: Metric, kind: str) -> str:
    """What OpenTelemetry calls a figure of hardware of a type."""
    return metric.otel.get(kind, metric.otel[""])


def attributes(one: Observation, metric: Metric) -> dict[str, str]:
    """Attributes of one figure for OpenTelemetry."""
    who, (means, source) = one.identity, metric.source(one)
    kind = hardware_type(who, one.within)
    found = {
        "hw.id": who.uid,
        "hw.type": "" if kind == "host" else kind,
        "hw.name": one.name,
        "hw.parent": one.within,
        "hw.vendor": who.vendor,
        "hw.model": who.model,
        "hw.driver_version": who.driver_version,
        "joulewise.scope": str(who.scope),
        "joulewise.source": source,
        "joulewise.method": str(means),
        "joulewise.provenance": str(who.provenance),
    }
    if metric.attributes and otel_name(metric, kind) != metric.otel[""]:
        found |= metric.attributes
    return {key: value for key, value in found.items() if value}
