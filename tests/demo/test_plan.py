"""The plan: what of the trace is replayed, and how."""

from __future__ import annotations

from collections import Counter

import pytest

from hanse.demo.plan import COMPRESSION, FAILURES_MIN, RUN_S_MAX, make_plan, task_count
from hanse.demo.trace import TraceJob, load_trace

REGIONS = ("north", "east", "west")


def test_the_excerpt_is_as_its_description_says() -> None:
    trace = load_trace()
    assert len(trace) == 450
    assert [job.submit_s for job in trace] == sorted(job.submit_s for job in trace)
    assert all(0 <= job.submit_s < 6 * 3600 and job.duration_s > 0 for job in trace)
    assert len({job.number for job in trace}) == len(trace)


def test_one_region_gets_most_of_the_load() -> None:
    homes = Counter(job.home for job in make_plan(load_trace(), REGIONS, 400, seed=1))
    assert homes["north"] > 0.7 * 400
    assert set(homes) == set(REGIONS)


@pytest.mark.parametrize("jobs", [40, 300, 450])
def test_some_jobs_fail_and_some_are_cancelled_and_none_both(jobs: int) -> None:
    plan = make_plan(load_trace(), REGIONS, jobs, seed=7)
    assert len(plan) == jobs
    assert sum(1 for job in plan if job.exit_code) >= FAILURES_MIN
    assert any(job.cancel_s is not None for job in plan)
    assert not any(job.exit_code and job.cancel_s is not None for job in plan)


def test_a_job_is_cancelled_before_it_can_have_ended() -> None:
    plan = make_plan(load_trace(), REGIONS, 450, seed=3)
    assert all(job.cancel_s < job.run_s for job in plan if job.cancel_s is not None)


def test_times_are_compressed_by_one_factor() -> None:
    trace = {job.number: job for job in load_trace()}
    for job in make_plan(load_trace(), REGIONS, 450, seed=3):
        real = trace[job.trace_job]
        if 0.1 < job.run_s < RUN_S_MAX:
            assert job.run_s == pytest.approx(real.duration_s / COMPRESSION, abs=0.01)


def test_the_busiest_region_keeps_some_long_runs_at_home() -> None:
    staying = [job for job in make_plan(load_trace(), REGIONS, 400, seed=2017) if job.stays]
    assert len(staying) >= 4
    assert all(job.home == "north" and job.run_s == RUN_S_MAX for job in staying)
    assert not any(job.exit_code or job.cancel_s is not None for job in staying)


def test_the_seed_decides_all() -> None:
    assert make_plan(load_trace(), REGIONS, 100, seed=5) == make_plan(load_trace(), REGIONS, 100, seed=5)
    assert make_plan(load_trace(), REGIONS, 100, seed=5) != make_plan(load_trace(), REGIONS, 100, seed=6)


@pytest.mark.parametrize("jobs", [39, 451])
def test_more_than_there_is_cannot_be_had(jobs: int) -> None:
    with pytest.raises(ValueError, match="from 40 to 450"):
        make_plan(load_trace(), REGIONS, jobs, seed=1)


@pytest.mark.parametrize(("gang", "gpus", "tasks"), [(1, 1, 1), (1, 2, 2), (1, 4, 2), (1, 8, 3), (2, 8, 4)])
def test_wide_jobs_become_small_gangs(gang: int, gpus: int, tasks: int) -> None:
    assert task_count(TraceJob(1, "vc", 0, 60, gang, gpus)) == tasks
