"""The figures of a replay."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hanse.core.model.time import SECOND_US
from hanse.replay.league import League
from hanse.replay.plan import WARM_UP_US, Plan
from hanse.replay.story import Story


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics over jobs that were submitted in the window, in seconds. `lost`: taken, and never ended; `run_twice`:
    begun while another attempt was alive, or after one had ended by itself."""

    jobs: int
    finished: int
    refused: int
    mean_wait_s: float
    median_wait_s: float
    p95_wait_s: float
    max_wait_s: float
    mean_jct_s: float
    utilisation: float
    handoffs: int
    offers: int
    declined: int
    preemptions: int
    lost: int
    run_twice: int
    messages: int
    bytes: int
    wall_s: float
    digest: str
    steps: int


def outcome_of(plan: Plan, league: League, window: Sequence[Story], wall_s: float) -> Outcome:
    """What became of these jobs."""
    ended = [story for story in window if story.ended_us >= 0]
    waits = sorted(wait_s(story) for story in window if story.started_us >= 0)
    taken = [story for story in window if not story.refused]
    counts = league.counts
    return Outcome(
        jobs=len(window),
        finished=len([story for story in window if story.told_us >= 0]),
        refused=len(window) - len(taken),
        mean_wait_s=mean(waits),
        median_wait_s=quantile(waits, 0.5),
        p95_wait_s=quantile(waits, 0.95),
        max_wait_s=waits[-1] if waits else 0.0,
        mean_jct_s=mean([(story.ended_us - WARM_UP_US - story.job.submit_us) / SECOND_US for story in ended]),
        utilisation=league.busy.share(),
        handoffs=counts.handoffs,
        offers=counts.offers,
        declined=counts.declined,
        preemptions=counts.preemptions,
        lost=len([story for story in taken if story.told_us < 0]),
        run_twice=counts.run_twice,
        messages=counts.messages,
        bytes=counts.bytes,
        wall_s=wall_s,
        digest=league.digest.hexdigest(),
        steps=counts.steps,
    )


def wait_s(story: Story) -> float:
    """From submission to the first start."""
    return (story.started_us - WARM_UP_US - story.job.submit_us) / SECOND_US


def mean(values: Sequence[float]) -> float:
    """0 of nothing."""
    return sum(values) / len(values) if values else 0.0


def quantile(ordered: Sequence[float], share: float) -> float:
    """Of values in order, the one below which this share of them lies; 0 of nothing."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
