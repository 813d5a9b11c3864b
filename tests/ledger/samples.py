"""Rows to write: valid, small, and different wherever two could be confused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from hanse.core.effects import Effects
from hanse.core.messages import Verdict
from hanse.core.model.jobs import (
    Allocation,
    GroupShape,
    Reason,
    ReasonCode,
    RemoteView,
    ShapeBody,
    TaskPlacement,
    make_shape,
)
from hanse.core.model.lifecycle import JobState
from hanse.core.rows import (
    AccountRow,
    BalanceRow,
    ChannelRow,
    DecisionRow,
    ElementRow,
    IntentRow,
    JobRow,
    JobStateRow,
    LeaguePolicyRow,
    OutboundRow,
    PeerSeenRow,
    PolicyRow,
    QuotaDocumentRow,
    ReservationRow,
    RightsSentRow,
    RightsTakenRow,
    RosterRow,
    ShapeRow,
    ShardRow,
    ShardStateRow,
    TimelineRow,
    Writes,
)
from hanse.ledger.connection import connect_read_only
from hanse.ledger.dump import dump
from hanse.ledger.ledger import Ledger

REGION = "north"
T0_US = 1_700_000_000_000_000
SHAPE = make_shape(
    ShapeBody(groups=(GroupShape(2, 1, (("cpu", 1000), ("gpu", 1000)), ("zone = a",)),), priority=7)
)
SHAPE_ROW = ShapeRow(SHAPE.key, msgspec.msgpack.encode(SHAPE.body))
ALLOCATION = Allocation((TaskPlacement(0, "n1", (("gpu", 3),)), TaskPlacement(0, "n2")))
REMOTE = RemoteView("south", JobState.RUNNING, 2, 1, Reason(ReasonCode.STARTED, "there"), 5, T0_US + 9)


def job_id(number: int) -> str:
    return f"{REGION}-{number:06d}"


def job_row(number: int, **changes: object) -> JobRow:
    """A queued job of this home."""
    row = JobRow(
        id=job_id(number),
        home=REGION,
        tenant=f"org/team{number % 2}",
        name=f"train-{number}",
        client_key=f"key-{number}",
        spec=f"spec {number}".encode(),
        spec_sha256=number.to_bytes(32, "big"),
        shape_key=SHAPE.key,
        grace_us=10_000_000,
        retries_max=2,
        submitted_wall_us=T0_US + number,
        order_us=T0_US + number + 1,
        traceparent=f"trace-{number}",
        path="",
        state=int(JobState.QUEUED),
        reason=str(ReasonCode.SUBMITTED),
        reason_detail="",
        epoch=1,
        attempt=0,
        failures=0,
        allocation=b"",
        started_wall_us=0,
        ended_wall_us=0,
        exit_code=0,
        transfer_to="",
        transfer_epoch=0,
        transfer_sequence=0,
        cancel_id="",
        settled=0,
        remote=b"",
        timeline_length=1,
        moves=1,
    )
    return msgspec.structs.replace(row, **changes)


def job_state_row(number: int, **changes: object) -> JobStateRow:
    """The same job, running."""
    row = JobStateRow(
        state=int(JobState.RUNNING),
        reason=str(ReasonCode.STARTED),
        reason_detail="2 tasks",
        epoch=1,
        attempt=1,
        failures=0,
        allocation=msgspec.msgpack.encode(ALLOCATION),
        started_wall_us=T0_US + 100,
        ended_wall_us=0,
        exit_code=0,
        transfer_to="",
        transfer_epoch=0,
        transfer_sequence=0,
        cancel_id="",
        settled=0,
        remote=b"",
        timeline_length=2,
        moves=2,
        path="",
        shard="",
        id=job_id(number),
    )
    return msgspec.structs.replace(row, **changes)


def done_row(number: int, **changes: object) -> JobRow:
    """A job of this home that succeeded and is settled."""
    fields: dict[str, object] = {
        "state": JobState.SUCCEEDED,
        "reason": ReasonCode.SUCCEEDED,
        "ended_wall_us": T0_US + 1000 + number,
        "settled": 1,
    }
    return job_row(number, **{**fields, **changes})


def timeline_row(
    number: int, sequence: int = 0, what: str = "QUEUED", shard: str = "", later_us: int = 0
) -> TimelineRow:
    return TimelineRow(
        job_id=job_id(number),
        sequence=sequence,
        at_wall_us=T0_US + number + later_us,
        what=what,
        reason=ReasonCode.SUBMITTED,
        detail="d",
        epoch=1,
        attempt=0,
        cause="cause-1",
        shard=shard,
    )


def element_row(number: int, element: int, **changes: object) -> ElementRow:
    """An element of this job, running."""
    row = ElementRow(
        shard="",
        job_id=job_id(number),
        element=element,
        state=int(JobState.RUNNING),
        epoch=1,
        attempt=2,
        reason=str(ReasonCode.STARTED),
        reason_detail="",
        allocation=msgspec.msgpack.encode(ALLOCATION),
        started_wall_us=T0_US + 100,
        ended_wall_us=0,
        exit_code=0,
    )
    return msgspec.structs.replace(row, **changes)


def decision_row(sequence: int, giver_ledger_id: str = "ledger-s") -> DecisionRow:
    return DecisionRow(
        giver_ledger_id,
        sequence,
        "south",
        f"south-{sequence}",
        2,
        Verdict.BURNED,
        ReasonCode.BURNED_NO_ROOM,
        "full",
    )


def shard_state_row(shard: str = "south", **changes: object) -> ShardStateRow:
    """A copy that is whole up to sequence 9 of term 2."""
    row = ShardStateRow(
        shard=shard,
        promised_term=3,
        log_term=2,
        log_sequence=9,
        committed_sequence=8,
        group=b"group",
        blank=0,
        promised_to="south",
    )
    return msgspec.structs.replace(row, **changes)


def shard_row(
    key: str, sequence: int = 1, shard: str = "south", term: int = 1, value: bytes = b"v"
) -> ShardRow:
    return ShardRow(shard, key, term, sequence, value)


def record(
    row: JobRow | JobStateRow, sequence: int, shard: str = "south", term: int = 1, *, ended: bool = False
) -> ShardRow:
    """The record of a job's row in a copy."""
    kind = "s/" if isinstance(row, JobStateRow) else "f/" if ended else "j/"
    return shard_row(kind + row.id, sequence, shard, term, msgspec.msgpack.encode(row))


def one_of_each() -> Writes:
    """A row for every table."""
    return Writes(
        shapes=[SHAPE_ROW],
        jobs=[job_row(1)],
        job_states=[job_state_row(1)],
        elements=[element_row(1, 7)],
        timeline=[timeline_row(1)],
        decisions=[decision_row(3)],
        channels=[ChannelRow("ledger-s", "south", 3)],
        outbound=[OutboundRow("south", 8)],
        intents=[IntentRow("south-9", "cancel-1", T0_US)],
        peers_seen=[PeerSeenRow("south", "ledger-s", 4, 99, 5)],
        policies=[PolicyRow(2, "d2", "tiers = []\n", "an operator", "a test", T0_US)],
        league_policies=[LeaguePolicyRow("test", 3, "0c", b"{}", "d2")],
        reservations=[ReservationRow("r1", "night", "org/team", b"body")],
        meta=[("draining", "1")],
        rosters=[RosterRow(1, "0a", b"{}", 1), RosterRow(2, "0b", b"{}", 0, 3)],
        shard_states=[shard_state_row()],
        shard_rows=[shard_row("j/south-1")],
        quota_documents=[QuotaDocumentRow(1, "0a", b"{}")],
        accounts=[AccountRow(REGION, 7, 1, b"{}")],
        balances=[BalanceRow("org", "gpu", 5, 1, 6, 2, 3)],
        rights_sent=[RightsSentRow(7, "south", 9, 4, b"r")],
        rights_taken=[RightsTakenRow(7, "west", 8, 3, 1)],
    )


def submits(first: int, count: int) -> Writes:
    """Jobs `first` to `first + count - 1`, with their timelines."""
    numbers = range(first, first + count)
    return Writes(
        shapes=[SHAPE_ROW],
        jobs=[job_row(number) for number in numbers],
        timeline=[timeline_row(number) for number in numbers],
    )


def steps(*writes: Writes, first: int = 1) -> list[Effects]:
    """Consecutive steps with these writes."""
    return [Effects(sequence=first + index, writes=each) for index, each in enumerate(writes)]


async def commit(ledger: Ledger, *writes: Writes) -> None:
    """One transaction of consecutive steps."""
    await ledger.commit(steps(*writes, first=ledger.position.write_sequence + 1))


def dumped(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """The content of a ledger file, open elsewhere or not."""
    with closing(connect_read_only(path)) as connection:
        return dump(connection)


def as_state(row: JobRow, state: JobStateRow) -> tuple[object, ...]:
    """The whole row after this change."""
    fields = {name: getattr(state, name) for name in JobStateRow.__struct_fields__}
    return msgspec.structs.astuple(msgspec.structs.replace(row, **fields))


def count(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
