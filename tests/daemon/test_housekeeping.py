"""What retention picks of the ledger, and how the core hears of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hanse.core.events import JobsForgotten
from hanse.core.rows import Writes
from hanse.daemon.housekeeping import Housekeeping
from hanse.daemon.inbox import Inbox
from hanse.daemon.metrics import Metrics
from hanse.executors.simulated import SimulatedExecutor
from hanse.ledger.disk import DiskPolicy, DiskWatch
from hanse.ledger.ledger import Ledger
from hanse.ledger.retention import RetentionPolicy
from tests.ledger.samples import REGION, SHAPE_ROW, commit, done_row, job_id


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    opened = await Ledger.open(tmp_path / "ledger.db", region=REGION)
    yield opened
    await opened.close()


async def test_a_batch_names_wait_jobs_and_those_of_shards_with_their_client_keys(ledger: Ledger) -> None:
    rows = [
        done_row(1),
        done_row(2, home="south", client_key=""),
        done_row(3, shard="north"),
        done_row(4, shard="south", client_key=""),
    ]
    await commit(ledger, Writes(shapes=[SHAPE_ROW], jobs=rows))
    inbox = Inbox()
    disk = DiskWatch(
        ledger.path, DiskPolicy(nearly_full_bytes=0, clear_bytes=0, critical_bytes=0, reserve_bytes=0)
    )
    policy = RetentionPolicy(age_max_us=0)
    keeping = Housekeeping(ledger, SimulatedExecutor(), inbox, disk, policy, Metrics(REGION), 60.0)
    assert await keeping._forget(), "there may be more"
    (event,) = inbox.take()
    assert isinstance(event, JobsForgotten)
    assert event.job_ids == (job_id(1), job_id(2))
    assert event.client_keys == (("org/team1", "key-1"),)
    assert event.shard_jobs == (
        ("north", job_id(3), ("org/team1", "key-3")),
        ("south", job_id(4), None),
    )
    assert not await keeping._forget(), "a batch that is not forgotten yet is not asked for at once again"
    assert len(inbox.take()) == 1
    await commit(ledger, Writes(jobs_delete=[job_id(1), job_id(2)]))
    assert await keeping._forget()
