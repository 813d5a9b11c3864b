"""The figures of a replay, and what its plots are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from hanse.core.model.time import SECOND_US
from hanse.core.policy.model import Policy
from hanse.replay.busy import Busy
from hanse.replay.story import Counts, Story

# Points of a curve over time, and of a distribution.
_SLICES = 120
_QUANTILES = 400


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics over jobs that were submitted in the window, in seconds; counts are of the whole replay.

    A job waits from its submission to its first start. `lost`: taken, and its outcome never became known; `run_twice`:
    begun while another attempt was alive, or after one had ended by itself; `handed_in_again`: by callers whose region
    was lost for good.
    """

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
    handed_in_again: int
    messages: int
    bytes: int
    steps: int
    wall_s: float
    digest: str


class TenantOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """One tenant's jobs of the window. `in_time`: the share of those with a promise or a deadline for which it was kept
    (none: there is neither)."""

    tenant: str
    jobs: int
    mean_wait_s: float
    p95_wait_s: float
    in_time: float | None


class Curves(msgspec.Struct, frozen=True, kw_only=True):
    """For plots. `waits`: (day, mean wait in seconds) by submission; `quantiles`: waits in seconds, evenly from the
    shortest to the longest; `busy`: by region, the share of capacity in use, over the window; `flows`: jobs from one
    region to another."""

    waits: list[tuple[float, float]]
    quantiles: list[float]
    busy: dict[str, list[float]]
    flows: list[tuple[str, str, int]]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `name` tells runs apart in comparisons."""

    name: str
    outcome: Outcome
    tenants: tuple[TenantOutcome, ...]
    regions: dict[str, float]
    curves: Curves


def outcome_of(
    window: Sequence[Story], counts: Counts, busy: Busy, began_us: int, wall_s: float, digest: str
) -> Outcome:
    """What became of these jobs; the trace began at `began_us`."""
    waits = sorted(wait_s(story, began_us) for story in window if story.started_us >= 0)
    times = [
        (story.ended_us - began_us - story.job.submit_us) / SECOND_US
        for story in window
        if story.ended_us >= 0
    ]
    taken = [story for story in window if not story.refused]
    return Outcome(
        jobs=len(window),
        finished=len([story for story in taken if story.told_us >= 0]),
        refused=len(window) - len(taken),
        mean_wait_s=mean(waits),
        median_wait_s=quantile(waits, 0.5),
        p95_wait_s=quantile(waits, 0.95),
        max_wait_s=waits[-1] if waits else 0.0,
        mean_jct_s=mean(times),
        utilisation=busy.share(),
        handoffs=counts.handoffs,
        offers=counts.offers,
        declined=counts.declined,
        preemptions=counts.preemptions,
        lost=len([story for story in taken if story.told_us < 0]),
        run_twice=counts.run_twice,
        handed_in_again=counts.handed_in_again,
        messages=counts.messages,
        bytes=counts.bytes,
        steps=counts.steps,
        wall_s=wall_s,
        digest=digest,
    )


def tenants_of(window: Iterable[Story], policy: Policy, began_us: int) -> tuple[TenantOutcome, ...]:
    """By first level of the tenant's path, in order of name."""
    by_tenant: dict[str, list[Story]] = {}
    for story in window:
        by_tenant.setdefault(story.job.tenant.split("/", 1)[0], []).append(story)
    promises = {tier.name: tier.wait_max_us for tier in policy.tiers}
    return tuple(_tenant(name, stories, promises, began_us) for name, stories in sorted(by_tenant.items()))


def _tenant(name: str, stories: list[Story], promises: dict[str, int], began_us: int) -> TenantOutcome:
    waits = sorted(wait_s(story, began_us) for story in stories if story.started_us >= 0)
    kept = [
        each
        for story in stories
        if (each := _kept(story, promises.get(story.job.tier, 0), began_us)) is not None
    ]
    return TenantOutcome(
        tenant=name,
        jobs=len(stories),
        mean_wait_s=mean(waits),
        p95_wait_s=quantile(waits, 0.95),
        in_time=mean(kept) if kept else None,
    )


def _kept(story: Story, wait_max_us: int, began_us: int) -> bool | None:
    """Whether what was promised to a job was kept: its deadline, else its tier's longest wait. None: nothing was."""
    job = story.job
    submitted_us = began_us + job.submit_us
    if job.deadline_us:
        return 0 <= story.ended_us <= submitted_us + job.deadline_us
    if wait_max_us:
        return 0 <= story.started_us <= submitted_us + wait_max_us
    return None


def curves_of(
    window: Sequence[Story], busy: Busy, flows: dict[tuple[str, str], int], began_us: int
) -> Curves:
    """What plots show."""
    started = [story for story in window if story.started_us >= 0]
    waits = sorted(wait_s(story, began_us) for story in started)
    points = min(_QUANTILES, len(waits))
    return Curves(
        waits=_by_slice(started, began_us),
        quantiles=[quantile(waits, number / (points - 1)) for number in range(points)]
        if points > 1
        else waits,
        busy={region: busy.over_time(region) for region in busy.total},
        flows=[(giver, taker, jobs) for (giver, taker), jobs in sorted(flows.items())],
    )


def _by_slice(stories: Sequence[Story], began_us: int) -> list[tuple[float, float]]:
    if not stories:
        return []
    first_us, last_us = stories[0].job.submit_us, stories[-1].job.submit_us
    width_us = max(1, (last_us - first_us) // _SLICES + 1)
    slices: dict[int, list[float]] = {}
    for story in stories:
        slices.setdefault((story.job.submit_us - first_us) // width_us, []).append(wait_s(story, began_us))
    day_us = 86_400 * SECOND_US
    return [
        ((first_us + (number + 0.5) * width_us) / day_us, mean(waits))
        for number, waits in sorted(slices.items())
    ]


def wait_s(story: Story, began_us: int) -> float:
    """From submission to the first start."""
    return (story.started_us - began_us - story.job.submit_us) / SECOND_US


def mean(values: Sequence[float]) -> float:
    """0 of nothing."""
    return sum(values) / len(values) if values else 0.0


def quantile(ordered: Sequence[float], share: float) -> float:
    """Of values in order, the one below which this share of them lies; 0 of nothing."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
