"""The policy: all parameters of the queue's order, of quotas, backfill and preemption, as plain data.

A policy is replaced whole (event PolicyChanged), never changed. Its version goes into the reasons of what is decided
by it. `core/policy/problems.py` says what a policy must not contain. Durations are microseconds, shares permille.

Words. A *tenant* is a path, "org/team/user". A *queue* is where the jobs of some tenants wait, with *quotas*; queues
of one *cohort* lend each other what they don't use; cohorts may belong to larger cohorts. A *flavour* is a part of
the region's nodes with quotas of its own, such as those with one model of GPU. Nominal quota, borrowing limit,
lending limit and reclaim mean what Kueue means by them.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from hanse.core.model.time import SECOND_US

# What a flavour is called that is all nodes.
ANY_NODE = ""
WEIGHT_UNIT = 1_000

VictimRule = Literal["never", "lower_priority", "any"]
QueueRule = Literal["never", "lower_priority", "lower_or_newer_equal_priority"]
ShareOrder = Literal["before_priority", "after_priority", "after_expected", "off"]
BackfillMode = Literal["none", "easy", "conservative", "strict"]
RuntimeSource = Literal["estimate_first", "predictor_first"]


class Tier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A class of service. Tiers are served in the order of the policy.

    `share_permille`: of the capacity-time that a job asked for, what it gets in any hour once it was admitted (0: no
    promise). `wait_max_us`: a job that has waited so long goes before all that have not (0: no promise).
    `preemptible_by`: tiers whose jobs may take the capacity of jobs of this one.
    """

    name: str
    share_permille: int = 0
    wait_max_us: int = 0
    preemptible_by: tuple[str, ...] = ()


class Tenant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A node of the tenant tree. Tenants that are not listed have weight 1,000 and belong to their path's prefix;
    `parent` puts one elsewhere. Siblings share by `weight` (permille)."""

    name: str
    parent: str = ""
    weight: int = WEIGHT_UNIT


class Quota(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of one kind of resource in one flavour. `nominal` is guaranteed (when it is lent, it can be reclaimed);
    `borrowing_limit` is what may be used above it (none: whatever the cohort has), `lending_limit` what others may use
    of it (none: all)."""

    kind: str
    nominal: int
    borrowing_limit: int | None = None
    lending_limit: int | None = None
    flavour: str = ANY_NODE


class Flavour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nodes that satisfy all of these label selectors."""

    name: str
    constraints: tuple[str, ...] = ()


class Cohort(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Queues and cohorts that lend to each other; may have quotas of its own. Those that are only named by queues
    have neither quotas nor a parent."""

    name: str
    parent: str = ""
    quotas: tuple[Quota, ...] = ()


class Queue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the jobs of these tenants, and of all below them, wait; the longest path that matches counts.

    Its flavours are tried in the order in which its quotas first name them. A kind without a quota is not limited.
    `within_queue`: whose capacity a job may take in its own queue. `reclaim_within_cohort`: whose, of queues that
    borrow, when it asks for no more than its queue's nominal quota. `borrow_within_cohort`: as that, while its own
    queue borrows, for victims of at most `borrow_priority_max`.
    """

    name: str
    tenants: tuple[str, ...] = ()
    cohort: str = ""
    quotas: tuple[Quota, ...] = ()
    within_queue: QueueRule = "never"
    reclaim_within_cohort: VictimRule = "never"
    borrow_within_cohort: Literal["never", "lower_priority"] = "never"
    borrow_priority_max: int | None = None


class FairShare(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How tenants share: by dominant resource, what they hold now and what they held, which counts half after
    `half_life_us`. `order` says whether that comes before or after a job's priority; "after_expected": after it, and
    together with how long a job will probably run and how long it has waited, all as time (queue.py)."""

    order: ShareOrder = "after_expected"
    half_life_us: int = 3_600 * SECOND_US


class Backfill(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may overtake a blocked job. "easy": what does not delay the first one; "conservative": what delays none of
    the first `depth`; "none": whatever has room, so that large jobs may wait for ever; "strict": nothing, so that
    capacity may stand idle beside a queue."""

    mode: BackfillMode = "easy"
    depth: int = 100
    runtime: RuntimeSource = "estimate_first"


class Preemption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When running work may be stopped for waiting work: not if that would start by itself within `patience_us`; not
    what has run for less than `run_min_us`; nothing a further time that had to start again `restarts_max` times; and
    not more than `victims_max` jobs for one. `move_for_gangs`: whether jobs that may be moved make room for a gang, as
    far as other regions have room for them. With conservative backfill, where each job has its place in time already,
    nobody is stopped."""

    enabled: bool = True
    patience_us: int = 30 * SECOND_US
    run_min_us: int = 10 * SECOND_US
    restarts_max: int = 5
    victims_max: int = 64
    move_for_gangs: bool = True


class Objective(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What counts for how much between regions that could take a job: the one with the smallest sum is asked. Weights
    of: each second of predicted wait; each data set that is missing there, as a minute; each tenth of price or power
    above the neutral one, as a minute. Equal sums are told apart by the job's wishes, then by data sets, price and
    power."""

    wait: int = 1
    locality: int = 0
    price: int = 0
    power: int = 0


_MINUTE_US = 60 * SECOND_US
DEFAULT_TIERS = (
    Tier(name="premium", share_permille=950, wait_max_us=15 * _MINUTE_US),
    Tier(name="standard", share_permille=700, wait_max_us=1_440 * _MINUTE_US, preemptible_by=("premium",)),
    Tier(name="basic", wait_max_us=4_320 * _MINUTE_US, preemptible_by=("premium", "standard")),
)


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See the module's docstring. `tiers` go from first served to last."""

    version: int = 1
    tiers: tuple[Tier, ...] = DEFAULT_TIERS
    tenants: tuple[Tenant, ...] = ()
    flavours: tuple[Flavour, ...] = ()
    cohorts: tuple[Cohort, ...] = ()
    queues: tuple[Queue, ...] = ()
    fair_share: FairShare = FairShare()
    backfill: Backfill = Backfill()
    preemption: Preemption = Preemption()
    objective: Objective = Objective()

    @property
    def tier_names(self) -> tuple[str, ...]:
        """From first served to last."""
        return tuple(tier.name for tier in self.tiers)


DEFAULT_POLICY = Policy()


def default_policy(tiers: tuple[str, ...]) -> Policy:
    """The default, with these tiers: those that the default knows keep their promises as far as their preemptors are
    there, others promise nothing."""
    known = {tier.name: tier for tier in DEFAULT_TIERS}
    if tiers == tuple(known):
        return DEFAULT_POLICY
    chosen = [known.get(name, Tier(name=name)) for name in tiers]
    return Policy(
        tiers=tuple(
            msgspec.structs.replace(
                tier, preemptible_by=tuple(name for name in tier.preemptible_by if name in tiers)
            )
            for tier in chosen
        )
    )
