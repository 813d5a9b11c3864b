"""Orders that need no document: the reference points that others are compared with."""

from __future__ import annotations

from hanse.core.policy.model import (
    DEFAULT_POLICY,
    Backfill,
    BackfillMode,
    FairShare,
    Policy,
    Preemption,
    Tier,
)

DEFAULT = "default"


def _plain(mode: BackfillMode) -> Policy:
    """By age alone, whoever asks; nobody is preempted, and nothing is promised."""
    return Policy(
        tiers=tuple(Tier(name=tier.name) for tier in DEFAULT_POLICY.tiers),
        fair_share=FairShare(order="off"),
        backfill=Backfill(mode=mode),
        preemption=Preemption(enabled=False),
    )


# By name: first come first served; with EASY backfill; with whatever has room; what a region does without a document.
NAMED: dict[str, Policy] = {
    DEFAULT: DEFAULT_POLICY,
    "fifo": _plain("strict"),
    "easy": _plain("easy"),
    "backfill": _plain("none"),
}
