"""One shard as one of its members sees it: who may lead it, whom this member has promised what, and its copy.

Theory of operation. Every region's adoptable jobs are a log, kept by a group: the region (home), and guardians. Term t
has one possible leader, so that a term never has two. A member that acknowledges a renewal lets the leader's tasks live
for a lease and waits it out before it promises a larger term to anybody; a leader acts (tells callers and peers what it
wrote) only when a majority holds the records. Adoption is the next term of the same log. docs/protocol.md has the
tables; chaos/models/guardian.pml and glease.pml check them.

A member whose disk was lost has forgotten what it promised (an old disk is treated as an empty one). It promises,
grants and leads nothing until all others have told how far they have come; then it takes the largest term and the
longest log of theirs, and is an ordinary member again, who has waited in full and never leads in a term up to that one
(chaos/models/rejoin.pml).

This class decides who leads; what a leader does with the jobs is desk.py's.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import assert_never

import msgspec

from hanse.core.effects import Effects, Lease, Send, ShardRow, ShardStateRow, ShardView
from hanse.core.federation.shards.candidacy import Candidacy, Stage
from hanse.core.federation.shards.lease import Renewals, member_wait_us
from hanse.core.federation.shards.log import ShardLog, Where
from hanse.core.federation.shards.quorum import next_own_term, participants
from hanse.core.federation.shards.replication import Batches, Replication, in_parts
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

START_KEY = "start"
# A demand for a leader that nobody repeats is forgotten after this many leases.
_DEMAND_LEASES = 4
# How long a candidacy may take, in elections' spreads, and how often a blank disk asks.
_CANDIDACY_SPREADS = 4
_RECALL_RETRIES = 5

GroupMessage = Append | AppendAck | Renew | RenewAck | Prepare | Promise | Refuse | Fetch


class Standing(enum.IntEnum):
    """What this member's disk is worth. The numbers are stored."""

    WHOLE = 0
    # Lost, or never written: nothing on it counts.
    BLANK = 1
    # It has learnt again what others hold; what it had promised in the term that it learnt is not known.
    REJOINED = 2


class Role(enum.Enum):
    """What this member is at present."""

    MEMBER = enum.auto()
    CANDIDATE = enum.auto()
    # START is written, but no majority holds it yet: nothing inherited is acted on.
    STARTING = enum.auto()
    LEADER = enum.auto()


class Shard:
    """See the module's docstring. `living` tells whether tasks of this shard live in this region (True also while that
    is not known)."""

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
        self._config = config
        self._timings = config.timings
        self._region = config.name
        self._living = living
        self._randomness = randomness
        self._boot = boot
        self.name = group.shard
        self.group = group
        end = Where(state.log_term, state.log_sequence) if state else Where()
        self.log = ShardLog(group.shard, rows, end, state.committed_sequence if state else 0)
        self.promised = state.promised_term if state else 0
        self.standing = Standing(state.blank) if state else Standing.BLANK
        self._written = state
        self.role = Role.MEMBER
        self.renewals = Renewals(config.name, config.timings)
        self.replication: Replication | None = None
        self._start_sequence = 0
        self._candidacy: Candidacy | None = None
        self._batches = Batches()
        self._seen_term = self.promised
        # Until then another region's tasks may live by what this member granted; after a restart, in full again.
        self._granted_until_us = now.mono_us + member_wait_us(config.timings)
        self._elect_us: int | None = None
        # Before that it stands for nothing: it has given the shard back.
        self._stand_from_us = now.mono_us
        self._wanted = False
        self._wanted_until_us = 0
        # A blank member: what the others told of themselves, and when to ask again.
        self._recalled: dict[str, Promise] = {}
        self._recall_us = now.mono_us
        self._learning_from = ""
        self._learnt_term = 0
        # Whether anything happened to it since it was last collected: most steps are not about it.
        self.stirred = True
        # When `on_deadline` has something to do, as of the last time that this was looked at.
        self.due_us = NEVER_US
        if self.standing is Standing.WHOLE and self.promised and group.owner(self.promised) == config.name:
            self._resume(now)

    # --- how it stands ---

    @property
    def blank(self) -> bool:
        """Whether this disk holds nothing that counts."""
        return self.standing is Standing.BLANK

    @property
    def leads(self) -> bool:
        """Whether this region leads, and may act on what a majority holds."""
        return self.role is Role.LEADER

    @property
    def term(self) -> int:
        """The term that this member is in."""
        return self.promised

    @property
    def leader_hint(self) -> str:
        """Who leads, as far as this member knows."""
        return self.group.owner(max(1, self._seen_term))

    @property
    def busy(self) -> bool:
        """Whether it has jobs that have not ended: only then is a lease worth renewing, or a lost leader missed."""
        return self.log.open_jobs > 0

    @property
    def owes_rows(self) -> bool:
        """Whether what it has promised or holds has changed in this step."""
        return self.log.owes_rows or self._written is None or self._written.promised_term != self.promised

    def demand(self, now: Now) -> None:
        """Somebody needs a leader: a caller, or a peer with a transfer."""
        self.stirred = True
        self._wanted = True
        self._wanted_until_us = now.mono_us + _DEMAND_LEASES * self._timings.lease_us

    def view(self, now: Now) -> ShardView:
        """How it stands, for whoever asks."""
        leading = self.replication is not None
        return ShardView(
            shard=self.name,
            role=Standing.BLANK.name if self.blank else self.role.name,
            term=self.promised,
            leader=self._region if self.leads else self.leader_hint,
            open_jobs=self.log.open_jobs,
            sequence=self.log.end.sequence,
            committed=self.log.committed,
            lease_left_us=self.renewals.left_us(now.mono_us) if leading else None,
        )

    def lease_until_us(self) -> int:
        """The end of the leader's lease on this region's clock."""
        return self.renewals.until_us

    # --- messages ---

    def on_message(self, now: Now, peer: str, message: GroupMessage, out: Effects) -> None:
        """One message of a participant of the group."""
        if peer not in participants(self.group) or self._region not in participants(self.group):
            return
        self.stirred = True
        match message:
            case Append():
                self._on_append(now, peer, message, out)
            case AppendAck():
                self._on_append_ack(now, peer, message)
            case Renew():
                self._on_renew(now, peer, message, out)
            case RenewAck():
                self._on_renew_ack(peer, message, out)
            case Prepare():
                self._on_prepare(now, peer, message, out)
            case Promise():
                self._on_promise(now, peer, message, out)
            case Refuse():
                self._on_refuse(now, message)
            case Fetch():
                self._on_fetch(peer, message, out)
            case _:
                assert_never(message)

    # --- a member ---

    def _on_append(self, now: Now, peer: str, append: Append, out: Effects) -> None:
        if self.blank:
            if peer == self._learning_from and append.cut and not append.previous_sequence:
                self._learn(append, out)
            return
        candidacy = self._candidacy
        if candidacy is not None and candidacy.stage is Stage.FETCH and peer == candidacy.source:
            self._on_fetched(now, candidacy, append)
            return
        if self.group.owner(append.term) != peer:
            return
        self._see(now, append.term)
        self._yield_to(append.term)
        if append.term < self.promised:
            out.sends.append(
                Send(peer, Refuse(shard=self.name, term=append.term, promised_term=self.promised))
            )
        elif self._may_follow(now, peer, append.term):
            self._follow(peer, append, out)

    def _may_follow(self, now: Now, peer: str, term: int) -> bool:
        """Whether records and renewals of this term may be taken: for a larger one than promised, no grant to another
        region may be out, and no own task may live."""
        if self.blank:
            return False
        if term == self.promised:
            return self.role is Role.MEMBER
        return self._waited(now, peer) and not self._living()

    def _follow(self, peer: str, append: Append, out: Effects) -> None:
        """Extend or repair the copy, or tell where it stands."""
        end = Where(append.term, append.sequence)
        previous = Where(append.previous_term, append.previous_sequence)
        joined = self.log.end.term == append.term
        follows = append.cut or joined or self.log.end == previous
        if not follows:
            self._tell_diverged(peer, append, out)
            return
        if joined and self.log.end.sequence < append.previous_sequence and not append.cut:
            out.sends.append(
                Send(peer, AppendAck(shard=self.name, term=append.term, sequence=self.log.end.sequence))
            )
            return
        records = self._batches.add(append)
        if records is None:
            return
        if append.cut and not joined:
            if append.previous_sequence > self.log.committed:
                self._tell_diverged(peer, append, out)
                return
            self.log.cut_to(append.previous_sequence, records, end)
        elif self.log.end.sequence < append.sequence:
            self.log.extend(records, end)
        self._join(append.term)
        self.log.note_committed(append.committed)
        self.log.note_everywhere(append.everywhere)
        out.sends.append(
            Send(peer, AppendAck(shard=self.name, term=append.term, sequence=self.log.end.sequence))
        )

    def _tell_diverged(self, peer: str, append: Append, out: Effects) -> None:
        committed = self.log.committed
        out.sends.append(
            Send(
                peer,
                AppendAck(
                    shard=self.name,
                    term=append.term,
                    sequence=0,
                    diverged=True,
                    committed=committed,
                    keys=tuple(self.log.beyond(committed)),
                ),
            )
        )

    def _on_renew(self, now: Now, peer: str, renew: Renew, out: Effects) -> None:
        if self.group.owner(renew.term) != peer:
            return
        self._see(now, renew.term)
        self._yield_to(renew.term)
        if renew.term < self.promised:
            out.sends.append(
                Send(peer, Refuse(shard=self.name, term=renew.term, promised_term=self.promised))
            )
        elif renew.term == self.promised and self.role is Role.MEMBER and not self.blank:
            self._granted_until_us = now.mono_us + member_wait_us(self._timings)
            self._elect_us = None
            if self.log.end.term == renew.term:
                # Else this copy may still have records in those places that the leader never had.
                self.log.note_committed(renew.committed)
            out.sends.append(Send(peer, RenewAck(self.name, renew.term, renew.boot, renew.number)))

    def _on_prepare(self, now: Now, peer: str, prepare: Prepare, out: Effects) -> None:
        if prepare.term == 0:
            out.sends.append(Send(peer, self._promise(0, trial=True)))
            return
        if self.group.owner(prepare.term) != peer:
            return
        wait_us = self._wait_before_promise(now, peer, prepare)
        too_late = prepare.term < self.promised
        if prepare.term == self.promised and (prepare.trial or self.standing is not Standing.WHOLE):
            too_late = True
        if self.blank or too_late or wait_us:
            refuse = Refuse(
                shard=self.name,
                term=prepare.term,
                promised_term=self.promised,
                wait_us=wait_us,
                blank=self.blank,
            )
            out.sends.append(Send(peer, refuse))
            return
        if not prepare.trial and prepare.term > self.promised:
            self._step_down(now)
            self._join(prepare.term)
            # The candidate may be about to grant itself tasks: let it try before the next one does.
            self._elect_us = None
            self._granted_until_us = max(
                self._granted_until_us, now.mono_us + self._timings.election_spread_us
            )
        out.sends.append(Send(peer, self._promise(prepare.term, trial=prepare.trial)))

    def _wait_before_promise(self, now: Now, peer: str, prepare: Prepare) -> int:
        """Microseconds until the promise may be made; 0: now."""
        if prepare.term == self.promised and not prepare.trial and self.standing is Standing.WHOLE:
            return 0  # promised before, and asked again
        leading = self.role in (Role.LEADER, Role.STARTING)
        if leading and prepare.trial and (self.busy or self.name == self._region):
            return self._timings.lease_us
        if self._living():
            return self._timings.kill_us
        return 0 if self._waited(now, peer) else self._granted_until_us - now.mono_us

    def _promise(self, term: int, *, trial: bool) -> Promise:
        return Promise(
            shard=self.name,
            term=term,
            trial=trial,
            log_term=self.log.end.term,
            log_sequence=self.log.end.sequence,
            promised_term=self.promised,
            founded=self.log.founded,
            blank=self.blank,
        )

    def _on_fetch(self, peer: str, fetch: Fetch, out: Effects) -> None:
        """The candidate that has this member's promise asks for its copy; or a member that lost its own."""
        promised = fetch.term == self.promised and self.group.owner(max(1, fetch.term)) == peer
        candidate = promised and self.role is Role.MEMBER
        if self.blank or not (candidate or fetch.term == 0):
            return
        records = self.log.repair(fetch.committed, fetch.keys)
        # Whoever lost its disk asks with term 0, and learns where this copy ends.
        previous = Where(0 if fetch.term else self.log.end.term, fetch.committed)
        parts = in_parts(self.log, fetch.term, self.group.version, previous, records, cut=True)
        out.sends.extend(Send(peer, part) for part in parts)

    def _waited(self, now: Now, candidate: str) -> bool:
        """Whether no grant is out to another region than this one. What a lost disk granted is not known."""
        if now.mono_us >= self._granted_until_us:
            return True
        return self.standing is Standing.WHOLE and self.group.owner(max(1, self.promised)) == candidate

    def _join(self, term: int) -> None:
        """Promise this term: from now on everything older is refused."""
        assert term >= self.promised, "a promise is never taken back"
        if term > self.promised:
            self.standing = Standing.WHOLE
        self.promised = term
        self._seen_term = max(self._seen_term, term)

    def _see(self, now: Now, term: int) -> None:
        """A term is going on: whoever leads or stands for an older one stops."""
        self._seen_term = max(self._seen_term, term)
        if term > self.promised:
            self._step_down(now)

    # --- a blank disk ---

    def _may_learn(self) -> bool:
        return self._is_founding() or not any(each.blank for each in self._recalled.values())

    def _is_founding(self) -> bool:
        """Whether nothing was ever committed: the shard is new, and whoever is blank has forgotten nothing."""
        return not any(each.founded for each in self._recalled.values())

    def _found(self, now: Now) -> None:
        """The home of a shard of which nobody has heard begins it."""
        self.standing = Standing.WHOLE
        self.promised = self._seen_term = 1
        # An old disk may have what an earlier life began with: nobody else has it.
        self.log.begin_anew([], Where())
        self._start(now, Where())

    def _others(self) -> list[str]:
        return [member for member in participants(self.group) if member != self._region]

    def _recall(self, now: Now, out: Effects) -> None:
        """Ask all others how far they are; once all have told, take the longest copy of theirs."""
        others = self._others()
        self._recall_us = now.mono_us + self._timings.append_retry_us * _RECALL_RETRIES
        known = [self._recalled[member] for member in others if member in self._recalled]
        if len(known) == len(others) and all(each.blank for each in known):
            if self.name == self._region:
                self._found(now)
                return
        elif len(known) == len(others) and not self._living() and self._may_learn():
            self._fetch_longest(out)
            return
        out.sends.extend(
            Send(member, Prepare(self.name, 0, self.group.version, trial=True)) for member in others
        )

    def _fetch_longest(self, out: Effects) -> None:
        """All the others have told; they are asked again next time, since their answers grow old."""
        best = max(
            (member for member in self._recalled if not self._recalled[member].blank),
            key=lambda member: (self._where_of(member), member),
        )
        self._learning_from = best
        self._learnt_term = max(each.promised_term for each in self._recalled.values())
        self._recalled = {}
        out.sends.append(Send(best, Fetch(shard=self.name, term=0, committed=0, keys=())))

    def _where_of(self, member: str) -> Where:
        promise = self._recalled[member]
        return Where(promise.log_term, promise.log_sequence)

    def _learn(self, append: Append, out: Effects) -> None:
        """The whole copy of another member replaces whatever this disk held. The leader may be waiting for that."""
        records = self._batches.add(append)
        if records is None:
            return
        self.log.begin_anew(records, Where(append.previous_term, append.sequence))
        self.log.note_committed(append.committed)
        self.promised = max(self._learnt_term, append.term, append.previous_term)
        self._seen_term = max(self._seen_term, self.promised)
        fresh = self.promised <= 1 and not self.log.founded
        self.standing = Standing.WHOLE if fresh else Standing.REJOINED
        self._learning_from = ""
        leader = self.leader_hint
        if leader != self._region and self.log.end.term == self.promised:
            ack = AppendAck(shard=self.name, term=self.promised, sequence=self.log.end.sequence)
            out.sends.append(Send(leader, ack))

    def forget(self, now: Now) -> None:
        """This disk turned out to be an old one: for its shards that is as bad as an empty one."""
        self.stirred = True
        self._step_down(now)
        self.standing = Standing.BLANK
        self._recalled = {}
        self._recall_us = now.mono_us
        self._granted_until_us = now.mono_us + member_wait_us(self._timings)

    # --- a candidate ---

    def _election_due_us(self) -> int | None:
        """When this member is to stand for a term, or to begin its patience; None: somebody leads, or nobody need."""
        wanted = self.busy or self._wanted or self.name == self._region
        if not wanted or self.blank or self.role is not Role.MEMBER or self._region not in self.group.members:
            return None
        return max(self._granted_until_us, self._stand_from_us, self._elect_us or 0)

    def _consider(self, now: Now, out: Effects) -> None:
        """Stand for the next own term, once every grant is waited out and a random while has passed."""
        due_us = self._election_due_us()
        if due_us is None:
            self._elect_us = None
        if due_us is None or now.mono_us < due_us:
            return
        if self._elect_us is None:
            self._elect_us = now.mono_us + self._patience_us()
            return
        if self._living():
            self._elect_us = now.mono_us + self._timings.kill_us
            return
        candidacy_us = _CANDIDACY_SPREADS * self._timings.election_spread_us
        self._elect_us = now.mono_us + candidacy_us + self._patience_us()
        term = next_own_term(self.group, self._region, max(self.promised, self._seen_term))
        self._candidacy = Candidacy(self._region, self.group, term, now.mono_us + candidacy_us)
        self.role = Role.CANDIDATE
        out.sends.extend(
            Send(member, Prepare(self.name, term, self.group.version, trial=True))
            for member in self._others()
        )

    def _patience_us(self) -> int:
        """Rank only sets the timeout, randomised: home tries first, then its guardians in their order."""
        spread_us = self._timings.election_spread_us
        rank = self.group.members.index(self._region)
        return rank * spread_us + self._randomness.randrange(spread_us)

    def _on_promise(self, now: Now, peer: str, promise: Promise, out: Effects) -> None:
        if promise.term == 0:
            if self.blank:
                self._recalled[peer] = promise
            return
        candidacy = self._candidacy
        if candidacy is None or not candidacy.on_promise(peer, promise, self.log.end):
            return
        if candidacy.stage is Stage.TRIAL:
            self._prepare(now, candidacy, out)
        else:
            self._take_best_copy(now, candidacy, out)

    def _prepare(self, now: Now, candidacy: Candidacy, out: Effects) -> None:
        if candidacy.term <= self.promised or self._living() or now.mono_us < self._granted_until_us:
            self._give_up()
            return
        self._join(candidacy.term)
        candidacy.begin_prepare()
        out.sends.extend(
            Send(member, Prepare(self.name, candidacy.term, self.group.version, trial=False))
            for member in self._others()
        )

    def _take_best_copy(self, now: Now, candidacy: Candidacy, out: Effects) -> None:
        source = candidacy.choose_copy(self.log.end)
        if source == self._region:
            self._give_up()
            self._start(now, self.log.end)
            return
        committed = self.log.committed
        keys = tuple(self.log.beyond(committed))
        out.sends.append(
            Send(source, Fetch(shard=self.name, term=candidacy.term, committed=committed, keys=keys))
        )

    def _on_fetched(self, now: Now, candidacy: Candidacy, append: Append) -> None:
        if append.term != candidacy.term or append.previous_sequence != self.log.committed or not append.cut:
            return
        records = self._batches.add(append)
        if records is None:
            return
        end = candidacy.copies[candidacy.source]
        self.log.cut_to(append.previous_sequence, records, end)
        self.log.note_committed(append.committed)
        self._give_up()
        self._start(now, end)

    def _yield_to(self, term: int) -> None:
        """The leader is heard after all: nothing is promised yet, so nothing is lost."""
        if self._candidacy is not None and self._candidacy.stage is Stage.TRIAL and term >= self.promised:
            self._give_up()

    def _give_up(self) -> None:
        self._candidacy = None
        self.role = Role.MEMBER

    def _on_refuse(self, now: Now, refuse: Refuse) -> None:
        if refuse.promised_term > self.promised:
            self._seen_term = max(self._seen_term, refuse.promised_term)
            self._step_down(now)
        elif self._candidacy is not None and refuse.term == self._candidacy.term and refuse.wait_us:
            self._elect_us = now.mono_us + refuse.wait_us + self._patience_us()

    # --- a leader ---

    def _start(self, now: Now, inherited: Where) -> None:
        """The term begins with a record of its own: what a majority holds then includes all before it. It names where
        the log ended before."""
        self.role = Role.STARTING
        self.renewals = Renewals(self._region, self._timings)
        start = msgspec.msgpack.encode((self.promised, self._region, inherited.term, inherited.sequence))
        self.log.append(self.promised, START_KEY, start)
        self._start_sequence = self.log.end.sequence
        self._replicate_from(now, inherited)

    def _resume(self, now: Now) -> None:
        """After a restart in the middle of one's own term: it goes on, if it had begun."""
        if self.log.end.term != self.promised:
            return
        self.role = Role.STARTING
        self._start_sequence = self.log.end.sequence
        self._replicate_from(now, Where(self.promised, self.log.committed))

    def _replicate_from(self, now: Now, inherited: Where) -> None:
        self.replication = Replication(
            self._region, self.log, self.group, self.promised, inherited, self._timings, now
        )
        self.renewals.due_us = now.mono_us

    def _on_append_ack(self, now: Now, peer: str, ack: AppendAck) -> None:
        if self.replication is None or ack.term != self.promised:
            return
        if not self.replication.on_ack(now, peer, ack):
            self.forget(now)
        elif self.role is not Role.STARTING:
            return
        elif not self.log.founded and self.replication.everywhere >= self._start_sequence:
            self.log.found(self.promised)
        elif self.log.committed >= self._start_sequence:
            self.role = Role.LEADER

    def _on_renew_ack(self, peer: str, ack: RenewAck, out: Effects) -> None:
        if self.replication is None or ack.term != self.promised or ack.boot != self._boot:
            return
        if self.renewals.on_ack(self.group, peer, ack.number) and self.busy:
            out.leases.append(Lease(self.name, self.renewals.until_us))

    def _step_down(self, now: Now) -> None:
        """Stop writing in this term. What was not committed is cut when the next leader's records come."""
        if self.role in (Role.LEADER, Role.STARTING):
            # Its own tasks must be dead before it follows or promises; nobody else's live by its grant.
            self.replication = None
        self.role = Role.MEMBER
        self._candidacy = None
        self._elect_us = None

    def home_is_ready(self) -> bool:
        """Whether the shard's home has all of the log, and could lead."""
        return self.replication is not None and self.replication.acked(self.name) >= self.log.end.sequence

    def hand_back(self, now: Now) -> None:
        """Nothing of the shard runs here any more, and its home is back: let it lead, once what it has granted has run
        out. This region has granted nobody anything, and follows at once; it stands again only if nobody does."""
        self.stirred = True
        self._step_down(now)
        patience_us = _CANDIDACY_SPREADS * self._timings.election_spread_us
        self._stand_from_us = now.mono_us + member_wait_us(self._timings) + 2 * patience_us

    # --- time ---

    def on_deadline(self, now: Now, out: Effects) -> None:
        """Renew, replicate again, stand for a term, or ask how far the others are."""
        self.stirred = True
        self._wanted = self._wanted and now.mono_us < self._wanted_until_us
        if self._candidacy is not None and self._candidacy.until_us <= now.mono_us:
            self._give_up()
        if self.blank and self._recall_us <= now.mono_us:
            self._recall(now, out)
        if self.replication is not None:
            self._renew(now, out)
            self.replication.on_deadline(now, out)
        else:
            self._consider(now, out)

    def wind(self) -> None:
        """Look at when `on_deadline` has something to do."""
        due: list[int] = []
        if self._candidacy is not None:
            due.append(self._candidacy.until_us)
        if self.blank:
            due.append(self._recall_us)
        if self.replication is not None:
            if self.busy:
                due.append(self.renewals.due_us)
            due.append(self.replication.due_us)
        election_us = self._election_due_us()
        if election_us is not None:
            due.append(election_us)
        self.due_us = min(due, default=NEVER_US)

    def _renew(self, now: Now, out: Effects) -> None:
        if not self.busy or self.renewals.due_us > now.mono_us:
            return
        number = self.renewals.send(now.mono_us)
        renew = Renew(
            self.name,
            self.promised,
            self.group.version,
            self._boot,
            number,
            self.log.end.sequence,
            self.log.committed,
        )
        out.sends.extend(Send(member, renew) for member in self._others())

    # --- the end of a step ---

    def flush(self, now: Now, out: Effects) -> None:
        """Send what the log gained, and write what changed."""
        if self.replication is not None:
            # Again: this step may have brought the first job of a quiet shard, or begun the term.
            self._renew(now, out)
            self.replication.on_deadline(now, out)
            self.replication.flush(now, out)
        else:
            self._consider(now, out)  # this step may have brought what needs a leader

    def collect(self) -> tuple[ShardStateRow | None, list[ShardRow], list[tuple[str, str]]]:
        """What this step owes the ledger: the standing if it changed, records, and keys of records to delete."""
        self.stirred = False
        rows, gone = self.log.collect()
        state = ShardStateRow(
            self.name,
            self.promised,
            self.log.end.term,
            self.log.end.sequence,
            self.log.committed,
            msgspec.msgpack.encode(self.group),
            int(self.standing),
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
