"""A job that is in several shards which one region leads: what callers are shown of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from hanse.core.model.jobs import RunId
from hanse.core.model.lifecycle import JobState
from hanse.core.rows import Writes
from hanse.daemon.servers.local import LocalJobs
from hanse.daemon.servers.logs import run_of
from hanse.ledger.ledger import Ledger
from hanse.ledger.queries import get_job
from hanse.wire.gen.hanse.v1 import common_pb2, jobs_pb2
from tests.ledger.samples import ALLOCATION, REGION, SHAPE_ROW, commit, job_row, timeline_row

JOB = f"{REGION}-00000000000000000000000001"


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    """The job was given by the home's shard to another that is led from here as well, and runs there."""
    opened = await Ledger.open(tmp_path / "ledger.db", region=REGION)
    home = job_row(
        1, id=JOB, spec=b"", shard=REGION, state=JobState.MOVED, transfer_to="west", transfer_epoch=2
    )
    owner = job_row(
        1,
        id=JOB,
        spec=b"",
        shard="west",
        client_key="",
        state=JobState.RUNNING,
        epoch=2,
        attempt=5,
        allocation=msgspec.msgpack.encode(ALLOCATION),
    )
    entries = [
        timeline_row(1, 0, "QUEUED", REGION),
        timeline_row(1, 1, "MOVED", REGION, later_us=8),
        timeline_row(1, 0, "QUEUED", "west", later_us=5),
        timeline_row(1, 1, "RUNNING", "west", later_us=9),
    ]
    named = [msgspec.structs.replace(entry, job_id=JOB) for entry in entries]
    await commit(opened, Writes(shapes=[SHAPE_ROW], jobs=[home, owner], timeline=named))
    yield opened
    await opened.close()


def served(ledger: Ledger) -> LocalJobs:
    """The servicer over these books alone."""
    timings = SimpleNamespace(lease_us=5_000_000)
    config = SimpleNamespace(region=SimpleNamespace(timings=timings))
    runtime = SimpleNamespace(name=REGION, read=ledger.read, config=config, renewed_wall_us=lambda shard: 0)
    return LocalJobs(cast("Any", runtime), cast("Any", None), cast("Any", None), cast("Any", None))


async def test_the_home_answers_with_the_owners_nodes_and_one_timeline(ledger: Ledger) -> None:
    request = jobs_pb2.GetJobRequest(job_id=JOB, with_timeline=True)
    job = (await served(ledger).GetJob(request, None)).job
    assert (job.state, job.client_key) == (common_pb2.JOB_STATE_MOVED, "key-1")
    assert list(job.nodes) == ["n1", "n2"]
    assert [entry.what for entry in job.timeline] == ["QUEUED", "QUEUED", "MOVED", "RUNNING"]


async def test_a_list_shows_it_once(ledger: Ledger) -> None:
    page = await served(ledger).ListJobs(jobs_pb2.ListJobsRequest(), None)
    assert [(job.id, job.state) for job in page.jobs] == [(JOB, common_pb2.JOB_STATE_MOVED)]


async def test_its_output_is_that_of_the_owners_run(ledger: Ledger) -> None:
    detail = await ledger.read(get_job, JOB, with_timeline=True)
    assert detail is not None
    assert run_of(detail, 0) == run_of(detail, 5) == RunId(JOB, 2, 5)
