"""What a rank hands in as a JSON document, and what all ranks used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from joulewise.errors import UsageError
from joulewise.measure.document import measurement_from_dict, measurement_to_dict
from joulewise.measure.merge import Merged, Rank
from joulewise.wire.envelope import open_envelope, schema_tag

RANK, MERGED, VERSION = "rank", "merged", 1


def rank_to_dict(rank: Rank) -> dict[str, Any]:
    """A rank as a JSON document."""
    return {
        "schema": schema_tag(RANK, VERSION),
        "rank": rank.rank,
        "machine": rank.machine,
        "boot": rank.boot,
        "uses": list(rank.uses),
        "failure": rank.failure,
        "measurement": None if rank.measurement is None else measurement_to_dict(rank.measurement),
    }


def rank_from_dict(document: object) -> Rank:
    """The rank of a document.

    Raises:
        UsageError: If it is of another schema or version, or a field is missing or of another type.
    """
    entry: Mapping[str, Any] = open_envelope(document, RANK, VERSION)
    try:
        told, uses = entry["measurement"], tuple(map(str, entry["uses"]))
        measurement = None if told is None else measurement_from_dict(told)
        texts = str(entry["machine"]), str(entry["boot"])
        return Rank(int(entry["rank"]), *texts, measurement, uses, str(entry["failure"]))
    except KeyError as error:
        raise UsageError("this rank document is not whole", f"no field {error}", "write it again") from error
    except TypeError as error:
        raise UsageError("this rank document is not usable", str(error), "write it again") from error


def merged_to_dict(merged: Merged) -> dict[str, Any]:
    """A merged result as a JSON document, with what each rank handed in."""
    return {
        "schema": schema_tag(MERGED, VERSION),
        "complete": merged.complete,
        "measurement": measurement_to_dict(merged.measurement),
        "shared": [asdict(one) for one in merged.shared],
        "ranks": [rank_to_dict(one) for one in merged.ranks],
    }
