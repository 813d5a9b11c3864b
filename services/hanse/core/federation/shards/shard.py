"""One shard as one of its members sees it: who may lead it, whom this member has promised what, and its copy.

Theory of operation. Every region's adoptable jobs are a log, kept by a group: the region (home), and guardians. A
member promises a term once, to one region and its present life, so that a term never has two leaders. A member that
acknowledges a renewal lets the leader's tasks live for a lease, and waits it out before it promises a larger term to
anybody else; a leader acts (tells callers and peers what it wrote) only when a majority holds the records. Adoption is
the next term of the same log. The group itself is a record of the log (regroup.py). docs/protocol.md has the tables;
chaos/models/guardian.pml, glease.pml, regroup.pml and rejoin.pml check them.

    seat.py        what a member has: copy, promises, group; what of it must be durable
    following.py   what it answers to leaders and candidates
    elections.py   when it misses its leader, and how it comes to lead
    leadership.py  what it does while it leads
    rejoining.py   how a lost disk becomes a member again

This decides who leads; what a leader does with the jobs is leading.py's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from hanse.core.effects import Effects
from hanse.core.federation.shards.elections import Elections
from hanse.core.federation.shards.following import Following
from hanse.core.federation.shards.leadership import Leadership
from hanse.core.federation.shards.lease import Renewals
from hanse.core.federation.shards.log import ShardLog
from hanse.core.federation.shards.rejoining import Rejoining
from hanse.core.federation.shards.seat import Role, Seat, Standing
from hanse.core.messages import (
    Append,
    AppendAck,
    Fetch,
    Prepare,
    Promise,
    Refuse,
    Renew,
    RenewAck,
)
from hanse.core.model.deadlines import NEVER_US
from hanse.core.model.randomness import Randomness
from hanse.core.model.regions import Group, RegionConfig
from hanse.core.model.time import Now
from hanse.core.replies import ShardView
from hanse.core.rows import ShardRow, ShardStateRow

GroupMessage = Append | AppendAck | Renew | RenewAck | Prepare | Promise | Refuse | Fetch


class Shard:
    """See the module's docstring. `living` and `group` are the seat's."""

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
        self.name = group.shard
        self.seat = seat = Seat(config, group, state, rows, boot, living, randomness, now)
        self.leadership = Leadership(seat)
        self.elections = Elections(seat, self.leadership, now)
        self._rejoining = Rejoining(seat, self.leadership, now)
        self._following = Following(seat, self.leadership, self.elections, self._rejoining)
        # Whether anything happened to it since it was last collected: most steps are not about it.
        self.stirred = True
        # When `on_deadline` has something to do, as of the last time that this was looked at.
        self.due_us = NEVER_US
        if seat.standing is Standing.WHOLE and seat.promised and seat.promised_to == seat.region:
            self.leadership.resume(now)

    # --- how it stands ---

    @property
    def log(self) -> ShardLog:
        """This member's copy."""
        return self.seat.log

    @property
    def group(self) -> Group:
        """Who keeps the log, as this copy has it."""
        return self.seat.group

    @property
    def term(self) -> int:
        """The term that this member is in."""
        return self.seat.promised

    @property
    def blank(self) -> bool:
        """Whether this disk holds nothing that counts."""
        return self.seat.blank

    @property
    def role(self) -> Role:
        """What this member is at present."""
        return self.seat.role

    @property
    def is_missing(self) -> bool:
        """Whether this region is to keep a copy and does not."""
        return self._rejoining.asks

    @property
    def starting(self) -> bool:
        """Whether this region has begun to lead, whether or not it may act yet."""
        return self.seat.leading

    @property
    def leads(self) -> bool:
        """Whether this region leads, and may act on what a majority holds."""
        return self.seat.role is Role.LEADER

    @property
    def busy(self) -> bool:
        """Whether it has jobs that have not ended."""
        return self.seat.busy

    @property
    def renewals(self) -> Renewals:
        """The leader's lease."""
        return self.leadership.renewals

    @property
    def leader_before(self) -> str:
        """Who led until this region's term began, and wrote what ran then; empty: nobody."""
        return self.leadership.leader_before

    @property
    def leader_hint(self) -> str:
        """Who leads, as far as this member knows."""
        seat = self.seat
        if seat.promised_to and seat.seen_term == seat.promised:
            return seat.promised_to
        return seat.group.owner(max(1, seat.seen_term))

    @property
    def heirs(self) -> tuple[str, ...]:
        """Who should lead rather than this leader, and could at once."""
        return self.leadership.heirs()

    @property
    def owes_rows(self) -> bool:
        """Whether what it has promised or holds has changed in this step."""
        return self.seat.owes_rows

    def view(self, now: Now) -> ShardView:
        """How it stands, for whoever asks."""
        seat = self.seat
        return ShardView(
            shard=self.name,
            role=(seat.role if seat.holds_copy else seat.standing).name,
            term=seat.promised,
            leader=seat.region if self.leads else self.leader_hint,
            open_jobs=seat.log.open_jobs,
            sequence=seat.log.end.sequence,
            committed=seat.log.committed,
            lease_left_us=self.renewals.left_us(now.mono_us) if seat.leading else None,
        )

    # --- what comes in ---

    def demand(self, now: Now) -> None:
        """Somebody needs a leader: a caller, or a peer with a transfer."""
        self.stirred = True
        self.elections.demand(now)

    def hand_back(self, now: Now) -> None:
        """Nothing of the shard runs here any more, and another one should lead."""
        self.stirred = True
        self.elections.hand_back(now)

    def forget(self, now: Now) -> None:
        """This disk turned out to be an old one: for its shards that is as bad as an empty one."""
        self.stirred = True
        self.seat.forget(now)
        self._rejoining.begin(now)

    def on_message(self, now: Now, peer: str, message: GroupMessage, out: Effects) -> None:
        """One message of another region. Either may know a newer group than the other: promises are what counts."""
        self.stirred = True
        match message:
            case Append():
                self._following.on_append(now, peer, message, out)
            case AppendAck():
                if not self.leadership.on_append_ack(now, peer, message):
                    self.forget(now)
            case Renew():
                self._following.on_renew(now, peer, message, out)
            case RenewAck():
                self.leadership.on_renew_ack(peer, message, out)
            case Prepare():
                self._following.on_prepare(now, peer, message, out)
            case Promise():
                self._on_promise(now, peer, message, out)
            case Refuse():
                self._on_refuse(now, peer, message)
            case Fetch():
                self._following.on_fetch(peer, message, out)
            case _:
                assert_never(message)

    def _on_promise(self, now: Now, peer: str, promise: Promise, out: Effects) -> None:
        if promise.term:
            self.elections.on_promise(now, peer, promise, out)
        else:
            self._rejoining.on_told(peer, promise)

    def _on_refuse(self, now: Now, peer: str, refuse: Refuse) -> None:
        if refuse.blank:
            self.leadership.untell(peer, now)
        self.elections.on_refuse(now, refuse)

    # --- time, and the end of a step ---

    def on_deadline(self, now: Now, out: Effects) -> None:
        """Renew, replicate again, stand for a term, or ask how far the others are."""
        self.stirred = True
        self._rejoining.on_deadline(now, out)
        self.leadership.on_deadline(now, out)
        self.elections.on_deadline(now, out)

    def wind(self) -> None:
        """Look at when `on_deadline` has something to do."""
        self.due_us = min(self._rejoining.due_us, self.leadership.due_us, self.elections.due_us)

    def flush(self, now: Now, out: Effects) -> None:
        """Send what the log gained; this step may have brought what needs a leader."""
        self.leadership.flush(now, out)
        if not self.starting:
            self.elections.consider(now, out)

    def collect(self) -> tuple[ShardStateRow | None, list[ShardRow], list[tuple[str, str]]]:
        """What this step owes the ledger."""
        self.stirred = False
        return self.seat.collect()
