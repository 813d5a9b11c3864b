"""Evening out queues: what would wait long here goes to a region where it would wait much less.

    here                      there                               then
    a long queue              a much shorter one, by its record   OFFER that says how long the last job here waits
                              still so, as it knows itself        ACCEPT: so many places in its queue, held as any other
                              not so                              DECLINE: left alone until its next record

Everything else is the usual handoff. Regions with room and no queue are none of this: they are offered what is first in
the queue, and pull it (offers.py, soliciting.py).

What keeps jobs from being carried back and forth:

- A queue is relieved only by one of less than half its length (RELIEF_RATIO), and only if at least RELIEF_GAIN_HOPS
  times the cost of a hop is won.
- Nobody passes the middle: the owner gives no more than what brings its own queue down to halfway between the two, and
  the taker takes no more than what brings its own up to there. So the longer queue stays the longer one (but for half
  of what the taker's record was off), and the difference shrinks until it is below the threshold. The owner does one
  relief at a time; the taker counts what it holds for all others.
- A job is relieved only while it has been handed on less than RELIEF_HOPS_MAX times, and never to where it has been.
  That keeps it hops for the region that will really have room.

Who goes: of what would start here later than there, evenly spread over the queue, so that both queues go on in the
order in which one queue for all would be served. Had the last ones gone, they would start before others that are older.
"""

from __future__ import annotations

import msgspec

from hanse.core.federation.ports import LocalWork
from hanse.core.federation.routing import Router
from hanse.core.model.deadlines import Deadlines
from hanse.core.model.jobs import Job, Shape
from hanse.core.model.limits import (
    OFFER_COUNT_MAX,
    REFUSAL_PAUSE_US_MAX,
    RELIEF_GAIN_HOPS,
    RELIEF_HOPS_MAX,
    RELIEF_RATIO,
    RELIEF_SHAPES_MAX,
)
from hanse.core.model.randomness import Randomness
from hanse.core.model.regions import Timings
from hanse.core.model.time import FOR_EVER_US, Now


class Relief(msgspec.Struct, frozen=True):
    """Jobs of one shape and tenant that have come the same way, for a peer with a shorter queue. `own_wait_us`: how
    long the last of them would wait here."""

    peer: str
    jobs: list[Job]
    own_wait_us: int


class Rebalancing:
    """What is offered to whom. It has no alarm: a region hears and tells records several times a second, and its queue
    is looked at in every step that comes of it."""

    def __init__(self, timings: Timings, local: LocalWork, router: Router, randomness: Randomness) -> None:
        self._timings = timings
        self._local = local
        self._router = router
        self._randomness = randomness
        self._rested_us = 0
        # Peers that had no place, until when.
        self._declined: Deadlines[str] = Deadlines()
        # Jobs that were handed over for this since the daemon started.
        self.relieved = 0

    def declined(self, now: Now, peer: str, retry_after_us: int) -> None:
        """This peer has no shorter queue, or no answer: its next record will tell more."""
        pause_us = max(retry_after_us, min(self._timings.record_refresh_us, REFUSAL_PAUSE_US_MAX))
        self._declined.set(peer, now.mono_us + pause_us)

    def next(self, now: Now) -> Relief | None:
        """What is to be offered now, at most once in an interval; None: queues are even enough."""
        if now.mono_us < self._rested_us:
            return None
        self._declined.pop_due(now.mono_us)
        if not self._may_be_worth():
            return None
        interval_us = self._timings.solicit_interval_us
        self._rested_us = now.mono_us + interval_us + self._randomness.randrange(interval_us // 4 + 1)
        for shape in self._local.numerous_shapes(RELIEF_SHAPES_MAX):
            own_wait_us = self._local.predicted_wait_us(shape)
            # What can't start here at all is offered without regard to queues (offers.py).
            if own_wait_us < FOR_EVER_US and (relief := self._relief(shape, own_wait_us)) is not None:
                return relief
        return None

    def _may_be_worth(self) -> bool:
        """Whether any peer's queue is short enough, beside the one here."""
        worth_us = worth_up_to_us(self._local.queue_wait_us(), self._timings.hop_cost_us)
        return self._router.shortest_queue_us() <= worth_us

    def _relief(self, shape: Shape, own_wait_us: int) -> Relief | None:
        worth_us = worth_up_to_us(own_wait_us, self._timings.hop_cost_us)
        found = self._router.relief(shape, worth_us, self._declined) if worth_us > 0 else None
        if found is None:
            return None
        peer, wait_us = found
        count = min(OFFER_COUNT_MAX, places(own_wait_us, wait_us, self._local.added_wait_us(shape)))
        jobs = [
            job
            for job in self._local.waiting_spread(shape.key, wait_us, own_wait_us, count)
            if may_be_relieved(job, peer)
        ]
        alike = [job for job in jobs if job.path == jobs[0].path and job.tenant == jobs[0].tenant]
        return Relief(peer, alike, own_wait_us) if alike else None


def may_be_relieved(job: Job, peer: str) -> bool:
    """Whether a job may go to this peer only because it would wait less there. An array would take along more than
    halves, and could not be divided."""
    return (
        job.array is None and len(job.path) < RELIEF_HOPS_MAX and peer not in job.path and peer != job.shard
    )


def worth_up_to_us(own_wait_us: int, hop_cost_us: int) -> int:
    """How long the wait elsewhere may be for a relief to be worth it; not positive: it never is."""
    return min(own_wait_us // RELIEF_RATIO, own_wait_us - RELIEF_GAIN_HOPS * hop_cost_us)


def places(longer_us: int, shorter_us: int, each_us: int) -> int:
    """How many jobs may pass until the queue that each of them changes by `each_us` is halfway between the waits."""
    return max(0, longer_us - shorter_us) // 2 // max(1, each_us)
