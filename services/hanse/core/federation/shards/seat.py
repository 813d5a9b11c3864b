"""What one region has of one shard: its copy of the log, what it has promised to whom, and the group.

The parts of a shard (shard.py) share it. What must outlive the daemon is written at the end of the step (`collect`).
"""

from __future__ import annotations

import enum
from collections.abc import Callable

import msgspec

from hanse.core.federation.shards.lease import member_wait_us
from hanse.core.federation.shards.log import GROUP_KEY, START_KEY, ShardLog, Where
from hanse.core.federation.shards.quorum import participants
from hanse.core.federation.shards.replication import Batches
from hanse.core.model.randomness import Randomness
from hanse.core.model.regions import Group, RegionConfig, pack_group, unpack_group
from hanse.core.model.time import Now
from hanse.core.rows import ShardRow, ShardStateRow

_START = msgspec.msgpack.Decoder(tuple[int, str, int, int])


class Standing(enum.IntEnum):
    """What this member's disk is worth. The numbers are stored."""

    WHOLE = 0
    # Lost, or never written: nothing on it counts.
    BLANK = 1
    # It has learnt again what others hold; what it had promised in the term that it learnt is not known.
    REJOINED = 2
    # It was a member, and is none any more: it holds no copy. What it has promised stays promised.
    LEFT = 3


class Role(enum.Enum):
    """What this member is at present."""

    MEMBER = enum.auto()
    CANDIDATE = enum.auto()
    # START is written, but no majority holds it yet: nothing inherited is acted on.
    STARTING = enum.auto()
    LEADER = enum.auto()


class Seat:
    """See the module's docstring. `living` tells whether tasks of this shard live in this region (True also while that
    is not known). `group` is that with which the log began: it counts as long as the log has no record of another."""

    def __init__(
        self,
        config: RegionConfig,
        group: Group,
        state: ShardStateRow | None,
        rows: list[ShardRow],
        boot: int,
        living: Callable[[], bool],
        randomness: Randomness,
        now: Now,
    ) -> None:
        self.config = config
        self.timings = config.timings
        self.region = config.name
        self.living = living
        self.randomness = randomness
        # Tells this life of the daemon from its others.
        self.boot = boot
        self.name = group.shard
        self.group = unpack_group(state.group) if state else group
        self.packed_group = state.group if state else pack_group(group)
        # Who is to keep the log, as the roster has it; empty: it does not say.
        self.wanted = _wanted_by(config, group.shard)
        end = Where(state.log_term, state.log_sequence) if state else Where()
        self.log = ShardLog(group.shard, rows, end, state.committed_sequence if state else 0)
        self.batches = Batches()
        self.promised = state.promised_term if state else 0
        self.promised_to = state.promised_to if state else ""
        # The life of that candidate; 0: not known any more, so that the promise is not repeated.
        self.promised_life = 0
        self.standing = Standing(state.blank) if state else Standing.BLANK
        self.role = Role.MEMBER
        # The largest term that anybody spoke of.
        self.seen_term = self.promised
        # Until then another region's tasks may live by what this member granted; after a restart, in full again.
        self.granted_until_us = now.mono_us + member_wait_us(config.timings)
        # When its patience with a lost leader ends; None: it has not begun.
        self.elect_us: int | None = None
        self._written = state
        self.take_group()

    # --- how it stands ---

    @property
    def blank(self) -> bool:
        """Whether this disk holds nothing that counts."""
        return self.standing is Standing.BLANK

    @property
    def holds_copy(self) -> bool:
        """Whether it has a copy that counts: only then it may promise, grant and stand."""
        return self.standing in (Standing.WHOLE, Standing.REJOINED)

    @property
    def keeps(self) -> bool:
        """Whether this region is a member of the group, as far as it knows."""
        return self.region in participants(self.group)

    @property
    def started_by(self) -> str:
        """The leader that began the newest term of this copy; empty: it has none."""
        start = self.log.value(START_KEY)
        return _START.decode(start)[1] if start else ""

    @property
    def leading(self) -> bool:
        """Whether it writes the log, though it may not act on it yet."""
        return self.role in (Role.STARTING, Role.LEADER)

    @property
    def busy(self) -> bool:
        """Whether it has jobs that have not ended: only then is a lease worth renewing, or a lost leader missed."""
        return self.log.open_jobs > 0

    def others(self) -> list[str]:
        """Other participants that are in the league at all."""
        return [each for each in participants(self.group) if each != self.region and self.is_known(each)]

    def is_known(self, region: str) -> bool:
        """Whether this region is in the league at all."""
        return self.config.member(region) is not None

    # --- what it has promised ---

    def join(self, term: int, leader: str) -> None:
        """Promise this term to this region: from now on everything older is refused, and everybody else."""
        assert term >= self.promised, "a promise is never taken back"
        if term > self.promised:
            self.standing, self.promised_life = Standing.WHOLE, 0
        assert term > self.promised or self.promised_to in ("", leader), "a term is promised once"
        self.promised, self.promised_to = term, leader
        self.seen_term = max(self.seen_term, term)

    def is_over(self, peer: str, term: int) -> bool:
        """Whether this term is older than what was promised, or was promised to another region."""
        return term < self.promised or (term == self.promised and self.promised_to not in ("", peer))

    def waited(self, now: Now, candidate: str) -> bool:
        """Whether no grant is out to another region than this one. What a lost disk granted is not known."""
        if now.mono_us >= self.granted_until_us:
            return True
        return self.standing is Standing.WHOLE and self.promised_to == candidate

    def see(self, term: int) -> None:
        """A term is going on: whoever leads or stands for an older one stops."""
        self.seen_term = max(self.seen_term, term)
        if term > self.promised:
            self.step_down()

    def step_down(self) -> None:
        """Stop writing in this term. Its own tasks must be dead before it follows or promises; nobody else's live by
        its grant. What was not committed is cut when the next leader's records come."""
        self.role = Role.MEMBER
        self.elect_us = None

    # --- what becomes of its copy ---

    def take_group(self) -> bool:
        """The newest group record of this copy counts, whether a majority holds it or not. Returns whether it is
        another one."""
        packed = self.log.value(GROUP_KEY)
        if not packed or packed == self.packed_group:
            return False
        self.packed_group, self.group = packed, unpack_group(packed)
        return True

    def forget(self, now: Now) -> None:
        """This disk turned out to be an old one: for its shards that is as bad as an empty one."""
        self.step_down()
        self.standing = Standing.BLANK
        self.granted_until_us = now.mono_us + member_wait_us(self.timings)

    def leave(self) -> None:
        """It is no member any more: the copy goes, what was promised stays. It is not promised to anybody any more,
        since the promise would come without the log."""
        self.log.begin_anew([], Where())
        self.standing, self.promised_to, self.promised_life = Standing.LEFT, "", 0

    # --- what the ledger is owed ---

    @property
    def owes_rows(self) -> bool:
        """Whether what it has promised or holds has changed in this step."""
        written = self._written
        return (
            self.log.owes_rows
            or written is None
            or (written.promised_term, written.promised_to) != (self.promised, self.promised_to)
        )

    def collect(self) -> tuple[ShardStateRow | None, list[ShardRow], list[tuple[str, str]]]:
        """What this step owes the ledger: the standing if it changed, records, and keys of records to delete."""
        rows, gone = self.log.collect()
        state = ShardStateRow(
            self.name,
            self.promised,
            self.log.end.term,
            self.log.end.sequence,
            self.log.committed,
            self.packed_group,
            int(self.standing),
            self.promised_to,
        )
        if state == self._written or (not rows and not gone and self._differs_in_hints(state)):
            return None, rows, gone
        self._written = state
        return state, rows, gone

    def _differs_in_hints(self, state: ShardStateRow) -> bool:
        """Whether only the committed position moved, which may be older after a restart."""
        written = self._written
        return (
            written is not None
            and msgspec.structs.replace(state, committed_sequence=written.committed_sequence) == written
        )


def _wanted_by(config: RegionConfig, shard: str) -> tuple[str, ...]:
    return next((group.members for group in config.groups_wanted if group.shard == shard), ())
