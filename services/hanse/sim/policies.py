"""Policies of simulated regions: what they begin with, and people who replace them while everything else goes wrong.

A document is the policy's JSON here, so that a region that starts again reads from its disk what is in force, as a
daemon does. Whatever is drawn lets each kind of job start somewhere; only what is broken does not, and that must be
refused whole.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence

import msgspec

from hanse.core.events import Event, PolicyChanged, PolicyText, PolicyUnfit
from hanse.core.model.league_policy import SignedPolicy, league_policy_sha256
from hanse.core.model.time import SECOND_US
from hanse.core.policy.model import (
    DEFAULT_POLICY,
    Backfill,
    Cohort,
    FairShare,
    Policy,
    Preemption,
    Queue,
    Quota,
    Tenant,
)
from hanse.core.rows import PolicyRow
from hanse.sim.timeline import Timeline
from hanse.sim.workload import CPU_PER_NODE, LARGEST_JOB_CPU

_COHORT = "everybody"
_DEFAULT_SHARE = 0.5
# Of the changes: how many name the version that they are to follow, and how many are broken.
_EXPECTING_SHARE = 0.5
_BROKEN_SHARE = 0.15
# So long somebody thinks about what he has seen before he hands in what shall follow on it: long enough for another one
# to have been faster.
_THINKS_MAX_US = 20 * SECOND_US
_DECODER = msgspec.json.Decoder(Policy)


class Office:
    """A region's door for policies: what is in force there (None: nobody answers), and where a new one is handed in,
    with the version that it is to follow (0: whichever)."""

    def __init__(
        self, name: str, version: Callable[[], int | None], hand_in: Callable[[Policy, int], None]
    ) -> None:
        self.name = name
        self.version = version
        self.hand_in = hand_in


class Rulers:
    """They look at a region's policy, think, and hand in another one; two of them may do so at the same time."""

    def __init__(
        self,
        timeline: Timeline,
        randomness: random.Random,
        offices: Sequence[Office],
        tenants: tuple[str, ...],
        count: Callable[[str], None],
    ) -> None:
        self._timeline = timeline
        self._random = randomness
        self._offices = offices
        self._tenants = tenants
        self._count = count

    def change(self) -> str:
        """Somebody begins to think about a region; which one, and what for."""
        office = self._random.choice(self._offices)
        broken = self._random.random() < _BROKEN_SHARE
        policy = draw_policy(self._random, self._tenants)
        if broken:
            self._count("broken_policy")
            policy = broken_policy(self._random, policy)
        seen = office.version() if self._random.random() < _EXPECTING_SHARE else 0
        thinks_us = int(self._random.random() ** 2 * _THINKS_MAX_US)
        if seen is not None:
            self._timeline.after(thinks_us, office.hand_in, policy, seen)
        return f"{office.name} after version {seen}{', broken' if broken else ''}"


def document_of(policy: Policy) -> PolicyText:
    """What the ledger keeps of it."""
    return PolicyText(document=msgspec.json.encode(policy).decode(), author="operator")


def policy_of(row: PolicyRow) -> Policy:
    """What the ledger has kept."""
    return msgspec.structs.replace(_DECODER.decode(row.document), version=row.version)


def judged(signed: SignedPolicy, founding: Policy) -> Event:
    """What a region's shell makes of a document. Whether the policy contradicts itself is left to the core."""
    document, sha256 = signed.document, league_policy_sha256(signed.document)
    try:
        policy = _DECODER.decode(document.text)
    except msgspec.DecodeError as error:
        return PolicyUnfit(league=sha256, why=str(error), cause="judge")
    digest = hashlib.sha256(document.text.encode()).hexdigest()
    text = PolicyText(document=document.text, digest=digest, author=document.author, why=document.why)
    return PolicyChanged(
        request_id=0, policy=policy, cause="judge", text=text, former=document_of(founding), league=sha256
    )


def draw_policy(randomness: random.Random, tenants: tuple[str, ...]) -> Policy:
    """Whose turn it is: in half of the cases as it is by default; in the others tenants have quotas, and take from each
    other what they lent, soon enough to be seen. The cohort has room for every kind of job: each may start."""
    if randomness.random() < _DEFAULT_SHARE:
        return DEFAULT_POLICY
    largest = Quota(kind="cpu", nominal=LARGEST_JOB_CPU)
    return Policy(
        queues=tuple(_draw_queue(randomness, tenant) for tenant in tenants if randomness.random() < 0.7),
        cohorts=(Cohort(name=_COHORT, quotas=(largest,)),),
        fair_share=FairShare(
            order=randomness.choice(("before_priority", "after_priority", "after_expected", "off"))
        ),
        backfill=Backfill(mode=randomness.choice(("easy", "easy", "conservative", "none")), depth=20),
        preemption=Preemption(
            patience_us=randomness.randint(0, 5 * SECOND_US), run_min_us=randomness.randint(0, 5 * SECOND_US)
        ),
    )


def _draw_queue(randomness: random.Random, tenant: str) -> Queue:
    return Queue(
        name=f"queue-{tenant}",
        tenants=(tenant,),
        cohort=_COHORT,
        quotas=(Quota(kind="cpu", nominal=randomness.randint(0, 2 * CPU_PER_NODE)),),
        within_queue=randomness.choice(("never", "lower_priority", "lower_or_newer_equal_priority")),
        reclaim_within_cohort=randomness.choice(("never", "lower_priority", "any")),
        borrow_within_cohort=randomness.choice(("never", "lower_priority")),
    )


def broken_policy(randomness: random.Random, policy: Policy) -> Policy:
    """The same with a mistake in it."""
    match randomness.randrange(3):
        case 0:
            cycle = (Tenant(name="mills", parent="yards"), Tenant(name="yards", parent="mills"))
            return msgspec.structs.replace(policy, tenants=cycle)
        case 1:
            lends = Quota(kind="cpu", nominal=1_000, lending_limit=2_000)
            return msgspec.structs.replace(policy, queues=(Queue(name="q", cohort=_COHORT, quotas=(lends,)),))
        case _:
            return msgspec.structs.replace(policy, queues=(Queue(name="q"), Queue(name="q")))
