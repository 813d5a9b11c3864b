"""What this region takes from peers: whether at all, and the slots that it holds for offers.

    has        event      writes                                sends
    nothing    OFFER      nothing: a hold in memory, ttl 10 s   ACCEPT or DECLINE
    a hold     RELEASE    nothing                               nothing
    a hold     COMMIT     by target.py                          by target.py

A hold that expired does not void a COMMIT: the job waits in the queue here.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hanse.core.effects import Effects, Send
from hanse.core.federation.handoff.rebalancing import places, worth_up_to_us
from hanse.core.federation.ports import LocalWork
from hanse.core.messages import Offer, OfferAnswer, Release
from hanse.core.model.deadlines import Alarm, Deadlines
from hanse.core.model.jobs import Reason, ReasonCode, Shape
from hanse.core.model.limits import HOLDS_MAX, OFFER_COUNT_MAX, PATH_MAX
from hanse.core.model.regions import RegionConfig
from hanse.core.model.time import FOR_EVER_US, Now


class _Hold(msgspec.Struct):
    """Slots promised to an offer, in memory only. `each_us`: by how much each prolongs the queue here."""

    shape: Shape
    slots: int
    each_us: int


class Intake:
    """Holds and refusals. `closed` says why nothing is taken from peers at present; None: it is. `adopts` tells why no
    adoptable job is taken; None: they are."""

    def __init__(
        self,
        config: RegionConfig,
        local: LocalWork,
        queued: Callable[[], int],
        adopts: Callable[[], Reason | None],
    ) -> None:
        self._config = config
        self._local = local
        self._queued = queued
        self._adopts = adopts
        self._holds: dict[tuple[str, int], _Hold] = {}
        self._deadlines: Deadlines[tuple[str, int]] = Deadlines()
        self.alarm: Alarm = self._deadlines
        self._held: dict[bytes, int] = {}
        # By how much the queue here will grow if all that is held comes.
        self._held_wait_us = 0
        # Grows with every hold that ends.
        self.ended_holds = 0
        self.closed: Reason | None = None
        # How many of so many jobs of a tenant could have the rights that they need here (escrow/escrow.py: slots).
        self.rights: Callable[[str, Shape, int], int] | None = None

    @property
    def holds(self) -> int:
        """Offers that slots are held for."""
        return len(self._holds)

    def held(self, shape_key: bytes) -> int:
        """Slots of this shape that are promised to offers."""
        return self._held.get(shape_key, 0)

    def has_hold(self, peer: str, offer_id: int) -> bool:
        """Whether slots are promised to this offer."""
        return (peer, offer_id) in self._holds

    def on_offer(self, now: Now, peer: str, offer: Offer, out: Effects) -> bool:
        """ACCEPT what could start here soon, less what is held already, or what would wait much less here. Returns
        whether there was no capacity, or none that the tenant may use: any other refusal still stands when capacity
        comes free."""
        refusal = self.refusal(offer.shape, (*offer.path, peer))
        if refusal is not None:
            out.sends.append(self._decline(peer, offer, refusal))
            return False
        # A duplicate is one offer: what was held for it is not held beside it.
        self._drop_hold((peer, offer.id))
        held = self.held(offer.shape.key)
        wanted = min(offer.count, OFFER_COUNT_MAX)
        slots = min(wanted, self._local.slots(offer.shape, wanted + held, offer.tenant) - held)
        if offer.own_wait_us and slots < wanted:
            slots = max(slots, min(wanted, self._places(offer)))
        # What can't start where it is may as well wait for its rights here.
        if slots > 0 and self.rights is not None and offer.own_wait_us < FOR_EVER_US:
            slots = self.rights(offer.tenant, offer.shape, slots)
            if not slots:
                lacks = Reason(ReasonCode.QUOTA, f"no rights of the quotas of {offer.tenant} are to be had")
                out.sends.append(self._decline(peer, offer, lacks))
                return False
        if slots <= 0 or len(self._holds) >= HOLDS_MAX:
            out.sends.append(self._decline(peer, offer, Reason(ReasonCode.NO_CAPACITY, "nothing free soon")))
            return slots <= 0 and not offer.own_wait_us
        each_us = self._local.added_wait_us(offer.shape)
        self._holds[(peer, offer.id)] = _Hold(offer.shape, slots, each_us)
        self._held_wait_us += slots * each_us
        self._held[offer.shape.key] = held + slots
        ttl_us = self._config.timings.hold_ttl_us
        self._deadlines.set((peer, offer.id), now.mono_us + ttl_us)
        out.sends.append(Send(peer, OfferAnswer(offer.id, slots, ttl_us)))
        return False

    def _places(self, offer: Offer) -> int:
        """How many of these jobs, which would wait long where they are, may wait here instead."""
        shape, owners_wait_us = offer.shape, offer.own_wait_us
        if self._local.never_admitted(offer.tenant, shape) is not None:
            return 0
        wait_us = self._local.predicted_wait_us(shape) + self._held_wait_us
        if owners_wait_us < FOR_EVER_US:
            if not self._queued():
                return 0  # Whoever has no queue pulls what is first in others'.
            if wait_us > worth_up_to_us(owners_wait_us, self._config.timings.hop_cost_us):
                return 0
            if not self._local.has_quota(offer.tenant, shape):
                return 0  # How long it would wait for quota nobody has predicted.
        free = self._config.queue_depth_max - self._queued() - sum(self._held.values())
        return min(free, places(owners_wait_us, wait_us, self._local.added_wait_us(shape)))

    def on_release(self, peer: str, release: Release) -> None:
        """The rest of the hold is not needed."""
        self._drop_hold((peer, release.offer_id))

    def on_deadline(self, now: Now) -> None:
        """Holds that nobody used."""
        for key in self._deadlines.pop_due(now.mono_us):
            self._drop_hold(key)

    def refusal(self, shape: Shape, path: tuple[str, ...]) -> Reason | None:
        """Why nothing of this shape is taken, whoever asks."""
        body = shape.body
        name = self._config.name
        if self.closed is not None:
            return self.closed
        if len(path) > PATH_MAX:
            return Reason(ReasonCode.BURNED_HOPS, f"handed on {len(path)} times already")
        if name in body.regions_deny or (body.regions_allow and name not in body.regions_allow):
            return Reason(ReasonCode.BURNED_NO_ROOM, "the job does not allow this region")
        if not self._local.knows_tier(body.tier):
            return Reason(ReasonCode.BURNED_BAD_SPEC, f"no tier {body.tier!r} here")
        if body.adoptable and (reason := self._adopts()) is not None:
            return reason
        if self._queued() >= self._config.queue_depth_max:
            return Reason(ReasonCode.BURNED_NO_ROOM, "the queue is full")
        never = self._local.never_fits(shape)
        return None if never is None else Reason(ReasonCode.BURNED_NO_ROOM, never)

    def _decline(self, peer: str, offer: Offer, reason: Reason) -> Send:
        return Send(peer, OfferAnswer(offer.id, 0, 0, reason, self._config.timings.decline_memory_us))

    def use_hold(self, peer: str, offer_id: int) -> None:
        hold = self._holds.get((peer, offer_id))
        if hold is None:
            return
        hold.slots -= 1
        self._held_wait_us -= hold.each_us
        self._held[hold.shape.key] -= 1
        if hold.slots == 0:
            self._drop_hold((peer, offer_id))

    def _drop_hold(self, key: tuple[str, int]) -> None:
        hold = self._holds.pop(key, None)
        if hold is None:
            return
        self._deadlines.cancel(key)
        self.ended_holds += 1
        self._held_wait_us -= hold.slots * hold.each_us
        left = self._held[hold.shape.key] - hold.slots
        if left:
            self._held[hold.shape.key] = left
        else:
            del self._held[hold.shape.key]
