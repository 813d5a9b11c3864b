"""The local engine: tasks as processes of this machine. Implements the port (executors/port.py).

What is true of a task is in its record (records.py); this object only remembers what it has already reported. News
comes through the watch on the directory of records, whoever wrote it: supervisors that this daemon had started, those
of an earlier life, and the undertaker in place of killed ones. So there is one path for all of it: a record changed,
read it, report what is new.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from hanse.core.events import FoundTask, TaskEnded, TaskStarted
from hanse.core.model.jobs import RunId
from hanse.executors.errors import DirectoryInUse
from hanse.executors.local import kernel, processes, records
from hanse.executors.local.containment import Containment
from hanse.executors.local.launcher import Launcher
from hanse.executors.local.lost import Undertaker, bury, survivors
from hanse.executors.local.names import parse_record_name, record_name, run_name
from hanse.executors.local.orders import Order
from hanse.executors.local.output import LOGS, STREAMS, Piece, read_output
from hanse.executors.local.processes import ProcessId
from hanse.executors.local.records import RECORDS, Record
from hanse.executors.local.supervisor import CONTROL
from hanse.executors.local.task import SCRATCH
from hanse.executors.local.watch import Change, Watch
from hanse.executors.port import LogChunk, ReportSink, TaskLaunch, TaskReport

_OWNER = "owner"
# Records read per turn of the event loop, about 30 us each: others must get their turn too.
_RECORDS_PER_TURN_MAX = 128
# A launch that dies with its launcher this often dies of the launch.
_LAUNCHES_MAX = 3
_LOG_READ_BYTES = 256 * 1024
# Below this a head and a tail make no sense.
_LOG_BYTES_MIN = 4096


class _Live(msgspec.Struct, kw_only=True):
    """A task that has not been reported as ended."""

    run: RunId
    task: int
    name: str
    cause: str = ""
    order: Order | None = None
    launches: int = 0
    supervisor: ProcessId | None = None
    started: bool = False
    # Told before there was a supervisor to tell it to.
    signal_due: signal.Signals | None = None


class LocalExecutor:
    """Runs tasks from `directory`, which must be on a local disk and belong to this daemon alone.

    `containment` None: the best that this process may have. All methods must be called on one event loop.
    """

    def __init__(self, directory: Path, containment: Containment | None = None) -> None:
        self._directory = directory
        self._wanted_containment = containment
        self._live: dict[str, _Live] = {}
        # Every task whose record exists, by run; what reap deletes.
        self._recorded: dict[RunId, set[int]] = {}
        # Records to read again; True: their last holder is gone.
        self._changed: dict[str, bool] = {}
        self._turn_due = False
        self._followers: dict[int, set[asyncio.Event]] = {}
        self._owner = self._records = -1
        self._records_watch = -1
        self._boot_id = processes.boot_id()
        self._sink: ReportSink = _nobody

    @property
    def containment(self) -> Containment | None:
        """How tasks are held together, known once `recover` is done."""
        return self._launcher.containment

    # --- start and end of this object ---

    async def recover(self, sink: ReportSink) -> tuple[FoundTask, ...]:
        """Take over what earlier lives left, in this order: nobody else may launch here, watch, look.

        DirectoryInUse or LauncherError if that can't be. Tasks that are being killed are returned as running; their
        end follows through the sink.
        """
        self._sink = sink
        self._own_directory()
        self._launcher = Launcher(
            self._directory, self._wanted_containment, self._on_answered, self._on_in_doubt, self._on_failed
        )
        await self._launcher.start()
        self._undertaker = Undertaker(self._records, self._boot_id)
        self._watch = Watch(self._on_change, self._on_overflow)
        mask = kernel.IN_MODIFY | kernel.IN_CLOSE_WRITE
        self._records_watch = self._watch.add(self._directory / RECORDS, mask)
        found = await asyncio.to_thread(self._look)
        return tuple(self._adopt(name, record) for name, record in found.items())

    def _own_directory(self) -> None:
        for part in (RECORDS, CONTROL, LOGS, SCRATCH):
            (self._directory / part).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._owner = os.open(self._directory / _OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._owner)
            raise DirectoryInUse(f"another daemon runs tasks from {self._directory}") from None
        self._records = os.open(self._directory / RECORDS, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def _look(self) -> dict[str, Record]:
        """Read every record, and write the ends of those of which nothing lives. Runs in a thread."""
        names = [name for name in os.listdir(self._records) if parse_record_name(name)]
        found = {name: self._read(name) for name in names}
        lost = {name: record for name, record in found.items() if not record.ended and self._unheld(name)}
        for name, alive in survivors(lost).items():
            if not alive and bury(self._records, name, self._boot_id):
                found[name] = self._read(name)
        return found

    def _read(self, name: str) -> Record:
        return records.read_record(self._records, name) or Record()

    def _unheld(self, name: str) -> bool:
        lock = records.try_lock(self._records, name)
        if lock is None:
            return False
        os.close(lock)
        return True

    def _adopt(self, name: str, record: Record) -> FoundTask:
        parsed = parse_record_name(name)
        assert parsed is not None, f"not a record: {name}"
        run, task = parsed
        self._recorded.setdefault(run, set()).add(task)
        live = _Live(run=run, task=task, name=name, cause=record.claimed.cause if record.claimed else "")
        if record.ended is not None:
            return FoundTask(run=run, task=task, pid=_pid(record), ended=_ended(live, record))
        live.started = record.started is not None
        live.supervisor = record.supervised.supervisor if record.supervised else None
        self._live[name] = live
        # It may have ended since it was read, with nobody to note it; and the lost are still to be buried.
        self._note(name, closed=self._unheld(name))
        return FoundTask(run=run, task=task, pid=_pid(record))

    async def close(self) -> None:
        """Let go. Tasks go on, and are found again by the `recover` of a later object."""
        await self._launcher.close()
        self._undertaker.close()
        self._watch.close()
        self._wake_all_followers()
        self._live.clear()
        os.close(self._records)
        os.close(self._owner)

    # --- launching ---

    async def launch(self, tasks: Sequence[TaskLaunch]) -> None:
        """Start tasks; waits while the zygote has more than enough to do, never for a task. A task that was launched
        before, in whatever life, is not started again: what is known of it is reported again."""
        refused: list[TaskReport] = []
        orders = []
        for launch in tasks:
            reason = _refusal(launch)
            if reason:
                refused.append(_unlaunched(launch.run, launch.task, launch.cause, reason))
            elif (order := self._expect(launch)) is not None:
                orders.append(order)
        if refused:
            self._sink(refused)
        self._launcher.submit(orders)
        await self._launcher.room()

    def _expect(self, launch: TaskLaunch) -> Order | None:
        order = _order(launch)
        if order.name in self._live:
            return None
        self._recorded.setdefault(launch.run, set()).add(launch.task)
        self._live[order.name] = _Live(
            run=launch.run, task=launch.task, name=order.name, cause=launch.cause, order=order, launches=1
        )
        return order

    def _on_answered(self, orders: Sequence[Order], answer: dict[str, Any]) -> None:
        for order in orders:
            live = self._live.get(order.name)
            if live is not None:
                live.order = None
        self._fail({name: str(reason) for name, reason in answer["refused"].items()})
        for name in answer["existing"]:
            self._note(name, closed=self._unheld(name))

    def _on_in_doubt(self, orders: Sequence[Order]) -> None:
        """Whoever worked on these is dead. The records tell which of them were never started."""
        again = [order for order in orders if order.name in self._live and self._never_started(order.name)]
        for order in again:
            self._live[order.name].launches += 1
        worn = [order for order in again if self._live[order.name].launches > _LAUNCHES_MAX]
        self._fail({order.name: "its launcher died each time that it was launched" for order in worn})
        self._launcher.submit([order for order in again if order not in worn])

    def _never_started(self, name: str) -> bool:
        """Whether the task can be launched anew. If so its claim is gone; else what there is will be reported."""
        try:
            lock = records.try_lock(self._records, name)
        except FileNotFoundError:
            return True
        if lock is None:
            return False
        try:
            record = self._read(name)
            if record.supervised is None and record.ended is None:
                os.unlink(name, dir_fd=self._records)
                return True
        finally:
            os.close(lock)
        self._note(name, closed=True)
        return False

    def _on_failed(self, orders: Sequence[Order], why: str) -> None:
        """No zygote can be had. What it never started is reported so; what an earlier one started goes on."""
        unstarted = [order.name for order in orders if order.name in self._live]
        self._fail({name: why for name in unstarted if self._never_started(name)})

    def _fail(self, reasons: dict[str, str]) -> None:
        reports: list[TaskReport] = []
        for name, reason in reasons.items():
            live = self._live.pop(name, None)
            if live is not None:
                self._recorded[live.run].discard(live.task)
                reports.append(_unlaunched(live.run, live.task, live.cause, reason))
        if reports:
            self._sink(reports)

    # --- news ---

    def _on_change(self, change: Change) -> None:
        watch, mask, name = change
        if watch == self._records_watch:
            if name in self._live:
                self._note(name, closed=bool(mask & kernel.IN_CLOSE_WRITE))
        else:
            for follower in self._followers.get(watch, ()):
                follower.set()

    def _on_overflow(self) -> None:
        """More happened than the kernel would remember: look at everything."""
        for name in self._live:
            if (self._directory / RECORDS / name).exists():
                self._note(name, closed=self._unheld(name))
        self._wake_all_followers()

    def _note(self, name: str, closed: bool) -> None:
        self._changed[name] = closed or self._changed.get(name, False)
        if not self._turn_due:
            self._turn_due = True
            asyncio.get_running_loop().call_soon(self._take_turn)

    def _take_turn(self) -> None:
        """Read what changed, and report what is new in one batch."""
        self._turn_due = False
        reports: list[TaskReport] = []
        for _ in range(min(len(self._changed), _RECORDS_PER_TURN_MAX)):
            name, closed = self._changed.popitem()
            live = self._live.get(name)
            record = records.read_record(self._records, name) if live else None
            if live is not None and record is not None:
                reports += self._news(live, record)
                if closed and record.ended is None:
                    self._undertaker.take(name)
        if self._changed:
            self._turn_due = True
            asyncio.get_running_loop().call_soon(self._take_turn)
        if reports:
            self._sink(reports)

    def _news(self, live: _Live, record: Record) -> Iterable[TaskReport]:
        """What of this record was not yet reported."""
        if record.supervised is not None and live.supervisor is None:
            live.supervisor = record.supervised.supervisor
            if live.signal_due is not None:
                processes.send_signal(live.supervisor, live.signal_due)
        if record.started is not None and not live.started:
            live.started = True
            yield TaskStarted(
                run=live.run,
                task=live.task,
                pid=record.started.process.pid,
                at_wall_us=record.started.wall_us,
                cause=live.cause,
            )
        if record.ended is not None:
            del self._live[live.name]
            self._wake_followers_of(live.run)
            yield _ended(live, record)

    # --- control ---

    async def stop(self, run: RunId, grace_us: int) -> None:
        """SIGTERM to every process of the run, SIGKILL after `grace_us`. Again: the shorter grace wins."""
        for live in self._living(run):
            try:
                self._write_control(f"{live.name}.stop", {"grace_us": grace_us})
                number = signal.SIGUSR1
            except OSError:
                # A full disk must not keep a task alive: this one says "stop" by itself, with the launch's grace.
                number = signal.SIGUSR2
            self._signal(live, number)

    async def extend(self, run: RunId, lease_start_us: int, lease_us: int) -> None:
        """Let the tasks of a run live until `lease_start_us + lease_us` (CLOCK_BOOTTIME) instead of until an earlier
        end. OSError if it can't be told: then the earlier end stands."""
        for live in self._living(run):
            told = {"start_us": lease_start_us, "lease_us": lease_us}
            self._write_control(f"{live.name}.lease", told)
            self._signal(live, signal.SIGUSR1)

    def _living(self, run: RunId) -> list[_Live]:
        names = [record_name(run, task) for task in self._recorded.get(run, ())]
        return [self._live[name] for name in names if name in self._live]

    def _write_control(self, name: str, told: dict[str, int]) -> None:
        path = self._directory / CONTROL / name
        partial = path.with_name(f"{name}.new")
        partial.write_bytes(msgspec.json.encode(told))
        partial.rename(path)

    def _signal(self, live: _Live, number: signal.Signals) -> None:
        if live.supervisor is None:
            live.signal_due = number
        else:
            processes.send_signal(live.supervisor, number)

    # --- forgetting ---

    async def reap(self, runs: Sequence[RunId]) -> None:
        """Delete the records and scratch directories of ended runs; logs stay until `forget_logs`. A task that still
        runs keeps its record."""
        doomed, directories = [], []
        for run in runs:
            tasks = self._recorded.pop(run, set())
            alive = {task for task in tasks if record_name(run, task) in self._live}
            if alive:
                self._recorded[run] = alive
            else:
                directories.append(self._directory / SCRATCH / run_name(run))
            doomed += [record_name(run, task) for task in sorted(tasks - alive)]
        if doomed:
            await asyncio.to_thread(self._delete, doomed, directories)

    def _delete(self, names: Iterable[str], directories: Iterable[Path]) -> None:
        """Control first: a record without control is complete, control without a record is litter."""
        for name in names:
            for suffix in (".stop", ".lease"):
                (self._directory / CONTROL / f"{name}{suffix}").unlink(missing_ok=True)
            (self._directory / RECORDS / name).unlink(missing_ok=True)
        for directory in directories:
            _delete_tree(directory)

    async def forget_logs(self, run: RunId) -> None:
        """Delete the output of an ended run."""
        await asyncio.to_thread(_delete_tree, self._directory / LOGS / run_name(run))

    # --- logs ---

    async def read_log(
        self, run: RunId, task: int, stream: str, offset: int, follow: bool
    ) -> AsyncIterator[LogChunk]:
        """Stream what is kept from byte `offset` on. With `follow` it goes on until the task has ended here."""
        if stream not in STREAMS:
            raise ValueError(f"a task has {' and '.join(STREAMS)}, not {stream!r}")
        directory = self._directory / LOGS / run_name(run)
        name = record_name(run, task)
        following = self._follow(directory) if follow and name in self._live else None
        try:
            while True:
                alive = following is not None and name in self._live
                if following is not None:
                    following.clear()
                while (piece := await _read_piece(directory, task, stream, offset)).data:
                    offset = piece.next_offset
                    yield LogChunk(piece.data, piece.next_offset, piece.dropped)
                if following is None or not alive:
                    return
                await following.wait()
        finally:
            if following is not None:
                self._unfollow(directory, following)

    def _follow(self, directory: Path) -> asyncio.Event:
        directory.mkdir(mode=0o700, exist_ok=True)
        event = asyncio.Event()
        watch = self._watch.add(directory, kernel.IN_MODIFY)
        self._followers.setdefault(watch, set()).add(event)
        return event

    def _unfollow(self, directory: Path, event: asyncio.Event) -> None:
        for watch, events in list(self._followers.items()):
            events.discard(event)
            if not events:
                del self._followers[watch]
                self._watch.remove(watch)

    def _wake_followers_of(self, run: RunId) -> None:
        self._wake_all_followers()

    def _wake_all_followers(self) -> None:
        for events in self._followers.values():
            for event in events:
                event.set()


def _nobody(reports: Sequence[TaskReport]) -> None:
    raise AssertionError("news before recover")


async def _read_piece(directory: Path, task: int, stream: str, offset: int) -> Piece:
    return await asyncio.to_thread(read_output, str(directory), task, stream, offset, _LOG_READ_BYTES)


def _delete_tree(directory: Path) -> None:
    """The task owned what is below, so anything may be there, and may vanish meanwhile."""
    if directory.exists():
        shutil.rmtree(directory, ignore_errors=False)


def _refusal(launch: TaskLaunch) -> str:
    """Why this can't be launched, or an empty text."""
    try:
        record_name(launch.run, launch.task)
    except ValueError as error:
        return str(error)
    if not launch.command or not launch.command[0]:
        return "the command is empty"
    words = [
        *launch.command,
        launch.working_directory,
        *(word for pair in launch.environment for word in pair),
    ]
    if any("\0" in word for word in words):
        return "a NUL character in the command, the environment or the working directory"
    return ""


def _order(launch: TaskLaunch) -> Order:
    return Order(
        name=record_name(launch.run, launch.task),
        run_name=run_name(launch.run),
        job_id=launch.run.job_id,
        epoch=launch.run.epoch,
        attempt=launch.run.attempt,
        task=launch.task,
        command=list(launch.command),
        environment=[list(pair) for pair in launch.environment],
        working_directory=launch.working_directory,
        grace_us=launch.grace_us,
        log_bytes_max=max(launch.log_bytes_max, _LOG_BYTES_MIN),
        lease_start_us=launch.lease_start_us,
        lease_us=launch.lease_us,
        cause=launch.cause,
    )


def _pid(record: Record) -> int:
    return record.started.process.pid if record.started else 0


def _ended(live: _Live, record: Record) -> TaskEnded:
    ended = record.ended
    assert ended is not None, "asked for an end that is not there"
    return TaskEnded(
        run=live.run,
        task=live.task,
        exit_code=ended.exit_code,
        signal=ended.signal,
        started_wall_us=record.started.wall_us if record.started else 0,
        ended_wall_us=ended.wall_us,
        launched=ended.launched,
        detail=ended.detail,
        cause=live.cause,
    )


def _unlaunched(run: RunId, task: int, cause: str, reason: str) -> TaskEnded:
    ended = records.unlaunched(reason)
    return TaskEnded(
        run=run,
        task=task,
        exit_code=ended.exit_code,
        ended_wall_us=ended.wall_us,
        launched=False,
        detail=reason,
        cause=cause,
    )
