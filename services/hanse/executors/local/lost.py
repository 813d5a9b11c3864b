"""Tasks whose supervisor died before it could tell their end: see that they are dead, and tell it in its place.

A supervisor that was killed takes its PID namespace with it. Without one only the task's first process dies by itself,
and the rest is found by what it can't easily shed: the task's session, and the HANSE_* variables that it was started
with. Rounds of looking and killing go on until nothing is found; only then the record gets its end.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from hanse.core.model.jobs import RunId
from hanse.executors.local import processes, records
from hanse.executors.local.containment import Containment
from hanse.executors.local.names import parse_record_name
from hanse.executors.local.processes import ProcessId, ProcessStat
from hanse.executors.local.records import Record

SUPERVISOR_LOST = "supervisor lost"
NEVER_STARTED = "its supervisor died before the task was started"
MACHINE_RESTARTED = "the machine was restarted"
_ROUND_FIRST_S = 0.002
_ROUND_MAX_S = 1.0
# What names a task in its environment: (job id, epoch, attempt, task).
_MARKS = ("HANSE_JOB_ID", "HANSE_EPOCH", "HANSE_ATTEMPT", "HANSE_TASK")
_Mark = tuple[str, ...]
_UNMARKED: _Mark = ("",) * len(_MARKS)


class Survivors(NamedTuple):
    """One look at /proc: what was seen of each record's task, and which records it can't speak for.

    A process that was just becoming another program shows no environment, so it may belong to any of the tasks that are
    found by theirs. Nobody is killed for it, but nobody is told dead either: look again.
    """

    alive: dict[str, list[ProcessId]]
    unsure: frozenset[str]

    def gone(self) -> list[str]:
        """The records of whose tasks nothing lives."""
        return [name for name, alive in self.alive.items() if not alive and name not in self.unsure]


def survivors(lost: Mapping[str, Record]) -> Survivors:
    """What still runs of these tasks, supervisors included, by record name. One look at /proc for all of them."""
    found: dict[str, list[ProcessId]] = {name: [] for name in lost}
    trees = {}
    for name, record in lost.items():
        if record.claimed is None or record.claimed.boot_id != processes.boot_id():
            # Pids and start times of another boot, or of the container before it was restarted, may well fit processes
            # of this one, above all early ones.
            continue
        known = [
            record.supervised and record.supervised.supervisor,
            record.started and record.started.process,
        ]
        found[name] = [process for process in known if process and processes.is_alive(process)]
        if record.supervised is not None and record.supervised.containment == Containment.PROCESS_TREE:
            trees[name] = record
    unsure: frozenset[str] = frozenset()
    if trees:
        for whose, process in _strays(trees):
            if whose is None:
                unsure = frozenset(trees)
            else:
                found[whose].append(process)
    return Survivors(found, unsure)


def _strays(trees: Mapping[str, Record]) -> Iterable[tuple[str | None, ProcessId]]:
    """The processes of these tasks with their records' names, and with None those that may be anybody's just now."""
    by_mark = {_mark_of(name): name for name in trees}
    by_session = {
        record.started.process.pid: (name, record.started.process)
        for name, record in trees.items()
        if record.started is not None
    }
    everything = {stat.id.pid: stat for stat in processes.all_processes()}
    for stat in everything.values():
        if stat.dead or stat.id.pid == os.getpid():
            continue
        environment = processes.environment_of(stat.id.pid)
        if environment is None:
            yield None, stat.id
            continue
        mark = _mark_in(environment)
        name, leader = by_session.get(stat.session, ("", None))
        if marked := by_mark.get(mark):
            yield marked, stat.id
        elif leader is not None and _in_session_of(leader, stat, mark, everything.get(leader.pid)):
            yield name, stat.id


def _in_session_of(leader: ProcessId, member: ProcessStat, mark: _Mark, now: ProcessStat | None) -> bool:
    """Whether this process' session is the one that `leader` founded; `now` has the number that both have.

    Nobody gets that number as a pid while the session has members, but afterwards it may name another session. While
    there is a leader, its start time tells. When it is gone: no member is older than it was, and who carries the mark
    of another task belongs to that.
    """
    if now is not None:
        return now.id == leader
    return mark == _UNMARKED and member.id.start_ticks >= leader.start_ticks


def _mark_of(name: str) -> _Mark:
    parsed = parse_record_name(name)
    assert parsed is not None, f"not a record: {name}"
    run, task = parsed
    return _mark(run, task)


def _mark(run: RunId, task: int) -> _Mark:
    return (run.job_id, str(run.epoch), str(run.attempt), str(task))


def _mark_in(environment: Mapping[str, str]) -> _Mark:
    return tuple(environment.get(variable, "") for variable in _MARKS)


def end_of_lost(record: Record, boot_id: str) -> records.Ended:
    """What is told of a task that is dead, and whose supervisor did not tell it."""
    if record.supervised is None:
        return records.lost(NEVER_STARTED, launched=False)
    if record.claimed is not None and record.claimed.boot_id != boot_id:
        return records.lost(MACHINE_RESTARTED)
    return records.lost(SUPERVISOR_LOST)


class Undertaker:
    """Goes its rounds while there is a lost task. Its ends are written to records, and so seen by the watch."""

    def __init__(self, directory: int, boot_id: str) -> None:
        self._directory = directory
        self._boot_id = boot_id
        self._lost: dict[str, Record] = {}
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._interval_s = _ROUND_FIRST_S

    def take(self, name: str) -> None:
        """Nobody holds this record, or soon nobody will, and it has no end."""
        record = records.read_record(self._directory, name)
        if record is not None:
            self._lost[name] = record
            self._schedule(_ROUND_FIRST_S)

    def close(self) -> None:
        """Leave the rest to the next life, which will find it again."""
        if self._timer is not None:
            self._timer.cancel()
        self._lost.clear()

    def _schedule(self, interval_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._interval_s = interval_s
        self._timer = self._loop.call_later(interval_s, self._round)

    def _round(self) -> None:
        self._timer = None
        found = survivors(self._lost)
        for name, alive in found.alive.items():
            self._kill(name, alive)
        for name in found.gone():
            if bury(self._directory, name, self._boot_id):
                del self._lost[name]
        if self._lost:
            self._schedule(min(2 * self._interval_s, _ROUND_MAX_S))

    def _kill(self, name: str, alive: list[ProcessId]) -> None:
        """Not the supervisor: if it lives, it was no loss yet, and it kills by itself."""
        supervised = self._lost[name].supervised
        for process in alive:
            if supervised is None or process != supervised.supervisor:
                processes.send_signal(process, signal.SIGKILL)


def bury(directory: int, name: str, boot_id: str) -> bool:
    """Write the end of a task of which nothing lives. False if somebody still holds the record."""
    try:
        lock = records.try_lock(directory, name)
    except FileNotFoundError:
        return True
    if lock is None:
        return False
    try:
        record = records.read_record(directory, name)
        if record is not None and record.ended is None:
            records.end_for(directory, name, end_of_lost(record, boot_id))
    finally:
        os.close(lock)
    return True
