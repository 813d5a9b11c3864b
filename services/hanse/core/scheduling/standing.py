"""Everything that a policy needs to know of what runs: shares, quotas, ends, promises. One door for starts and ends,
so that none of them can be forgotten."""

from __future__ import annotations

from collections.abc import Callable

from hanse.core.model.jobs import Allocation, Job, Shape
from hanse.core.model.limits import QUOTA_MEMO_MAX
from hanse.core.model.resources import Resources
from hanse.core.model.time import Now
from hanse.core.policy.model import ANY_NODE, Backfill, FairShare, Policy, Preemption
from hanse.core.scheduling.attainment import Attainment
from hanse.core.scheduling.cohorts import QuotaRoot
from hanse.core.scheduling.fairness import dominant_share
from hanse.core.scheduling.placement import Capacity
from hanse.core.scheduling.predictor import RuntimePredictor
from hanse.core.scheduling.quota import Charge, QuotaBook, held_by
from hanse.core.scheduling.running import Running
from hanse.core.scheduling.tenants import Account, Tenants
from hanse.core.scheduling.tiers import Tiers
from hanse.core.scheduling.ways import Way, Ways


class Standing:
    """A policy with its books. Built anew for each policy, from what runs."""

    def __init__(
        self,
        policy: Policy,
        capacity: Capacity,
        predictor: RuntimePredictor,
        attainment: Attainment | None = None,
    ) -> None:
        self.policy = policy
        self.tiers = Tiers(policy)
        self.tenants = Tenants(policy)
        self.quotas = QuotaBook(policy)
        self.ways = Ways(policy)
        self.running = Running()
        self.predictor = predictor
        self.attainment = attainment or Attainment()
        self._total = dict(capacity.capacity_total())
        self._shares: dict[str, tuple[Account, int]] = {}
        # Of a whole job, by its shape.
        self._share_of: dict[bytes, int] = {}
        self._released: dict[str, QuotaRoot] = {}

    @classmethod
    def plain(cls, capacity: Capacity) -> Standing:
        """No promises, no quotas, no reservations, no victims."""
        policy = Policy(
            tiers=(),
            fair_share=FairShare(order="off"),
            backfill=Backfill(mode="none"),
            preemption=Preemption(enabled=False),
        )
        return cls(policy, capacity, _Unknown())

    def inherit(self, former: Standing, now: Now) -> None:
        """Histories go on under a new policy."""
        self.tenants.inherit(former.tenants, now.mono_us)

    def ways_of(self, job: Job) -> tuple[Way, ...]:
        """In how many ways the job may be placed and charged, in order of preference."""
        return self.ways.of(self.quotas.queue_of(job.tenant, job.shape), job.shape)

    def started(self, job: Job, way: Way, held: Resources, end_us: int, now: Now) -> None:
        """An attempt of this job holds capacity from now on, probably until `end_us` (mono)."""
        charge = way.charged
        if charge is not None and held != way.wanted:
            charge = charge.queue.charged(way.flavour, held)
        self._hold(job, charge, held, now.mono_us, end_us, resumed=False)
        tier = self.tiers.tier(job.shape.body.tier)
        waited_us = max(0, now.wall_us - job.submitted_wall_us)
        self.attainment.started(job.id, job.tenant, tier, waited_us, now)

    def resumed(self, job: Job, allocation: Allocation, now: Now, *, known: bool) -> None:
        """It ran already: before this life of the daemon, or (`known`) under another policy."""
        queue = self.quotas.queue_of(job.tenant, job.shape)
        flavour = allocation.flavour
        if queue is not None and flavour not in queue.flavours:
            flavour = next(iter(queue.flavours))
        began_us = now.mono_us - max(0, now.wall_us - job.started_wall_us)
        end_us = max(now.mono_us, began_us + self.predictor.predict_us(job))
        held = held_by(job.shape, allocation)
        charge = None if queue is None else queue.charged(flavour or ANY_NODE, held)
        self._hold(job, charge, held, began_us, end_us, resumed=True)
        if not known:
            self.attainment.recovered(job.id, began_us)

    def _hold(
        self, job: Job, charge: Charge | None, held: Resources, began_us: int, end_us: int, *, resumed: bool
    ) -> None:
        if charge is None:
            self.running.start(job, began_us, end_us, "", None)
        else:
            self.running.start(job, began_us, end_us, charge.queue.name, charge.queue.root)
            self.quotas.charge(job.id, charge, resumed=resumed)
        if self.policy.fair_share.order != "off":
            account = self.tenants.account(job.tenant)
            share = self._dominant_share(job.shape, held)
            self._shares[job.id] = (account, share)
            account.take(share, max(began_us, account.at_us))

    def _dominant_share(self, shape: Shape, held: Resources) -> int:
        if held != shape.total:
            return dominant_share(held, self._total)
        share = self._share_of.get(shape.key)
        if share is None:
            if len(self._share_of) >= QUOTA_MEMO_MAX:
                self._share_of.clear()
            share = self._share_of[shape.key] = dominant_share(held, self._total)
        return share

    def ended(self, job: Job, now: Now, *, run_us: int, requeued: bool, by_itself: bool) -> None:
        """The attempt holds nothing any more. `by_itself`: it was not stopped, so that its time tells something."""
        self.running.end(job.id)
        charge = self.quotas.release(job.id)
        if charge is not None:
            self._released[charge.queue.root.name] = charge.queue.root
        held = self._shares.pop(job.id, None)
        if held is not None:
            account, share = held
            account.take(-share, now.mono_us)
        tier = self.tiers.tier(job.shape.body.tier)
        if requeued:
            self.attainment.interrupted(job.id, job.tenant, tier, now)
        else:
            self.attainment.ended(job.id, job.tenant, tier, now)
        if by_itself:
            self.predictor.observe(job, run_us)

    def quota_slots(self, tenant: str, shape: Shape, limit: int) -> int:
        """How many more jobs of this shape the tenant's queue may start, at most `limit`."""
        queue = self.quotas.queue_of(tenant, shape)
        if queue is None:
            return limit
        most = 0
        for way in self.ways.of(queue, shape):
            left = [queue.node.available(cell, queue.root.usage) // each for cell, each in way.cells]
            most = max(most, min(left, default=limit))
        return max(0, min(limit, most))

    def never_admitted(
        self, tenant: str, shape: Shape, never_fits: Callable[[Shape], str | None]
    ) -> str | None:
        """Why the tenant's quota could not hold a job even if nobody else used any, or only in ways in which it
        `never_fits` on the nodes; None: it could. The shape by itself fits."""
        queue = self.quotas.queue_of(tenant, shape)
        if queue is None:
            return None
        ways = self.ways.of(queue, shape)
        held = [way for way in ways if way.bound({}) is None]
        lacks = [None if way.placed is shape else never_fits(way.placed) for way in held]
        bound = ways[0].bound({})
        if held or bound is None:
            return None if not all(lacks) else f"as far as queue {queue.name} goes: {lacks[0]}"
        flavour, kind = bound.cell
        where = f" of flavour {flavour}" if flavour else ""
        return (
            f"queue {queue.name} may use at most {bound.available} {kind}{where}, and it needs {bound.wanted}"
        )

    def take_released(self) -> list[QuotaRoot]:
        """Trees of quotas to which something was given back since the last call."""
        released = list(self._released.values())
        self._released.clear()
        return released


class _Unknown:
    """Predicts nothing worth waiting for."""

    def observe(self, job: Job, run_us: int) -> None:
        """It learns nothing."""

    def predict_us(self, job: Job) -> int:
        """As the user says."""
        return max(1, job.shape.body.runtime_estimate_us)
