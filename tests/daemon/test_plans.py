"""Plans on real daemons: what every region says for itself, and what a submit is held to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest

from hanse.wire.gen.hanse.v1 import common_pb2, jobs_pb2
from tests.daemon.league import DEADLINE_S, Place, league, shell, submission, until_exists
from tests.daemon.test_regions_together import acquainted, only, submitted

RUNNING = common_pb2.JOB_STATE_RUNNING
START, WAIT, NEVER = (
    jobs_pb2.PLAN_OUTCOME_START,
    jobs_pb2.PLAN_OUTCOME_WAIT,
    jobs_pb2.PLAN_OUTCOME_NEVER,
)


async def planned(place: Place, job: jobs_pb2.JobSubmission, home: str = "") -> jobs_pb2.PlanJobResponse:
    request = jobs_pb2.PlanJobRequest(home=home, spec=job.spec)
    response: jobs_pb2.PlanJobResponse = await place.jobs.PlanJob(request, timeout=DEADLINE_S)
    return response


def outcomes(plan: jobs_pb2.PlanJobResponse) -> dict[str, int]:
    return {region.region: region.outcome for region in plan.regions}


async def filled(place: Place, gate: Path) -> list[str]:
    """Every node of the region is taken until the gate opens."""
    jobs = [
        await submitted(place, shell(f"fills-{number}", until_exists(gate), cpu=4000, **only(place.name)))
        for number in range(2)
    ]
    for job_id in jobs:
        await place.state(job_id, RUNNING)
    return jobs


async def test_a_plan_tells_what_every_region_would_make_of_a_job_and_a_submit_is_held_to_it(
    tmp_path: Path,
) -> None:
    gate = tmp_path / "gate"
    async with league(tmp_path, "north", "east", executor="local") as regions:
        north, east = regions["north"], regions["east"]
        await acquainted(regions)
        wanted = submission("wanted", cpu=4000)
        plan = await planned(north, wanted)
        assert (plan.home, plan.chosen, outcomes(plan)) == ("north", "north", {"north": START, "east": START})
        assert plan.regions[0].nodes[0].startswith("north")
        assert plan.index.startswith("start:north:")
        assert plan.summary.startswith("it would start at once in north, on north")
        # The same from another region, about the same home.
        assert (await planned(east, wanted, home="north")).index == plan.index

        await filled(north, gate)
        moved_on = jobs_pb2.JobSubmission(client_key="held", spec=wanted.spec, check_index=plan.index)
        [result] = await north.submit(moved_on)
        assert result.refusal.code == common_pb2.REFUSAL_CODE_PLAN_CHANGED
        assert result.refusal.field == "jobs[0].check_index"
        assert "'start:north:" in result.refusal.message

        plan = await planned(north, wanted)
        assert (plan.chosen, outcomes(plan)) == ("east", {"north": WAIT, "east": START})
        blocker = plan.regions[0].blockers[0]
        assert blocker.code == "CAPACITY"
        assert plan.regions[0].HasField("predicted_start")
        assert [taker.region for taker in plan.takers] == ["east"]
        held = jobs_pb2.JobSubmission(client_key="held", spec=wanted.spec, check_index=plan.index)
        job_id = await submitted(north, held)
        assert (await north.state(job_id, common_pb2.JOB_STATE_SUCCEEDED)).region == "east"
        # A key that is known is answered, whatever the plan would be by now.
        assert await submitted(north, held) == job_id
        gate.touch()


async def test_what_no_region_can_ever_run_is_planned_nowhere_and_refused(tmp_path: Path) -> None:
    async with league(tmp_path, "north", "east") as regions:
        north = regions["north"]
        await acquainted(regions)
        wanted = submission("huge", cpu=5000)
        plan = await planned(north, wanted)
        assert (plan.chosen, outcomes(plan)) == ("", {"north": NEVER, "east": NEVER})
        assert plan.summary.startswith("it can't run anywhere at present: can never run in this region")
        [result] = await north.submit(wanted)
        assert result.refusal.code == common_pb2.REFUSAL_CODE_NEVER_FITS
        # As long as nobody knows what the other one has, it may have enough.
    async with league(tmp_path / "again", "north", "east", start=False) as regions:
        alone = await regions.start("north")
        [result] = await alone.submit(submission("huge", cpu=5000))
        assert result.HasField("job")
        plan = await planned(alone, submission("other", cpu=5000))
        assert plan.unreachable == ["east"]
        assert {blocker.code for blocker in plan.regions[1].blockers} == {"UNREACHABLE", "UNKNOWN"}


@pytest.mark.parametrize(
    ("change", "told"),
    [({"name": ""}, ""), ({"tier": "gold"}, "no tier 'gold'"), ({"priority": 5000}, "5000 is outside")],
)
async def test_a_wrong_spec_is_refused_as_a_submit_would_be(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    async with league(tmp_path, "north") as regions:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await planned(regions["north"], submission("wrong", **change))
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert told in (raised.value.details() or "")
