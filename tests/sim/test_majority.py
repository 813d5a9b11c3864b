"""The checker of majorities, on hand-made logs of one shard with three members."""

from __future__ import annotations

import msgspec
import pytest

from chaos.checkers import check
from chaos.checkers.majority import Majority
from hanse.core.federation.shards.log import START_KEY
from hanse.core.federation.shards.seat import Standing
from hanse.core.messages import Commit, ToShard
from hanse.core.model.regions import Group
from hanse.core.rows import ShardRow, ShardStateRow, Writes
from hanse.sim.errors import SafetyViolation
from hanse.sim.record import (
    EMPTY_IMAGE,
    CancelTaken,
    Committed,
    DiskReplaced,
    Entry,
    FederatedAck,
    Sent,
)
from tests.sim.records import JOB, job_row, xfer

GROUP = msgspec.msgpack.encode(Group(shard="a", members=("a", "b", "c")))


def start(term: int, sequence: int, region: str, before: tuple[int, int]) -> ShardRow:
    return ShardRow("a", START_KEY, term, sequence, msgspec.msgpack.encode((term, region, *before)))


def job(term: int, sequence: int, **columns: str) -> ShardRow:
    return ShardRow("a", f"j/{JOB}", term, sequence, msgspec.msgpack.encode(job_row(shard="a", **columns)))


def given(term: int, sequence: int) -> ShardRow:
    return ShardRow("a", f"s/{JOB}", term, sequence, msgspec.msgpack.encode(xfer("b", shard="a")))


def disk(
    region: str, term: int, sequence: int, *records: ShardRow, standing: Standing = Standing.WHOLE
) -> Entry:
    """This region's copy goes up to here."""
    state = ShardStateRow("a", term, term, sequence, 0, GROUP, int(standing))
    return Committed(1, region, 1, (Writes(shard_rows=list(records), shard_states=[state]),))


FIRST = start(1, 1, "a", (0, 0))
ACKNOWLEDGED = FederatedAck(2, "a", "mills", "key", JOB, False)
COMMIT = Commit(
    job_id=JOB,
    epoch=2,
    sequence=1,
    home="a",
    tenant="mills",
    spec=b"",
    spec_sha256=b"",
    path=("a",),
    submitted_wall_us=1,
)


def judge(*entries: Entry) -> None:
    check(entries, (Majority,))


def test_two_of_three_disks_are_a_majority() -> None:
    judge(disk("a", 1, 2, FIRST, job(1, 2)), disk("b", 1, 2, FIRST, job(1, 2)), ACKNOWLEDGED)


def test_one_disk_is_none() -> None:
    with pytest.raises(SafetyViolation, match="no majority holds that: job"):
        judge(disk("a", 1, 2, FIRST, job(1, 2)), disk("b", 1, 1, FIRST), ACKNOWLEDGED)


def test_a_disk_that_counts_for_nothing_does_not_count() -> None:
    blank = disk("b", 1, 2, FIRST, job(1, 2), standing=Standing.BLANK)
    with pytest.raises(SafetyViolation, match="no majority"):
        judge(disk("a", 1, 2, FIRST, job(1, 2)), blank, ACKNOWLEDGED)


def test_what_a_majority_held_once_may_be_told_later() -> None:
    held = (disk("a", 1, 2, FIRST, job(1, 2)), disk("b", 1, 2, FIRST, job(1, 2)))
    judge(*held, DiskReplaced(2, "b", EMPTY_IMAGE, True, False), ACKNOWLEDGED)


def test_a_record_beyond_the_point_at_which_another_term_branched_off_is_not_held() -> None:
    alone = (disk("a", 1, 2, FIRST, job(1, 2)), disk("b", 1, 1, FIRST), disk("c", 1, 1, FIRST))
    branch = start(2, 2, "b", (1, 1))
    later = (disk("b", 2, 3, branch, given(2, 3)), disk("c", 2, 3, branch, given(2, 3)))
    with pytest.raises(SafetyViolation, match="no majority holds that: job"):
        judge(*alone, disk("b", 2, 2, branch), disk("c", 2, 2, branch), ACKNOWLEDGED)
    judge(*alone, *later, Sent(3, "b", "c", ToShard("a", "b", COMMIT)))


def test_a_transfer_that_one_disk_has_must_not_be_told() -> None:
    both = (disk("a", 1, 2, FIRST, job(1, 2)), disk("b", 1, 2, FIRST, job(1, 2)))
    with pytest.raises(SafetyViolation, match="transfer"):
        judge(*both, disk("a", 1, 3, given(1, 3)), Sent(3, "a", "b", ToShard("a", "b", COMMIT)))


def test_a_wish_that_no_majority_has_must_not_be_acknowledged() -> None:
    both = (disk("a", 1, 2, FIRST, job(1, 2)), disk("b", 1, 2, FIRST, job(1, 2)))
    wished = job(1, 3, cancel_id="c")
    with pytest.raises(SafetyViolation, match="took a cancel"):
        judge(*both, disk("a", 1, 3, wished), CancelTaken(3, "a", JOB))
    judge(*both, disk("a", 1, 3, wished), disk("b", 1, 3, wished), CancelTaken(3, "a", JOB))


def test_two_records_in_one_place_and_two_beginnings_of_a_term_are_caught() -> None:
    with pytest.raises(SafetyViolation, match="two records"):
        judge(disk("a", 1, 2, FIRST, job(1, 2)), disk("b", 1, 2, FIRST, given(1, 2)))
    with pytest.raises(SafetyViolation, match="term 2 began"):
        judge(
            disk("b", 2, 2, start(2, 2, "b", (1, 1))),
            disk("c", 2, 5, start(2, 5, "b", (1, 4))),
        )
