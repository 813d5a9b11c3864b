"""What became of each job: the replay's own books, which no region reads."""

from __future__ import annotations

import hashlib
import struct

import msgspec

from hanse.core.model.jobs import RunId
from hanse.replay.trace import TracedJob

NOT_YET_US = -1


class Story(msgspec.Struct, gc=False):
    """One job. `told_us`: when its home knew the outcome."""

    job: TracedJob
    started_us: int = NOT_YET_US
    ended_us: int = NOT_YET_US
    told_us: int = NOT_YET_US
    ran_in: str = ""
    starts: int = 0
    # How often it was handed in.
    times: int = 1
    handoffs: int = 0
    preemptions: int = 0
    refused: str = ""
    # Whether its outcome is still awaited in the window that is looked at.
    is_awaited: bool = False
    # The attempt that is alive now.
    living: RunId | None = None


class Flows(msgspec.Struct):
    """How many jobs went from one region to another."""

    jobs: dict[tuple[str, str], int] = msgspec.field(default_factory=dict)

    def add(self, giver: str, taker: str) -> None:
        """One job."""
        self.jobs[(giver, taker)] = self.jobs.get((giver, taker), 0) + 1


class Counts(msgspec.Struct):
    """Of all regions together."""

    handoffs: int = 0
    offers: int = 0
    declined: int = 0
    solicits: int = 0
    preemptions: int = 0
    run_twice: int = 0
    handed_in_again: int = 0
    messages: int = 0
    # Of one envelope in SIZED_EVERY, times as many.
    bytes: int = 0
    steps: int = 0


class Digest:
    """One number for all that was decided: who started and ended where and when, and who went where."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)

    def add(self, at_us: int, what: bytes, job_id: str, where: str) -> None:
        """One decision, in order."""
        self._hash.update(struct.pack("<q", at_us))
        self._hash.update(what)
        self._hash.update(f"{job_id}\0{where}\0".encode())

    def hexdigest(self) -> str:
        """So far."""
        return self._hash.hexdigest()
