"""A Region can be rebuilt from whatever was committed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from hanse.core.effects import Effects
from hanse.core.job_rows import job_row as job_row_of
from hanse.core.model.jobs import Job, Reason, ReasonCode
from hanse.core.model.lifecycle import JobState
from hanse.core.rows import ChannelRow, IntentRow, OutboundRow, PeerSeenRow, ShapeRow, Writes
from hanse.ledger.ledger import Ledger
from hanse.ledger.recovery import load_snapshot
from tests.ledger.samples import (
    ALLOCATION,
    REGION,
    REMOTE,
    SHAPE,
    SHAPE_ROW,
    T0_US,
    commit,
    decision_row,
    done_row,
    job_id,
    job_row,
    job_state_row,
    one_of_each,
    record,
    shard_row,
    shard_state_row,
)


async def test_a_new_ledger_is_an_empty_region(ledger: Ledger) -> None:
    snapshot = await ledger.load_snapshot()
    assert (snapshot.ledger_id, snapshot.incarnation, snapshot.write_sequence) == (
        ledger.opened.ledger_id,
        1,
        0,
    )
    assert not snapshot.jobs
    assert not snapshot.client_keys


async def test_a_shape_keeps_the_key_under_which_an_earlier_version_wrote_it(ledger: Ledger) -> None:
    """Bodies have more fields since: by the key that they would get today, the next start would not find this one."""
    earlier = ShapeRow(b"an earlier key", SHAPE_ROW.body)
    await commit(ledger, Writes(shapes=[earlier], jobs=[job_row(1, shape_key=earlier.key)]))
    (job,) = (await ledger.load_snapshot()).jobs
    assert job_row_of(job).shape_key == earlier.key
    assert job.shape.total == SHAPE.total
    assert job.shape != SHAPE


async def test_every_field_of_a_job_comes_back(ledger: Ledger) -> None:
    row = job_row(
        1,
        state=JobState.XFER,
        reason=ReasonCode.HANDED_OFF,
        reason_detail="to south",
        path="north,west",
        epoch=3,
        attempt=2,
        failures=1,
        allocation=msgspec.msgpack.encode(ALLOCATION),
        started_wall_us=T0_US + 5,
        ended_wall_us=T0_US + 6,
        exit_code=137,
        transfer_to="south",
        transfer_epoch=4,
        transfer_sequence=17,
        cancel_id="cancel-1",
        remote=msgspec.msgpack.encode(REMOTE),
        timeline_length=9,
        moves=2,
    )
    await commit(ledger, Writes(shapes=[SHAPE_ROW], jobs=[row]))
    (job,) = (await ledger.load_snapshot()).jobs
    assert job == Job(
        id=row.id,
        home=row.home,
        tenant=row.tenant,
        name=row.name,
        client_key=row.client_key,
        spec=row.spec,
        spec_sha256=row.spec_sha256,
        shape=SHAPE,
        grace_us=row.grace_us,
        retries_max=row.retries_max,
        submitted_wall_us=row.submitted_wall_us,
        traceparent=row.traceparent,
        path=("north", "west"),
        state=JobState.XFER,
        reason=Reason(ReasonCode.HANDED_OFF, "to south"),
        epoch=3,
        attempt=2,
        failures=1,
        order_us=row.order_us,
        allocation=ALLOCATION,
        started_wall_us=T0_US + 5,
        ended_wall_us=T0_US + 6,
        exit_code=137,
        transfer_to="south",
        transfer_epoch=4,
        transfer_sequence=17,
        cancel_id="cancel-1",
        settled=False,
        remote=REMOTE,
        timeline_length=9,
        moves=2,
    )
    assert job.shape.total == SHAPE.total
    assert type(job.state) is JobState


@pytest.mark.parametrize("settled", [0, 1])
@pytest.mark.parametrize("state", JobState)
async def test_a_job_is_loaded_unless_it_is_settled(ledger: Ledger, state: JobState, settled: int) -> None:
    await commit(ledger, Writes(shapes=[SHAPE_ROW], jobs=[job_row(1, state=state, settled=settled)]))
    snapshot = await ledger.load_snapshot()
    assert [(job.id, job.state, job.settled) for job in snapshot.jobs] == (
        [(job_id(1), state, bool(settled))] if not settled else []
    )
    assert [key[2] for key in snapshot.client_keys] == [job_id(1)], "a client key outlives its job"


async def test_client_keys_are_those_of_this_home(ledger: Ledger) -> None:
    jobs = [
        job_row(1),
        done_row(2),
        job_row(3, home="south", client_key=""),
        done_row(4, home="south", client_key=""),
    ]
    await commit(ledger, Writes(shapes=[SHAPE_ROW], jobs=jobs))
    snapshot = await ledger.load_snapshot()
    assert snapshot.client_keys == [
        (job.tenant, job.client_key, job.id, job.spec_sha256) for job in jobs if job.home == REGION
    ]


async def test_everything_but_jobs_comes_back_in_the_order_of_its_key(path: Path) -> None:
    ledger = await Ledger.open(path, region=REGION)
    writes = one_of_each()
    writes.decisions = [decision_row(9), decision_row(3), decision_row(1, "ledger-a")]
    writes.channels.append(ChannelRow("ledger-a", "west", 1))
    writes.outbound.append(OutboundRow("east", 1))
    writes.intents.append(IntentRow("a", "c", 1))
    writes.peers_seen.append(PeerSeenRow("east", "ledger-e", 1, 1, 1))
    writes.shard_states.append(shard_state_row("north"))
    await ledger.commit([Effects(sequence=12, writes=writes)])
    await ledger.close()
    ledger = await Ledger.open(path, region=REGION)
    snapshot = await ledger.load_snapshot()
    assert (snapshot.incarnation, snapshot.write_sequence) == (2, 12)
    assert snapshot.decisions == [decision_row(1, "ledger-a"), decision_row(3), decision_row(9)]
    assert snapshot.channels == writes.channels[::-1]
    assert snapshot.outbound == writes.outbound[::-1]
    assert snapshot.intents == writes.intents[::-1]
    assert snapshot.peers_seen == writes.peers_seen[::-1]
    assert snapshot.meta == {"draining": "1"}
    assert snapshot.shard_states == writes.shard_states[::-1]
    await ledger.close()


async def test_adoptable_jobs_come_back_as_records_and_never_as_rows(ledger: Ledger) -> None:
    """The rows are a projection, which may be behind its log; the region may not even lead the shard any more."""
    rows = [job_row(1, shard="north"), done_row(2, shard="north"), job_row(3, shard="south"), job_row(4)]
    records = [record(row, sequence) for sequence, row in enumerate(rows[:3], 1)]
    await commit(ledger, Writes(shapes=[SHAPE_ROW], jobs=rows, shard_rows=records))
    snapshot = await ledger.load_snapshot()
    assert [(job.id, job.shard) for job in snapshot.jobs] == [(job_id(4), "")]
    assert [key[2] for key in snapshot.client_keys] == [job_id(4)]
    assert snapshot.shard_rows == records


async def test_records_come_back_in_the_order_of_their_logs(ledger: Ledger) -> None:
    written = [
        shard_row("j/b", 5, "south"),
        shard_row("s/b", 10, "south", term=2),
        shard_row("j/a", 9, "south", value=b""),
        record(job_state_row(1), 7, "north"),
        shard_row("j/c", 300, "north"),
    ]
    await commit(ledger, Writes(shard_rows=written))
    ordered = sorted(written, key=lambda row: (row.shard, row.sequence))
    assert (await ledger.load_snapshot()).shard_rows == ordered


async def test_equal_values_are_shared(ledger: Ledger) -> None:
    jobs = [job_row(number, spec=b"spec", spec_sha256=b"s" * 32, name="train") for number in (2, 4)]
    await commit(ledger, Writes(shapes=[SHAPE_ROW], jobs=jobs))
    snapshot = await ledger.load_snapshot()
    one, other = snapshot.jobs
    for field in ("tenant", "home", "name", "shape", "spec", "spec_sha256", "reason", "path"):
        assert getattr(one, field) is getattr(other, field), field
    assert snapshot.client_keys[0][1] is one.client_key


async def test_a_reason_of_a_newer_version_does_not_stop_recovery(ledger: Ledger) -> None:
    await commit(
        ledger, Writes(shapes=[SHAPE_ROW], jobs=[job_row(1, reason="SOLAR_FLARE", reason_detail="big")])
    )
    (job,) = (await ledger.load_snapshot()).jobs
    assert job.reason == Reason(ReasonCode.UNKNOWN, "SOLAR_FLARE: big")


async def test_recovery_reads_through_its_index(ledger: Ledger) -> None:
    seen: list[str] = []
    await commit(ledger, Writes(shapes=[SHAPE_ROW], jobs=[job_row(1), done_row(2)]))
    reader = ledger._readers[0]
    await reader.set_trace_callback(seen.append)
    await reader.run(load_snapshot)
    (query,) = [each for each in seen if "grace_us" in each]
    plan = await reader.execute_fetchall(f"EXPLAIN QUERY PLAN {query}")
    assert [row[3] for row in plan] == ["SCAN jobs USING INDEX jobs_open"]


async def test_shapes_without_jobs_are_swept_at_open(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hanse.ledger.boot.SHAPES_KEPT_MAX", 1)
    ledger = await Ledger.open(path, region=REGION)
    orphan = msgspec.structs.replace(SHAPE_ROW, key=b"orphan")
    await commit(ledger, Writes(shapes=[SHAPE_ROW, orphan], jobs=[job_row(1)]))
    await ledger.close()
    ledger = await Ledger.open(path, region=REGION)
    assert [job.shape for job in (await ledger.load_snapshot()).jobs] == [SHAPE]
    rows = await ledger.read(lambda connection: connection.execute("SELECT key FROM shapes").fetchall())
    assert rows == [(SHAPE.key,)]
    await ledger.close()
