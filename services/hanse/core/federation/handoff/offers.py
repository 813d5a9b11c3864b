"""Finding a taker for what can't start soon: OFFER, then a transfer for each slot that was accepted.

    state    event                                 writes   sends
    QUEUED   cannot start soon, or solicited       nothing  OFFER to up to 2 peers, deadline 1 s
    QUEUED   ACCEPT, and still queued              XFER     COMMIT (giver.py)
    any      more was accepted than is left        nothing  RELEASE
    QUEUED   DECLINE, or the deadline              nothing  nothing; that peer is left alone for a while
    QUEUED   waits long, elsewhere much shorter    nothing  OFFER to one peer, for a place in its queue (rebalancing.py)

What can't start here at all (the region is being drained, or never has what it takes) is offered for places in queues,
too: there it can at least wait for what will come.
Offers bind nobody: a job may start here, be cancelled, or go to another peer while its offer is out.
"""

from __future__ import annotations

import msgspec

from hanse.core.effects import Effects, Send
from hanse.core.federation.handoff.rebalancing import Rebalancing
from hanse.core.federation.ports import LocalWork, Transfers
from hanse.core.federation.routing import Router, allowed, may_go_on
from hanse.core.messages import Offer, OfferAnswer, Release, Solicit
from hanse.core.model.deadlines import Alarm, Deadlines
from hanse.core.model.jobs import Job, Reason, ReasonCode, Shape
from hanse.core.model.limits import (
    OFFER_COUNT_MAX,
    OFFER_PEERS_MAX,
    OFFER_SHAPES_PER_STEP_MAX,
    OFFERS_OUTSTANDING_MAX,
)
from hanse.core.model.randomness import Randomness
from hanse.core.model.regions import RegionConfig
from hanse.core.model.time import FOR_EVER_US, Now

_NO_ANSWER = Reason(ReasonCode.NO_CAPACITY, "no answer to the offer in time")
_RELIEF = "its queue is much shorter"


class _Outstanding(msgspec.Struct):
    """An offer that waits for its answer. `room`: for so many, by the peer's record. `relief`: the very jobs that are
    to even out queues; empty: whichever are first then."""

    peer: str
    shape: Shape
    path: tuple[str, ...]
    tenant: str
    count: int
    room: int
    relief: list[Job]


class Offers:
    """All offers of this region that are not answered."""

    def __init__(
        self,
        config: RegionConfig,
        local: LocalWork,
        transfers: Transfers,
        router: Router,
        randomness: Randomness,
    ) -> None:
        self._config = config
        self.rebalancing = Rebalancing(config.timings, local, router, randomness)
        # The one offer that is to even out queues; 0: none.
        self._relief_id = 0
        self._local = local
        self._transfers = transfers
        self._router = router
        self._outstanding: dict[int, _Outstanding] = {}
        self._by_shape: dict[bytes, dict[str, int]] = {}
        # Jobs on offer, by peer.
        self._counts: dict[str, int] = {}
        self._deadlines: Deadlines[int] = Deadlines()
        # Shapes that found no taker: they are looked for again when a refusal has run out, or when there is news that
        # concerns them.
        self._resting: Deadlines[bytes] = Deadlines()
        self._seen: tuple[int, bool, bool] | None = None
        # Peers of which there is news: what they have room for may be another number.
        self._news: dict[str, None] = {}
        self.alarms: tuple[Alarm, ...] = (self._deadlines, self._resting)
        self._last_id = 0

    @property
    def outstanding(self) -> int:
        """Offers that wait for an answer."""
        return len(self._outstanding)

    def count_to(self, peer: str) -> int:
        """Jobs on offer to this peer now."""
        return self._counts.get(peer, 0)

    def look_abroad(self, now: Now, out: Effects) -> None:
        """Offer what is blocked here, shape by shape in the order in which it would be served."""
        shapes = self._local.waiting_shapes(OFFER_SHAPES_PER_STEP_MAX)
        if len(self._resting):
            self._rouse(shapes)
        self._news = {}
        for shape in shapes:
            if shape.key not in self._resting and not self._offer_shape(now, shape, out):
                self._resting.set(shape.key, self._router.look_again_us(now, shape))
        if not self._relief_id and len(self._outstanding) < OFFERS_OUTSTANDING_MAX:
            self._offer_relief(now, out)

    def heard(self, peers: dict[str, None]) -> None:
        """These have new records."""
        self._news.update(peers)

    def _rouse(self, shapes: list[Shape]) -> None:
        """Look for takers again: of what a peer of which there is news has room for; of everything, if other peers can
        be reached, if waiting here begins to be worth a hop, or is for ever now."""
        wait_us = self._local.predicted_wait_us(shapes[0]) if shapes else 0
        is_long = wait_us > self._config.timings.hop_cost_us
        seen = (self._router.reachability, is_long, wait_us >= FOR_EVER_US)
        if seen != self._seen:
            self._seen = seen
            self._resting.clear()
            return
        if not self._news:
            return
        for shape in shapes:
            if shape.key in self._resting and any(
                self._router.may_have_room(peer, shape) for peer in self._news
            ):
                self._resting.cancel(shape.key)

    def _offer_relief(self, now: Now, out: Effects) -> None:
        relief = self.rebalancing.next(now)
        if relief is None:
            return
        jobs = relief.jobs[: max(0, self._transfers.room(relief.peer))]
        if jobs and relief.peer not in self._by_shape.get(jobs[0].shape.key, {}):
            self._send_offer(now, relief.peer, jobs, len(jobs), 0, relief.own_wait_us, out)
            self._relief_id = self._last_id
            self._outstanding[self._relief_id].relief = jobs

    def on_solicit(self, now: Now, peer: str, solicit: Solicit, out: Effects) -> None:
        """A peer could start some of what waits here: offer that much of it."""
        for wanted in solicit.could_start:
            self._router.invite(peer, wanted.shape_key)
            jobs = self._offerable(wanted.shape_key, peer)
            on_offer = self._by_shape.get(wanted.shape_key, {})
            if peer in on_offer or len(on_offer) >= OFFER_PEERS_MAX:
                continue
            if not jobs or not allowed(jobs[0].shape, peer):
                continue
            if self._local.predicted_wait_us(jobs[0].shape) > self._config.timings.hop_cost_us:
                self._send_offer(now, peer, jobs, min(wanted.count, OFFER_COUNT_MAX), solicit.id, 0, out)

    def on_answer(self, now: Now, peer: str, answer: OfferAnswer, out: Effects) -> None:
        """ACCEPT: give as many as are still here. DECLINE: remember it."""
        offer = self._outstanding.get(answer.offer_id)
        if offer is None or offer.peer != peer:
            if answer.slots:
                out.sends.append(Send(peer, Release(answer.offer_id)))
            return
        self._remove(answer.offer_id)
        self._news[peer] = None
        if answer.slots == 0:
            self._declined(now, offer, answer.reason or _NO_ANSWER, answer.retry_after_us)
            return
        self._router.accepted(peer, offer.shape)
        jobs = self._meant(offer)
        given = min(answer.slots, offer.count, len(jobs))
        if offer.relief:
            self.rebalancing.relieved += given
        for job in jobs[:given]:
            self._transfers.give(now, job, peer, answer.offer_id, out, _RELIEF if offer.relief else "")
        if given < answer.slots:
            out.sends.append(Send(peer, Release(answer.offer_id)))

    def on_deadline(self, now: Now) -> None:
        """Offers without an answer count as declined; rested shapes may be looked for again."""
        self._resting.pop_due(now.mono_us)
        for offer_id in self._deadlines.pop_due(now.mono_us):
            offer = self._outstanding[offer_id]
            self._remove(offer_id)
            self._news[offer.peer] = None
            self._declined(now, offer, _NO_ANSWER, self._config.timings.decline_memory_us)

    def _declined(self, now: Now, offer: _Outstanding, reason: Reason, retry_after_us: int) -> None:
        if offer.relief:
            self.rebalancing.declined(now, offer.peer, retry_after_us)
        else:
            self._router.refused(now, offer.peer, offer.shape, reason, retry_after_us)

    def _meant(self, offer: _Outstanding) -> list[Job]:
        """The jobs that an accepted offer may be for, as many as may be under way."""
        if offer.relief:
            waiting = [job for job in offer.relief if job.path == offer.path and self._local.is_waiting(job)]
            return waiting[: max(0, self._transfers.room(offer.peer))]
        jobs = self._offerable(offer.shape.key, offer.peer)
        return [job for job in jobs if job.path == offer.path and job.tenant == offer.tenant]

    def _offer_shape(self, now: Now, shape: Shape, out: Effects) -> bool:
        """Offer one shape to as many peers as it may be on offer to, or fewer if these have room for all, by their
        records: the best one would not get what another answers for first. Returns whether there were as many."""
        on_offer = self._by_shape.get(shape.key, {})
        while len(on_offer) < OFFER_PEERS_MAX and len(self._outstanding) < OFFERS_OUTSTANDING_MAX:
            if on_offer and self._is_covered(shape, on_offer):
                return True
            found = self._find_taker(now, shape, list(on_offer))
            if found is None:
                return False
            peer, jobs = found
            own_wait_us = self._local.predicted_wait_us(shape)
            stuck_us = own_wait_us if own_wait_us >= FOR_EVER_US else 0
            self._send_offer(now, peer, jobs, OFFER_COUNT_MAX, 0, stuck_us, out)
            on_offer = self._by_shape[shape.key]
        return True

    def _is_covered(self, shape: Shape, on_offer: dict[str, int]) -> bool:
        """Whether all of this shape that waits is on offer to peers that have room for what they are offered."""
        offers = [self._outstanding[offer_id] for offer_id in on_offer.values()]
        offered = sum(min(each.count, each.room) for each in offers)
        return len(self._local.waiting(shape.key, offered + 1)) <= offered

    def _find_taker(self, now: Now, shape: Shape, exclude: list[str]) -> tuple[str, list[Job]] | None:
        """A peer for the first jobs that may go on; those of one tenant that have come the same way go together."""
        own_wait_us = self._local.predicted_wait_us(shape)
        first = self._first_to_go(shape.key, 1, own_wait_us) or self._first_to_go(
            shape.key, OFFER_COUNT_MAX, own_wait_us
        )
        if first is None:
            return None
        peer = self._router.choose(now, shape, first.path, own_wait_us, [*exclude, first.shard])
        jobs = self._offerable(shape.key, peer) if peer else []
        together = [job for job in jobs if job.path == first.path and job.tenant == first.tenant]
        return (peer, together) if peer is not None and together else None

    def _first_to_go(self, shape_key: bytes, limit: int, own_wait_us: int) -> Job | None:
        """Of the first queued jobs of a shape, the first that may go on."""
        waiting = self._local.waiting(shape_key, limit)
        return next((job for job in waiting if may_go_on(job.path, own_wait_us)), None)

    def _offerable(self, shape_key: bytes, peer: str) -> list[Job]:
        """Queued jobs of a shape that may go to this peer, as many as may be under way. (Those of the peer's own shard
        are there already, whoever leads it.)"""
        room = self._transfers.room(peer)
        waiting = self._local.waiting(shape_key, max(0, room))
        if not waiting:
            return []
        own_wait_us = self._local.predicted_wait_us(waiting[0].shape)
        return [job for job in waiting if job.shard != peer and may_go_on(job.path, own_wait_us)]

    def _send_offer(
        self,
        now: Now,
        peer: str,
        jobs: list[Job],
        limit: int,
        solicit_id: int,
        own_wait_us: int,
        out: Effects,
    ) -> None:
        path, shape, tenant = jobs[0].path, jobs[0].shape, jobs[0].tenant
        count = min(limit, sum(1 for job in jobs if job.path == path and job.tenant == tenant))
        self._last_id += 1
        room = self._router.room_at(peer, shape, count)
        self._outstanding[self._last_id] = _Outstanding(peer, shape, path, tenant, count, room, [])
        self._counts[peer] = self._counts.get(peer, 0) + count
        self._by_shape.setdefault(shape.key, {})[peer] = self._last_id
        self._deadlines.set(self._last_id, now.mono_us + self._config.timings.offer_deadline_us)
        offer = Offer(
            id=self._last_id,
            shape=shape,
            count=count,
            path=path,
            tenant=tenant,
            solicit_id=solicit_id,
            own_wait_us=own_wait_us,
        )
        out.sends.append(Send(peer, offer))

    def _remove(self, offer_id: int) -> None:
        offer = self._outstanding.pop(offer_id)
        if offer_id == self._relief_id:
            self._relief_id = 0
        self._counts[offer.peer] -= offer.count
        self._deadlines.cancel(offer_id)
        peers = self._by_shape[offer.shape.key]
        if peers.get(offer.peer) == offer_id:
            del peers[offer.peer]
        if not peers:
            del self._by_shape[offer.shape.key]
