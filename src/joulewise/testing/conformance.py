"""What every driver must do, as checks that anyone can run: `check_device` and `check_driver`.

All problems are collected before anything is raised, so that an author sees them at once. Knobs are turned, and put
back as they were found; ``turn=False`` only looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from joulewise.clock import Clock
from joulewise.devices.device import Device, Driver, Finding, Host
from joulewise.testing import knob_rules, rules


@dataclass(frozen=True, slots=True)
class Problem:
    """One rule that is not kept.

    Attributes:
        device: Uid of the device, or name of the driver.
        rule: What must be.
        seen: What is.
    """

    device: str
    rule: str
    seen: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.device}: {self.rule}: {self.seen}"


class ConformanceError(AssertionError):
    """A driver does not do what every driver must; lists all problems."""

    def __init__(self, problems: list[Problem]) -> None:
        """Keep the problems."""
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


def examine_device(
    device: Device, clock: Clock, *, advance: Callable[[float], None] | None = None, turn: bool = True
) -> list[Problem]:
    """What is wrong with a device.

    Args:
        device: Who to check.
        clock: The clock that it runs on.
        advance: Lets so many seconds pass while the device's load is constant; then energy must agree with power. By
            default nothing is known of its load, and it is only read.
        turn: Whether its knobs may be turned; they are put back as found.

    Returns:
        Problems; none if it conforms.
    """
    problems: list[Problem] = []
    try:
        uid = str(device.identity.uid)
    except Exception as error:  # the checker reports whatever a driver does
        return [Problem(repr(device), "has an identity", f"{type(error).__name__}: {error}")]
    every = [rules.identity, rules.document, rules.capabilities, rules.methods, rules.readings, rules.counter]
    checks = [*every, knob_rules.knobs] if turn else every
    context = rules.Context(device, clock, advance)
    for check in checks:
        try:
            problems += [Problem(uid, rule, seen) for rule, seen in check(context)]
        except Exception as error:  # as above
            problems.append(Problem(uid, f"{check.__name__} can be checked", f"{type(error).__name__}: {error}"))
    return problems


def check_device(
    device: Device, clock: Clock, *, advance: Callable[[float], None] | None = None, turn: bool = True
) -> None:
    """Raise unless a device does what every device must; arguments as of `examine_device`.

    Raises:
        ConformanceError: With all problems.
    """
    problems = examine_device(device, clock, advance=advance, turn=turn)
    if problems:
        raise ConformanceError(problems)


def check_driver(
    driver: Driver,
    host: Host,
    *,
    advance: Callable[[float], None] | None = None,
    turn: bool = True,
    devices: int | None = None,
) -> None:
    """Raise unless a driver and all devices that it finds do what they must.

    Args:
        driver: Who to check.
        host: A host that has its devices, usually a fake.
        advance: As of `examine_device`.
        turn: As of `examine_device`.
        devices: How many it must find there, if known.

    Raises:
        ConformanceError: With all problems.
    """
    problems = [*_never_raises(driver, host)]
    if not problems:
        problems += _findings(driver, host, devices)
        for device in driver.find(host):
            problems += examine_device(device, host.clock, advance=advance, turn=turn)
    if problems:
        raise ConformanceError(problems)


def _never_raises(driver: Driver, host: Host) -> Iterator[Problem]:
    with TemporaryDirectory() as empty:
        for where, place in (("its host", host), ("an empty host", Host(Path(empty), {}, host.clock))):
            for call in (driver.find, driver.examine):
                try:
                    call(place)
                except Exception as error:  # the checker reports whatever a driver does
                    rule = f"{call.__name__} never raises, on {where}"
                    yield Problem(repr(driver), rule, f"{type(error).__name__}: {error}")


def _findings(driver: Driver, host: Host, devices: int | None) -> Iterator[Problem]:
    first, findings = driver.find(host), driver.examine(host)
    uids = [device.identity.uid for device in first]
    if not driver.name:
        yield Problem(repr(driver), "has a name", repr(driver.name))
    if uids != [device.identity.uid for device in driver.find(host)]:
        yield Problem(driver.name, "finds the same devices in the same order", str(uids))
    if len(set(uids)) != len(uids):
        yield Problem(driver.name, "uids are unique", str(uids))
    if devices is not None and len(uids) != devices:
        seen = [finding.seen for finding in findings]
        yield Problem(driver.name, f"finds {devices} devices", f"{len(uids)}; examine says {seen}")
    for device in first:
        if device.identity.driver != driver.name:
            yield Problem(device.identity.uid, f"identity.driver is {driver.name!r}", repr(device.identity.driver))
    for finding in findings:
        if not isinstance(finding, Finding) or not finding.looked_for or not finding.seen:
            yield Problem(driver.name, "a finding says what was looked for and seen", str(finding))
        elif not finding.found and not finding.fix:
            yield Problem(driver.name, "a finding of something missing says what to do", str(finding))
    if first and not any(finding.found for finding in findings):
        yield Problem(driver.name, "examine says found where find finds devices", str(findings))
