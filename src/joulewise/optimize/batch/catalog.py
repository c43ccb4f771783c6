"""Policies by name, and from what they have saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from joulewise.errors import UsageError
from joulewise.optimize.batch.curves import CurveBandit
from joulewise.optimize.batch.fixed import FixedSize
from joulewise.optimize.batch.grid import GridSearch
from joulewise.optimize.batch.protocol import JobSpec, Policy
from joulewise.optimize.batch.zeus import ZeusBandit

POLICIES: Mapping[str, type[CurveBandit] | type[ZeusBandit] | type[GridSearch] | type[FixedSize]] = {
    "curves": CurveBandit,
    "zeus": ZeusBandit,
    "grid": GridSearch,
    "fixed": FixedSize,
}

_MAKE: Mapping[str, Callable[[JobSpec, int], Policy]] = {
    "curves": lambda spec, seed: CurveBandit(spec),
    "zeus": ZeusBandit,
    "grid": lambda spec, seed: GridSearch(spec),
    "fixed": lambda spec, seed: FixedSize(spec),
}


def make_policy(name: str, spec: JobSpec, seed: int = 0) -> Policy:
    """A policy that knows nothing yet: ``curves`` (ours), ``zeus``, ``grid`` or ``fixed`` (the default size for ever).

    Raises:
        UsageError: If there is none of that name.
    """
    return _MAKE[_known(name)](spec, seed)


def load_policy(document: Mapping[str, Any]) -> Policy:
    """The policy of which ``to_dict`` made ``document``; it decides on as the one that was saved would have.

    Raises:
        UsageError: If the document is not that of a policy.
    """
    name = _known(document.get("policy"))
    try:
        return POLICIES[name].from_dict(dict(document))
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        seen = f"{type(error).__name__}: {error}"
        raise UsageError(f"what policy {name} has saved cannot be read", seen, "load a document of to_dict") from error


def _known(name: object) -> str:
    if not isinstance(name, str) or name not in POLICIES:
        raise UsageError("there is no such policy", repr(name), f"use one of {', '.join(POLICIES)}")
    return name
