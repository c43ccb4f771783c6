"""Energy per request and token, from the batches that a serving loop ran.

Theory of operation. A serving loop with continuous batching runs one step after another, each for the requests that are
in it then. So each batch says when it ran and how many tokens it made or read for which request; its power is divided
in proportion to tokens, and a request's energy is the sum over the batches that it was in. Where batches overlap in
time (several streams), power is divided by tokens per second. Between batches nothing is attributed.

While a batch runs its requests carry all of the power, idle power included, unless that is to be left unattributed.

A token that is read (prompt) costs less than one that is made: by how much depends on model and batch, so it is an
argument, 1 unless given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from joulewise.errors import UsageError
from joulewise.measure.attribution.share import Attribution, Share
from joulewise.measure.attribution.spent import Spent
from joulewise.measure.attribution.use import Use, by_use


@dataclass(frozen=True)
class Batch:
    """One step of a serving loop.

    Attributes:
        begin_ns, end_ns: When it ran, on the clock of the measurement [ns].
        tokens: Tokens that it made, by request.
        prompt_tokens: Tokens that it read, by request.
    """

    begin_ns: int
    end_ns: int
    tokens: Mapping[str, int] = field(default_factory=dict)
    prompt_tokens: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RequestEnergy:
    """What one request used.

    Attributes:
        share: Its energy; its key is the request.
        tokens, prompt_tokens: How many it made and read within the window's batches.
    """

    share: Share
    tokens: int
    prompt_tokens: int

    @property
    def joules_per_token(self) -> float | None:
        """Energy per token made, prompt included [J]; None if it made none."""
        return self.share.energy_j / self.tokens if self.tokens else None


def by_request(
    spent: Spent, batches: Iterable[Batch], *, prompt_weight: float = 1.0, idle_w: float | None = None
) -> tuple[Attribution, tuple[RequestEnergy, ...]]:
    """Divide energy among requests.

    Args:
        spent: What the devices that serve spent.
        batches: What they ran.
        prompt_weight: What a token that is read counts, where one that is made counts 1; not below 0.
        idle_w: Power to be left unattributed while batches run as well [W].

    Returns:
        The attribution, and the same per request with its tokens, in the order of requests.

    Raises:
        UsageError: If a batch or the weight cannot be meant.
    """
    if not 0 <= prompt_weight < float("inf"):
        raise UsageError("not a weight", f"prompt_weight = {prompt_weight!r}", "give a number, 0 or more")
    uses: list[Use] = []
    made: dict[str, int] = {}
    read: dict[str, int] = {}
    for batch in batches:
        for request in {**batch.tokens, **batch.prompt_tokens}:
            tokens, prompt = batch.tokens.get(request, 0), batch.prompt_tokens.get(request, 0)
            made[request], read[request] = made.get(request, 0) + tokens, read.get(request, 0) + prompt
            uses.append(Use(request, batch.begin_ns, batch.end_ns, tokens + prompt_weight * prompt))
    weight = f", a prompt token as {prompt_weight:g}" if any(read.values()) else ""
    method = f"in proportion to tokens of the batches running at each instant{weight}; between batches unattributed"
    if idle_w is not None:
        method += ", and so is idle power"
    attribution = by_use(spent, uses, method, idle_w=idle_w)
    requests = (RequestEnergy(share, made[share.key], read[share.key]) for share in attribution.shares)
    return attribution, tuple(requests)
