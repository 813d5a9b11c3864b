"""Arrays on real daemons: real processes, their logs, cancelled elements, a restart, another region."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest

from hanse.wire.gen.hanse.v1 import common_pb2, jobs_pb2
from tests.daemon.league import DEADLINE_S, Place, eventually, league, shell, submission, until_exists
from tests.daemon.test_ordering import ordered
from tests.daemon.test_regions_together import acquainted, submitted

QUEUED, RUNNING = common_pb2.JOB_STATE_QUEUED, common_pb2.JOB_STATE_RUNNING
SUCCEEDED, FAILED = common_pb2.JOB_STATE_SUCCEEDED, common_pb2.JOB_STATE_FAILED
CANCELLED = common_pb2.JOB_STATE_CANCELLED


def array(made: jobs_pb2.JobSubmission, indexes: str, **fields: int) -> jobs_pb2.JobSubmission:
    """The same as an array."""
    made.spec.kind = jobs_pb2.JOB_KIND_ARRAY
    made.spec.array.CopyFrom(jobs_pb2.ArraySpec(indexes=indexes, **fields))
    return made


async def log_of(place: Place, job_id: str, index: int, **fields: Any) -> str:
    request = jobs_pb2.StreamLogsRequest(job_id=job_id, index=index, **fields)
    pieces = [piece.data async for piece in place.jobs.StreamLogs(request, timeout=DEADLINE_S)]
    return b"".join(pieces).decode()


async def shown(place: Place, job_id: str, elements: str) -> list[jobs_pb2.ArrayElement]:
    request = jobs_pb2.GetJobRequest(job_id=job_id, elements=elements)
    return list((await place.jobs.GetJob(request, timeout=DEADLINE_S)).job.array.elements)


async def test_an_array_of_processes_one_of_which_fails_and_one_is_cancelled(tmp_path: Path) -> None:
    script = (
        'echo "element $HANSE_ARRAY_INDEX of $HANSE_ARRAY_COUNT of $HANSE_JOB_ID"; '
        'test "$HANSE_ARRAY_INDEX" -ne 42 || exit 3'
    )
    async with league(tmp_path, "north", executor="local") as regions:
        north = regions["north"]
        made = array(shell("many", script, cpu=500), "0-199")
        job_id = await submitted(north, made)
        [result] = await ordered(north, job_id, cancel_elements=jobs_pb2.CancelElementsOrder(indexes="199"))
        assert not result.HasField("refusal"), result
        job = await north.state(job_id, FAILED)
        told = job.array
        assert (told.count, told.succeeded, told.failed, told.cancelled) == (200, 198, 1, 1)
        assert job.exit_code == 3
        assert job.reason.detail == "198 succeeded, 1 failed, 1 cancelled (42: EXIT_CODE 3)"
        by_state = {each.state: each.indexes for each in told.indexes}
        assert by_state == {SUCCEEDED: "0-41,43-198", FAILED: "42", CANCELLED: "199"}
        assert await log_of(north, job_id, 7) == f"element 7 of 200 of {job_id}\n"
        assert await log_of(north, job_id, 42) == f"element 42 of 200 of {job_id}\n"
        [seventh, failed] = await shown(north, job_id, "7,42")
        assert (seventh.state, failed.state, failed.exit_code, failed.attempt) == (SUCCEEDED, FAILED, 3, 1)
        assert failed.nodes[0] in ("north1", "north2")
        with pytest.raises(grpc.aio.AioRpcError, match="has no output here"):
            await log_of(north, job_id, 199)
        page = await north.list()
        assert page.jobs[0].array.succeeded == 198
        # What retention deletes with the job.
        executor = north.daemon.runtime.executor
        runs = await executor.outputs_of([job_id, "north-another"])
        assert len(runs) == 199
        await executor.reap(runs, logs=True)
        assert await executor.outputs_of([job_id]) == ()


async def test_an_array_goes_on_after_its_daemon_was_restarted(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with league(tmp_path, "north", executor="local") as regions:
        north = regions["north"]
        made = array(shell("runs", f"{until_exists(gate)}; echo done"), "1-9:2", in_flight_max=2)
        job_id = await submitted(north, made)

        async def two_run() -> jobs_pb2.Job | None:
            job = await regions["north"].get(job_id)
            return job if job.array.in_flight == 2 else None

        before = await eventually(two_run)
        assert {each.state: each.indexes for each in before.array.indexes} == {
            QUEUED: "5,7,9",
            RUNNING: "1,3",
        }
        await regions.stop("north")
        north = await regions.start("north")
        await eventually(two_run)
        gate.touch()
        job = await north.state(job_id, SUCCEEDED)
        assert job.array.succeeded == 5
        assert await log_of(north, job_id, 3) == "done\n"


async def test_an_array_that_another_region_runs_is_shown_and_read_from_home(tmp_path: Path) -> None:
    async with league(tmp_path, "north", "east", executor="local") as regions:
        north, east = regions["north"], regions["east"]
        await acquainted(regions)
        made = array(shell("there", "echo here $HANSE_REGION"), "0-3")
        made.spec.regions.allow.append("east")
        job_id = await submitted(north, made)
        job = await north.state(job_id, SUCCEEDED)
        assert (job.region, job.array.succeeded) == ("east", 4)
        assert await log_of(north, job_id, 2) == "here east\n"
        [element] = await shown(east, job_id, "2")
        assert element.state == SUCCEEDED


async def test_what_makes_no_array_is_refused_with_its_field(tmp_path: Path) -> None:
    async with league(tmp_path, "north") as regions:
        north = regions["north"]
        adopted = array(submission("adopted"), "0-9")
        adopted.spec.on_region_loss = jobs_pb2.ON_REGION_LOSS_ADOPT
        plain = submission("plain")
        plain.spec.array.indexes = "0-9"
        results = await north.submit(
            array(submission("large"), "0-10000"),
            array(submission("twice"), "0-9,5"),
            array(submission("none"), ""),
            plain,
            adopted,
        )
        told = [(each.refusal.field, each.refusal.message) for each in results]
        assert told[0] == ("jobs[0].spec.array.indexes", "10001 elements; at most 10000")
        assert told[1] == ("jobs[1].spec.array.indexes", "an index comes twice")
        assert told[2][0] == "jobs[2].spec.array.indexes"
        assert told[3] == ("jobs[3].spec.array", "only for jobs of the kind ARRAY")
        assert told[4][0] == "jobs[4].spec.on_region_loss"
        assert results[4].refusal.code == common_pb2.REFUSAL_CODE_UNIMPLEMENTED


async def test_a_plan_says_how_many_elements_have_room(tmp_path: Path) -> None:
    async with league(tmp_path, "north") as regions:
        north = regions["north"]
        spec = array(submission("plan"), "0-99").spec
        plan = await north.jobs.PlanJob(jobs_pb2.PlanJobRequest(spec=spec), timeout=DEADLINE_S)
        assert plan.regions[0].elements_at_once == 8
        assert "8 of its elements would start at once in north" in plan.summary
