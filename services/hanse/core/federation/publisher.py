"""When this region tells the others about itself.

Theory of operation. A record costs every member some work, so it is published when it says something new. How soon
depends on what a stale view of it would cost:

- PROMPT: capacity has run out or come free, a queue has formed or emptied, draining began or ended. Peers that don't
  know offer in vain, or leave capacity idle. Published at once, a quarter of a gossip round apart at least: peers meet
  about four times a round, so anything faster would be overwritten before it is seen.
- ORDINARY: capacity or the queue has moved, by the thresholds below. Published a gossip round apart at least.
- Nothing of that: published every `record_refresh_us`, as a sign of life and to renew what changes slowly.

What all members publish must fit through the gossip of each, else news pile up and some regions are not heard of for
long. So each keeps to its share: in a large and busy federation ordinary changes wait for it, and prompt ones may run
ahead of it by a few records only.
"""

from __future__ import annotations

import enum

import msgspec

from hanse.core.federation.liveness import fanout
from hanse.core.model.deadlines import Alarm
from hanse.core.model.limits import DELTA_BYTES_MAX
from hanse.core.model.regions import CapacityClass, RegionRecord, Timings
from hanse.core.model.resources import Resources
from hanse.core.model.time import SECOND_US, Now

# Free capacity counts as moved by one part in 20 (5 %) of the class's total.
FREE_MOVED_PARTS = 20
# The queue counts as moved by one part in 4 of what was published: who ranks regions by wait sees no less.
QUEUE_MOVED_PARTS = 4
# ... and a wait by no less than this: below, the network's and the clock's noise is larger.
WAIT_MOVED_MIN_US = SECOND_US
PROMPT_PER_GOSSIP_INTERVAL = 4
# Making a record costs more than a step that changes nothing, so there are at most this many looks per prompt gap.
LOOKS_PER_PROMPT_GAP = 10
# Prompt records that may run ahead of the share: capacity runs out, comes free, and the same for the queue.
PROMPT_BURST = 4


class Urgency(enum.IntEnum):
    """How soon a changed record should go out."""

    NONE = 0
    ORDINARY = 1
    PROMPT = 2


class Publisher:
    """Decides when this region's own record is published in a federation of `members`, and numbers its versions.

    Versions start anew with each incarnation, so a Region that is rebuilt needs a new incarnation. On a disk that
    replaced a lost one incarnations start anew too, while others still hold the record of a former life: `overtake` it.
    """

    def __init__(self, timings: Timings, members: int = 1) -> None:
        self._timings = timings
        self._members = members
        self._prompt_gap_us = timings.gossip_interval_us // PROMPT_PER_GOSSIP_INTERVAL
        self._look_gap_us = self._prompt_gap_us // LOOKS_PER_PROMPT_GAP
        self._version = 0
        # Records have to come after this stamp: others hold one of this region with it.
        self._after = (0, 0)
        self._published: RegionRecord | None = None
        self._published_us = 0
        self._share_us = 0
        # Until when the records published so far use up our share.
        self._used_until_us = 0
        # When to call maybe_publish at the latest.
        self.alarm = Alarm(0)
        self._look_us = 0

    def wants_body(self, now: Now, changed: bool = True) -> bool:
        """To be asked after every step: whether to make a body for maybe_publish.

        `changed` is whether the record may differ from the last body. If it's too early to look, the alarm moves up, so
        that the change is not missed.
        """
        if now.mono_us >= self._look_us:
            return changed or now.mono_us >= self.alarm.next_us
        if not changed:
            return False
        self.alarm.ring_by(self._look_us)
        return False

    def overtake(self, stamp: tuple[int, int]) -> None:
        """Others hold a record of this region, of an earlier life, that would go before all that this one publishes."""
        if stamp > self._after:
            self._after = stamp
            self._look_us = 0
            self.alarm.ring_at(0)

    def maybe_publish(self, now: Now, body: RegionRecord) -> RegionRecord | None:
        """The record to publish now: `body`, whose own version is ignored, with the next one. None: not yet."""
        if not self.wants_body(now):
            return None
        if self._published is not None and self._published.stamp > self._after:
            due_us = self._due_us(urgency(self._published, body))
            if now.mono_us < due_us:
                self._look_us = min(now.mono_us + self._look_gap_us, due_us)
                self.alarm.ring_at(due_us)
                return None
        incarnation = max(body.incarnation, self._after[0])
        overtaken = self._after[1] if incarnation == self._after[0] else 0
        self._version = max(self._version, overtaken) + 1
        self._published = msgspec.structs.replace(body, incarnation=incarnation, version=self._version)
        self._published_us = now.mono_us
        self._share_us = share_us(self._timings, self._members, self._published)
        self._used_until_us = max(self._used_until_us, now.mono_us) + self._share_us
        self._look_us = now.mono_us + self._prompt_gap_us
        self.alarm.ring_at(now.mono_us + self._timings.record_refresh_us)
        return self._published

    def _due_us(self, change: Urgency) -> int:
        refresh_us = self._published_us + self._timings.record_refresh_us
        match change:
            case Urgency.PROMPT:
                in_share_us = self._used_until_us - PROMPT_BURST * self._share_us
                return min(refresh_us, max(self._published_us + self._prompt_gap_us, in_share_us))
            case Urgency.ORDINARY:
                return self._published_us + max(self._timings.gossip_interval_us, self._share_us)
            case Urgency.NONE:
                return refresh_us


def share_us(timings: Timings, members: int, record: RegionRecord) -> int:
    """How far apart records like this one of all members must be to fit through gossip, at most the refresh.

    Through a region fit, in one round, the deltas that it asks for; those that it is sent besides, by peers that meet
    it, are left for repetitions.
    """
    bytes_per_round = fanout(members) * DELTA_BYTES_MAX
    needed_us = timings.gossip_interval_us * members * record.bytes_estimate // bytes_per_round
    return min(needed_us, timings.record_refresh_us)


def urgency(published: RegionRecord, body: RegionRecord) -> Urgency:
    """How soon `body` should replace what is published."""
    if (
        published.draining != body.draining
        or published.leads != body.leads
        or quotas_in_force(published) != quotas_in_force(body)
        or published.policy != body.policy
        or (published.queued == 0) != (body.queued == 0)
        or exhausted_kinds(published) != exhausted_kinds(body)
    ):
        return Urgency.PROMPT
    if (
        published.standing != body.standing
        or published.quotas != body.quotas
        or queue_moved(published, body)
        or any(map(free_moved, published.classes, body.classes))
    ):
        return Urgency.ORDINARY
    return Urgency.NONE


def quotas_in_force(record: RegionRecord) -> tuple[object, ...]:
    """The document that it goes by, the accounts that it speaks for, and what it has rights of that are free."""
    news = record.quotas
    if news is None:
        return ()
    return news.number, news.accounts, [key for key, free, _ in news.rights if free]


def exhausted_kinds(record: RegionRecord) -> list[tuple[str, str]]:
    """(node class, kind) of all capacity of which nothing is free."""
    exhausted = []
    for capacity in record.classes:
        free = dict(capacity.free)
        exhausted += [
            (capacity.node_class, kind) for kind, _ in capacity.node_capacity if free.get(kind, 0) <= 0
        ]
    return exhausted


def free_moved(published: CapacityClass, current: CapacityClass) -> bool:
    """Whether, in any kind, as much of the class's total was taken or freed as is worth telling.

    What one node can take at most (free_max) counts against one node: it decides whether a large task fits anywhere.
    """
    return _moved(published.free, current.free, current.node_capacity, current.nodes) or _moved(
        published.free_max, current.free_max, current.node_capacity, 1
    )


def queue_moved(published: RegionRecord, body: RegionRecord) -> bool:
    """Whether the queue is notably longer, shorter, faster or slower, or has work of other shapes."""
    if abs(body.queued - published.queued) * QUEUE_MOVED_PARTS > published.queued:
        return True
    wait_moved_us = abs(body.predicted_wait_us - published.predicted_wait_us)
    if wait_moved_us >= max(WAIT_MOVED_MIN_US, published.predicted_wait_us // QUEUE_MOVED_PARTS):
        return True
    return _shapes(published) != _shapes(body)


def _moved(before: Resources, after: Resources, node_capacity: Resources, nodes: int) -> bool:
    if before == after:
        return False
    had, has = dict(before), dict(after)
    return any(
        abs(has.get(kind, 0) - had.get(kind, 0)) * FREE_MOVED_PARTS >= quantity * nodes
        for kind, quantity in node_capacity
    )


def _shapes(record: RegionRecord) -> set[bytes]:
    return {shape.shape_key for shape in record.queued_shapes}
