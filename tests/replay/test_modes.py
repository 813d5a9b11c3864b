"""A trace in each mode: what must hold whatever the figures are."""

from __future__ import annotations

import statistics

import msgspec
import pytest

from hanse.core.model.time import SECOND_US
from hanse.replay.faults import Fault
from hanse.replay.plan import DAY_US, Mode, Plan
from hanse.replay.policies import NAMED
from hanse.replay.run import build, run
from hanse.replay.trace import Trace
from tests.replay.traces import drawn

HOUR_US = 3_600 * SECOND_US


@pytest.fixture(scope="module")
def trace() -> Trace:
    return drawn()


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("order", ["fifo", "easy", "backfill", "default"])
def test_every_job_ends_once(trace: Trace, mode: Mode, order: str) -> None:
    outcome = run(Plan(trace=trace, mode=mode, policy=NAMED[order])).outcome
    assert (outcome.finished, outcome.lost, outcome.run_twice) == (len(trace.jobs), 0, 0)


@pytest.mark.parametrize("mode", list(Mode))
def test_two_runs_of_a_seed_decide_the_same(trace: Trace, mode: Mode) -> None:
    first, second = (run(Plan(trace=trace, mode=mode, seed=7)).outcome for _ in range(2))
    assert first.digest == second.digest
    assert msgspec.structs.replace(first, wall_s=0.0) == msgspec.structs.replace(second, wall_s=0.0)


def test_the_federation_is_near_one_that_knows_all_and_far_from_everybody_alone(trace: Trace) -> None:
    waits = {
        mode: run(Plan(trace=trace, mode=mode, policy=NAMED["backfill"])).outcome.mean_wait_s for mode in Mode
    }
    assert max(waits[Mode.POOLED], waits[Mode.FEDERATED]) < waits[Mode.ISOLATED] / 2
    assert waits[Mode.FEDERATED] < 1.5 * waits[Mode.POOLED]


def test_a_gang_stays_within_one_of_the_pooled_regions() -> None:
    trace = drawn(jobs=40, nodes=2, load=1.2)
    league, window = build(Plan(trace=trace, mode=Mode.POOLED))
    spans = []
    launch = league._launch

    def watch(host, order):  # type: ignore[no-untyped-def]
        spans.append({host.region_of[placed.node] for _, placed in order.tasks})
        launch(host, order)

    league._launch = watch  # type: ignore[method-assign]
    while league.agenda and league.awaited:
        league.turn()
    assert any(story.job.tasks > 1 for story in window)
    assert all(len(regions) == 1 for regions in spans)


@pytest.mark.parametrize("seed", range(3))
def test_a_region_that_is_lost_and_comes_back_loses_nothing(trace: Trace, seed: int) -> None:
    last_us = trace.jobs[-1].submit_us
    fault = Fault(region="r0", lost_us=last_us // 3, back_us=last_us // 3 + 2 * HOUR_US)
    outcome = run(Plan(trace=trace, faults=(fault,), seed=seed)).outcome
    assert (outcome.finished, outcome.lost, outcome.run_twice) == (len(trace.jobs), 0, 0)


def test_callers_of_a_region_that_is_lost_for_good_go_elsewhere(trace: Trace) -> None:
    fault = Fault(region="r0", lost_us=trace.jobs[-1].submit_us // 2, back_us=None)
    result = run(Plan(trace=trace, faults=(fault,)))
    assert result.outcome.lost == 0
    assert result.outcome.finished == len(trace.jobs)
    assert result.outcome.handed_in_again > 0


@pytest.mark.slow
def test_quiet_gossip_leaves_out_nothing_that_matters() -> None:
    """With every probe and round of gossip, and with records that travel only when they change. The waits of one
    crowded run differ by more for no cause but the order of two jobs: several are drawn, and half of them differ by
    less than a tenth."""
    ratios = []
    for seed in range(1, 6):
        plan = Plan(trace=_squeezed(seed), policy=NAMED["backfill"], gossip_us=2 * SECOND_US)
        quiet, full = (
            run(msgspec.structs.replace(plan, full_gossip=full_gossip)).outcome
            for full_gossip in (False, True)
        )
        assert full.messages > 10 * quiet.messages
        ratios.append(quiet.mean_wait_s / full.mean_wait_s)
    assert statistics.median(ratios) == pytest.approx(1, abs=0.1)


def _squeezed(seed: int) -> Trace:
    """A crowded trace within half an hour: what costs is the time in which probes are sent."""
    trace = drawn(jobs=260, regions=3, nodes=2, load=1.0, seed=seed)
    last_us = trace.jobs[-1].submit_us
    half_an_hour_us = HOUR_US // 2
    within = tuple(
        msgspec.structs.replace(
            job,
            submit_us=job.submit_us * half_an_hour_us // last_us,
            duration_us=max(1, job.duration_us * half_an_hour_us // last_us),
        )
        for job in trace.jobs
    )
    return msgspec.structs.replace(trace, jobs=within)


def test_only_jobs_of_the_window_count(trace: Trace) -> None:
    until_us = trace.jobs[len(trace.jobs) // 2].submit_us
    outcome = run(Plan(trace=trace, from_us=trace.jobs[10].submit_us, until_us=until_us)).outcome
    assert outcome.jobs == len(trace.jobs) // 2 - 10


def test_more_nodes_make_waits_shorter(trace: Trace) -> None:
    few, many = (run(Plan(trace=trace, scale=scale)).outcome.mean_wait_s for scale in (1.0, 2.0))
    assert many < few


def test_days_without_events_cost_nothing() -> None:
    trace = drawn(jobs=10)
    early, late = trace.jobs[:5], trace.jobs[5:]
    apart = tuple(msgspec.structs.replace(job, submit_us=job.submit_us + 300 * DAY_US) for job in late)
    near = run(Plan(trace=trace)).outcome.steps
    far = run(Plan(trace=msgspec.structs.replace(trace, jobs=early + apart))).outcome.steps
    assert far < near + 100
