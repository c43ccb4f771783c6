"""Words between the ranks of a pipeline, at the boundaries of iterations only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


class Exchange(Protocol):
    """The ranks of one pipeline. Both methods are collective: all ranks call them in the same order."""

    @property
    def rank(self) -> int:
        """Ours."""

    def gather(self, value: Any) -> list[Any]:
        """The values of all ranks, in their order."""

    def broadcast(self, value: Any) -> Any:
        """The value of the first rank."""


@dataclass(frozen=True)
class Alone:
    """A pipeline of one rank."""

    rank: int = 0

    def gather(self, value: Any) -> list[Any]:
        """See `Exchange`."""
        return [value]

    def broadcast(self, value: Any) -> Any:
        """See `Exchange`."""
        return value


class GroupExchange:
    """The ranks of a process group of torch.distributed.

    Every rank runs the same iterations, and collectives are called between them alone, so they cannot come between
    those of the job in another order on another rank. A group of one's own keeps them apart from those that are still
    under way.

    Args:
        group: The ranks of one pipeline; None for all ranks.
    """

    def __init__(self, group: Any = None) -> None:
        """Look up the ranks."""
        import torch.distributed as dist  # noqa: PLC0415 (optional, and slow to import)

        self._dist, self._group = dist, group
        self.rank, self._size = dist.get_rank(group), dist.get_world_size(group)
        self._first = 0 if group is None else dist.get_global_rank(group, 0)

    def gather(self, value: Any) -> list[Any]:
        """See `Exchange`."""
        values: list[Any] = [None] * self._size
        self._dist.all_gather_object(values, value, group=self._group)
        return values

    def broadcast(self, value: Any) -> Any:
        """See `Exchange`."""
        values = [value]
        self._dist.broadcast_object_list(values, src=self._first, group=self._group)
        return values[0]
