"""How long jobs take is known to nobody before they have ended."""

from __future__ import annotations

import random

import msgspec
import pytest

from hanse.core.model.time import SECOND_US
from hanse.replay.plan import WARM_UP_US, Mode, Plan
from hanse.replay.run import build
from hanse.replay.story import Digest, Story
from hanse.replay.trace import Trace
from tests.replay.traces import drawn


class _Told(Digest):
    """Keeps what was decided."""

    def __init__(self) -> None:
        super().__init__()
        self.decisions: list[tuple[int, bytes, str, str]] = []

    def add(self, at_us: int, what: bytes, job_id: str, where: str) -> None:
        self.decisions.append((at_us, what, job_id, where))


def _decided(plan: Plan) -> tuple[list[tuple[int, bytes, str, str]], list[Story]]:
    league, window = build(plan)
    league.digest = told = _Told()
    while league.agenda and league.awaited:
        league.turn()
    return told.decisions, window


def _reshuffled(stories: list[Story], until_us: int, seed: int) -> tuple[tuple[Story, int], ...]:
    """Other durations for all that had not ended by then: what ran goes on beyond it in any case."""
    randomness = random.Random(seed)
    open_ = [story for story in stories if story.ended_us > until_us]
    durations = [story.job.duration_us for story in open_]
    randomness.shuffle(durations)
    return tuple(
        (
            story,
            max(duration_us, until_us - story.started_us + SECOND_US if story.started_us <= until_us else 1),
        )
        for story, duration_us in zip(open_, durations, strict=True)
    )


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("seed", range(2))
def test_what_is_decided_does_not_depend_on_how_long_open_jobs_will_take(mode: Mode, seed: int) -> None:
    trace = drawn(jobs=120, seed=seed)
    plan = Plan(trace=trace, mode=mode)
    before, stories = _decided(plan)
    until_us = WARM_UP_US + trace.jobs[len(trace.jobs) * 2 // 3].submit_us
    other = {story.job.id: duration_us for story, duration_us in _reshuffled(stories, until_us, seed)}
    assert len(other) > 10
    jobs = tuple(
        msgspec.structs.replace(job, duration_us=other.get(job.id, job.duration_us)) for job in trace.jobs
    )
    after, _ = _decided(msgspec.structs.replace(plan, trace=Trace(jobs=jobs, pools=trace.pools)))
    assert _until(before, until_us) == _until(after, until_us)
    assert before != after


def _until(decisions: list[tuple[int, bytes, str, str]], until_us: int) -> list[tuple[int, bytes, str, str]]:
    return [decision for decision in decisions if decision[0] <= until_us]


def test_an_oracle_is_told_apart() -> None:
    """With --oracle the same permutation does change what is decided: the test above can fail."""
    trace = drawn(jobs=120)
    plan = Plan(trace=trace, mode=Mode.ISOLATED, oracle=True)
    before, stories = _decided(plan)
    until_us = WARM_UP_US + trace.jobs[80].submit_us
    other = {story.job.id: duration_us for story, duration_us in _reshuffled(stories, until_us, 0)}
    jobs = tuple(
        msgspec.structs.replace(job, duration_us=other.get(job.id, job.duration_us)) for job in trace.jobs
    )
    after, _ = _decided(msgspec.structs.replace(plan, trace=Trace(jobs=jobs, pools=trace.pools)))
    assert _until(before, until_us) != _until(after, until_us)
