"""One task at a time: how it starts, what it says, how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from hanse.core.events import TaskEnded, TaskStarted
from hanse.executors.local.records import Record, parse_record
from tests.executors.conftest import (
    DEADLINE_S,
    SECOND_US,
    Engine,
    alive,
    launch_of,
    processes_of,
    run_of,
    until,
)


def record_of(engine: Engine, job: str, task: int = 0) -> Record:
    return parse_record(engine.record_of(job, task).read_bytes())


async def test_exit_code_and_times_are_reported_once_and_in_order(engine: Engine) -> None:
    ended = await engine.run(launch_of("a", "sh", "-c", "exit 7", cause="c1"))
    assert (ended.exit_code, ended.signal, ended.launched, ended.cause) == (7, 0, True, "c1")
    assert 0 < ended.started_wall_us <= ended.ended_wall_us
    assert [type(report) for report in engine.reports] == [TaskStarted, TaskEnded]


async def test_death_by_signal_is_128_plus_signal(engine: Engine) -> None:
    ended = await engine.run(launch_of("a", "sh", "-c", "kill -ABRT $$"))
    assert (ended.exit_code, ended.signal) == (128 + signal.SIGABRT, signal.SIGABRT)


async def test_usage_is_on_record(engine: Engine) -> None:
    await engine.run(launch_of("a", "sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"))
    ended = record_of(engine, "a").ended
    assert ended is not None
    assert ended.user_us > 0
    assert ended.memory_max_bytes > 0


async def test_output_goes_to_its_stream(engine: Engine) -> None:
    await engine.run(launch_of("a", "sh", "-c", "echo out; echo err >&2"))
    assert await engine.text("a", "stdout") == "out\n"
    assert await engine.text("a", "stderr") == "err\n"


async def test_output_beyond_the_cap_keeps_head_and_tail_and_counts_the_rest(engine: Engine) -> None:
    lines, cap = 100_000, 64 * 1024
    await engine.run(launch_of("a", "seq", "-w", str(lines), log_bytes_max=cap))
    chunks = await engine.chunks("a")
    text = b"".join(chunk.data for chunk in chunks)
    assert text.startswith(b"000001\n000002\n")
    assert text.endswith(b"099999\n100000\n")
    assert len(text) <= cap
    assert chunks[-1].next_offset == 7 * lines
    assert chunks[-1].dropped == 7 * lines - len(text)


async def test_a_task_has_exactly_its_environment_three_descriptors_and_a_scratch_directory(
    engine: Engine,
) -> None:
    launch = launch_of(
        "a", "sh", "-c", "env; ls /proc/self/fd | wc -l; pwd", environment={"PWD": "", "X": "y"}
    )
    assert (await engine.run(launch)).exit_code == 0
    *environment, descriptors, directory = (await engine.text("a")).splitlines()
    inherited = {pair for pair in environment if not pair.startswith(("PWD=", "SHLVL=", "_="))}
    assert inherited == {f"{name}={value}" for name, value in launch.environment if name != "PWD"}
    assert int(descriptors) == 4  # ls opens the directory that it lists
    assert Path(directory) == engine.scratch_of("a")


async def test_a_task_starts_with_default_signals(engine: Engine) -> None:
    await engine.run(launch_of("a", "grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"))
    masks = [int(line.split()[1], 16) for line in (await engine.text("a")).splitlines()]
    assert masks == [0, 0]


async def test_the_reported_pid_is_the_one_that_the_task_sees(engine: Engine) -> None:
    await engine.executor.launch([launch_of("a", "sh", "-c", "echo $$; exec sleep 60")])
    started = await engine.started("a")
    assert processes_of("a") == [started.pid]
    await until(engine.log_of("a").exists, "it has said its own")
    await engine.executor.stop(run_of("a"), SECOND_US)
    await engine.ended("a")
    assert int(await engine.text("a")) == started.pid


@pytest.mark.parametrize(
    ("launch", "detail"),
    [
        (launch_of("a", "no-such-program"), "no-such-program: not found on PATH"),
        (launch_of("a", "/no/such/program"), "/no/such/program: No such file or directory"),
        (launch_of("a", "/etc/passwd"), "/etc/passwd: Permission denied"),
        (launch_of("a", "true", working_directory="/no/where"), "working directory '/no/where'"),
        (launch_of("a"), "the command is empty"),
        (launch_of("a", "tr\0ue"), "NUL"),
        (launch_of("a" * 200, "true"), "no file name"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_cannot_be_launched_is_reported_with_the_reason(
    engine: Engine, launch, detail: str
) -> None:
    ended = await engine.run(launch)
    assert not ended.launched
    assert detail in ended.detail
    assert not any(isinstance(report, TaskStarted) for report in engine.reports)


async def test_a_stubborn_task_is_killed_after_its_grace_with_its_children(engine: Engine) -> None:
    script = "trap '' TERM; sleep 600 & echo ready; while :; do wait; done"
    await engine.executor.launch([launch_of("a", "sh", "-c", script)])
    await engine.started("a")
    await until(lambda: len(processes_of("a")) >= 2, "it has its child")
    await engine.executor.stop(run_of("a"), 100_000)
    ended = await engine.ended("a")
    assert (ended.exit_code, ended.signal, ended.detail, ended.stopped) == (137, 9, "stopped", True)
    assert processes_of("a") == []


async def test_who_ends_with_0_after_a_stop_was_stopped_and_who_does_before_was_not(engine: Engine) -> None:
    script = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done"
    await engine.executor.launch([launch_of("a", "sh", "-c", script), launch_of("b", "true")])
    by_itself = await engine.ended("b")
    await engine.executor.stop(run_of("b"), SECOND_US)
    await until(lambda: engine.log_of("a").exists() and bool(engine.log_of("a").read_bytes()), "it listens")
    await engine.executor.stop(run_of("a"), 10 * SECOND_US)
    told = await engine.ended("a")
    assert (told.exit_code, told.signal, told.stopped) == (0, 0, True)
    assert (by_itself.exit_code, by_itself.stopped) == (0, False)


async def test_what_left_the_group_is_stopped_with_it(engine: Engine) -> None:
    await engine.executor.launch(
        [launch_of("a", "sh", "-c", "setsid setsid sleep 600 & setsid sleep 601 & wait")]
    )
    await until(lambda: len(processes_of("a")) >= 3, "both have left")
    await engine.executor.stop(run_of("a"), 10 * SECOND_US)
    assert (await engine.ended("a")).exit_code == 143
    assert processes_of("a") == []


async def test_what_a_task_leaves_behind_dies_with_it(engine: Engine) -> None:
    ended = await engine.run(launch_of("a", "sh", "-c", "setsid sleep 600 & sleep 601 & exit 3"))
    assert ended.exit_code == 3
    assert processes_of("a") == []


async def test_after_a_stop_the_children_have_the_whole_grace(engine: Engine) -> None:
    child = "trap 'sleep 0.3; echo saved; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    await engine.executor.launch([launch_of("a", "sh", "-c", 'sh -c "$0" & wait', child)])
    log = engine.log_of("a")
    await until(lambda: log.exists() and log.read_text() == "ready\n", "the child listens")
    await engine.executor.stop(run_of("a"), 10 * SECOND_US)
    await engine.ended("a")
    assert await engine.text("a") == "ready\nsaved\n"


async def test_stop_may_be_repeated_and_the_shorter_grace_wins(engine: Engine) -> None:
    await engine.executor.launch(
        [launch_of("a", "sh", "-c", "trap '' TERM; echo; while :; do sleep 1; done")]
    )
    await engine.started("a")
    await until(engine.log_of("a").exists, "it listens")
    for grace_us in (600 * SECOND_US, 600 * SECOND_US, 1000):
        await engine.executor.stop(run_of("a"), grace_us)
    assert (await engine.ended("a")).exit_code == 137
    await engine.executor.stop(run_of("a"), 0)
    await engine.executor.stop(run_of("never"), 0)
    assert len(engine.reports_of(TaskEnded, "a")) == 1


async def test_a_stop_right_after_the_launch_is_not_lost(engine: Engine) -> None:
    await engine.executor.launch([launch_of("a", "sleep", "600")])
    await engine.executor.stop(run_of("a"), SECOND_US)
    assert (await engine.ended("a")).exit_code == 143


async def test_a_stop_needs_no_room_on_disk(engine: Engine) -> None:
    await engine.executor.launch([launch_of("a", "sleep", "600")])
    await engine.started("a")
    (engine.directory / "control").rmdir()
    await engine.executor.stop(run_of("a"), SECOND_US)
    assert (await engine.ended("a")).exit_code == 143
    (engine.directory / "control").mkdir()


async def test_a_frozen_task_can_be_stopped(engine: Engine) -> None:
    await engine.executor.launch([launch_of("a", "sleep", "600")])
    os.kill((await engine.started("a")).pid, signal.SIGSTOP)
    await engine.executor.stop(run_of("a"), int(DEADLINE_S) * SECOND_US)
    assert (await engine.ended("a")).exit_code == 143


async def test_logs_are_followed_until_the_task_ends(engine: Engine) -> None:
    await engine.executor.launch(
        [launch_of("a", "sh", "-c", "mkfifo go; echo one; read line < go; echo two")]
    )
    go = engine.scratch_of("a") / "go"
    seen = b""
    async with asyncio.timeout(DEADLINE_S):
        async for chunk in engine.executor.read_log(run_of("a"), 0, "stdout", 0, follow=True):
            seen += chunk.data
            if seen == b"one\n":
                await asyncio.to_thread(go.write_text, "on\n")
    assert seen == b"one\ntwo\n"
    assert (await engine.ended("a")).exit_code == 0


async def test_logs_can_be_read_from_an_offset_and_only_of_streams_that_exist(engine: Engine) -> None:
    await engine.run(launch_of("a", "echo", "0123456789"))
    rest = [chunk async for chunk in engine.executor.read_log(run_of("a"), 0, "stdout", 4, follow=True)]
    assert [(chunk.data, chunk.next_offset) for chunk in rest] == [(b"456789\n", 11)]
    with pytest.raises(ValueError, match="stdlog"):
        async for _ in engine.executor.read_log(run_of("a"), 0, "stdlog", 0, follow=False):
            pass


async def test_reap_forgets_the_run_and_its_output_only_when_told(engine: Engine) -> None:
    await engine.run(launch_of("a", "sh", "-c", "echo kept > file; echo kept"))
    await engine.executor.reap([run_of("a"), run_of("never")])
    assert not list((engine.directory / "records").iterdir())
    assert not list((engine.directory / "scratch").iterdir())
    assert await engine.text("a") == "kept\n"
    await engine.executor.reap([run_of("a")], logs=True)
    await engine.executor.reap([run_of("a")], logs=True)
    assert not list((engine.directory / "logs").iterdir())


async def test_reap_spares_what_still_runs(engine: Engine) -> None:
    await engine.executor.launch([launch_of("a", "sleep", "600")])
    started = await engine.started("a")
    await engine.executor.reap([run_of("a")])
    assert alive(started.pid)
    assert record_of(engine, "a").started is not None
