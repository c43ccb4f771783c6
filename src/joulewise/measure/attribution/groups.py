"""Energy per container, job or user: shares of processes put together."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from joulewise.measure.attribution.share import UNATTRIBUTED, Attribution, divide

_CONTAINER = re.compile(r"(?:^|[-/:])([0-9a-f]{64})(?:\.scope)?(?=/|$)")
_POD = re.compile(r"pod([0-9a-f]{8}[-_][0-9a-f-_]{27})")


def by_group(attribution: Attribution, group_of: Mapping[str, str], method: str = "by group") -> Attribution:
    """Put shares together.

    Args:
        attribution: Of processes, or anything else.
        group_of: The group of each key; keys that are not in it stay unattributed.
        method: What the groups are, such as "by container".
    """
    members: dict[str, list[float]] = {}
    for share in attribution.shares:
        group = group_of.get(share.key, UNATTRIBUTED)
        if group != UNATTRIBUTED:
            members.setdefault(group, []).append(share.energy_j)
    joules = {group: math.fsum(parts) for group, parts in members.items()}
    return divide(attribution.total, joules, f"{attribution.method}; {method}")


def container_of(cgroup: str) -> str:
    """The container that a cgroup is of: first 12 digits of its id, as container tools show; else the cgroup itself.

    Example:
        >>> container_of("/system.slice/docker-" + "0123456789abcdef" * 4 + ".scope")
        '0123456789ab'
        >>> container_of("/user.slice/user-1000.slice")
        '/user.slice/user-1000.slice'
    """
    found = _CONTAINER.findall(cgroup)
    return found[-1][:12] if found else cgroup


def pod_of(cgroup: str) -> str | None:
    """The uid of the Kubernetes pod that a cgroup is of, or None.

    Example:
        >>> pod_of("/kubepods/burstable/pod0b1c2d3e-1111-2222-3333-444455556666/x")
        '0b1c2d3e-1111-2222-3333-444455556666'
    """
    found = _POD.search(cgroup)
    return found.group(1).replace("_", "-") if found else None
