"""Who leads next: when a member misses its leader, and how it comes to lead itself.

A member that has jobs, or is asked for a leader, and has waited out every grant, is patient for a random while, by its
rank; then it stands (candidacy.py has the stages). It counts promises by the group of the best copy that it has heard
of, since a copy brings the group that it was written under.
"""

from __future__ import annotations

from hanse.core.effects import Effects, Send
from hanse.core.federation.shards.candidacy import Candidacy, Stage
from hanse.core.federation.shards.leadership import Leadership
from hanse.core.federation.shards.lease import member_wait_us, waits_differ_us
from hanse.core.federation.shards.quorum import next_own_term
from hanse.core.federation.shards.seat import Role, Seat
from hanse.core.messages import Append, Fetch, Prepare, Promise, Refuse
from hanse.core.model.deadlines import NEVER_US
from hanse.core.model.time import Now

# A demand for a leader that nobody repeats is forgotten after this many leases.
_DEMAND_LEASES = 4
# How long a candidacy may take, in elections' spreads.
_CANDIDACY_SPREADS = 4


class Elections:
    """One member's part in them. `candidacy` is its own, while its role says that it stands."""

    def __init__(self, seat: Seat, leadership: Leadership, now: Now) -> None:
        self._seat = seat
        self._leadership = leadership
        self._candidacy: Candidacy | None = None
        # Before that it stands for nothing: it has given the shard back.
        self._stand_from_us = now.mono_us
        self._wanted = False
        self._wanted_until_us = 0

    @property
    def candidacy(self) -> Candidacy | None:
        """Its attempt to lead; None: it makes none."""
        return self._candidacy if self._seat.role is Role.CANDIDATE else None

    def demand(self, now: Now) -> None:
        """Somebody needs a leader: a caller, or a peer with a transfer."""
        self._wanted = True
        self._wanted_until_us = now.mono_us + _DEMAND_LEASES * self._seat.timings.lease_us

    def hand_back(self, now: Now) -> None:
        """It leads no more, so that another one may, once what that one has granted has run out. It has granted nobody
        anything, and follows at once; it stands again only if nobody does."""
        timings = self._seat.timings
        self._seat.step_down()
        patience_us = _CANDIDACY_SPREADS * timings.election_spread_us
        self._stand_from_us = now.mono_us + member_wait_us(timings) + 2 * patience_us

    # --- time ---

    def on_deadline(self, now: Now, out: Effects) -> None:
        """Give up, or stand."""
        self._wanted = self._wanted and now.mono_us < self._wanted_until_us
        if self.candidacy is not None and self.candidacy.until_us <= now.mono_us:
            self.give_up()
        if not self._seat.leading:
            self.consider(now, out)

    @property
    def due_us(self) -> int:
        """When `on_deadline` has something to do."""
        candidacy = self.candidacy
        ends_us = candidacy.until_us if candidacy is not None else NEVER_US
        stands_us = self._stands_us()
        return ends_us if stands_us is None else min(ends_us, stands_us)

    def _stands_us(self) -> int | None:
        """When this member is to stand for a term, or to begin its patience; None: somebody leads, or nobody need."""
        seat = self._seat
        wanted = seat.busy or self._wanted or seat.name == seat.region
        may = seat.holds_copy and seat.role is Role.MEMBER and seat.region in seat.group.ranks
        if not (wanted and may):
            return None
        return max(seat.granted_until_us, self._stand_from_us, seat.elect_us or 0)

    def consider(self, now: Now, out: Effects) -> None:
        """Stand for the next own term, once every grant is waited out and a random while has passed."""
        seat, due_us = self._seat, self._stands_us()
        if due_us is None:
            seat.elect_us = None
        if due_us is None or now.mono_us < due_us:
            return
        if seat.elect_us is None:
            seat.elect_us = now.mono_us + self._patience_us()
        elif seat.living():
            seat.elect_us = now.mono_us + seat.timings.kill_us
        else:
            self._stand(now, out)

    def _stand(self, now: Now, out: Effects) -> None:
        seat = self._seat
        seat.elect_us = None
        candidacy_us = _CANDIDACY_SPREADS * seat.timings.election_spread_us
        term = next_own_term(seat.group, seat.region, max(seat.promised, seat.seen_term))
        self._candidacy = Candidacy(seat.region, seat.group, term, now.mono_us + candidacy_us)
        seat.role = Role.CANDIDATE
        self._ask(self._candidacy, out, trial=True)

    def _patience_us(self) -> int:
        """Rank only sets the timeout, randomised: home tries first, then its guardians in their order. Who has the
        slowest clock has waited out its grant last: were it the home, and the others did not let it try first, a shard
        that is given back to it would go round among them for ever."""
        seat, spread_us = self._seat, self._seat.timings.election_spread_us
        ranks = seat.group.ranks
        rank = ranks.index(seat.region) if seat.region in ranks else len(ranks)
        for_slow_clocks_us = waits_differ_us(seat.timings) if rank else 0
        return for_slow_clocks_us + rank * spread_us + seat.randomness.randrange(spread_us)

    def _ask(self, candidacy: Candidacy, out: Effects, *, trial: bool) -> None:
        seat = self._seat
        prepare = Prepare(seat.name, candidacy.term, seat.group.version, trial=trial, life=seat.boot)
        out.sends.extend(Send(member, prepare) for member in seat.others() if member not in candidacy.copies)

    # --- the others' answers ---

    def on_promise(self, now: Now, peer: str, promise: Promise, out: Effects) -> None:
        """Count it, if it is for this life of this candidate."""
        candidacy = self.candidacy
        if candidacy is None or promise.life != self._seat.boot or not candidacy.on_promise(peer, promise):
            return
        if candidacy.stage is Stage.TRIAL:
            self._prepare(now, candidacy, out)
        else:
            self._take_best_copy(now, candidacy, out)

    def on_refuse(self, now: Now, refuse: Refuse) -> None:
        """Somebody has promised a larger term; or has to wait, and is asked again after that."""
        seat, candidacy = self._seat, self.candidacy
        if refuse.promised_term > seat.promised:
            seat.seen_term = max(seat.seen_term, refuse.promised_term)
            seat.step_down()
        elif candidacy is None or candidacy.stage is not Stage.TRIAL or refuse.term != candidacy.term:
            return
        elif refuse.wait_us:
            candidacy.until_us = min(candidacy.until_us, now.mono_us + refuse.wait_us)

    def yield_to(self, term: int) -> None:
        """The leader is heard after all: nothing is promised yet, so nothing is lost."""
        candidacy = self.candidacy
        if candidacy is not None and candidacy.stage is Stage.TRIAL and term >= self._seat.promised:
            self.give_up()

    def give_up(self) -> None:
        """It stands no more."""
        self._candidacy = None
        self._seat.role = Role.MEMBER

    def _prepare(self, now: Now, candidacy: Candidacy, out: Effects) -> None:
        seat = self._seat
        if candidacy.term <= seat.promised or seat.living() or now.mono_us < seat.granted_until_us:
            self.give_up()
            return
        seat.join(candidacy.term, seat.region)
        candidacy.begin_prepare()
        self._ask(candidacy, out, trial=False)

    def _take_best_copy(self, now: Now, candidacy: Candidacy, out: Effects) -> None:
        seat = self._seat
        source = candidacy.choose_copy(seat.log.end)
        if source == seat.region:
            self.give_up()
            if seat.region in seat.group.ranks:
                self._leadership.start(now, seat.log.end)
            return
        committed = seat.log.committed
        keys = tuple(seat.log.beyond(committed))
        out.sends.append(
            Send(source, Fetch(shard=seat.name, term=candidacy.term, committed=committed, keys=keys))
        )

    def is_fetched(self, peer: str) -> bool:
        """Whether it waits for this member's copy."""
        candidacy = self.candidacy
        return candidacy is not None and candidacy.stage is Stage.FETCH and peer == candidacy.source

    def on_fetched(self, now: Now, append: Append, out: Effects) -> None:
        """The better copy is taken, and with it its group: that one has to agree as well."""
        seat, candidacy = self._seat, self.candidacy
        assert candidacy is not None, "it was asked for"
        if append.term != candidacy.term or append.previous_sequence != seat.log.committed or not append.cut:
            return
        records = seat.batches.add(append)
        if records is None:
            return
        seat.log.cut_to(append.previous_sequence, records, candidacy.copies[candidacy.source])
        seat.log.note_committed(append.committed)
        seat.take_group()
        candidacy.group, candidacy.stage = seat.group, Stage.PREPARE
        if seat.region not in seat.group.ranks:
            self.give_up()  # it has left, and did not know
        elif candidacy.has_majority:
            self._take_best_copy(now, candidacy, out)
        else:
            self._ask(candidacy, out, trial=False)
