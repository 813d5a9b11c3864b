"""The watch hub: who is told what, what a broken stream may go on from, and what becomes of slow watchers."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest

from hanse.core.effects import JobChange
from hanse.core.model import limits
from hanse.core.model.jobs import Reason, ReasonCode
from hanse.core.model.lifecycle import JobState
from hanse.daemon.errors import DriverInterrupted, RequestRefused
from hanse.daemon.watch import WatchBatch, WatchFilter, WatchHub

EVERYTHING = WatchFilter()


def change(job_id: str = "north-1", state: JobState = JobState.QUEUED, **fields: str) -> JobChange:
    known = {"tenant": "org", "home": "north", "region": "north", "name": "train", **fields}
    return JobChange(
        job_id=job_id,
        state=state,
        epoch=1,
        attempt=0,
        reason=Reason(ReasonCode.SUBMITTED),
        at_wall_us=1,
        exit_code=0,
        cause="",
        traceparent="",
        **known,
    )


@pytest.fixture
def hub() -> WatchHub:
    hub = WatchHub("north", watchers_max=1_000)
    hub.reset("ledger", 10)
    return hub


def jobs(batch: WatchBatch) -> list[str]:
    return [told.change.job_id for told in batch.changes]


@pytest.mark.parametrize(
    ("wanted", "seen"),
    [
        (EVERYTHING, ["north-1", "north-2", "north-3"]),
        (WatchFilter(job_ids=frozenset({"north-2"})), ["north-2"]),
        (WatchFilter(tenant="other"), ["north-3"]),
        (WatchFilter(states=frozenset({JobState.RUNNING})), ["north-2"]),
        (WatchFilter(name_prefix="eval"), ["north-3"]),
        (WatchFilter(job_ids=frozenset({"north-1"}), tenant="other"), []),
    ],
)
def test_a_watcher_sees_what_matches(hub: WatchHub, wanted: WatchFilter, seen: list[str]) -> None:
    watcher = hub.watch(wanted)

    hub.publish(
        11,
        [
            change("north-1"),
            change("north-2", JobState.RUNNING),
            change("north-3", tenant="other", name="eval-7"),
        ],
    )

    batch = watcher.taken()
    assert jobs(batch) == seen
    assert batch.sequence == 11


def test_jobs_of_a_shard_that_is_led_from_here_are_told_here(hub: WatchHub) -> None:
    """Not those that the shard only owns: their home's shard tells of them."""
    watcher = hub.watch(EVERYTHING)
    of_east = hub.watch(WatchFilter(homes=frozenset({"east"})))

    hub.publish(
        11,
        [
            change("north-1"),
            change("north-2", shard="north"),
            change("east-1", home="east", shard="east"),
            change("west-1", home="west", shard="east"),
            change("north-3", home="north", shard="east"),
        ],
    )

    assert jobs(watcher.taken()) == ["north-1", "north-2", "east-1"]
    assert jobs(of_east.taken()) == ["east-1"]


def test_jobs_of_other_homes_are_told_by_their_homes(hub: WatchHub) -> None:
    watcher = hub.watch(EVERYTHING)

    hub.publish(11, [change("east-1", home="east")])

    assert watcher.taken().changes == ()


async def test_next_waits_for_a_change(hub: WatchHub) -> None:
    watcher = hub.watch(EVERYTHING)

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        taking = group.create_task(watcher.next())
        await asyncio.sleep(0)
        assert not taking.done()
        hub.publish(11, [change()])

    assert jobs(taking.result()) == ["north-1"]


def test_a_broken_stream_goes_on_where_it_stopped(hub: WatchHub) -> None:
    for sequence in (11, 12, 13):
        hub.publish(sequence, [change(f"north-{sequence}")])

    watcher = hub.watch(EVERYTHING, since=("ledger", 11))
    hub.publish(14, [change("north-14")])

    batch = watcher.taken()
    assert jobs(batch) == ["north-12", "north-13", "north-14"]
    assert [told.sequence for told in batch.changes] == [12, 13, 14]


def test_a_list_may_be_ahead_of_the_changes_that_are_on_their_way(hub: WatchHub) -> None:
    watcher = hub.watch(EVERYTHING, since=("ledger", 12))

    for sequence in (11, 12, 13):
        hub.publish(sequence, [change(f"north-{sequence}")])

    assert jobs(watcher.taken()) == ["north-13"]


@pytest.mark.parametrize("since", [("ledger", 9), ("ledger", 1_000), ("other", 11)])
def test_a_position_that_is_not_kept_is_out_of_range(hub: WatchHub, since: tuple[str, int]) -> None:
    hub.publish(11, [change()])

    with pytest.raises(RequestRefused) as caught:
        hub.watch(EVERYTHING, since=since)

    assert caught.value.status is grpc.StatusCode.OUT_OF_RANGE


def test_history_is_bounded_and_forgets_whole_commits(hub: WatchHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WATCH_HISTORY_MAX", 3)
    hub.publish(11, [change("north-1"), change("north-2")])
    hub.publish(12, [change("north-3"), change("north-4")])

    # Half of commit 11 is gone, so that nobody may go on from before it.
    with pytest.raises(RequestRefused):
        hub.watch(EVERYTHING, since=("ledger", 10))
    assert jobs(hub.watch(EVERYTHING, since=("ledger", 11)).taken()) == ["north-3", "north-4"]


def test_a_slow_watcher_gets_the_newest_change_of_each_job(
    hub: WatchHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WATCH_PENDING_CHANGES_MAX", 3)
    watcher = hub.watch(EVERYTHING)
    states = [JobState.QUEUED, JobState.RUNNING, JobState.STOPPING, JobState.CANCELLED]

    for sequence, state in enumerate(states, start=11):
        hub.publish(sequence, [change("north-1", state), change("north-2", state)])

    batch = watcher.taken()
    assert [(told.change.job_id, told.change.state) for told in batch.changes] == [
        ("north-1", JobState.CANCELLED),
        ("north-2", JobState.CANCELLED),
    ]
    assert batch.coalesced == 6
    hub.publish(15, [change("north-1")])
    assert watcher.taken().coalesced == 0


def test_a_watcher_that_is_too_slow_even_so_is_dropped(
    hub: WatchHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WATCH_PENDING_CHANGES_MAX", 3)
    monkeypatch.setattr(limits, "WATCH_PENDING_JOBS_MAX", 5)
    watcher = hub.watch(EVERYTHING)

    for sequence in range(11, 20):
        hub.publish(sequence, [change(f"north-{sequence}")])

    with pytest.raises(RequestRefused) as caught:
        watcher.taken()
    assert caught.value.status is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_rebuilt_region_ends_its_watches(hub: WatchHub) -> None:
    watchers = [hub.watch(EVERYTHING), hub.watch(WatchFilter(job_ids=frozenset({"north-1"})))]

    hub.reset("ledger", 12)

    for watcher in watchers:
        with pytest.raises(DriverInterrupted):
            await watcher.next()
        hub.leave(watcher)
    assert hub.watchers == 0
    with pytest.raises(RequestRefused):
        hub.watch(EVERYTHING, since=("ledger", 11))


def test_watchers_are_bounded_and_leaving_makes_room() -> None:
    hub = WatchHub("north", watchers_max=2)
    watchers = [hub.watch(WatchFilter(job_ids=frozenset({"a", "b"}))), hub.watch(WatchFilter(tenant="org"))]

    with pytest.raises(RequestRefused):
        hub.watch(EVERYTHING)
    for watcher in watchers:
        hub.leave(watcher)
        hub.leave(watcher)

    assert hub.watchers == 0
    hub.watch(EVERYTHING)


def test_a_thousand_watchers_of_single_jobs_cost_a_commit_what_it_changes(hub: WatchHub) -> None:
    watchers = [hub.watch(WatchFilter(job_ids=frozenset({f"north-{i}"}))) for i in range(1_000)]
    commits = [[change(f"north-{commit * 100 + i}") for i in range(100)] for commit in range(10)]

    begin_s = time.perf_counter()
    for sequence, changes in enumerate(commits, start=11):
        hub.publish(sequence, changes)
    elapsed_s = time.perf_counter() - begin_s

    assert all(len(watcher.taken().changes) == 1 for watcher in watchers)
    # A scan of all watchers for each change would take seconds.
    assert elapsed_s < 0.5
