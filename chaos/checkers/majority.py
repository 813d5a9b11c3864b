"""P1, P2 for adoptable jobs: what a caller or a peer is told about a shard's job is on the disks of a majority.

Theory of operation. Every disk's copy of a shard's log is a path: up to a position (term, sequence) in a tree whose
branches are the terms. Where a term branches off is told by its first record, START, which names the position that its
leader began with. So any two copies share a prefix, and a prefix is what a majority holds if it is one of a majority's
copies. What was told rests on a record of the log: it must lie in such a prefix, then or earlier. A lost disk's copy
counts until that member stands again, as far as any other disk has it: it stands with the longest of all others' copies
or not at all, so nobody does without those records meanwhile. (Seed 254: one of five acknowledged, lost its disk, and
then a third one acknowledged.)

Two things are judged by the way, because everything else rests on them: a term begins once, and no two copies ever
have different records in one place.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from chaos.checkers.base import Checker, Handlers, violated
from chaos.checkers.disks import Disks
from chaos.checkers.rows import FINAL, Row, shard_rows
from hanse.core.federation.shards.log import START_KEY
from hanse.core.federation.shards.seat import Standing
from hanse.core.messages import (
    CancelAck,
    Commit,
    Decision,
    Message,
    Terminal,
    TerminalAck,
    ToShard,
    Withdraw,
)
from hanse.core.model.lifecycle import JobState
from hanse.core.model.regions import Group
from hanse.core.rows import DecisionRow, IntentRow, JobRow, JobStateRow, ShardRow, ShardStateRow
from hanse.sim.record import EMPTY_IMAGE, CancelTaken, Committed, DiskReplaced, FederatedAck, ImageTaken, Sent

# (term, sequence) of a record.
Place = tuple[int, int]
_NOTHING: Place = (0, 0)
# What a record says, and what somebody may be told.
Fact = tuple[str, ...] | tuple[str, str, int] | tuple[str, str, int, int]

_GROUP = msgspec.msgpack.Decoder(Group)
_START = msgspec.msgpack.Decoder(tuple[int, str, int, int])
_ROWS = {"j": JobRow, "f": JobRow, "s": JobStateRow}


class Log:
    """One shard: the tree of its terms, the ends of all copies, and where in it things are said."""

    def __init__(self) -> None:
        # A term's first sequence, and the position that it goes on from.
        self._terms: dict[int, tuple[int, Place]] = {}
        # What is written where, as a hash.
        self._records: dict[Place, int] = {}
        self.facts: dict[Fact, list[Place]] = {}
        self.ends: dict[str, Place] = {}
        # Of lost disks: what others have of what was on them.
        self._to_learn: dict[str, Place] = {}
        # The newest one, and the end of the longest copy that has it: whoever leads goes by that.
        self.group: Group | None = None
        self._grouped: Place = _NOTHING
        # By term, up to which sequence a majority has ever held it at one time.
        self._held: dict[int, int] = {}

    def write(self, row: ShardRow) -> str:
        """A record is on some disk. Returns what is wrong with it, if anything is."""
        place = (row.term, row.sequence)
        wrong = self._branch(row) if row.key == START_KEY else ""
        known = self._records.setdefault(place, hash((row.key, row.value)))
        if known != hash((row.key, row.value)):
            return f"two records at {place}, one of them {row.key}"
        if row.key == START_KEY:
            return wrong
        for fact in facts_of(row):
            places = self.facts.setdefault(fact, [])
            if place not in places:
                places.append(place)
        return ""

    def _branch(self, row: ShardRow) -> str:
        _, _, term, sequence = _START.decode(row.value)
        branch = (row.sequence, (term, sequence))
        known = self._terms.setdefault(row.term, branch)
        return "" if known == branch else f"term {row.term} began at {known} and at {branch}"

    def lose(self, region: str, image: Place) -> None:
        """A disk is replaced by an image that goes up to there: what no other disk has was never written."""
        end = self.ends.get(region, (0, 0))
        self.ends[region] = image
        self._to_learn.setdefault(region, end)
        for member, known in self._to_learn.items():
            self._to_learn[member] = max(self._shared(known, each) for each in self.ends.values())
        lost = [
            place
            for place in self._records
            if self._has(end, place) and not any(self._has(each, place) for each in self.ends.values())
        ]
        for place in lost:
            del self._records[place]
            term, sequence = place
            if self._terms.get(term, (0, (0, 0)))[0] == sequence:
                del self._terms[term]
        self._grouped = min(self._grouped, max(self.ends.values()))
        for fact, places in self.facts.items():
            self.facts[fact] = [place for place in places if place in self._records]

    def _has(self, end: Place, place: Place) -> bool:
        return self._shared(end, place) == place

    # --- what a majority holds ----------------------------------------------------------------------------------------

    def regroup(self, group: Group, end: Place) -> None:
        """A copy that goes up to here has this group."""
        if end >= self._grouped:
            self.group, self._grouped = group, end

    def stand(self, region: str, end: Place) -> None:
        """A copy goes up to here."""
        self.ends[region] = end
        self._to_learn.pop(region, None)
        if self.group is None:
            return
        term, sequence = min(self._common(end, electorate) for electorate in _electorates(self.group))
        self._held[term] = max(sequence, self._held.get(term, 0))

    def _common(self, end: Place, electorate: tuple[str, ...]) -> Place:
        """The longest prefix of the copy up to `end` that a majority of these has. (Prefixes of one path: the larger
        position is the longer one.)"""
        shared = sorted((self._shared_with(end, each) for each in electorate), reverse=True)
        return shared[len(electorate) // 2]

    def _shared_with(self, end: Place, member: str) -> Place:
        has, is_to_learn = self.ends.get(member, _NOTHING), self._to_learn.get(member, _NOTHING)
        return max(self._shared(end, has), self._shared(end, is_to_learn))

    def _shared(self, one: Place, other: Place) -> Place:
        while one[0] != other[0]:
            if one[0] > other[0]:
                one = self._before(one[0])
            else:
                other = self._before(other[0])
        return min(one, other)

    def _before(self, term: int) -> Place:
        return self._terms[term][1] if term in self._terms else (0, 0)

    def is_held(self, fact: Fact) -> bool:
        """Whether a majority has, or had, a record that says so."""
        return any(
            self._has((term, sequence), place)
            for place in self.facts.get(fact, ())
            for term, sequence in self._held.items()
        )


class Majority(Checker):
    """Keeps every shard's log as all disks have it, and compares what is told with it."""

    def __init__(self, disks: Disks) -> None:
        super().__init__(disks)
        self._logs: dict[str, Log] = {}
        # What was found so: it stays so.
        self._sure: set[tuple[str, Fact]] = set()
        self._images: dict[int, dict[str, Place]] = {EMPTY_IMAGE: {}}

    def handlers(self) -> Handlers:
        return {
            Committed: self._on_committed,
            FederatedAck: self._on_acknowledged,
            CancelTaken: self._on_cancel_taken,
            Sent: self._on_sent,
            ImageTaken: self._on_image,
            DiskReplaced: self._on_replaced,
        }

    def _log(self, shard: str) -> Log:
        return self._logs.setdefault(shard, Log())

    # --- what is on disks ---------------------------------------------------------------------------------------------

    def _on_committed(self, entry: Committed) -> None:
        for writes in entry.writes:
            for row in writes.shard_rows:
                fault = self._log(row.shard).write(row)
                if fault:
                    raise violated(f"{entry.region}: shard {row.shard}: {fault}", entry.at_us)
            for state in writes.shard_states:
                self._stand(entry.region, state)
        for shown in shard_rows(entry):
            self._judge(entry.region, entry.at_us, shown.shard, shown.id, _shown(shown), "showed")

    def _stand(self, region: str, state: ShardStateRow) -> None:
        log = self._log(state.shard)
        if state.blank != Standing.BLANK:
            end = (state.log_term, state.log_sequence)
            log.regroup(_GROUP.decode(state.group), end)
            log.stand(region, end)
        elif log.ends.get(region, _NOTHING) != _NOTHING:
            # The disk turned out to be an old one. All other copies may be lost by now, too; then the log begins again.
            log.lose(region, _NOTHING)

    def _on_image(self, entry: ImageTaken) -> None:
        self._images[entry.image] = {
            shard: log.ends.get(entry.region, (0, 0)) for shard, log in self._logs.items()
        }

    def _on_replaced(self, entry: DiskReplaced) -> None:
        image = self._images[entry.image]
        for shard, log in self._logs.items():
            log.lose(entry.region, image.get(shard, (0, 0)))

    # --- what is told -------------------------------------------------------------------------------------------------

    def _on_acknowledged(self, entry: FederatedAck) -> None:
        self._judge(entry.home, entry.at_us, entry.home, entry.job_id, ("job", entry.job_id), "acknowledged")

    def _on_cancel_taken(self, entry: CancelTaken) -> None:
        fact = ("wish", entry.job_id)
        shards = [shard for shard, log in self._logs.items() if ("job", entry.job_id) in log.facts]
        if shards and not any(self._is_held(shard, fact) for shard in shards):
            raise violated(f"{entry.region} took a cancel that no majority holds", entry.at_us, entry.job_id)

    def _on_sent(self, entry: Sent) -> None:
        message = entry.message
        if isinstance(message, ToShard):
            fact = _told(message.message)
            if fact is not None:
                job_id = getattr(message.message, "job_id", "")
                what = f"sent {type(message.message).__name__.upper()} to {message.shard}"
                self._judge(entry.region, entry.at_us, message.source, job_id, fact, what)

    def _judge(self, region: str, at_us: int, shard: str, job_id: str, fact: Fact, what: str) -> None:
        if not self._is_held(shard, fact):
            told = ", ".join(str(part) for part in fact)
            raise violated(
                f"{region} {what} for shard {shard}, and no majority holds that: {told}", at_us, job_id
            )

    def _is_held(self, shard: str, fact: Fact) -> bool:
        if (shard, fact) in self._sure:
            return True
        held = self._log(shard).is_held(fact)
        if held:
            self._sure.add((shard, fact))
        return held


def facts_of(record: ShardRow) -> Iterator[Fact]:
    """What a record says that others may be told."""
    kind, _, _ = record.key.partition("/")
    if not record.value:
        return
    if kind in _ROWS:
        yield from _of_job(msgspec.msgpack.decode(record.value, type=_ROWS[kind]))
    elif kind == "d":
        decision = msgspec.msgpack.decode(record.value, type=DecisionRow)
        yield ("decided", decision.giver_ledger_id, decision.sequence, decision.verdict)
    elif kind == "i":
        yield ("wish", msgspec.msgpack.decode(record.value, type=IntentRow).job_id)


def _of_job(row: Row) -> Iterator[Fact]:
    yield ("job", row.id)
    yield _shown(row)
    if row.state == JobState.XFER:
        yield ("transfer", row.id, row.transfer_epoch)
    if row.state in FINAL:
        yield ("ended", row.id)
        yield ("outcome", row.id, row.state)
    if row.cancel_id or row.state in FINAL:
        yield ("wish", row.id)


def _shown(row: Row) -> Fact:
    """What callers read of a job, as far as somebody may act on it."""
    return ("row", row.id, row.state, row.epoch)


def _told(message: Message) -> Fact | None:
    match message:
        case Commit() | Withdraw():
            return ("transfer", message.job_id, message.epoch)
        case Decision():
            return ("decided", message.ledger_id, message.sequence, int(message.verdict))
        case Terminal():
            return ("outcome", message.job_id, int(message.outcome))
        case TerminalAck():
            return ("ended", message.job_id)
        case CancelAck():
            return ("wish", message.job_id)
        case _:
            return None


def _electorates(group: Group) -> tuple[tuple[str, ...], ...]:
    return (group.members, group.joining) if group.joining else (group.members,)
