"""Rounds: whoever starts in one would have started by himself, at the same place in the order."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanse.core.model.time import Now
from hanse.core.policy.model import Policy, default_policy
from hanse.core.scheduling.cycle import Scheduler
from hanse.core.scheduling.gate import StartGate
from hanse.core.scheduling.rounds import Rounds, Started
from hanse.policies.virtual import VirtualJob, VirtualRegion
from tests.core.scheduling.regions import jobs_strategy, one, run_checked, virtual
from tests.core.scheduling.test_policies import policies


def starts(region: VirtualRegion) -> list[tuple[str, int]]:
    """Every start of this region's whole life, in order."""
    run_checked(region)
    return [(start.job_id, start.at_us) for start in region.starts]


def job_by_job(policy: Policy, jobs: Sequence[VirtualJob], *, cpu: int, nodes: int) -> list[tuple[str, int]]:
    """What rounds are defined by."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Scheduler, "_run_round", lambda *_: False)
        return starts(virtual(policy, jobs, cpu=cpu, nodes=nodes))


@settings(max_examples=60)
@given(policies(), jobs_strategy())
def test_with_room_for_all_the_order_is_that_of_job_by_job(policy: Policy, jobs: list[VirtualJob]) -> None:
    found = starts(virtual(policy, jobs, cpu=4, nodes=len(jobs)))
    assert found == job_by_job(policy, jobs, cpu=4, nodes=len(jobs))


@settings(max_examples=60)
@given(policies(), jobs_strategy(cpu_max=1), st.integers(1, 6))
def test_where_any_node_is_as_good_as_another_it_is_so_however_little_room_there_is(
    policy: Policy, jobs: list[VirtualJob], nodes: int
) -> None:
    found = starts(virtual(policy, jobs, cpu=1, nodes=nodes))
    assert found == job_by_job(policy, jobs, cpu=1, nodes=nodes)


@settings(max_examples=60)
@given(policies(), jobs_strategy(), st.integers(1, 4))
def test_everybody_ends_however_little_room_there_is(
    policy: Policy, jobs: list[VirtualJob], nodes: int
) -> None:
    """Checked after each step: what runs fits, and is charged to whom it should."""
    starts(virtual(policy, jobs, cpu=4, nodes=nodes))


def test_jobs_start_in_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the others would show nothing."""
    sizes: list[int] = []
    run = Rounds.run

    def counted(rounds: Rounds, now: Now, limit: int, gate: StartGate, why: dict[str, str]) -> Started:
        found = run(rounds, now, limit, gate, why)
        sizes.append(len(found))
        return found

    monkeypatch.setattr(Rounds, "run", counted)
    region = virtual(
        default_policy(("standard",)), [one(f"j{at}", 1 + at % 2) for at in range(8)], cpu=4, nodes=8
    )
    starts(region)
    assert sizes == [8]
