"""What is forgotten, in which order, how much at once; and that a ledger stops growing."""

# ruff: noqa: ASYNC240 -- nothing else runs in the loop of these tests

from __future__ import annotations

from pathlib import Path

import pytest

from hanse.core.model.lifecycle import JobState
from hanse.core.rows import Writes
from hanse.ledger.ledger import Ledger
from hanse.ledger.retention import Forgettable, RetentionPolicy, pick, settled_jobs, used_bytes
from tests.ledger.samples import (
    REGION,
    SHAPE_ROW,
    T0_US,
    commit,
    done_row,
    dumped,
    job_id,
    job_row,
    timeline_row,
)

# Job n ended at T0_US + 1000 + n.
AT_US = T0_US + 1000
ALL = RetentionPolicy(age_max_us=0)


async def picked(ledger: Ledger, policy: RetentionPolicy, now_us: int, batch_max: int = 500) -> list[str]:
    return [each.job_id for each in await ledger.read(pick, policy, now_us, batch_max)]


def ids(*numbers: int) -> list[str]:
    return [job_id(number) for number in numbers]


@pytest.fixture
async def five(ledger: Ledger) -> Ledger:
    """Jobs 1 to 5, ended in this order but written in another."""
    rows = [done_row(number) for number in (4, 1, 5, 3, 2)]
    await commit(
        ledger, Writes(shapes=[SHAPE_ROW], jobs=rows, timeline=[timeline_row(each) for each in range(1, 6)])
    )
    return ledger


async def test_jobs_go_by_age_oldest_first(five: Ledger) -> None:
    policy = RetentionPolicy(age_max_us=100)
    assert await picked(five, policy, AT_US + 100) == []
    assert await picked(five, policy, AT_US + 100 + 4) == ids(1, 2, 3)


async def test_a_batch_is_bounded(five: Ledger) -> None:
    assert await picked(five, ALL, AT_US + 1000, batch_max=2) == ids(1, 2)


async def test_the_oldest_beyond_the_count_go_whatever_their_age(five: Ledger) -> None:
    assert await five.read(settled_jobs) == 5
    assert await picked(five, RetentionPolicy(settled_jobs_max=3), AT_US) == ids(1, 2)


async def test_the_oldest_go_while_the_ledger_is_over_its_bytes(five: Ledger) -> None:
    used = await five.read(used_bytes)
    assert used > 0
    assert await picked(five, RetentionPolicy(bytes_max=used), AT_US) == []
    assert await picked(five, RetentionPolicy(bytes_max=used - 1), AT_US, batch_max=3) == ids(1, 2, 3)


async def test_only_settled_jobs_go(ledger: Ledger) -> None:
    rows = [job_row(1), done_row(2, settled=0), job_row(3, state=JobState.MOVED), done_row(4)]
    await commit(ledger, Writes(shapes=[SHAPE_ROW], jobs=rows))
    assert await picked(ledger, ALL, AT_US * 2) == ids(4)


async def test_a_job_that_only_passed_through_ages_from_its_submit(ledger: Ledger) -> None:
    passed = job_row(1, home="south", client_key="", state=JobState.MOVED, settled=1)
    await commit(ledger, Writes(shapes=[SHAPE_ROW], jobs=[passed]))
    policy = RetentionPolicy(age_max_us=100)
    assert await picked(ledger, policy, T0_US + 1 + 100) == []
    assert await picked(ledger, policy, T0_US + 1 + 101) == ids(1)


async def test_the_client_key_comes_along_so_that_memory_can_let_go_of_it(five: Ledger) -> None:
    assert await five.read(pick, ALL, AT_US * 2, 1) == (Forgettable(job_id(1), "org/team1", "key-1"),)


async def test_what_ran_here_comes_along_so_that_its_output_can_go(five: Ledger) -> None:
    ran = [timeline_row(1, 1, "RUNNING"), timeline_row(1, 2, "RUNNING in west"), timeline_row(2, 1, "XFER")]
    await commit(five, Writes(timeline=ran))
    one, two = (await five.read(pick, ALL, AT_US * 2))[:2]
    assert (len(one.runs), two.runs) == (1, ())


@pytest.fixture
async def ten(five: Ledger) -> Ledger:
    """Jobs 11 to 15 of shards besides, older than the others: they ended at T0_US + number."""
    numbers = (13, 11, 15, 12, 14)
    rows = [
        done_row(number, shard="south" if number % 2 else "west", ended_wall_us=T0_US + number)
        for number in numbers
    ]
    await commit(five, Writes(jobs=rows))
    return five


async def test_jobs_of_shards_are_picked_like_the_others_and_apart_from_them(ten: Ledger) -> None:
    """Who has no majority to let go of its own must not keep the rest."""
    older = RetentionPolicy(age_max_us=1000)
    assert await picked(ten, older, T0_US + 1000 + 13) == ids(11, 12)
    assert await picked(ten, ALL, AT_US * 2, batch_max=2) == ids(1, 2, 11, 12)
    # At T0_US + 15 all have been submitted, and the first of them 1,000 us later.
    assert await picked(ten, RetentionPolicy(settled_jobs_max=4), T0_US) == ids(1, 11)
    used = await ten.read(used_bytes)
    assert await picked(ten, RetentionPolicy(bytes_max=used), T0_US) == []
    assert await picked(ten, RetentionPolicy(bytes_max=used - 1), T0_US, 3) == ids(1, 2, 3, 11, 12, 13)
    assert await ten.read(settled_jobs) == 10


async def test_a_job_of_a_shard_comes_with_the_shard_and_what_ran_in_it(ledger: Ledger) -> None:
    rows = [done_row(1, shard="south"), done_row(1, shard="west", client_key="")]
    ran = [timeline_row(1, 0, "RUNNING", shard="west"), timeline_row(1, 1, "QUEUED", shard="south")]
    await commit(ledger, Writes(jobs=rows, timeline=ran))
    assert await ledger.read(pick, ALL, AT_US * 2) == (
        Forgettable(job_id(1), "org/team1", "key-1", (), "south"),
        Forgettable(job_id(1), "org/team1", "", ((1, 0),), "west"),
    )


async def test_a_forgotten_job_leaves_nothing(five: Ledger, path: Path) -> None:
    await commit(five, Writes(jobs_delete=await picked(five, ALL, AT_US * 2)))
    rows = dumped(path)
    assert rows["jobs"] == rows["timeline"] == []
    assert (await five.load_snapshot()).client_keys == []


async def test_a_churn_of_jobs_does_not_grow_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times what is kept goes through, with specs of every size; free pages are used again."""
    monkeypatch.setattr("hanse.ledger.connection.WAL_AUTOCHECKPOINT_PAGES", 100)
    ledger = await Ledger.open(path, region=REGION)
    policy = RetentionPolicy(settled_jobs_max=500)
    wal = path.with_name("ledger.db-wal")
    sizes = []
    for start in range(0, 5000, 250):
        numbers = range(start, start + 250)
        jobs = [done_row(number, spec=b"s" * (number * 7919 % 3000)) for number in numbers]
        await commit(
            ledger, Writes(shapes=[SHAPE_ROW], jobs=jobs, timeline=[timeline_row(each) for each in numbers])
        )
        while forgotten := await picked(ledger, policy, AT_US):
            await commit(ledger, Writes(jobs_delete=forgotten))
        sizes.append(path.stat().st_size + wal.stat().st_size)
    assert await ledger.read(settled_jobs) == 500
    await ledger.close()
    # Its largest size is reached once what is kept and one batch are in it.
    assert max(sizes[8:]) <= 1.1 * max(sizes[:8])
