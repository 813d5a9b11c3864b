"""What every kind of peer message is made of: its way to protobuf and back, and the checks that many of them share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from hanse.core import messages as m
from hanse.core.model import limits
from hanse.wire.gen.hanse.v1 import peers_pb2 as pb
from hanse.wire.shapes import MalformedMessage, ShapeReader, word
from hanse.wire.specs import CheckedSpec, SpecReader

# What SQLite can store of a number that a peer counts.
_INT64_MAX = 2**63 - 1


class Readers:
    """What decoding remembers: the shapes of offers, and the specs of COMMITs."""

    def __init__(self, specs: SpecReader) -> None:
        self._specs = specs
        self.shapes = ShapeReader()

    def derive(self, message: pb.Commit) -> CheckedSpec | None:
        """The spec of a COMMIT as the core reads it; None if this region can't."""
        checked = self._specs.read_bytes(message.spec, message.spec_sha256)
        return checked if isinstance(checked, CheckedSpec) else None


class Kind(NamedTuple):
    """One kind of message: its model type, its field in the envelope, and the way there and back."""

    model: type
    field: str
    encode: Callable[[Any], Any]
    decode: Callable[[Readers, Any], m.Message]


def stored(number: int) -> int:
    """A number that goes to disk. Raises MalformedMessage if it can't."""
    if number > _INT64_MAX:
        raise MalformedMessage(f"{number} cannot be stored")
    return number


def job_id_of(text: str) -> str:
    """A word no longer than a job id."""
    return word(text, limits.JOB_ID_LENGTH_MAX)


def region_name(text: str) -> str:
    """A word no longer than a region's name; perhaps empty."""
    return word(text, limits.REGION_NAME_LENGTH_MAX)


def named(name: str) -> str:
    """The name of a region or shard, which must be there."""
    if not name:
        raise MalformedMessage("a name is missing")
    return region_name(name)


def bounded(items: Sequence[Any], count_max: int) -> Sequence[Any]:
    """`items`, if there are no more than `count_max`."""
    if len(items) > count_max:
        raise MalformedMessage(f"{len(items)} entries; at most {count_max}")
    return items
