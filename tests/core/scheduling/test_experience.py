"""What is expected of a job, by what ran before it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanse.core.model.jobs import Job
from hanse.core.model.limits import RUNTIMES_REMEMBERED_MAX
from hanse.core.model.time import SECOND_US
from hanse.core.scheduling.experience import Experience
from hanse.core.scheduling.lanes import GANG_LEAD_US_MAX, LEAD_RUNS, LEAD_US_MAX, lead_us
from tests.core.scheduling.worlds import group, job, shape

HOUR_US = 3_600 * SECOND_US


def ran(tenant: str, cpu: int = 1, estimate_us: int = 0) -> Job:
    """A job that has run."""
    one = job("ran", shape(group(cpu=cpu), estimate_us=estimate_us))
    return msgspec.structs.replace(one, tenant=tenant)


def expected_us(experience: Experience, of: Job) -> int:
    return experience.runs(of.tenant, of.shape).expected_us(of.shape.body.runtime_estimate_us)


def is_about(value: int, wanted: int) -> bool:
    """Run times are told apart by one part in 16."""
    return wanted * 15 // 16 <= value <= wanted


def test_it_goes_from_the_tenants_runs_of_this_size_to_all_of_this_size_to_all() -> None:
    experience = Experience()
    assert is_about(expected_us(experience, ran("a")), 60 * SECOND_US)
    experience.learn(ran("b", cpu=2), 900 * SECOND_US)
    assert is_about(expected_us(experience, ran("a")), 900 * SECOND_US)
    experience.learn(ran("b"), 300 * SECOND_US)
    assert is_about(expected_us(experience, ran("a")), 300 * SECOND_US)
    experience.learn(ran("a"), 10 * SECOND_US)
    assert is_about(expected_us(experience, ran("a")), 10 * SECOND_US)
    assert is_about(expected_us(experience, ran("b")), 300 * SECOND_US)


def test_an_estimate_counts_by_the_part_that_was_used_of_earlier_ones() -> None:
    experience = Experience()
    assert is_about(expected_us(experience, ran("a", estimate_us=HOUR_US)), HOUR_US)
    for _ in range(20):
        experience.learn(ran("a", estimate_us=HOUR_US), HOUR_US // 4)
    assert is_about(expected_us(experience, ran("a", estimate_us=8 * HOUR_US)), 2 * HOUR_US)
    assert is_about(expected_us(experience, ran("a")), HOUR_US // 4)


def test_the_newest_runs_count_most() -> None:
    experience = Experience()
    for run_us in [HOUR_US] * 20 + [SECOND_US] * 40:
        experience.learn(ran("a"), run_us)
    assert expected_us(experience, ran("a")) < HOUR_US // 60


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=40))
def test_it_stays_between_the_shortest_and_the_longest(runs: list[int]) -> None:
    experience = Experience()
    for run_us in runs:
        experience.learn(ran("a"), run_us)
    assert min(runs) * 15 // 16 - len(runs) <= expected_us(experience, ran("a")) <= max(1, *runs)


@pytest.mark.parametrize(
    ("tasks", "run_us", "wait_max_us", "lead"),
    [
        (1, HOUR_US, 0, LEAD_RUNS * HOUR_US),
        (1, 100 * HOUR_US, 0, LEAD_US_MAX),
        (1, 100 * HOUR_US, HOUR_US, HOUR_US),
        (4, 100 * HOUR_US, 0, GANG_LEAD_US_MAX),
    ],
)
def test_the_lead_is_three_runs_and_has_bounds(tasks: int, run_us: int, wait_max_us: int, lead: int) -> None:
    experience = Experience()
    wanted = shape(group(count=tasks, cpu=1))
    of = msgspec.structs.replace(job("ran", wanted), tenant="a")
    experience.learn(of, run_us)
    assert is_about(lead_us(experience.runs("a", wanted), wanted, wait_max_us), lead)


def test_what_is_remembered_has_a_bound() -> None:
    experience = Experience()
    kept = experience.runs("kept", shape(group(cpu=1)))
    for number in range(RUNTIMES_REMEMBERED_MAX + 10):
        experience.runs(f"tenant-{number}", shape(group(cpu=1)))
    assert len(experience._of_tenant) == RUNTIMES_REMEMBERED_MAX
    assert kept.expected_us(0) > 0
