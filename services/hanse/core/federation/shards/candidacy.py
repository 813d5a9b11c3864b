"""An attempt to lead a shard: a trial, then promises, then the better copy if it is another's.

    stage     event                        writes                          sends
    TRIAL     a majority would             promise of the next own term    PREPARE
    PREPARE   a majority promised          nothing, if the own copy is     START is written (shard.py)
                                           the largest
    PREPARE   another's copy is larger     nothing                         FETCH to that member
    FETCH     the copy has come, and its   copy and START, together        the records, by the leader's table
              group agrees as well
    FETCH     its group is another one     the copy                        PREPARE to those that have not promised
    any       the time is over, or a       nothing                         nothing: later again, with a larger term
              larger term is seen

The trial ("pre-vote", D. Ongaro 2014, section 9.6) asks whether the others miss the leader too, so that a region that
is cut off fences nobody.
"""

from __future__ import annotations

import enum

import msgspec

from hanse.core.federation.shards.log import Where
from hanse.core.federation.shards.quorum import is_majority
from hanse.core.messages import LogRecord, Promise
from hanse.core.model.regions import Group


class Stage(enum.Enum):
    """How far a candidacy has come."""

    TRIAL = enum.auto()
    PREPARE = enum.auto()
    FETCH = enum.auto()
    READY = enum.auto()


class Candidacy(msgspec.Struct):
    """One attempt. `until_us` is when it is given up; `copies` are the positions that members promised with."""

    region: str
    group: Group
    term: int
    until_us: int
    stage: Stage = Stage.TRIAL
    copies: dict[str, Where] = msgspec.field(default_factory=dict)
    source: str = ""
    fetched: list[LogRecord] | None = None

    def on_promise(self, member: str, promise: Promise) -> bool:
        """Count a promise. Returns whether a stage is complete: then `advance` says what follows."""
        expected = self.stage is Stage.TRIAL if promise.trial else self.stage is Stage.PREPARE
        if promise.term != self.term or not expected:
            return False
        self.copies[member] = Where(promise.log_term, promise.log_sequence)
        return self.has_majority

    @property
    def has_majority(self) -> bool:
        """Whether those that said yes, and this region, decide for the group as it is known by now."""
        return is_majority(self.group, (self.region, *self.copies))

    def begin_prepare(self) -> None:
        """The trial went well, and the term is promised to oneself."""
        self.stage, self.copies = Stage.PREPARE, {}

    def choose_copy(self, own: Where) -> str:
        """Whose copy the term begins with; one's own unless another's is larger."""
        best, source = own, self.region
        for member in sorted(self.copies):
            if self.copies[member] > best:
                best, source = self.copies[member], member
        self.source = source
        self.stage = Stage.READY if source == self.region else Stage.FETCH
        return source
