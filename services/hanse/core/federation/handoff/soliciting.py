"""Pulling work: a region with capacity to spare asks those that have work waiting.

Two things tell whom to ask: offers that had to be declined a moment ago (exact, and fresh), and the queued shapes that
peers publish. One SOLICIT to a peer at a time; the owner answers with an OFFER, and everything then goes its usual way.
Replayed on real traces, pulling matters more than fresh gossip.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hanse.core.effects import Effects, Send
from hanse.core.federation.inventory import Inventory
from hanse.core.federation.ports import LocalWork
from hanse.core.messages import Offer, Solicit
from hanse.core.model.deadlines import NEVER_US, Alarm, Deadlines
from hanse.core.model.jobs import Shape
from hanse.core.model.limits import INTERESTS_MAX, OFFER_COUNT_MAX, SOLICIT_SHAPES_MAX
from hanse.core.model.randomness import Randomness
from hanse.core.model.regions import QueuedShape, RegionConfig
from hanse.core.model.resources import Resources
from hanse.core.model.time import Now

# A peer that was asked in vain is asked again after twice as long each time, up to so many doublings, while its record
# is the same.
_PATIENCE_MAX = 6

# A declined offer says what a peer had waiting; after this long its own record is the better witness.
INTEREST_US = 5_000_000


class _Interest(msgspec.Struct, frozen=True):
    """Work that a peer offered and this region had to decline."""

    shape: Shape
    tenant: str
    count: int
    until_us: int


class _Vain(msgspec.Struct, frozen=True):
    """A peer that was asked and offered nothing, so many times while this was its record's stamp."""

    stamp: tuple[int, int]
    tries: int
    again_us: int


class Soliciting:
    """Which peer is asked for which work, and when again. `held` tells, by shape, how many slots are promised to offers
    already: asking for work on those would be answered by an offer that must be declined again, without end. `free` is
    what is free here, `freed` grows whenever some may have come free, and `gained` is the same as long as nothing can
    have room that had none."""

    def __init__(
        self,
        config: RegionConfig,
        local: LocalWork,
        inventory: Inventory,
        held: Callable[[bytes], int],
        free: Callable[[], Resources],
        freed: Callable[[], int],
        gained: Callable[[], tuple[int, ...]],
        randomness: Randomness,
        now: Now,
    ) -> None:
        self._config = config
        self._local = local
        self._inventory = inventory
        self._held = held
        self._free = free
        self._freed = freed
        self._gained = gained
        self._randomness = randomness
        self._interests: dict[tuple[str, bytes], _Interest] = {}
        # Peers that were asked a moment ago; an OFFER from them ends the pause.
        self._asked: Deadlines[str] = Deadlines()
        self._rested_us = now.mono_us
        self._vain: dict[str, _Vain] = {}
        # Whether there is room for a shape, as far as was found out while nothing has come free or gone.
        self._tried: dict[bytes, bool] = {}
        self._tried_at = -1
        # What was declined, by key.
        self._known: dict[bytes, Shape] = {}
        # When a peer is to be asked that could not be asked before. Only while something is free that it could use.
        self.alarm = Alarm()
        # Nothing that was declined would be accepted now, unless more has come free than when this was tried.
        self._freed_seen = -1
        # How things stood when there was nobody to ask (None: there was somebody); as they stand, nobody is to be asked
        # before this instant.
        self._nobody_at: tuple[object, ...] | None = None
        self._nobody_until_us = 0
        self._last_id = 0

    def declined(self, now: Now, peer: str, offer: Offer) -> None:
        """An offer had to be declined for want of capacity, or of its tenant's quota: come back to it."""
        shape = offer.shape
        if len(self._known) >= INTERESTS_MAX:
            del self._known[next(iter(self._known))]
        self._known[shape.key] = shape
        self._tried.pop(shape.key, None)
        self._interests.pop((peer, shape.key), None)
        if len(self._interests) >= INTERESTS_MAX:
            del self._interests[next(iter(self._interests))]
        self._interests[(peer, shape.key)] = _Interest(
            shape, offer.tenant, offer.count, now.mono_us + INTEREST_US
        )

    def answered(self, peer: str) -> None:
        """The peer offered something: it may be asked again at once."""
        self._asked.cancel(peer)
        self._freed_seen = -1
        if peer not in self._vain:
            self._nobody_at = None

    def accepted(self, peer: str) -> None:
        """What the peer offered can start here: asking it was not in vain."""
        self._vain.pop(peer, None)
        self._nobody_at = None

    def rest(self) -> None:
        """Nothing is free here that others could use."""
        if self.alarm.next_us < NEVER_US:
            self.alarm.ring_at(NEVER_US)

    def on_capacity(self, now: Now, out: Effects) -> None:
        """Capacity is free that nothing here can use: ask those whose offers were declined, then what records say.

        To be called in every step.
        """
        if self.alarm.next_us <= now.mono_us:
            self.alarm.ring_at(NEVER_US)
        if self._asked.next_us <= now.mono_us:
            self._asked.pop_due(now.mono_us)
            self._freed_seen = -1
        if self._interests and self._freed_seen != self._freed():
            self._freed_seen = self._freed()
            self._come_back(now, out)
        if self._inventory.waiting:
            self._sweep(now, out)

    def _come_back(self, now: Now, out: Effects) -> None:
        """To those whose offers had to be declined."""
        for (peer, key), interest in list(self._interests.items()):
            if interest.until_us <= now.mono_us:
                del self._interests[(peer, key)]
            elif peer not in self._asked:
                held = self._held(key)
                wanted_count = min(interest.count, OFFER_COUNT_MAX)
                slots = self._local.slots(interest.shape, wanted_count + held, interest.tenant) - held
                if slots > 0:
                    del self._interests[(peer, key)]
                    wanted = QueuedShape(shape_key=key, count=slots, resources=interest.shape.total)
                    self._ask(now, peer, (wanted,), out)

    def _sweep(self, now: Now, out: Effects) -> None:
        """Ask one peer, drawn by power-of-two choices on the age of what waits there, once in an interval. Where there
        was nobody to ask, there is nobody until something has changed."""
        standing = (self._gained(), self._inventory.waiting_changes)
        if standing == self._nobody_at and now.mono_us < self._nobody_until_us:
            self.alarm.ring_by(self._nobody_until_us)
            return
        if now.mono_us < self._rested_us:
            self.alarm.ring_by(self._rested_us)
            return
        interval_us = self._config.timings.solicit_interval_us
        self._rested_us = now.mono_us + interval_us + self._randomness.randrange(interval_us // 4 + 1)
        candidates, later_us = self._candidates(now)
        is_only = len(candidates) < 2
        if len(candidates) > 2:
            candidates = self._randomness.sample(candidates, k=2)
        if candidates:
            _, peer, wanted = min(candidates, key=lambda each: each[:2])
            self._note(now, peer, interval_us)
            self._ask(now, peer, wanted, out)
            # The next one to be asked may be this one again.
            later_us = min(later_us, self._asked.next_us)
        self._nobody_at = standing if is_only else None
        self._nobody_until_us = max(later_us if is_only else 0, self._rested_us)
        self.alarm.ring_by(self._nobody_until_us)

    def _candidates(self, now: Now) -> tuple[list[tuple[int, str, tuple[QueuedShape, ...]]], int]:
        """(minus the age of what waits longest, peer, what could start here) of all that may be asked now; and when the
        first of the others may be."""
        free = self._free()
        candidates, later_us = [], NEVER_US
        for peer, record in self._inventory.waiting.items():
            if peer in self._asked:
                later_us = min(later_us, self._asked.next_us)
                continue
            wanted = tuple(each for each in _startable(record.queued_shapes, free) if self._may_start(each))
            if not wanted:
                continue
            vain = self._vain.get(peer)
            if vain is not None and vain.stamp == record.stamp and vain.again_us > now.mono_us:
                later_us = min(later_us, vain.again_us)
                continue
            candidates.append((-max(each.oldest_wait_us for each in wanted), peer, wanted))
        return candidates, later_us

    def _may_start(self, queued: QueuedShape) -> bool:
        """Whether there is room here as far as is known: a record does not say of how many parts a job is, but what
        was offered once is known."""
        freed = self._freed()
        if self._tried_at != freed:
            self._tried_at = freed
            self._tried = {}
        key = queued.shape_key
        found = self._tried.get(key)
        if found is None:
            shape = self._known.get(key)
            found = not self._local.is_blocked(key) and (
                shape is None or self._local.slots(shape, 1 + self._held(key)) > self._held(key)
            )
            self._tried[key] = found
        return found

    def _note(self, now: Now, peer: str, interval_us: int) -> None:
        """This peer is asked now; unless it offers something, not soon again."""
        record = self._inventory.get(peer)
        assert record is not None
        before = self._vain.get(peer)
        tries = before.tries + 1 if before is not None and before.stamp == record.stamp else 0
        pause_us = interval_us << min(tries, _PATIENCE_MAX)
        self._vain[peer] = _Vain(record.stamp, tries, now.mono_us + pause_us)

    def _ask(self, now: Now, peer: str, wanted: tuple[QueuedShape, ...], out: Effects) -> None:
        self._last_id += 1
        self._asked.set(peer, now.mono_us + self._config.timings.offer_deadline_us)
        out.sends.append(Send(peer, Solicit(self._last_id, wanted, self._config.timings.hold_ttl_us)))


def _startable(queued: tuple[QueuedShape, ...], free: Resources) -> tuple[QueuedShape, ...]:
    """Of what a peer has waiting, what the free capacity would hold, were it on one node."""
    startable = []
    have = dict(free)
    for each in queued[:SOLICIT_SHAPES_MAX]:
        times = each.count
        for kind, quantity in each.resources:
            times = min(times, have.get(kind, 0) // quantity)
        if times > 0:
            count = min(times, each.count)
            startable.append(
                QueuedShape(
                    shape_key=each.shape_key,
                    count=count,
                    resources=each.resources,
                    oldest_wait_us=each.oldest_wait_us,
                )
            )
    return tuple(startable)
