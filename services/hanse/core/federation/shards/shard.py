"""One shard as one of its members sees it: who may lead it, whom this member has promised what, and its copy.

Theory of operation. Every region's adoptable jobs are a log, kept by a group: the region (home), and guardians. A
member promises a term once, to one region and its present life, so that a term never has two leaders. A member that
acknowledges a renewal lets the leader's tasks live for a lease, and waits it out before it promises a larger term to
anybody else; a leader acts (tells callers and peers what it wrote) only when a majority holds the records. Adoption is
the next term of the same log. The group itself is a record of the log (regroup.py). docs/protocol.md has the tables;
chaos/models/guardian.pml, glease.pml and regroup.pml check them.

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
from hanse.core.federation.shards.log import GROUP_KEY, ShardLog, Where
from hanse.core.federation.shards.quorum import next_own_term, participants
from hanse.core.federation.shards.regroup import Change, Final, HandOver, Listen, Situation, next_step
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
from hanse.core.model.regions import Group, RegionConfig, pack_group, unpack_group
from hanse.core.model.time import Now

START_KEY = "start"
# The term, its leader, and the position at which the log ended before.
_START = msgspec.msgpack.Decoder(tuple[int, str, int, int])
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
    # It was a member, and is none any more: it holds no copy. What it has promised stays promised.
    LEFT = 3


class Role(enum.Enum):
    """What this member is at present."""

    MEMBER = enum.auto()
    CANDIDATE = enum.auto()
    # START is written, but no majority holds it yet: nothing inherited is acted on.
    STARTING = enum.auto()
    LEADER = enum.auto()


class Shard:
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
        self._config = config
        self._timings = config.timings
        self._region = config.name
        self._living = living
        self._randomness = randomness
        self._boot = boot
        self.name = group.shard
        self.group = unpack_group(state.group) if state else group
        self._packed_group = state.group if state else pack_group(group)
        self._wanted_group = _wanted_by(config, group.shard)
        end = Where(state.log_term, state.log_sequence) if state else Where()
        self.log = ShardLog(group.shard, rows, end, state.committed_sequence if state else 0)
        self.promised = state.promised_term if state else 0
        self.promised_to = state.promised_to if state else ""
        # The life of that candidate; 0: not known any more, so that the promise is not repeated.
        self._promised_life = 0
        self.standing = Standing(state.blank) if state else Standing.BLANK
        self._written = state
        self.role = Role.MEMBER
        self.renewals = Renewals(config.name, config.timings)
        self.replication: Replication | None = None
        self._start_sequence = 0
        # Who led until this region's term began, and wrote what runs; empty: nobody.
        self.leader_before = ""
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
        # A leader of a joint group: until then tasks may live by grants that counted in the old group alone.
        self._changing_until_us = NEVER_US
        self._is_waited_out = False
        # The term in which this copy was begun from nothing, in this life.
        self._begun_term = 0
        # Who was in the group before, and may not know that it is not any more.
        self._left: tuple[str, ...] = ()
        self._take_group(now)
        if self.standing is Standing.WHOLE and self.promised and self.promised_to == config.name:
            self._resume(now)

    # --- how it stands ---

    @property
    def blank(self) -> bool:
        """Whether this disk holds nothing that counts."""
        return self.standing is Standing.BLANK

    @property
    def keeps(self) -> bool:
        """Whether this region is a member of the group, as far as it knows."""
        return self._region in participants(self.group)

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
        if self.promised_to and self._seen_term == self.promised:
            return self.promised_to
        return self.group.owner(max(1, self._seen_term))

    @property
    def busy(self) -> bool:
        """Whether it has jobs that have not ended: only then is a lease worth renewing, or a lost leader missed."""
        return self.log.open_jobs > 0

    @property
    def owes_rows(self) -> bool:
        """Whether what it has promised or holds has changed in this step."""
        written = self._written
        return (
            self.log.owes_rows
            or written is None
            or (written.promised_term, written.promised_to) != (self.promised, self.promised_to)
        )

    def demand(self, now: Now) -> None:
        """Somebody needs a leader: a caller, or a peer with a transfer."""
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
        """One message of another region. Either may know a newer group than the other: promises are what counts."""
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
                self._on_refuse(now, peer, message)
            case Fetch():
                self._on_fetch(peer, message, out)
            case _:
                assert_never(message)

    # --- a member ---

    def _on_append(self, now: Now, peer: str, append: Append, out: Effects) -> None:
        if self.blank and not (append.begins and self.name in self._config.begins):
            if peer == self._learning_from and append.cut and not append.previous_sequence:
                self._learn(append)
                self._take_group(now)
            return
        candidacy = self._candidacy
        if candidacy is not None and candidacy.stage is Stage.FETCH and peer == candidacy.source:
            self._on_fetched(now, candidacy, append, out)
            return
        self._see(now, append.term)
        self._yield_to(append.term)
        if self._is_over(peer, append.term):
            out.sends.append(
                Send(peer, Refuse(shard=self.name, term=append.term, promised_term=self.promised))
            )
        elif self._may_follow(now, peer, append.term) or self._may_begin(now, peer):
            if append.begins and self._begun_term != append.term:
                self._begin(peer, append, out)
            elif self.standing is not Standing.LEFT:
                self._follow(peer, append, out)
            else:
                left = Refuse(shard=self.name, term=append.term, promised_term=self.promised, blank=True)
                out.sends.append(Send(peer, left))
            self._take_group(now)
            self._leave_if_told(append)

    def _may_follow(self, now: Now, peer: str, term: int) -> bool:
        """Whether records and renewals of this term may be taken: for a larger one than promised, no grant to another
        region may be out, and no own task may live."""
        if self.blank:
            return False
        if term == self.promised:
            return self.role is Role.MEMBER
        return self._waited(now, peer) and not self._living()

    def _may_begin(self, now: Now, peer: str) -> bool:
        """Whether a newcomer may join at once: one that has never promised anything has granted nothing either."""
        return self.blank and not self._living() and (not self.promised or self._waited(now, peer))

    def _is_over(self, peer: str, term: int) -> bool:
        """Whether this term is older than what was promised, or was promised to another region."""
        return term < self.promised or (term == self.promised and self.promised_to not in ("", peer))

    def _begin(self, peer: str, append: Append, out: Effects) -> None:
        """A newcomer's copy begins from nothing, whatever it has: the others may have forgotten keys that went since it
        was a member. What was sent before such a copy ended is not for it."""
        is_late = self.log.end > Where(append.term, append.sequence)
        if not append.cut or append.previous_sequence or is_late:
            diverged = AppendAck(shard=self.name, term=append.term, sequence=0, diverged=True)
            out.sends.append(Send(peer, diverged))
            return
        records = self._batches.add(append)
        if records is None:
            return
        self.log.begin_anew(records, Where(append.term, append.sequence))
        self.log.note_committed(append.committed)
        self._join(append.term, peer)
        self.standing, self._begun_term = Standing.WHOLE, append.term
        out.sends.append(
            Send(peer, AppendAck(shard=self.name, term=append.term, sequence=self.log.end.sequence))
        )

    def _leave_if_told(self, append: Append) -> None:
        """A majority of the new group holds the record that says so: the copy goes, what was promised stays. It is not
        promised to anybody any more, since the promise would come without the log."""
        told = self.log.sequence_of(GROUP_KEY) <= append.committed and not self.group.joining
        is_member = self.keeps or append.begins or self.standing is not Standing.WHOLE
        whole = self.log.end == Where(append.term, append.sequence)
        if is_member or not (told and whole) or self._living():
            return
        self.log.begin_anew([], Where())
        self.standing, self.promised_to, self._promised_life = Standing.LEFT, "", 0
        self._begun_term = 0

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
        self._join(append.term, peer)
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
        self._see(now, renew.term)
        self._yield_to(renew.term)
        if self._is_over(peer, renew.term):
            out.sends.append(
                Send(peer, Refuse(shard=self.name, term=renew.term, promised_term=self.promised))
            )
        elif renew.term == self.promised and self.role is Role.MEMBER and self._holds_copy:
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
        if self.replication is not None and peer not in participants(self.group):
            self.replication.tell(peer, now)
        wait_us = self._wait_before_promise(now, peer, prepare)
        too_late = prepare.term <= self.promised and not self._is_repeated(peer, prepare)
        if not self._holds_copy or too_late or wait_us:
            refuse = Refuse(
                shard=self.name,
                term=prepare.term,
                promised_term=self.promised,
                wait_us=wait_us,
                blank=not self._holds_copy,
            )
            out.sends.append(Send(peer, refuse))
            return
        if not prepare.trial and prepare.term > self.promised:
            self._step_down(now)
            self._join(prepare.term, peer)
            self._promised_life = prepare.life
            # The candidate may be about to grant itself tasks: let it try before the next one does.
            self._elect_us = None
            self._granted_until_us = max(
                self._granted_until_us, now.mono_us + self._timings.election_spread_us
            )
        out.sends.append(Send(peer, self._promise(prepare.term, trial=prepare.trial, life=prepare.life)))

    @property
    def _holds_copy(self) -> bool:
        return self.standing in (Standing.WHOLE, Standing.REJOINED)

    def _is_repeated(self, peer: str, prepare: Prepare) -> bool:
        """Whether this life of this candidate has this promise already."""
        return (
            prepare.term == self.promised
            and not prepare.trial
            and self.standing is Standing.WHOLE
            and self.promised_to == peer
            and self._promised_life == prepare.life != 0
        )

    def _wait_before_promise(self, now: Now, peer: str, prepare: Prepare) -> int:
        """Microseconds until the promise may be made; 0: now."""
        if self._is_repeated(peer, prepare):
            return 0
        leading = self.role in (Role.LEADER, Role.STARTING)
        is_needed = self.busy or self.name == self._region or peer not in participants(self.group)
        if leading and prepare.trial and is_needed:
            return self._timings.lease_us
        if self._living():
            return self._timings.kill_us
        return 0 if self._waited(now, peer) else self._granted_until_us - now.mono_us

    def _promise(self, term: int, *, trial: bool, life: int = 0) -> Promise:
        return Promise(
            shard=self.name,
            term=term,
            trial=trial,
            log_term=self.log.end.term,
            log_sequence=self.log.end.sequence,
            promised_term=self.promised,
            committed=self.log.committed,
            blank=not self._holds_copy,
            life=life,
            group=b"" if term else self._packed_group,
        )

    def _on_fetch(self, peer: str, fetch: Fetch, out: Effects) -> None:
        """The candidate that has this member's promise asks for its copy; or a member that lost its own."""
        promised = fetch.term == self.promised and self.promised_to == peer
        candidate = promised and self.role is Role.MEMBER
        if not self._holds_copy or not (candidate or fetch.term == 0):
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
        return self.standing is Standing.WHOLE and self.promised_to == candidate

    def _join(self, term: int, leader: str) -> None:
        """Promise this term to this region: from now on everything older is refused, and everybody else."""
        assert term >= self.promised, "a promise is never taken back"
        if term > self.promised:
            self.standing, self._promised_life = Standing.WHOLE, 0
        assert term > self.promised or self.promised_to in ("", leader), "a term is promised once"
        self.promised, self.promised_to = term, leader
        self._seen_term = max(self._seen_term, term)

    def _see(self, now: Now, term: int) -> None:
        """A term is going on: whoever leads or stands for an older one stops."""
        self._seen_term = max(self._seen_term, term)
        if term > self.promised:
            self._step_down(now)

    # --- a blank disk ---

    @property
    def _asks_for_its_part(self) -> bool:
        return self.blank and (self.keeps or self._region in self._wanted_group)

    def _may_learn(self) -> bool:
        return self._is_founding() or not any(each.blank for each in self._recalled.values())

    def _is_founding(self) -> bool:
        """Whether nothing was ever committed: the shard is new, and whoever is blank has forgotten nothing."""
        return all(
            each.blank or (each.promised_term <= 1 and not each.committed) for each in self._recalled.values()
        )

    def _found(self, now: Now) -> None:
        """The home of a shard of which nobody has heard begins it."""
        self.standing = Standing.WHOLE
        self.promised = self._seen_term = 1
        # An old disk may have what an earlier life began with: nobody else has it.
        self.log.begin_anew([], Where())
        self.promised_to = self._region
        self._start(now, Where())

    def _others(self) -> list[str]:
        """Other participants that are in the league at all."""
        return [each for each in participants(self.group) if each != self._region and self._is_known(each)]

    def _is_known(self, region: str) -> bool:
        return self._config.member(region) is not None

    def _newest_told(self) -> Group:
        """The group of the longest copy that others have told of: all of its members must have told."""
        told = [each for each in self._recalled.values() if each.group and not each.blank]
        best = max(told, key=lambda each: Where(each.log_term, each.log_sequence), default=None)
        return self.group if best is None else unpack_group(best.group)

    def _recall(self, now: Now, out: Effects) -> None:
        """Ask all others how far they are; once all have told, take the longest copy of theirs."""
        self._recall_us = now.mono_us + self._timings.append_retry_us * _RECALL_RETRIES
        group = self._newest_told()
        is_member = self._region in participants(group)
        others = [member for member in participants(group) if member != self._region]
        if is_member:
            self._recalled = {name: each for name, each in self._recalled.items() if name in others}
        known = [self._recalled[member] for member in others if member in self._recalled]
        have_all_told = is_member and len(known) == len(others)
        if have_all_told and all(each.blank for each in known) and self.name == self._region:
            self._found(now)
            return
        if (
            have_all_told
            and not all(each.blank for each in known)
            and not self._living()
            and self._may_learn()
        ):
            self._fetch_longest(out)
            return
        # Whoever is in the roster's group may know of a newer one.
        out.sends.extend(
            Send(member, Prepare(self.name, 0, self.group.version, trial=True))
            for member in dict.fromkeys((*others, *self._wanted_group))
            if member != self._region and self._is_known(member)
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

    def _learn(self, append: Append) -> None:
        """The whole copy of another member replaces whatever this disk held."""
        records = self._batches.add(append)
        if records is None:
            return
        self.log.begin_anew(records, Where(append.previous_term, append.sequence))
        self.log.note_committed(append.committed)
        self.promised_to, self._promised_life = "", 0
        self.promised = max(self._learnt_term, append.term, append.previous_term)
        self._seen_term = max(self._seen_term, self.promised)
        self.standing = Standing.REJOINED if self.promised > 1 or self.log.committed else Standing.WHOLE
        self._learning_from = ""

    def forget(self, now: Now) -> None:
        """This disk turned out to be an old one: for its shards that is as bad as an empty one."""
        self._step_down(now)
        self.standing = Standing.BLANK
        self._recalled = {}
        self._recall_us = now.mono_us
        self._granted_until_us = now.mono_us + member_wait_us(self._timings)

    # --- a candidate ---

    def _election_due_us(self) -> int | None:
        """When this member is to stand for a term, or to begin its patience; None: somebody leads, or nobody need."""
        wanted = self.busy or self._wanted or self.name == self._region
        if (
            not wanted
            or not self._holds_copy
            or self.role is not Role.MEMBER
            or self._region not in self.group.ranks
        ):
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
            Send(member, Prepare(self.name, term, self.group.version, trial=True, life=self._boot))
            for member in self._others()
        )

    def _patience_us(self) -> int:
        """Rank only sets the timeout, randomised: home tries first, then its guardians in their order."""
        spread_us = self._timings.election_spread_us
        ranks = self.group.ranks
        rank = ranks.index(self._region) if self._region in ranks else len(ranks)
        return rank * spread_us + self._randomness.randrange(spread_us)

    def _on_promise(self, now: Now, peer: str, promise: Promise, out: Effects) -> None:
        if promise.term == 0:
            if self.blank:
                self._recalled[peer] = promise
            return
        candidacy = self._candidacy
        if candidacy is None or promise.life != self._boot or not candidacy.on_promise(peer, promise):
            return
        if candidacy.stage is Stage.TRIAL:
            self._prepare(now, candidacy, out)
        else:
            self._take_best_copy(now, candidacy, out)

    def _prepare(self, now: Now, candidacy: Candidacy, out: Effects) -> None:
        if candidacy.term <= self.promised or self._living() or now.mono_us < self._granted_until_us:
            self._give_up()
            return
        self._join(candidacy.term, self._region)
        candidacy.begin_prepare()
        self._ask_for_promises(candidacy, out)

    def _ask_for_promises(self, candidacy: Candidacy, out: Effects) -> None:
        out.sends.extend(
            Send(
                member,
                Prepare(self.name, candidacy.term, self.group.version, trial=False, life=self._boot),
            )
            for member in self._others()
            if member not in candidacy.copies
        )

    def _take_best_copy(self, now: Now, candidacy: Candidacy, out: Effects) -> None:
        source = candidacy.choose_copy(self.log.end)
        if source == self._region:
            self._give_up()
            if self._region in self.group.ranks:
                self._start(now, self.log.end)
            return
        committed = self.log.committed
        keys = tuple(self.log.beyond(committed))
        out.sends.append(
            Send(source, Fetch(shard=self.name, term=candidacy.term, committed=committed, keys=keys))
        )

    def _on_fetched(self, now: Now, candidacy: Candidacy, append: Append, out: Effects) -> None:
        """The better copy is taken, and with it its group: that one has to agree as well."""
        if append.term != candidacy.term or append.previous_sequence != self.log.committed or not append.cut:
            return
        records = self._batches.add(append)
        if records is None:
            return
        end = candidacy.copies[candidacy.source]
        self.log.cut_to(append.previous_sequence, records, end)
        self.log.note_committed(append.committed)
        self._take_group(now)
        candidacy.group, candidacy.stage = self.group, Stage.PREPARE
        if self._region not in self.group.ranks:
            self._give_up()  # it has left, and did not know
        elif candidacy.has_majority:
            self._take_best_copy(now, candidacy, out)
        else:
            self._ask_for_promises(candidacy, out)

    def _yield_to(self, term: int) -> None:
        """The leader is heard after all: nothing is promised yet, so nothing is lost."""
        if self._candidacy is not None and self._candidacy.stage is Stage.TRIAL and term >= self.promised:
            self._give_up()

    def _give_up(self) -> None:
        self._candidacy = None
        self.role = Role.MEMBER

    def _on_refuse(self, now: Now, peer: str, refuse: Refuse) -> None:
        if refuse.blank and self.replication is not None:
            self.replication.forget(peer, now)
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
        self.leader_before = _leader_of(self.log.value(START_KEY))
        start = msgspec.msgpack.encode((self.promised, self._region, inherited.term, inherited.sequence))
        self.log.append(self.promised, START_KEY, start)
        if not self.log.value(GROUP_KEY):
            self.log.append(self.promised, GROUP_KEY, self._packed_group)
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
            self._region,
            self.log,
            self.group,
            self.promised,
            inherited,
            self._timings,
            now,
            self._is_known,
        )
        self.renewals.due_us = now.mono_us
        self._begin_wait(now)

    def _on_append_ack(self, now: Now, peer: str, ack: AppendAck) -> None:
        if self.replication is None or ack.term != self.promised:
            return
        if not self.replication.on_ack(now, peer, ack):
            self.forget(now)
        elif self.role is Role.STARTING and self.log.committed >= self._start_sequence:
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

    # --- the group ---

    def _take_group(self, now: Now) -> None:
        """The newest group record of this copy counts, whether a majority holds it or not."""
        packed = self.log.value(GROUP_KEY)
        if not packed or packed == self._packed_group:
            return
        self._packed_group, self.group = packed, unpack_group(packed)
        if self.replication is not None:
            self.replication.set_group(self.group, now)

    def _regroup(self, now: Now) -> None:
        """The leader: one step towards the group that the roster wants."""
        if self.replication is None or self.role is not Role.LEADER or self._is_settled_as_wanted():
            return
        situation = self._situation()
        if situation.settled and not self.group.joining:
            for member in self._left:
                self.replication.tell(member, now)
            self._left = ()
        step = next_step(situation)
        match step:
            case Listen():
                self.replication.listen(step.newcomers, now)
            case Change():
                self._begin_wait(now)
                self._write_group(now, step.group)
            case Final():
                self._write_group(now, step.group)
                self.replication.count()
                self._left = step.left
            case HandOver():
                if not self._living():
                    self.hand_back(now)
            case None:
                pass
            case _:
                assert_never(step)

    def _is_settled_as_wanted(self) -> bool:
        """Nearly always: nobody is to be replaced."""
        group = self.group
        wanted = self._wanted_group or group.members
        return not (group.joining or self._left) and sorted(group.members) == sorted(wanted)

    def _begin_wait(self, now: Now) -> None:
        self._changing_until_us, self._is_waited_out = now.mono_us + self._timings.lease_us, False

    def _situation(self) -> Situation:
        assert self.replication is not None
        return Situation(
            region=self._region,
            group=self.group,
            wanted=self._wanted_group,
            settled=self.log.sequence_of(GROUP_KEY) <= self.log.committed,
            holds=self.replication.holds(),
            waited=self._is_waited_out or not self._living(),
        )

    def _write_group(self, now: Now, group: Group) -> None:
        self.log.append(self.promised, GROUP_KEY, pack_group(group))
        self._take_group(now)

    def home_is_ready(self) -> bool:
        """Whether the shard's home has all of the log, and could lead."""
        return self.replication is not None and self.replication.acked(self.name) >= self.log.end.sequence

    def hand_back(self, now: Now) -> None:
        """Nothing of the shard runs here any more, and its home is back: let it lead, once what it has granted has run
        out. This region has granted nobody anything, and follows at once; it stands again only if nobody does."""
        self._step_down(now)
        patience_us = _CANDIDACY_SPREADS * self._timings.election_spread_us
        self._stand_from_us = now.mono_us + member_wait_us(self._timings) + 2 * patience_us

    # --- time ---

    def on_deadline(self, now: Now, out: Effects) -> None:
        """Renew, replicate again, stand for a term, or ask how far the others are."""
        self._wanted = self._wanted and now.mono_us < self._wanted_until_us
        if self._candidacy is not None and self._candidacy.until_us <= now.mono_us:
            self._give_up()
        if self._changing_until_us <= now.mono_us:
            self._changing_until_us, self._is_waited_out = NEVER_US, True
        if self._asks_for_its_part and self._recall_us <= now.mono_us:
            self._recall(now, out)
        if self.replication is not None:
            self._renew(now, out)
            self.replication.on_deadline(now, out)
        else:
            self._consider(now, out)

    def next_deadline(self) -> int:
        """When `on_deadline` has something to do."""
        due: list[int] = []
        if self._candidacy is not None:
            due.append(self._candidacy.until_us)
        if self._asks_for_its_part:
            due.append(self._recall_us)
        if self.replication is not None:
            if self.busy:
                due.append(self.renewals.due_us)
            due.append(self.replication.due_us)
            if self.group.joining:
                due.append(self._changing_until_us)
        election_us = self._election_due_us()
        if election_us is not None:
            due.append(election_us)
        return min(due, default=NEVER_US)

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
            self._regroup(now)
        if self.replication is not None:
            self._renew(now, out)
            self.replication.on_deadline(now, out)
            self.replication.flush(now, out)
        else:
            self._consider(now, out)  # this step may have brought what needs a leader

    def collect(self) -> tuple[ShardStateRow | None, list[ShardRow], list[tuple[str, str]]]:
        """What this step owes the ledger: the standing if it changed, records, and keys of records to delete."""
        rows, gone = self.log.collect()
        state = ShardStateRow(
            self.name,
            self.promised,
            self.log.end.term,
            self.log.end.sequence,
            self.log.committed,
            self._packed_group,
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


def _leader_of(start: bytes) -> str:
    """The region that this START names; empty: none."""
    return _START.decode(start)[1] if start else ""


def _wanted_by(config: RegionConfig, shard: str) -> tuple[str, ...]:
    """Who is to keep this shard's log, as the roster has it; empty: it does not say."""
    return next((group.members for group in config.groups_wanted if group.shard == shard), ())
