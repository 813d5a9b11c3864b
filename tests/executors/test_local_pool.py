"""Supervisors that take one task after the other, and what of one task the next may see: nothing."""

from __future__ import annotations

import os
import signal

import pytest

from hanse.executors.local import launcher
from hanse.executors.local.containment import Containment
from hanse.executors.local.processes import all_processes
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


def supervisors_of(engine: Engine) -> list[int]:
    zygote = engine.executor._launcher.pid
    return [stat.id.pid for stat in all_processes() if stat.parent == zygote and not stat.dead]


async def test_a_supervisor_takes_one_task_after_the_other(engine: Engine) -> None:
    jobs = [f"job{number}" for number in range(4)]
    for number, job in enumerate(jobs):
        assert (await engine.run(launch_of(job, "sh", "-c", f"exit {number}"))).exit_code == number
    assert len({engine.supervisor_of(job) for job in jobs}) == 1


async def test_tasks_of_the_same_time_have_a_supervisor_each(engine: Engine) -> None:
    jobs = [f"job{number}" for number in range(4)]
    await engine.executor.launch([launch_of(job, "sleep", "600") for job in jobs])
    for job in jobs:
        await engine.started(job)
    assert len({engine.supervisor_of(job) for job in jobs}) == len(jobs)


async def test_consecutive_tasks_have_pids_of_their_own(engine: Engine) -> None:
    jobs = [f"job{number}" for number in range(4)]
    for job in jobs:
        await engine.run(launch_of(job, "sh", "-c", "echo $$"))
    pids = [(await engine.started(job)).pid for job in jobs]
    assert len(set(pids)) == len(jobs)
    assert [int(await engine.text(job)) for job in jobs] == pids


async def test_the_next_task_sees_nothing_of_the_former(engine: Engine) -> None:
    report = (
        "grep -cE 'Sig(Blk|Ign):.*[1-9a-f]' /proc/self/status; ls /proc/self/fd | wc -l; umask; ls | wc -l"
    )
    await engine.run(launch_of("first", "sh", "-c", report))
    hostile = "trap '' TERM; umask 0; exec 7>/dev/null; touch left; sleep 600 & cd /; exit 0"
    await engine.run(launch_of("former", "sh", "-c", hostile, environment={"SECRET": "1"}))
    assert processes_of("former") == []
    assert (await engine.run(launch_of("next", "sh", "-c", f"{report}; env | grep -c SECRET"))).exit_code == 1
    first, next_ = (await engine.text("first")).split(), (await engine.text("next")).split()
    assert next_ == [*first, "0"]
    assert len({engine.supervisor_of(job) for job in ("first", "former", "next")}) == 1


async def test_what_a_task_mounts_is_its_own(engine: Engine) -> None:
    if engine.containment is not Containment.PID_NAMESPACE:
        pytest.skip("without a namespace a task may mount nothing, or mounts for all")
    place = engine.scratch_of("former")
    looks = f"grep -c ' {place} tmpfs' /proc/mounts"
    await engine.run(launch_of("former", "sh", "-c", f"mount -t tmpfs none {place} && {looks}"))
    await engine.run(launch_of("next", "sh", "-c", looks))
    assert [await engine.text(job) for job in ("former", "next")] == ["1\n", "0\n"]
    assert engine.supervisor_of("former") == engine.supervisor_of("next")


async def test_a_stop_that_came_too_late_does_not_stop_the_next_task(engine: Engine) -> None:
    await engine.run(launch_of("former", "true"))
    await engine.executor.stop(run_of("former"), 0)
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        os.kill(engine.supervisor_of("former"), number)
    await engine.executor.launch([launch_of("next", "sh", "-c", "mkfifo go; read line < go; exit 5")])
    await engine.started("next")
    assert engine.supervisor_of("next") == engine.supervisor_of("former")
    go = engine.scratch_of("next") / "go"
    await until(go.exists, "it waits")
    go.write_text("on\n")
    assert (await engine.ended("next")).exit_code == 5


async def test_a_supervisor_is_stopped_with_each_of_its_tasks(engine: Engine) -> None:
    for job in ("first", "second"):
        await engine.executor.launch([launch_of(job, "sh", "-c", "sleep 600 & wait")])
        await engine.started(job)
        await engine.executor.stop(run_of(job), 10 * SECOND_US)
        assert (await engine.ended(job)).exit_code == 143
        assert processes_of(job) == []
    assert engine.supervisor_of("first") == engine.supervisor_of("second")


async def test_a_supervisor_that_dies_without_a_task_is_not_missed(engine: Engine) -> None:
    await engine.run(launch_of("former", "true"))
    dead = engine.supervisor_of("former")
    os.kill(dead, signal.SIGKILL)
    await until(lambda: not alive(dead), "it is dead")
    assert (await engine.run(launch_of("next", "sh", "-c", "exit 3"))).exit_code == 3
    assert engine.supervisor_of("next") != dead


async def test_supervisors_without_a_task_leave(engine: Engine) -> None:
    await engine.executor.launch([launch_of("a", "true", task=task) for task in range(8)])
    for task in range(8):
        await engine.ended("a", task)
    await until(lambda: supervisors_of(engine) == [], "they are gone")


async def test_supervisors_without_a_task_end_with_the_launcher(engine: Engine) -> None:
    await engine.run(launch_of("a", "true"))
    idle = engine.supervisor_of("a")
    os.kill(engine.executor._launcher.pid, signal.SIGKILL)
    await until(lambda: not alive(idle), "it has ended")
    assert (await engine.run(launch_of("b", "true"))).exit_code == 0


async def test_a_supervisor_whose_launcher_died_finishes_its_task_and_ends(engine: Engine) -> None:
    await engine.executor.launch([launch_of("a", "sh", "-c", "mkfifo go; read line < go; exit 5")])
    await engine.started("a")
    supervisor, go = engine.supervisor_of("a"), engine.scratch_of("a") / "go"
    os.kill(engine.executor._launcher.pid, signal.SIGKILL)
    await until(go.exists, "it waits")
    go.write_text("on\n")
    assert (await engine.ended("a")).exit_code == 5
    await until(lambda: not alive(supervisor), "it has ended")


async def test_supervisors_beyond_those_that_are_kept_have_one_task_each(
    make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = await make_engine()
    change_launcher(engine, monkeypatch, "import hanse.executors.local.pool as pool; pool._KEPT_MAX = 2\n")
    jobs = [f"job{number}" for number in range(4)]
    await engine.executor.launch(
        [launch_of(job, "sh", "-c", "mkfifo go; read line < go; exit 5") for job in jobs]
    )
    for job in jobs:
        await engine.started(job)
    first = {engine.supervisor_of(job) for job in jobs}
    for job in jobs:
        go = engine.scratch_of(job) / "go"
        await until(go.exists, "it waits")
        go.write_text("on\n")
        assert (await engine.ended(job)).exit_code == 5
    later = ["later1", "later2", "later3"]
    await engine.executor.launch([launch_of(job, "true") for job in later])
    for job in later:
        assert (await engine.ended(job)).exit_code == 0
    assert len(first & {engine.supervisor_of(job) for job in later}) == 2


def change_launcher(engine: Engine, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """The next launcher runs this first; it starts when it is needed."""
    first, rest = launcher._PROGRAM.split("\n")
    monkeypatch.setattr(launcher, "_PROGRAM", f"{first}\n{change}{rest}")
    os.kill(engine.executor._launcher.pid, signal.SIGKILL)


async def test_a_launch_that_kills_every_launcher_takes_no_other_along(
    make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = await make_engine()
    deadly = (
        "import os, hanse.executors.local.zygote as zygote; claim = zygote._claim\n"
        "zygote._claim = lambda order, seat: os._exit(1) if 'poison' in order.job_id else claim(order, seat)\n"
    )
    change_launcher(engine, monkeypatch, deadly)
    # A batch for the poison, and some more behind it.
    await engine.executor.launch([launch_of("poison", "true", task=task) for task in range(32)])
    count = 40
    await engine.executor.launch([launch_of("a", "sh", "-c", "exit 4", task=task) for task in range(count)])
    ends = [await engine.ended("a", task) for task in range(count)]
    assert {end.exit_code for end in ends} == {4}
    poisoned = [await engine.ended("poison", task) for task in range(32)]
    assert {(end.launched, end.detail) for end in poisoned} == {
        (False, "its launcher died each time that it was launched")
    }


async def test_what_a_task_leaves_behind_is_dead_before_the_next_begins(engine: Engine) -> None:
    for number in range(3):
        # Left behind outside of the session: only the subreaper, or the namespace, knows it.
        ended = await engine.run(launch_of(f"job{number}", "sh", "-c", "setsid sleep 600 & exit 0"))
        assert ended.exit_code == 0
        assert processes_of(f"job{number}") == []
    assert len({engine.supervisor_of(f"job{number}") for number in range(3)}) == 1
