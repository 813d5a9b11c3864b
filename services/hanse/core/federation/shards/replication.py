"""The leader's side of replication: every member's copy is brought to the end of the log, and what a majority holds is
committed.

    a member's position in this term   event                 sends
    unknown                            the term begins       what changed since the end that was inherited
    unknown                            diverged              the repair: what replaces all that it is not sure of
    known                              the log grew          what changed since the last that was sent: at once to as
                                                             many as make a majority, to the others what gathers
    known                              no answer in time     what changed since the last acknowledged

A record costs a call and a write at each member that is told at once. The others lag behind by append_gather_us, and
are told at once themselves as soon as one of the first does not answer ("thrifty" in I. Moraru et al., "There Is More
Consensus in Egalitarian Parliaments", SOSP 2013).

Listeners are sent the log as well and count for nothing: newcomers before the group changes, who begin from nothing,
and those that have left, until they know it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import msgspec

from hanse.core.effects import Effects, Send
from hanse.core.federation.shards.log import ShardLog, Where
from hanse.core.federation.shards.quorum import is_majority, participants, reached_by_majority
from hanse.core.messages import Append, AppendAck, LogRecord
from hanse.core.model.deadlines import Deadlines, backoff_us
from hanse.core.model.limits import APPEND_BYTES_MAX, APPENDS_IN_FLIGHT_MAX
from hanse.core.model.regions import Group, Timings
from hanse.core.model.time import Now


class _Follower(msgspec.Struct):
    """One member. Sequences; -1: unknown in this term. `repair` is what it told of itself when it could not follow.
    `begins`: a newcomer, whose copy begins from nothing."""

    acked: int = -1
    sent: int = -1
    in_flight: int = 0
    attempts: int = 0
    repair: tuple[int, tuple[str, ...]] | None = None
    begins: bool = False


class Replication:
    """The copies of all other members, as far as the leader of `term` knows. `inherited` is where the log ended when
    the term began."""

    def __init__(
        self,
        region: str,
        log: ShardLog,
        group: Group,
        term: int,
        inherited: Where,
        timings: Timings,
        now: Now,
        reachable: Callable[[str], bool] = bool,
    ) -> None:
        self._region = region
        # Whether a region is in the league at all.
        self._reachable = reachable
        self._newcomers: tuple[str, ...] = ()
        self._leavers: tuple[str, ...] = ()
        self._log = log
        self._term = term
        self._inherited = inherited
        self._timings = timings
        self._deadlines: Deadlines[str] = Deadlines()
        self._followers: dict[str, _Follower] = {}
        self.group = group
        self.set_group(group, now)

    def set_group(self, group: Group, now: Now) -> None:
        """Members that are new are told at once; those that have left are told nothing any more."""
        self.group = group
        self._follow(now)

    def listen(self, newcomers: tuple[str, ...], now: Now) -> None:
        """These are sent the log before they count; others that were, and did not become members, no more."""
        if newcomers != self._newcomers:
            self._newcomers = newcomers
            self._follow(now)

    def tell(self, member: str, now: Now) -> None:
        """Somebody who has left and may not know it."""
        if member not in self._followers and member != self._region:
            self._leavers = (*self._leavers, member)
            self._follow(now)

    def forget(self, member: str, now: Now) -> None:
        """It knows that it has left."""
        if member in self._leavers:
            self._leavers = tuple(each for each in self._leavers if each != member)
            self._follow(now)

    def _follow(self, now: Now) -> None:
        members = participants(self.group)
        self._leavers = tuple(each for each in self._leavers if each not in members)
        others = dict.fromkeys((*members, *self._newcomers, *self._leavers))
        found: dict[str, _Follower] = {}
        for member in others:
            if member != self._region and self._reachable(member):
                begins = member in self._newcomers and member not in members
                found[member] = self._followers.get(member) or _Follower()
                found[member].begins = begins
        for member in self._followers:
            if member not in found:
                self._deadlines.cancel(member)
        self._followers = found
        for member, follower in found.items():
            if follower.sent < 0 and member not in self._deadlines:
                self._deadlines.set(member, now.mono_us)

    def acked(self, member: str) -> int:
        """Up to where this member holds the log, as far as is known."""
        if member == self._region:
            return self._log.end.sequence
        return self._followers[member].acked if member in self._followers else -1

    def on_ack(self, now: Now, member: str, ack: AppendAck) -> bool:
        """A member told how far it is. False: further than this log has come, so this disk is an old one."""
        follower = self._followers.get(member)
        if follower is None:
            return True
        if ack.sequence > self._log.end.sequence:
            return False
        follower.attempts = 0
        if ack.diverged:
            follower.repair = (ack.committed, ack.keys)
            self._deadlines.set(member, now.mono_us)
            return True
        if follower.acked < 0:
            follower.sent = max(follower.sent, ack.sequence)
        follower.repair = None
        follower.acked = max(follower.acked, ack.sequence)
        follower.in_flight = max(0, follower.in_flight - 1)
        if follower.acked >= follower.sent:
            follower.in_flight = 0
            self._deadlines.cancel(member)
        if follower.acked >= self._log.end.sequence:
            self.forget(member, now)
        self.count()
        return True

    def count(self) -> None:
        """What a majority holds, and what all do. Before all have once kept the log, a majority decides nothing."""
        if self._log.founded:
            self._log.note_committed(reached_by_majority(self.group, self.acked))
        keep = dict.fromkeys((*participants(self.group), *self._newcomers))
        self._log.note_everywhere(min(self.acked(each) for each in keep))

    def holds(self) -> tuple[str, ...]:
        """Who has as much of the log as a majority."""
        return tuple(
            name for name, follower in self._followers.items() if follower.acked >= self._log.committed
        )

    def flush(self, now: Now, out: Effects) -> None:
        """At the end of a step: what the log gained goes to everybody who can take it."""
        behind = [
            (member, follower)
            for member, follower in self._followers.items()
            if follower.acked >= 0 and follower.sent < self._log.end.sequence
        ]
        first = self._first() if behind else ()
        for member, follower in behind:
            if member not in first:
                if member not in self._deadlines:
                    self._deadlines.set(member, now.mono_us + self._timings.append_gather_us)
            elif follower.in_flight < APPENDS_IN_FLIGHT_MAX:
                self._send(now, member, follower, follower.sent, out)

    def _first(self) -> Collection[str]:
        """Who is told at once: enough for a majority, of those that answer, in the group's order. All, until all have
        once kept the log."""
        if not self._log.founded:
            return self._followers
        answering = sorted(self._followers, key=lambda each: _backwardness(self._followers[each]))
        first = [self._region]
        while answering and not is_majority(self.group, first):
            first.append(answering.pop(0))
        return first

    def on_deadline(self, now: Now, out: Effects) -> None:
        """Whoever has not answered is told again what it may lack; and whoever is not told at once, what gathered."""
        for member in self._deadlines.pop_due(now.mono_us):
            follower = self._followers.get(member)
            if follower is not None:
                if follower.in_flight or follower.acked < 0 or follower.repair is not None:
                    follower.attempts += 1
                follower.in_flight = 0
                self._send(now, member, follower, follower.acked, out)

    @property
    def due_us(self) -> int:
        """When a member is to be told again."""
        return self._deadlines.next_us

    def _send(self, now: Now, member: str, follower: _Follower, since: int, out: Effects) -> None:
        end = self._log.end.sequence
        if follower.repair is not None:
            committed, keys = follower.repair
            records = self._log.repair(committed, keys)
            self._send_parts(member, Where(0, committed), records, cut=True, out=out)
        elif since < 0:
            records = self._log.since(self._inherited.sequence)
            self._send_parts(member, self._inherited, records, cut=False, out=out)
        else:
            self._send_parts(member, Where(self._term, since), self._log.since(since), cut=False, out=out)
        follower.sent = end
        follower.in_flight += 1
        retry_us = backoff_us(
            self._timings.append_retry_us, follower.attempts, self._timings.append_retry_max_us
        )
        self._deadlines.set(member, now.mono_us + retry_us)

    def _send_parts(
        self, member: str, previous: Where, records: list[LogRecord], *, cut: bool, out: Effects
    ) -> None:
        out.sends.extend(
            Send(member, part)
            for part in in_parts(
                self._log,
                self._term,
                self.group.version,
                previous,
                records,
                cut=cut,
                begins=self._followers[member].begins,
            )
        )


def _backwardness(follower: _Follower) -> tuple[bool, int]:
    return follower.acked < 0, follower.attempts


def in_parts(
    log: ShardLog,
    term: int,
    version: int,
    previous: Where,
    records: list[LogRecord],
    *,
    cut: bool,
    begins: bool = False,
) -> list[Append]:
    """One batch that ends at the end of the log, as messages that an envelope can carry."""
    pieces = _pieces(records) or [[]]
    return [
        Append(
            shard=log.shard,
            term=term,
            version=version,
            previous_term=previous.term,
            previous_sequence=previous.sequence,
            sequence=log.end.sequence,
            records=tuple(piece),
            committed=log.committed,
            everywhere=log.everywhere,
            cut=cut,
            begins=begins,
            part=number,
            parts=len(pieces),
        )
        for number, piece in enumerate(pieces)
    ]


class Batches:
    """Puts the parts of one batch together again. Only one is gathered at a time: the newest."""

    def __init__(self) -> None:
        self._key: tuple[int, int, int, int, bool] | None = None
        self._parts: dict[int, tuple[LogRecord, ...]] = {}

    def add(self, append: Append) -> list[LogRecord] | None:
        """The records of the whole batch once every part is here."""
        if append.parts == 1:
            return list(append.records)
        key = (append.term, append.previous_sequence, append.sequence, append.parts, append.cut)
        if key != self._key:
            self._key, self._parts = key, {}
        self._parts[append.part] = append.records
        if len(self._parts) < append.parts:
            return None
        whole = [record for number in sorted(self._parts) for record in self._parts[number]]
        self._key, self._parts = None, {}
        return whole


def _pieces(records: Iterable[LogRecord]) -> list[list[LogRecord]]:
    pieces: list[list[LogRecord]] = []
    room = 0
    for record in records:
        size = len(record.key) + len(record.value)
        if size > room or not pieces:
            pieces.append([])
            room = APPEND_BYTES_MAX
        pieces[-1].append(record)
        room -= size
    return pieces
