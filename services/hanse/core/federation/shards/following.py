"""A member that follows: it takes records, grants leases, and promises terms.

docs/protocol.md has its table. Whatever comes from a term or a region that was not promised is refused; a term above
the promised one is joined only when every grant to another region has run out and no own task lives.
"""

from __future__ import annotations

from hanse.core.effects import Effects, Send
from hanse.core.federation.shards.elections import Elections
from hanse.core.federation.shards.leadership import Leadership
from hanse.core.federation.shards.lease import member_wait_us
from hanse.core.federation.shards.log import GROUP_KEY, Where
from hanse.core.federation.shards.quorum import participants
from hanse.core.federation.shards.rejoining import Rejoining
from hanse.core.federation.shards.replication import in_parts
from hanse.core.federation.shards.seat import Role, Seat, Standing
from hanse.core.messages import Append, AppendAck, Fetch, Prepare, Promise, Refuse, Renew, RenewAck
from hanse.core.model.time import Now


class Following:
    """What this member answers to leaders and candidates."""

    def __init__(
        self, seat: Seat, leadership: Leadership, elections: Elections, rejoining: Rejoining
    ) -> None:
        self._seat = seat
        self._leadership = leadership
        self._elections = elections
        self._rejoining = rejoining
        # The term in which this copy was begun from nothing, in this life.
        self._begun_term = 0

    # --- records ---

    def on_append(self, now: Now, peer: str, append: Append, out: Effects) -> None:
        """Records of the leader; or a copy that was asked for."""
        seat = self._seat
        if seat.blank and not (append.begins and seat.name in seat.config.begins):
            self._rejoining.on_append(peer, append, out)
            return
        if self._elections.is_fetched(peer):
            self._elections.on_fetched(now, append, out)
            return
        seat.see(append.term)
        self._elections.yield_to(append.term)
        if seat.is_over(peer, append.term):
            out.sends.append(Send(peer, self._refuse(append.term)))
        elif self._may_follow(now, peer, append.term) or self._may_begin(now, peer):
            self._take(peer, append, out)
            seat.take_group()
            self._leave_if_told(append)

    def _take(self, peer: str, append: Append, out: Effects) -> None:
        if append.begins and self._begun_term != append.term:
            self._begin(peer, append, out)
        elif self._seat.standing is not Standing.LEFT:
            self._follow(peer, append, out)
        else:
            out.sends.append(Send(peer, self._refuse(append.term)))

    def _may_follow(self, now: Now, peer: str, term: int) -> bool:
        """Whether records of this term may be taken: for a larger one than promised, no grant to another region may be
        out, and no own task may live."""
        seat = self._seat
        if seat.blank:
            return False
        if term == seat.promised:
            return seat.role is Role.MEMBER
        return seat.waited(now, peer) and not seat.living()

    def _may_begin(self, now: Now, peer: str) -> bool:
        """Whether a newcomer may join at once: one that has never promised anything has granted nothing either."""
        seat = self._seat
        return seat.blank and not seat.living() and (not seat.promised or seat.waited(now, peer))

    def _begin(self, peer: str, append: Append, out: Effects) -> None:
        """A newcomer's copy begins from nothing, whatever it has: the others may have forgotten keys that went since it
        was a member. What was sent before such a copy ended is not for it."""
        seat = self._seat
        is_late = seat.log.end > Where(append.term, append.sequence)
        if not append.cut or append.previous_sequence or is_late:
            diverged = AppendAck(shard=seat.name, term=append.term, sequence=0, diverged=True)
            out.sends.append(Send(peer, diverged))
            return
        records = seat.batches.add(append)
        if records is None:
            return
        seat.log.begin_anew(records, Where(append.term, append.sequence))
        seat.log.note_committed(append.committed)
        seat.join(append.term, peer)
        seat.standing, self._begun_term = Standing.WHOLE, append.term
        self._acknowledge(peer, append, out)

    def _follow(self, peer: str, append: Append, out: Effects) -> None:
        """Extend or repair the copy, or tell where it stands."""
        log, end = self._seat.log, Where(append.term, append.sequence)
        previous = Where(append.previous_term, append.previous_sequence)
        joined = log.end.term == append.term
        if not (append.cut or joined or log.end == previous):
            self._tell_diverged(peer, append, out)
            return
        if joined and log.end.sequence < append.previous_sequence and not append.cut:
            self._acknowledge(peer, append, out)
            return
        records = self._seat.batches.add(append)
        if records is None:
            return
        if append.cut and not joined:
            if append.previous_sequence > log.committed:
                self._tell_diverged(peer, append, out)
                return
            log.cut_to(append.previous_sequence, records, end)
        elif log.end.sequence < append.sequence:
            log.extend(records, end)
        self._seat.join(append.term, peer)
        log.note_committed(append.committed)
        log.note_everywhere(append.everywhere)
        self._acknowledge(peer, append, out)

    def _acknowledge(self, peer: str, append: Append, out: Effects) -> None:
        ack = AppendAck(shard=append.shard, term=append.term, sequence=self._seat.log.end.sequence)
        out.sends.append(Send(peer, ack))

    def _tell_diverged(self, peer: str, append: Append, out: Effects) -> None:
        log = self._seat.log
        ack = AppendAck(
            shard=append.shard,
            term=append.term,
            sequence=0,
            diverged=True,
            committed=log.committed,
            keys=tuple(log.beyond(log.committed)),
        )
        out.sends.append(Send(peer, ack))

    def _leave_if_told(self, append: Append) -> None:
        """A majority of the new group holds the record that says that this region is out of it."""
        seat = self._seat
        told = seat.log.sequence_of(GROUP_KEY) <= append.committed and not seat.group.joining
        is_member = seat.keeps or append.begins or seat.standing is not Standing.WHOLE
        whole = seat.log.end == Where(append.term, append.sequence)
        if not is_member and told and whole and not seat.living():
            seat.leave()
            self._begun_term = 0

    # --- leases ---

    def on_renew(self, now: Now, peer: str, renew: Renew, out: Effects) -> None:
        """A grant: the wait begins anew, from now."""
        seat = self._seat
        seat.see(renew.term)
        self._elections.yield_to(renew.term)
        if seat.is_over(peer, renew.term):
            out.sends.append(Send(peer, self._refuse(renew.term)))
        elif renew.term == seat.promised and seat.role is Role.MEMBER and seat.holds_copy:
            seat.granted_until_us = now.mono_us + member_wait_us(seat.timings)
            seat.elect_us = None
            if seat.log.end.term == renew.term:
                # Else this copy may still have records in those places that the leader never had.
                seat.log.note_committed(renew.committed)
            out.sends.append(Send(peer, RenewAck(seat.name, renew.term, renew.boot, renew.number)))

    # --- promises ---

    def on_prepare(self, now: Now, peer: str, prepare: Prepare, out: Effects) -> None:
        """A promise, a word on how far it is (term 0), or a refusal."""
        if prepare.term == 0:
            out.sends.append(Send(peer, self._promise(prepare)))
            return
        seat = self._seat
        if peer not in participants(seat.group):
            self._leadership.tell(peer, now)
        wait_us = self._wait_before_promise(now, peer, prepare)
        too_late = prepare.term <= seat.promised and not self._is_repeated(peer, prepare)
        if not seat.holds_copy or too_late or wait_us:
            out.sends.append(Send(peer, self._refuse(prepare.term, wait_us)))
            return
        if not prepare.trial and prepare.term > seat.promised:
            self._join(now, peer, prepare)
        out.sends.append(Send(peer, self._promise(prepare)))

    def _join(self, now: Now, peer: str, prepare: Prepare) -> None:
        seat = self._seat
        seat.step_down()
        seat.join(prepare.term, peer)
        seat.promised_life = prepare.life
        # The candidate may be about to grant itself tasks: let it try before the next one does.
        patient_until_us = now.mono_us + seat.timings.election_spread_us
        seat.granted_until_us = max(seat.granted_until_us, patient_until_us)

    def _is_repeated(self, peer: str, prepare: Prepare) -> bool:
        """Whether this life of this candidate has this promise already."""
        seat = self._seat
        return (
            prepare.term == seat.promised
            and not prepare.trial
            and seat.standing is Standing.WHOLE
            and seat.promised_to == peer
            and seat.promised_life == prepare.life != 0
        )

    def _wait_before_promise(self, now: Now, peer: str, prepare: Prepare) -> int:
        """Microseconds until the promise may be made; 0: now."""
        seat = self._seat
        if self._is_repeated(peer, prepare):
            return 0
        is_needed = seat.busy or seat.name == seat.region or peer not in participants(seat.group)
        if seat.leading and prepare.trial and is_needed:
            return seat.timings.lease_us
        if seat.living():
            return seat.timings.kill_us
        return 0 if seat.waited(now, peer) else seat.granted_until_us - now.mono_us

    def _promise(self, prepare: Prepare) -> Promise:
        seat = self._seat
        return Promise(
            shard=seat.name,
            term=prepare.term,
            trial=prepare.trial,
            log_term=seat.log.end.term,
            log_sequence=seat.log.end.sequence,
            promised_term=seat.promised,
            founded=seat.log.founded,
            blank=not seat.holds_copy,
            left=seat.standing is Standing.LEFT,
            life=prepare.life,
            group=b"" if prepare.term else seat.packed_group,
        )

    def _refuse(self, term: int, wait_us: int = 0) -> Refuse:
        seat = self._seat
        return Refuse(
            shard=seat.name,
            term=term,
            promised_term=seat.promised,
            wait_us=wait_us,
            blank=not seat.holds_copy,
        )

    def on_fetch(self, peer: str, fetch: Fetch, out: Effects) -> None:
        """The candidate that has this member's promise asks for its copy; or a member that lost its own."""
        seat = self._seat
        promised = fetch.term == seat.promised and seat.promised_to == peer
        candidate = promised and seat.role is Role.MEMBER
        if not seat.holds_copy or not (candidate or fetch.term == 0):
            return
        records = seat.log.repair(fetch.committed, fetch.keys)
        # Whoever lost its disk asks with term 0, and learns where this copy ends.
        previous = Where(0 if fetch.term else seat.log.end.term, fetch.committed)
        parts = in_parts(seat.log, fetch.term, seat.group.version, previous, records, cut=True)
        out.sends.extend(Send(peer, part) for part in parts)
