"""The dead-man's switch: what lives by a lease dies with it, whether or not there is a daemon."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from hanse.core.events import FoundTask, TaskEnded
from hanse.executors.errors import LeaseNotTold
from hanse.executors.local import leases
from hanse.executors.local.kernel import boottime_us
from hanse.executors.local.leases import LEASES, LeaseFiles
from hanse.executors.local.supervisor import LEASE_EXPIRED, Lease, lease_of
from hanse.executors.port import TaskLease
from tests.executors.conftest import (
    SECOND_US,
    Engine,
    MakeEngine,
    alive,
    launch_of,
    processes_of,
    run_of,
    until,
)

STUBBORN = "trap '' TERM; setsid sleep 600 & echo; while :; do sleep 1; done"
HOUR_US = 3_600 * SECOND_US


def lease(for_us: int, length_us: int = 5 * SECOND_US, shard: str = "north") -> dict[str, TaskLease]:
    return {"lease": TaskLease(shard=shard, until_us=boottime_us() + for_us, length_us=length_us)}


@pytest.mark.parametrize(
    ("length_us", "grace_us", "switch"),
    [
        (0, 10, None),
        (600, 0, Lease(term_us=1000, kill_us=1000)),
        (600, 5, Lease(term_us=995, kill_us=1000)),
        (600, 999, Lease(term_us=940, kill_us=1000)),
    ],
)
def test_sigterm_comes_the_grace_or_a_tenth_of_the_lease_before_the_end(
    length_us: int, grace_us: int, switch: Lease | None
) -> None:
    assert lease_of(1000, length_us, grace_us) == switch


async def test_the_end_of_a_lease_ends_the_task(engine: Engine) -> None:
    begin_us = boottime_us()
    await engine.executor.launch([launch_of("a", "sleep", "600", **lease(800_000))])
    ended = await engine.ended("a")
    assert (ended.exit_code, ended.lease_ended, ended.detail) == (143, True, LEASE_EXPIRED)
    assert boottime_us() - begin_us >= 300_000


async def test_the_end_of_a_lease_kills_what_does_not_listen(engine: Engine) -> None:
    begin_us = boottime_us()
    await engine.executor.launch([launch_of("a", "sh", "-c", STUBBORN, **lease(900_000))])
    ended = await engine.ended("a")
    assert (ended.exit_code, ended.lease_ended) == (137, True)
    assert boottime_us() - begin_us >= 900_000
    assert processes_of("a") == []


async def test_what_ends_or_is_stopped_in_time_did_not_end_with_its_lease(engine: Engine) -> None:
    assert not (await engine.run(launch_of("a", "false", **lease(HOUR_US)))).lease_ended
    await engine.executor.launch([launch_of("b", "sleep", "600", **lease(HOUR_US))])
    await engine.started("b")
    await engine.executor.stop(run_of("b"), SECOND_US)
    assert not (await engine.ended("b")).lease_ended


async def test_a_lease_that_is_over_already_starts_nothing(engine: Engine) -> None:
    ended = await engine.run(launch_of("a", "touch", str(engine.directory / "ran"), **lease(-1)))
    assert (ended.launched, ended.lease_ended, ended.detail) == (False, True, LEASE_EXPIRED)
    assert not (engine.directory / "ran").exists()


async def test_one_renewal_saves_all_tasks_of_the_shard_and_no_others(engine: Engine) -> None:
    short = lease(1_500_000, SECOND_US)
    other = lease(1_500_000, SECOND_US, "east")
    await engine.executor.launch([launch_of(job, "sleep", "600", **short) for job in ("a", "b")])
    await engine.executor.launch([launch_of("c", "sleep", "600", **other)])
    for job in ("a", "b", "c"):
        await engine.started(job)
    engine.executor.extend("north", boottime_us() + HOUR_US)
    engine.executor.extend("north", 1)
    assert (await engine.ended("c")).lease_ended
    await until(lambda: boottime_us() > short["lease"].until_us + 200_000, "the first lease is over")
    assert engine.reports_of(TaskEnded, "a") == engine.reports_of(TaskEnded, "b") == []
    # What comes later finds it as well.
    assert (await engine.run(launch_of("d", "true", **lease(-1)))).exit_code == 0


async def test_what_is_stopped_while_the_lease_is_renewed_has_all_of_its_grace(engine: Engine) -> None:
    saves = "trap 'sleep 1; exit 7' TERM; echo; while :; do sleep 0.02; done"
    short = lease(1_000_000, SECOND_US)
    await engine.executor.launch([launch_of("a", "sh", "-c", saves, **short)])
    await until(lambda: engine.log_of("a").exists() and engine.log_of("a").stat().st_size > 0, "it listens")
    await engine.executor.stop(run_of("a"), 60 * SECOND_US)
    engine.executor.extend("north", boottime_us() + HOUR_US)
    ended = await engine.ended("a")
    assert (ended.exit_code, ended.lease_ended) == (7, False)


async def test_tasks_die_with_their_lease_while_nobody_is_there_and_the_next_life_hears_why(
    make_engine: MakeEngine,
) -> None:
    engine = await make_engine()
    short = lease(1_500_000, SECOND_US)
    await engine.executor.launch([launch_of(job, "sh", "-c", STUBBORN, **short) for job in ("a", "b")])
    pids = [(await engine.started(job)).pid for job in ("a", "b")]
    frozen = engine.supervisor_of("b")
    os.kill(frozen, signal.SIGSTOP)
    await engine.close()
    await until(lambda: not alive(pids[0]), "its supervisor has killed it")
    assert boottime_us() >= short["lease"].until_us

    found = {each.run: each for each in (await make_engine()).found}
    assert isinstance(found[run_of("a")], FoundTask)
    ended = found[run_of("a")].ended
    assert ended is not None
    assert (ended.exit_code, ended.lease_ended) == (137, True)
    # A frozen supervisor enforces nothing until it goes on.
    assert found[run_of("b")].ended is None
    assert {each.shard for each in found.values()} == {"north"}
    os.kill(frozen, signal.SIGCONT)
    await until(lambda: not alive(pids[1]), "it kills when it can")


async def test_a_life_that_follows_renews_what_it_found(make_engine: MakeEngine) -> None:
    engine = await make_engine()
    short = lease(2_000_000, SECOND_US)
    await engine.executor.launch([launch_of("a", "sleep", "600", **short)])
    pid = (await engine.started("a")).pid
    engine = await make_engine()
    engine.executor.extend("north", boottime_us() + HOUR_US)
    await until(lambda: boottime_us() > short["lease"].until_us + 200_000, "the first lease is over")
    assert alive(pid)


# --- the files -------------------------------------------------------------------------------------------------------


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    (tmp_path / LEASES).mkdir()
    monkeypatch.chdir(tmp_path)
    return os.open(LEASES, os.O_RDONLY | os.O_DIRECTORY)


def test_a_lease_only_gets_longer_also_from_one_life_to_the_next(directory: int) -> None:
    path = f"{LEASES}/north"
    assert leases.until_us(path) == 0
    files = LeaseFiles(directory, "boot-1")
    for until_us in (50, 70, 60):
        files.extend("north", until_us)
    assert leases.until_us(path) == 70
    files.close()
    files = LeaseFiles(directory, "boot-1")
    files.sweep()
    files.extend("north", 65)
    assert leases.until_us(path) == 70
    files.extend("north", 10**17)
    assert leases.until_us(path) == 10**17


def test_what_another_boot_has_left_goes(directory: int) -> None:
    for text in ("7 7 other", "7 7", "", "x"):
        (Path(LEASES) / "north").write_text(text)
        LeaseFiles(directory, "this").sweep()
        assert leases.until_us(f"{LEASES}/north") == 0
        assert list(Path(LEASES).iterdir()) == []


def test_half_a_write_is_not_believed(directory: int) -> None:
    (Path(LEASES) / "north").write_text(f"{70:020d} {60:020d} boot\n")
    assert leases.until_us(f"{LEASES}/north") == 0


def test_readers_see_a_lease_that_was_written_while_it_is_being_renewed(directory: int) -> None:
    files = LeaseFiles(directory, "boot")
    files.extend("north", 1)
    done = threading.Event()

    def renew() -> None:
        for until_us in range(2, 20_000):
            files.extend("north", until_us * 0x1000_0001)
        done.set()

    thread = threading.Thread(target=renew)
    thread.start()
    seen = [1]
    while not done.is_set():
        seen.append(leases.until_us(f"{LEASES}/north"))
    thread.join()
    assert seen == sorted(seen)
    assert all(each == 1 or each % 0x1000_0001 == 0 for each in seen)


async def test_a_lease_that_cannot_be_written_is_the_callers_to_know(engine: Engine) -> None:
    (engine.directory / LEASES).rmdir()
    with pytest.raises(LeaseNotTold):
        engine.executor.extend("north", boottime_us() + HOUR_US)
