"""Kueue's tests, small: every job ends, no quota is exceeded, and the figures are the ledger's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hanse.bench.kueue import BASELINE, Figures, JobClass, Life, bench_kueue

pytestmark = pytest.mark.timeout(180)

SMALL = replace(
    BASELINE,
    cohorts=2,
    queues=2,
    classes=(JobClass("small", 10, 10, 1, 50, 50), JobClass("large", 4, 50, 20, 100, 200)),
)


def quiet(text: str) -> None:
    """Nobody reads it."""


async def test_a_small_load_end_to_end(tmp_path: Path) -> None:
    document = await bench_kueue(tmp_path, SMALL, quiet, timeout_s=60)
    assert (document["jobs"], document["lost"], document["over_quota"]) == (56, 0, 0)
    assert document["wall_s"] >= SMALL.floor_s
    assert 0 < document["quota_use"] <= 1.2
    assert document["admission_s"].keys() == {"small", "large"}


def test_the_loads_are_those_that_were_published() -> None:
    assert (BASELINE.jobs, BASELINE.floor_s) == (15_000, 66.0)


def test_exceeding_a_quota_is_seen() -> None:
    """Seven larges at once in a cohort of two queues, all in one queue: 140 of 40 CPU."""
    lives = [Life("cohort-0/queue-0", f"large-{at}", 0, [(at, 1_000_000)], True) for at in range(7)]
    figures = Figures.of(SMALL, lives)
    # In the cohort from the third on, in the queue (20 and 100 borrowed) the seventh.
    assert figures.over_quota == 5 + 1
    assert figures.succeeded == 7
    assert Figures.of(SMALL, lives[:2]).over_quota == 0
