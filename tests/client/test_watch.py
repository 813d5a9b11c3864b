"""Watching and waiting: broken streams, compaction, silence, and outages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import grpc
import pytest

from hanse.client import AsyncClient, NotFoundError, RetryPolicy, UnreachableError, WaitTimeoutError
from hanse.client import calls as calls_module
from hanse.client import wait as wait_module
from hanse.client.messages import JobChange, JobFilter, state_name
from hanse.client.watch import EXPIRED
from tests.client.conftest import QUICK
from tests.client.league import League


async def take(changes: AsyncIterator[JobChange], count: int) -> list[tuple[str, str]]:
    async with asyncio.timeout(10):
        found = [await anext(changes) for _ in range(count)]
    return [(change.job_id, state_name(change.state)) for change in found]


async def until(condition: Callable[[], object]) -> None:
    """Let the others run until `condition()` holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the servers share this loop: one turn is all they need
            await asyncio.sleep(0)


async def test_the_present_state_comes_first_then_every_change(client: AsyncClient, league: League) -> None:
    job = league.add("north")
    async with aclosing(client.watch()) as changes:
        assert await take(changes, 1) == [(job, "QUEUED")]
        await league.change(job, "RUNNING")
        await league.change(job, "SUCCEEDED")
        assert await take(changes, 2) == [(job, "RUNNING"), (job, "SUCCEEDED")]


async def test_a_broken_stream_resumes_after_what_was_seen(client: AsyncClient, league: League) -> None:
    north, east = league.add("north"), league.add("east")
    async with aclosing(client.watch()) as changes:
        assert await take(changes, 2) == [(north, "QUEUED"), (east, "QUEUED")]
        await league.change(north, "RUNNING")
        assert await take(changes, 1) == [(north, "RUNNING")]
        await league.break_streams()
        await league.change(east, "RUNNING")
        await league.change(north, "SUCCEEDED")
        assert await take(changes, 2) == [(east, "RUNNING"), (north, "SUCCEEDED")]
    assert league.watches == 2


async def test_after_compaction_what_was_missed_is_made_up_for(client: AsyncClient, league: League) -> None:
    ended, running, quiet = league.add("north"), league.add("east"), league.add("north")
    async with aclosing(client.watch()) as changes:
        await take(changes, 3)
        league.record(ended, "RUNNING")
        league.record(ended, "FAILED")
        league.record(running, "RUNNING")
        league.compact()
        await league.break_streams()
        # One change for each job that differs, none for the one that does not.
        assert await take(changes, 2) == [(ended, "FAILED"), (running, "RUNNING")]
        await league.change(quiet, "RUNNING")
        assert await take(changes, 1) == [(quiet, "RUNNING")]


async def test_a_job_that_is_no_longer_kept_is_reported_as_expired(
    client: AsyncClient, league: League
) -> None:
    job = league.add("north")
    async with aclosing(client.watch()) as changes:
        await take(changes, 1)
        del league.jobs[job]
        league.sequence += 1
        league.compact()
        await league.break_streams()
        async with asyncio.timeout(10):
            change = await anext(changes)
    assert (change.job_id, change.reason.code) == (job, EXPIRED)


async def test_nothing_follows_a_final_state(client: AsyncClient, league: League) -> None:
    job, other = league.add("north"), league.add("north")
    async with aclosing(client.watch()) as changes:
        await take(changes, 2)
        await league.change(job, "SUCCEEDED")
        assert await take(changes, 1) == [(job, "SUCCEEDED")]
        # What a listing had overtaken is not told once more.
        await league.change(job, "RUNNING")
        await league.change(other, "RUNNING")
        assert await take(changes, 1) == [(other, "RUNNING")]


async def test_a_stream_that_cannot_be_resumed_raises_in_the_end(
    league: League, addresses: list[str]
) -> None:
    league.fail("WatchJobs", grpc.StatusCode.UNAVAILABLE, times=1000)
    impatient = RetryPolicy(retry_for_s=0.05, backoff_s=0.005, backoff_max_s=0.01)
    async with AsyncClient(addresses, retry=impatient) as client, aclosing(client.watch()) as changes:
        with pytest.raises(UnreachableError):
            await take(changes, 1)


async def test_a_silent_region_is_probed_and_left(
    client: AsyncClient, league: League, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls_module, "STREAM_QUIET_S", 0.05)
    job = league.add("north")
    async with aclosing(client.watch()) as changes:
        await take(changes, 1)
        league.fail("GetStatus", grpc.StatusCode.UNAVAILABLE)
        async with asyncio.TaskGroup() as tasks:
            taken = tasks.create_task(take(changes, 1))
            await until(lambda: league.watches == 2)
            await league.change(job, "RUNNING")
    assert taken.result() == [(job, "RUNNING")]
    assert [region for method, region in league.calls if method == "WatchJobs"] == ["north", "east"]


async def test_wait_returns_all_jobs_in_the_order_asked_for(client: AsyncClient, league: League) -> None:
    first, second = league.add("north"), league.add("east", state="FAILED")
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(client.wait([first, second], timeout_s=10))
        await until(lambda: league.watches)
        await league.change(first, "SUCCEEDED", exit_code=0)
    jobs = waiting.result()
    assert [(job_id, state_name(job.state)) for job_id, job in jobs.items()] == [
        (first, "SUCCEEDED"),
        (second, "FAILED"),
    ]


async def test_wait_survives_a_broken_stream_and_compaction(client: AsyncClient, league: League) -> None:
    job_ids = [league.add("north") for _ in range(3)]
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(client.wait(job_ids, timeout_s=10))
        await until(lambda: league.watches == 1)
        await league.change(job_ids[0], "SUCCEEDED")
        await league.break_streams()
        await until(lambda: league.watches == 2)
        league.record(job_ids[1], "FAILED")
        league.compact()
        league.fail("WatchJobs", grpc.StatusCode.UNAVAILABLE, times=2)
        await league.break_streams()
        await until(lambda: league.watches == 3)
        await league.change(job_ids[2], "CANCELLED")
    states = [state_name(job.state) for job in waiting.result().values()]
    assert states == ["SUCCEEDED", "FAILED", "CANCELLED"]


async def test_wait_does_not_depend_on_the_watch(
    client: AsyncClient, league: League, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait_module, "WAIT_RELIST_S", 0.02)
    league.mute = True
    job = league.add("north")
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(client.wait([job], timeout_s=10))
        await until(lambda: league.watches)
        league.record(job, "SUCCEEDED")
    assert waiting.result()[job].state == league.jobs[job].state


async def test_wait_sits_out_an_outage_of_a_home(client: AsyncClient, league: League) -> None:
    job = league.add("east")
    league.unreachable.add("east")
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(client.wait([job], timeout_s=10))
        await until(lambda: len([1 for method, _ in league.calls if method == "GetJob"]) > 2)
        league.record(job, "SUCCEEDED")
        league.unreachable.clear()
    assert state_name(waiting.result()[job].state) == "SUCCEEDED"


async def test_wait_tells_what_is_pending_when_time_is_up(client: AsyncClient, league: League) -> None:
    ended, pending = league.add("north", state="SUCCEEDED"), league.add("north")
    with pytest.raises(WaitTimeoutError, match="1 of 2 jobs") as raised:
        await client.wait([ended, pending], timeout_s=0.1)
    assert raised.value.pending == (pending,)


async def test_wait_for_a_job_that_does_not_exist_fails_at_once(client: AsyncClient, league: League) -> None:
    with pytest.raises(NotFoundError, match="north-nope"):
        await client.wait([league.add("north"), "north-nope"], timeout_s=10)


async def test_wait_for_nothing_returns_at_once(client: AsyncClient) -> None:
    assert await client.wait([]) == {}


async def test_list_goes_over_all_pages(client: AsyncClient, league: League) -> None:
    league.page_size_max = 3
    job_ids = [league.add("north") for _ in range(8)]
    assert [job.id async for job in client.list(JobFilter(homes=["north"]))] == job_ids
    assert [job.id async for job in client.list(JobFilter(homes=["east"]))] == []


async def test_cancel_gives_one_result_per_id(client: AsyncClient, league: League) -> None:
    queued, ended = league.add("north"), league.add("north", state="SUCCEEDED")
    results = await client.cancel([queued, ended])
    assert [(result.job_id, result.HasField("refusal")) for result in results] == [
        (queued, False),
        (ended, True),
    ]


async def test_logs_resume_at_the_byte_where_they_broke(client: AsyncClient, league: League) -> None:
    job = league.add("north", state="RUNNING")
    league.output = bytes(range(256)) * 10
    league.break_after_bytes = 500
    league.output_ended = True
    pieces = [piece async for piece in client.logs(job, follow=True)]
    assert b"".join(piece.data for piece in pieces) == league.output
    assert [piece.next_offset for piece in pieces] == [500, 1000, 1500, 2000, 2500, 2560]


async def test_followed_logs_go_on_when_more_is_written(client: AsyncClient, league: League) -> None:
    job = league.add("north", state="RUNNING")
    league.output = b"one\n"
    async with aclosing(client.logs(job, follow=True)) as pieces:
        assert (await anext(pieces)).data == b"one\n"
        league.output += b"two\n"
        await league.break_streams()
        assert (await anext(pieces)).data == b"two\n"
        league.output_ended = True
        await league.announce()
        with pytest.raises(StopAsyncIteration):
            await anext(pieces)


def test_retry_waits_grow_to_the_cap_and_honour_hints() -> None:
    from hanse.client.retry import backoff_s

    waits = [backoff_s(QUICK, failures, None, 0.0) for failures in range(1, 10)]
    assert waits == sorted(waits)
    assert waits[-1] == QUICK.backoff_max_s / 2
    assert backoff_s(QUICK, 1, 2.0, 0.0) == 2.0
    assert backoff_s(QUICK, 1, 10_000.0, 0.0) == 60.0
