"""What the API reads, page by page."""

from __future__ import annotations

import re
import sqlite3

import msgspec
import pytest

from hanse.core.model.jobs import Reason, ReasonCode
from hanse.core.model.lifecycle import JobState
from hanse.core.rows import JobRow, Writes
from hanse.ledger import ledger as ledger_module
from hanse.ledger.errors import FailedKind, LedgerFailed
from hanse.ledger.ledger import Ledger
from hanse.ledger.queries import (
    PAGE_BYTES_MAX,
    JobFilter,
    JobPage,
    Revision,
    get_job,
    list_jobs,
    recent_jobs,
    revision,
    settled_jobs,
    settled_jobs_of,
    timeline,
)
from tests.ledger.samples import (
    ALLOCATION,
    REMOTE,
    SHAPE_ROW,
    commit,
    done_row,
    job_id,
    job_row,
    job_state_row,
    submits,
    timeline_row,
)


async def listed(ledger: Ledger, wanted: JobFilter, page_size: int = 100) -> list[str]:
    """The ids on all pages."""
    ids: list[str] = []
    after = ""
    while True:
        page = await ledger.read(list_jobs, wanted, after=after, page_size=page_size)
        assert len(page.jobs) <= page_size
        ids += [job.id for job in page.jobs]
        if not page.next_after:
            return ids
        assert page.next_after > after, "paging must come to an end"
        after = page.next_after


async def test_a_job_is_read_with_its_timeline_and_revision(ledger: Ledger) -> None:
    running = job_state_row(1, remote=msgspec.msgpack.encode(REMOTE), path="north,west")
    entries = [timeline_row(1, sequence) for sequence in range(12)]
    await commit(ledger, Writes(shapes=[SHAPE_ROW], jobs=[job_row(1, spec=b"\x00\xff'\"")], timeline=entries))
    await commit(ledger, Writes(job_states=[running]))
    detail = await ledger.read(get_job, job_id(1), with_timeline=True)
    assert detail is not None
    assert detail.revision == Revision(ledger.opened.ledger_id, 2)
    assert detail.timeline == tuple(entries)
    job = detail.job
    assert (job.spec, job.tenant, job.client_key) == (b"\x00\xff'\"", "org/team1", "key-1")
    assert (job.state, job.observed_state) == (JobState.RUNNING, JobState.RUNNING)
    assert (job.allocation, job.remote, job.path) == (ALLOCATION, REMOTE, ("north", "west"))
    assert job.reason == Reason(ReasonCode.STARTED, "2 tasks")


async def test_an_unknown_job_is_none(ledger: Ledger) -> None:
    assert await ledger.read(get_job, "north-404") is None
    assert await ledger.read(timeline, "north-404") == ()


@pytest.mark.parametrize(
    "text", ['"', "\\", "\n\t", "\x01", "ü", "\U0001f680", "null", "'; DROP TABLE jobs; --"]
)
async def test_any_text_survives(ledger: Ledger, text: str) -> None:
    await commit(ledger, Writes(shapes=[SHAPE_ROW], jobs=[job_row(1, name=text, tenant=text)]))
    page = await ledger.read(list_jobs, JobFilter(tenant=text, name_prefix=text))
    assert [job.name for job in page.jobs] == [text]


@pytest.mark.parametrize("page_size", [1, 2, 3, 7, 10, 11, 100])
async def test_pages_hold_every_job_of_this_home_once(ledger: Ledger, page_size: int) -> None:
    writes = submits(0, 10)
    writes.jobs.append(job_row(99, home="south", client_key=""))
    await commit(ledger, writes)
    assert await listed(ledger, JobFilter(), page_size) == [job_id(number) for number in range(10)]


async def test_a_full_last_page_is_the_last_one(ledger: Ledger) -> None:
    await commit(ledger, submits(0, 4))
    page: JobPage = await ledger.read(list_jobs, JobFilter(), page_size=4)
    assert (len(page.jobs), page.next_after) == (4, "")


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (JobFilter(ids=(job_id(3), job_id(1), "north-404")), [1, 3]),
        (JobFilter(tenant="org/team0"), [0, 2, 4]),
        (JobFilter(tenant="org"), []),
        (JobFilter(states=(JobState.SUCCEEDED,)), [4]),
        (JobFilter(states=(JobState.QUEUED, JobState.SUCCEEDED)), [0, 1, 4]),
        # 2 has moved and is known to run elsewhere; of 3 nothing is known but that it moved.
        (JobFilter(states=(JobState.RUNNING,)), [2]),
        (JobFilter(states=(JobState.MOVED,)), [3]),
        (JobFilter(name_prefix="train-"), [0, 1, 2, 3, 4]),
        (JobFilter(name_prefix="train-4"), [4]),
        (JobFilter(name_prefix="%"), []),
        (JobFilter(tenant="org/team1", states=(JobState.QUEUED,), name_prefix="train"), [1]),
    ],
)
@pytest.mark.parametrize("page_size", [1, 2, 100])
async def test_filters(ledger: Ledger, wanted: JobFilter, numbers: list[int], page_size: int) -> None:
    jobs = [
        job_row(0),
        job_row(1),
        job_row(2, state=JobState.MOVED, remote=msgspec.msgpack.encode(REMOTE)),
        job_row(3, state=JobState.MOVED),
        done_row(4),
    ]
    await commit(ledger, Writes(shapes=[SHAPE_ROW], jobs=jobs))
    assert await listed(ledger, wanted, page_size) == [job_id(number) for number in numbers]


async def test_a_filter_that_matches_little_looks_at_a_bounded_number_of_rows(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hanse.ledger.queries.ROWS_EXAMINED_MAX", 10)
    await commit(ledger, submits(0, 35))
    wanted = JobFilter(name_prefix="train-34")
    page: JobPage = await ledger.read(list_jobs, wanted)
    assert (page.jobs, page.next_after) == ((), job_id(9))
    assert await listed(ledger, wanted) == [job_id(34)]


@pytest.mark.parametrize(
    ("wanted", "indexes"),
    [
        (JobFilter(), ["sqlite_autoindex_jobs_1", "jobs_adoptable"]),
        (JobFilter(ids=(job_id(7), job_id(8))), ["sqlite_autoindex_jobs_1", "jobs_adoptable"]),
        (JobFilter(tenant="org/team0"), ["jobs_tenant"]),
    ],
)
async def test_listing_never_sorts_the_whole_table(
    ledger: Ledger, wanted: JobFilter, indexes: list[str]
) -> None:
    await commit(ledger, submits(0, 50))
    seen: list[str] = []
    reader = ledger._readers[0]
    await reader.set_trace_callback(seen.append)
    await reader.run(list_jobs, wanted)
    (query,) = [each for each in seen if "examined" in each]
    plan = " ".join([row[3] for row in await reader.execute_fetchall(f"EXPLAIN QUERY PLAN {query}")])
    assert re.findall(r"\w+ jobs USING INDEX (\w+)", plan) == indexes
    assert "SCAN jobs" not in plan
    assert "TEMP B-TREE" not in plan


async def test_a_job_and_its_timeline_are_found_by_an_index(ledger: Ledger) -> None:
    seen: list[str] = []
    reader = ledger._readers[0]
    await commit(ledger, submits(0, 5))
    await reader.set_trace_callback(seen.append)
    await reader.run(get_job, job_id(1), with_timeline=True)
    plans = [
        row[3] for each in list(seen) for row in await reader.execute_fetchall(f"EXPLAIN QUERY PLAN {each}")
    ]
    read = [step for step in plans if re.match(r"\w+ (jobs|timeline)\b", step)]
    assert len(read) >= 3
    assert all(step.startswith("SEARCH") for step in read), plans


# --- adoptable jobs: several rows of one ---------------------------------------------------------------------------


def moved(number: int, shard: str, epoch: int = 1, **columns: object) -> JobRow:
    """It left this shard at this epoch."""
    return job_row(
        number, shard=shard, state=JobState.MOVED, epoch=epoch, transfer_epoch=epoch + 1, **columns
    )


def running(number: int, shard: str, epoch: int = 2, **columns: object) -> JobRow:
    """It runs in this shard, which is not its home's."""
    return job_row(
        number,
        shard=shard,
        state=JobState.RUNNING,
        epoch=epoch,
        attempt=3,
        client_key="",
        allocation=msgspec.msgpack.encode(ALLOCATION),
        **columns,
    )


async def test_the_home_answers_where_its_shard_is_led_from_here_and_the_owner_knows_of_runs(
    ledger: Ledger,
) -> None:
    home = moved(1, "north", remote=msgspec.msgpack.encode(REMOTE))
    await commit(ledger, Writes(shapes=[SHAPE_ROW], jobs=[running(1, "west"), home, moved(1, "south", 0)]))
    detail = await ledger.read(get_job, job_id(1))
    assert detail is not None
    assert (detail.job.shard, detail.job.state, detail.job.observed_state) == (
        "north",
        JobState.MOVED,
        JobState.RUNNING,
    )
    assert (detail.owner.shard, detail.owner.attempt, detail.owner.allocation) == ("west", 3, ALLOCATION)


async def test_the_owner_answers_where_the_homes_shard_is_led_elsewhere(ledger: Ledger) -> None:
    """It came back to the south at a higher epoch than it had in the west."""
    rows = [running(1, "south", 4), moved(1, "west", 3), moved(1, "east", 2)]
    await commit(ledger, Writes(shapes=[SHAPE_ROW], jobs=rows))
    detail = await ledger.read(get_job, job_id(1))
    assert detail is not None
    assert detail.job == detail.owner
    assert (detail.job.shard, detail.job.epoch) == ("south", 4)


@pytest.mark.parametrize("page_size", [1, 2, 3, 5, 7, 100])
@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (JobFilter(), [0, 1, 2, 3, 4, 5]),
        (JobFilter(tenant="org/team0"), [0, 2, 4]),
        (JobFilter(tenant="org/team1", name_prefix="train-"), [1, 3, 5]),
        (JobFilter(ids=(job_id(2), job_id(3), job_id(4))), [2, 3, 4]),
        # Of 2 the home says that it moved, and nobody has told it more, though a row from here says that it runs.
        (JobFilter(states=(JobState.RUNNING,)), [3, 5]),
        (JobFilter(states=(JobState.MOVED,)), [2]),
        (JobFilter(states=(JobState.QUEUED, JobState.SUCCEEDED), tenant="org/team0"), [0, 4]),
    ],
)
async def test_a_list_shows_every_job_once_by_the_row_that_answers(
    ledger: Ledger, wanted: JobFilter, numbers: list[int], page_size: int
) -> None:
    jobs = [
        job_row(0),
        job_row(1, shard="north"),
        moved(2, "north"),
        running(2, "west"),
        moved(3, "south", 0),
        moved(3, "east", 1),
        running(3, "west"),
        done_row(4, shard="south", epoch=3),
        running(4, "east", 2),
        moved(5, "north", remote=msgspec.msgpack.encode(REMOTE)),
        done_row(5, shard="west", epoch=2, client_key=""),
        running(6, "west", home="south"),
    ]
    await commit(ledger, Writes(shapes=[SHAPE_ROW], jobs=jobs))
    assert await listed(ledger, wanted, page_size) == [job_id(number) for number in numbers]
    page: JobPage = await ledger.read(list_jobs, JobFilter(ids=tuple(map(job_id, range(7)))), page_size=100)
    assert [job.shard for job in page.jobs] == ["", "north", "north", "west", "south", "north"]


async def test_a_list_looks_at_a_bounded_number_of_rows_of_both_kinds(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hanse.ledger.queries.ROWS_EXAMINED_MAX", 10)
    rows = [job_row(number, shard="" if number % 3 else "north") for number in range(35)]
    rows += [running(number, "west") for number in range(0, 35, 6)]
    await commit(ledger, Writes(shapes=[SHAPE_ROW], jobs=rows))
    wanted = JobFilter(name_prefix="train-33")
    page: JobPage = await ledger.read(list_jobs, wanted)
    assert (page.jobs, page.next_after) == ((), job_id(9))
    assert await listed(ledger, wanted) == [job_id(33)]


async def test_timelines_of_all_shards_are_merged_by_time_and_keep_their_own_order(ledger: Ledger) -> None:
    entries = [
        timeline_row(1, 0, "QUEUED", "north", 0),
        timeline_row(1, 1, "XFER", "north", 10),
        # The clock was set back.
        timeline_row(1, 2, "MOVED", "north", 4),
        timeline_row(1, 0, "QUEUED", "west", 11),
        timeline_row(1, 1, "RUNNING", "west", 20),
        timeline_row(1, 3, "RUNNING in west", "north", 21),
        timeline_row(1, 0, "CANCEL", "", 30),
    ]
    other = [timeline_row(2, 0, "QUEUED", "north"), timeline_row(2, 0, "QUEUED", "west")]
    # Shards that had the job once may have no row of it any more.
    await commit(
        ledger, Writes(shapes=[SHAPE_ROW], jobs=[job_row(1, shard="north")], timeline=entries + other)
    )
    detail = await ledger.read(get_job, job_id(1), with_timeline=True)
    assert detail is not None
    assert [entry.what for entry in detail.timeline] == [
        "QUEUED",
        "XFER",
        "MOVED",
        "QUEUED",
        "RUNNING",
        "RUNNING in west",
        "CANCEL",
    ]
    assert await ledger.read(timeline, job_id(1)) == detail.timeline


async def test_an_inquest_is_told_of_wait_jobs_alone(ledger: Ledger) -> None:
    await commit(ledger, Writes(shapes=[SHAPE_ROW], jobs=[done_row(1), done_row(2, shard="south")]))
    found = await ledger.read(settled_jobs, (job_id(1), job_id(2)))
    assert [job.id for job in found] == [job_id(1)]


async def test_settled_wait_jobs_of_a_home_are_paged_past_those_of_its_shard(ledger: Ledger) -> None:
    rows = [done_row(number, shard="north" if number % 2 else "") for number in range(8)]
    await commit(ledger, Writes(shapes=[SHAPE_ROW], jobs=[*rows, job_row(9)]))
    seen: list[str] = []
    reader = ledger._readers[0]
    await reader.set_trace_callback(seen.append)
    first = await reader.run(settled_jobs_of, "north", "", 3)
    assert [job.id for job in first] == [job_id(number) for number in (0, 2, 4)]
    rest = await reader.run(settled_jobs_of, "north", first[-1].id, 3)
    assert [job.id for job in rest] == [job_id(6)]
    query = next(each for each in seen if "LIMIT" in each)
    plan = " ".join([row[3] for row in await reader.execute_fetchall(f"EXPLAIN QUERY PLAN {query}")])
    assert "SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 (shard=? AND id>? AND id<?)" in plan
    assert "TEMP B-TREE" not in plan


async def test_queries_beyond_the_bound_are_told_to_come_back(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "READS_IN_FLIGHT_MAX", 0)
    with pytest.raises(LedgerFailed) as caught:
        await ledger.read(revision)
    assert caught.value.kind is FailedKind.BUSY
    monkeypatch.undo()
    assert (await ledger.read(revision)).write_sequence == 0


async def test_a_query_that_fails_does_not_fail_the_ledger(ledger: Ledger) -> None:
    def wrong(connection: sqlite3.Connection) -> None:
        connection.execute("SELECT * FROM nowhere")

    with pytest.raises(Exception, match="no such table"):
        await ledger.read(wrong)
    await commit(ledger, submits(0, 1))
    assert len(await listed(ledger, JobFilter())) == 1


async def test_a_page_of_large_specs_ends_early_and_goes_on(ledger: Ledger) -> None:
    large = bytes(PAGE_BYTES_MAX // 2)
    rows = [job_row(number, spec=large) for number in range(4)]
    await commit(ledger, Writes(shapes=[SHAPE_ROW], jobs=rows))
    page: JobPage = await ledger.read(list_jobs, JobFilter(), page_size=4)
    assert [job.id for job in page.jobs] == [job_id(0), job_id(1)]
    assert await listed(ledger, JobFilter(), 4) == [job_id(number) for number in range(4)]


@pytest.mark.parametrize("page_size", [1, 2, 100])
@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (JobFilter(), [0, 1, 2, 3]),
        (JobFilter(homes=("north",)), [0, 3]),
        (JobFilter(homes=("south",)), [1, 2]),
        (JobFilter(homes=("south", "north"), tenant="org/team1"), [1, 3]),
        (JobFilter(homes=("south",), tenant="org/team0"), [2]),
        (JobFilter(homes=("south",), name_prefix="train-1"), [1]),
        (JobFilter(homes=("east",)), []),
    ],
)
async def test_jobs_of_a_shard_that_is_led_from_here_are_listed_under_their_home(
    ledger: Ledger, wanted: JobFilter, numbers: list[int], page_size: int
) -> None:
    """What is only owned here is its home's to list."""
    jobs = [
        job_row(0, shard="north"),
        job_row(1, shard="south", home="south"),
        moved(2, "south", home="south"),
        running(2, "north", home="south"),
        job_row(3),
        job_row(4, home="east"),
        running(5, "south", home="east"),
    ]
    await commit(ledger, Writes(shapes=[SHAPE_ROW], jobs=jobs))

    assert await listed(ledger, wanted, page_size) == [job_id(number) for number in numbers]


async def test_recent_jobs_are_of_all_kinds_each_once_by_its_owners_row(ledger: Ledger) -> None:
    rows = [
        done_row(1, ended_wall_us=100, submitted_wall_us=1),
        done_row(2, ended_wall_us=300, submitted_wall_us=2, shard="north"),
        done_row(3, ended_wall_us=200, submitted_wall_us=3),
        job_row(4, submitted_wall_us=4),
        job_row(5, submitted_wall_us=5, shard="north", epoch=1),
        job_row(5, submitted_wall_us=5, shard="south", epoch=2),
    ]
    await commit(ledger, Writes(shapes=[SHAPE_ROW], jobs=rows))
    found = await ledger.read(recent_jobs, 2)
    assert [(job.id, job.shard) for job in found] == [
        (job_id(2), "north"),
        (job_id(3), ""),
        (job_id(4), ""),
        (job_id(5), "south"),
    ], "the last two that ended and the two that have not"
