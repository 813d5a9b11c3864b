"""What is taken for a lost task's, and what is not: other people's processes must live."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hanse.core.model.jobs import RunId
from hanse.executors.local import processes, records
from hanse.executors.local.containment import Containment, best_available
from hanse.executors.local.lost import survivors
from hanse.executors.local.names import record_name
from hanse.executors.local.processes import ProcessId, all_processes

LOST = record_name(RunId("lost", 1, 1), 0)
MARK = {"HANSE_JOB_ID": "other", "HANSE_EPOCH": "1", "HANSE_ATTEMPT": "1", "HANSE_TASK": "0"}


@contextmanager
def session(script: str, environment: dict[str, str]) -> Iterator[tuple[ProcessId, int]]:
    """A session whose leader runs this and prints the pid of a child; that child is the session's last member."""
    leader = subprocess.Popen(
        ["/bin/sh", "-c", script],
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert leader.stdout is not None
    stat = processes.stat_of(leader.pid)
    assert stat is not None
    child = int(leader.stdout.readline())
    try:
        yield stat.id, child
    finally:
        os.kill(child, signal.SIGKILL)
        leader.wait()
        leader.stdout.close()


STAYS = "sleep 600 & echo $!; wait"
LEAVES = "sleep 600 >/dev/null & echo $!"


def lost_record(leader: ProcessId, boot_id: str | None = None) -> records.Record:
    nobody = ProcessId(leader.pid, 1)
    return records.Record(
        claimed=records.Claimed("lost", 1, 1, 0, boot_id or processes.boot_id(), "", 1),
        supervised=records.Supervised(nobody, Containment.PROCESS_TREE),
        started=records.Started(leader, 1, 1),
    )


def found(record: records.Record) -> set[int]:
    return {process.pid for process in survivors({LOST: record}).alive[LOST]}


@pytest.mark.parametrize("mark", [{}, MARK], ids=["unmarked", "with another mark"])
def test_all_of_a_session_is_the_tasks_while_its_leader_is(mark: dict[str, str]) -> None:
    with session(STAYS, mark) as (leader, child):
        assert found(lost_record(leader)) == {leader.pid, child}


def test_what_a_gone_leader_left_in_its_session_is_the_tasks() -> None:
    with session(LEAVES, {}) as (leader, child):
        gone(leader)
        assert found(lost_record(leader)) == {child}


def test_a_session_that_another_leader_founded_is_not_the_tasks() -> None:
    with session(STAYS, {}) as (leader, _):
        assert found(lost_record(leader._replace(start_ticks=leader.start_ticks - 1))) == set()


def test_what_another_task_left_in_a_session_of_the_same_number_is_not_the_tasks() -> None:
    with session(LEAVES, MARK) as (leader, child):
        gone(leader)
        assert found(lost_record(leader)) == set()
        assert processes.is_alive(id_of(child))


def test_what_is_older_than_the_task_is_not_the_tasks() -> None:
    with session(LEAVES, {}) as (leader, child):
        gone(leader)
        assert found(lost_record(leader._replace(start_ticks=id_of(child).start_ticks + 1))) == set()


def test_nothing_of_another_boot_is_looked_for() -> None:
    with session(STAYS, {}) as (leader, _):
        assert found(lost_record(leader, "another boot")) == set()


def gone(leader: ProcessId) -> None:
    """Collect it, so that its number is in use as that of the session only."""
    os.waitpid(leader.pid, 0)
    assert leader.pid not in {stat.id.pid for stat in all_processes()}


def id_of(pid: int) -> ProcessId:
    stat = processes.stat_of(pid)
    assert stat is not None
    return stat.id


@pytest.mark.skipif(best_available() is not Containment.PID_NAMESPACE, reason="needs a namespace")
def test_a_container_that_was_started_again_is_another_boot() -> None:
    program = "from hanse.executors.local.processes import boot_id; print(boot_id())"
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", program]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    inside = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()
    machine, _, init = inside.partition("/")
    assert processes.boot_id().partition("/")[0] == machine
    assert inside != processes.boot_id()
    assert init.isdecimal()


environment_as_it_is = processes.environment_of

# A shell that becomes itself again and again, as fast as a program can change.
EXECUTES = """[ "$1" -gt 0 ] || exit 0; exec /bin/sh -c "$0" "$0" $(($1 - 1))"""


def test_a_process_is_not_overlooked_while_it_becomes_another_program() -> None:
    """Found in a run of this suite: right in execve a process shows no environment, and it looked like nobody's."""
    process = subprocess.Popen(["/bin/sh", "-c", EXECUTES, EXECUTES, "300"], env=MARK)
    seen = []
    while process.poll() is None:
        environment = processes.environment_of(process.pid)
        seen.append("becoming another" if environment is None else environment.get("HANSE_JOB_ID"))
    while seen[-1] is None:  # at the end it has given up its memory, and soon is dead
        seen.pop()
    assert set(seen) <= {"other", "becoming another"}
    assert "other" in seen


def test_nobody_is_told_dead_while_a_process_may_be_anybodys(monkeypatch: pytest.MonkeyPatch) -> None:
    with session(STAYS, {}) as (_leader, child):
        elsewhere = lost_record(ProcessId(2**22 + 1, 1))
        monkeypatch.setattr(
            processes, "environment_of", lambda pid: None if pid == child else environment_as_it_is(pid)
        )
        look = survivors({LOST: elsewhere})
        assert (look.alive, look.gone()) == ({LOST: []}, [])
        monkeypatch.undo()
        assert survivors({LOST: elsewhere}).gone() == [LOST]
