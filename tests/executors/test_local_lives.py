"""Crashes: of the daemon, of the launcher, of supervisors, of the machine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from hanse.core.events import TaskEnded, TaskStarted
from hanse.executors.errors import DirectoryInUse, LauncherError
from hanse.executors.local import launcher, records
from hanse.executors.local.containment import Containment
from hanse.executors.local.executor import LocalExecutor
from hanse.executors.local.names import record_name
from hanse.executors.local.processes import all_processes, stat_of
from tests.executors.conftest import (
    DEADLINE_S,
    SECOND_US,
    TOKEN,
    TOKEN_VARIABLE,
    Engine,
    MakeEngine,
    alive,
    job_of,
    launch_of,
    processes_of,
    run_of,
    until,
)

ROOT = Path(__file__).parents[2]


class DaemonSide:
    """A process with an executor in it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, directory: Path, containment: Containment) -> DaemonSide:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.executors.daemon_side",
            str(directory),
            containment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), TOKEN_VARIABLE: TOKEN},
        )
        return cls(process)

    async def heard(self, kind: str, job: str = "") -> int:
        """Wait until it says this; the pid that it names."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            while True:
                line = await self.process.stdout.readline()
                assert line, "it has ended"
                said, of, pid = json.loads(line)
                if (said, of) == (kind, job):
                    return int(pid)

    async def launch(self, **commands: str) -> None:
        assert self.process.stdin is not None
        told = [[job, ["sh", "-c", command]] for job, command in commands.items()]
        self.process.stdin.write(json.dumps(told).encode() + b"\n")
        await self.heard("Launched")

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()
        transport = self.process._transport  # type: ignore[attr-defined]
        transport.close()


async def test_tasks_survive_kill_9_of_the_daemon(
    make_engine: MakeEngine, tmp_path: Path, containment
) -> None:
    directory = tmp_path / "runs"
    daemon = await DaemonSide.start(directory, containment)
    await daemon.heard("Ready")
    go = tmp_path / "go"
    await daemon.launch(stays="echo one; sleep 600", ends=f"until [ -e {go} ]; do sleep 0.01; done; exit 42")
    pids = {await daemon.heard("TaskStarted", job) for job in ("stays",)}
    await daemon.kill()
    go.touch()
    await until(lambda: not processes_of("ends"), "one has ended with nobody there")

    engine = await make_engine()
    found = {job_of(task.run): task for task in engine.found}
    assert {found["stays"].pid} == pids
    assert found["stays"].ended is None
    ended = found["ends"].ended or await engine.ended("ends")
    assert ended.exit_code == 42
    assert ended.ended_wall_us >= ended.started_wall_us > 0

    await engine.executor.stop(run_of("stays"), 10 * SECOND_US)
    assert (await engine.ended("stays")).exit_code == 143
    assert await engine.text("stays") == "one\n"
    assert engine.reports_of(TaskStarted, "stays") == []


async def test_ended_tasks_are_found_until_they_are_reaped(make_engine: MakeEngine) -> None:
    engine = await make_engine()
    ended = await engine.run(launch_of("a", "sh", "-c", "exit 5"))
    for _ in range(2):
        engine = await make_engine()
        (found,) = engine.found
        assert found.ended == ended
    await engine.executor.reap([run_of("a")])
    assert (await make_engine()).found == ()


async def test_a_task_is_started_once_however_often_it_is_launched(
    make_engine: MakeEngine, tmp_path: Path
) -> None:
    witness = tmp_path / "witness"
    launch = launch_of("a", "sh", "-c", f"echo started >> {witness}; sleep 600")
    engine = await make_engine()
    await engine.executor.launch([launch, launch])
    await engine.executor.launch([launch])
    await engine.started("a")
    engine = await make_engine()
    await engine.executor.launch([launch])
    await engine.executor.stop(run_of("a"), SECOND_US)
    await engine.ended("a")
    # Launched again when its end is known: the end is reported again, and nothing starts.
    engine.reports.clear()
    assert (await engine.run(launch)).exit_code == 143
    await until(witness.exists, "it has left its mark")
    assert witness.read_text() == "started\n"


async def test_launches_go_on_after_kill_9_of_the_launcher(engine: Engine) -> None:
    await engine.executor.launch([launch_of("before", "sleep", "600")])
    started = await engine.started("before")
    former = engine.executor._launcher.pid
    os.kill(former, signal.SIGKILL)
    assert (await engine.run(launch_of("after", "sh", "-c", "exit 3"))).exit_code == 3
    await until(lambda: engine.executor._launcher.pid not in (0, former), "there is another launcher")
    assert alive(started.pid)


async def test_a_launcher_killed_amid_launches_loses_none_and_doubles_none(
    engine: Engine, tmp_path: Path
) -> None:
    count = 64
    witness = tmp_path / "witness"
    launches = [launch_of("a", "sh", "-c", f"echo {task} >> {witness}", task=task) for task in range(count)]
    await engine.executor.launch(launches)
    for seen in (1, 8, 24):
        await until(
            lambda seen=seen: len(list((engine.directory / "records").iterdir())) >= seen, "some began"
        )
        if pid := engine.executor._launcher.pid:
            os.kill(pid, signal.SIGKILL)
    ends = [await engine.ended("a", task) for task in range(count)]
    assert [end.detail for end in ends if end.exit_code] == []
    assert sorted(map(int, witness.read_text().split())) == list(range(count))


async def test_without_a_launcher_there_is_a_clear_error(
    make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engine = await make_engine()
    monkeypatch.setattr(launcher, "_PROGRAM", "raise SystemExit('no launcher today')")
    os.kill(engine.executor._launcher.pid, signal.SIGKILL)
    await until(lambda: engine.executor._launcher.pid == 0, "it is gone")
    ended = await engine.run(launch_of("a", "true"))
    assert not ended.launched
    assert "launcher.log" in ended.detail
    with pytest.raises(LauncherError):
        await LocalExecutor(tmp_path / "other").recover(lambda _: None)
    monkeypatch.undo()
    engine.reports.clear()
    assert (await engine.run(launch_of("a", "true"))).exit_code == 0


async def test_a_frozen_launcher_of_a_dead_daemon_launches_no_more(
    make_engine: MakeEngine, tmp_path: Path, containment: Containment
) -> None:
    daemon = await DaemonSide.start(tmp_path / "runs", containment)
    former = await daemon.heard("Ready")
    os.kill(former, signal.SIGSTOP)
    await daemon.launch(a="sleep 600")
    await daemon.kill()
    engine = await make_engine()
    assert engine.found == ()
    assert not alive(former)
    assert (await engine.run(launch_of("a", "true"))).exit_code == 0


@pytest.mark.parametrize("script", ["sleep 600", "sleep 600 & wait", "setsid sleep 600 & wait"])
async def test_kill_9_of_a_supervisor_kills_the_task_and_is_reported(engine: Engine, script: str) -> None:
    await engine.executor.launch([launch_of("a", "sh", "-c", script)])
    await engine.started("a")
    await until(lambda: len(processes_of("a")) >= 1 + script.count("&"), "all of it runs")
    os.kill(engine.supervisor_of("a"), signal.SIGKILL)
    ended = await engine.ended("a")
    assert (ended.exit_code, ended.signal, ended.launched, ended.detail) == (137, 9, True, "supervisor lost")
    assert ended.lost
    assert processes_of("a") == []


async def test_a_frozen_supervisor_does_not_save_its_task_from_a_stop(
    tmp_path: Path, containment: Containment
) -> None:
    engine = Engine(tmp_path / "runs", containment)
    engine.executor = LocalExecutor(engine.directory, containment, stop_margin_s=0.1)
    await engine.recover()
    await engine.executor.launch([launch_of("a", "sh", "-c", "sleep 600 & wait")])
    await engine.started("a")
    os.kill(engine.supervisor_of("a"), signal.SIGSTOP)
    await engine.executor.stop(run_of("a"), 1000)
    assert (await engine.ended("a")).exit_code == 137
    assert processes_of("a") == []
    await engine.close()


async def test_nothing_is_missed_when_the_kernel_drops_news(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.executor._watch, "_on_change", lambda change: None)
    await engine.executor.launch([launch_of("a", "sh", "-c", "exit 6"), launch_of("b", "sleep", "600")])
    name = record_name(run_of("a"), 0)
    await until(lambda: b'"ended"' in engine.read_record("a"), "one has ended")
    await until(lambda: engine.executor._unheld(name), "its supervisor is gone")
    await until(lambda: b'"started"' in engine.read_record("b"), "one runs")
    assert engine.reports == []
    engine.executor._on_overflow()
    assert (await engine.ended("a")).exit_code == 6
    await engine.started("b")
    monkeypatch.undo()


async def test_supervisors_killed_while_nobody_looks_are_found_and_their_tasks_dead(
    make_engine: MakeEngine,
) -> None:
    engine = await make_engine()
    jobs = ["a", "b", "c"]
    await engine.executor.launch([launch_of(job, "sh", "-c", "setsid sleep 600 & wait") for job in jobs])
    for job in jobs:
        await until(lambda job=job: len(processes_of(job)) >= 2, "it runs")
        await engine.started(job)
    supervisors = [engine.supervisor_of(job) for job in jobs]
    await engine.close()
    for supervisor in supervisors:
        os.kill(supervisor, signal.SIGKILL)
    again = await make_engine()
    for found in again.found:
        ended = found.ended or await again.ended(job_of(found.run))
        assert (ended.exit_code, ended.detail) == (137, "supervisor lost")
        assert processes_of(job_of(found.run)) == []
    assert len(again.found) == len(jobs)


async def test_what_another_boot_left_is_dead(make_engine: MakeEngine) -> None:
    engine = await make_engine()
    await engine.close()
    directory = os.open(engine.directory / "records", os.O_RDONLY)
    record = records.claim(directory, record_name(run_of("a"), 0))
    # This very process: in another boot its pid and start time meant somebody else.
    stat = stat_of(os.getpid())
    assert stat is not None
    supervisor = stat.id
    records.append(record, records.Claimed("a", 1, 1, 0, "another-boot", "c9", 1))
    records.append(record, records.Supervised(supervisor, Containment.PROCESS_TREE))
    records.append(record, records.Started(supervisor, 77, 1))
    os.write(record, b'{"what": "ended", "exit_co')
    os.close(record)
    os.close(directory)
    (found,) = (await make_engine()).found
    assert found.ended is not None
    assert (found.ended.exit_code, found.ended.detail, found.ended.cause) == (
        137,
        "the machine was restarted",
        "c9",
    )
    assert found.ended.lost
    assert found.ended.started_wall_us == 77


async def test_a_claim_that_nobody_followed_up_was_never_started(make_engine: MakeEngine) -> None:
    engine = await make_engine()
    engine.record_of("a").touch()
    engine = await make_engine()
    (found,) = engine.found
    assert found.ended is not None
    assert (found.ended.launched, found.ended.lost) == (False, True)


async def test_a_directory_belongs_to_one_daemon(engine: Engine) -> None:
    with pytest.raises(DirectoryInUse):
        await LocalExecutor(engine.directory).recover(lambda _: None)
    assert (await engine.run(launch_of("a", "true"))).exit_code == 0


async def test_a_burst_leaves_no_process_no_descriptor_and_no_zombie_behind(engine: Engine) -> None:
    await engine.run(launch_of("first", "true"))
    # Other tests may have left a helper of their own, such as multiprocessing's.
    before, children = open_descriptors(), children_of(os.getpid())
    count = 200
    await engine.executor.launch([launch_of("a", "sh", "-c", "exit 9", task=task) for task in range(count)])
    ends = [await engine.ended("a", task) for task in range(count)]
    assert {end.exit_code for end in ends} == {9}
    assert len(engine.reports_of(TaskEnded, "a", 7)) == 1
    await engine.executor.reap([run_of("a"), run_of("first")])
    assert open_descriptors() == before
    assert list((engine.directory / "records").iterdir()) == []
    assert processes_of("a") == []
    zygote = engine.executor._launcher.pid
    assert children_of(os.getpid()) == children
    assert zygote in children
    await until(lambda: children_of(zygote) == [], "the supervisors without a task are gone")
    assert _at_home_in(engine.directory) == [zygote]


def open_descriptors() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def children_of(pid: int) -> list[int]:
    """Zombies included."""
    return [stat.id.pid for stat in all_processes() if stat.parent == pid]


def _at_home_in(directory: Path) -> list[int]:
    """Processes with this working directory: the launcher and its supervisors."""
    return [stat.id.pid for stat in all_processes() if _working_directory(stat.id.pid) == str(directory)]


def _working_directory(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""
