"""The local engine: tasks as processes of this machine. Implements the port (executors/port.py).

What is true of a task is in its record (records.py); this object only remembers what it has already reported. News
comes through the watch on the directory of records, whoever wrote it: supervisors that this daemon had started, those
of an earlier life, and the undertaker in place of killed ones. So there is one path for all of it: a record changed,
read it, report what is new.
"""

from __future__ import annotations

import asyncio
import enum
import fcntl
import os
import signal
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from hanse.core.events import FoundTask
from hanse.core.model.arrays import job_of_run
from hanse.core.model.jobs import RunId
from hanse.executors.errors import DirectoryInUse, LauncherError, LeaseNotTold
from hanse.executors.local import kernel, processes, records
from hanse.executors.local.containment import Containment
from hanse.executors.local.control import Control, delete_tree
from hanse.executors.local.launcher import Launcher
from hanse.executors.local.leases import LEASES, LeaseFiles
from hanse.executors.local.logs import Logs, Place
from hanse.executors.local.lost import Undertaker, bury, survivors
from hanse.executors.local.names import lease_name, parse_record_name, parse_run_name, record_name, run_name
from hanse.executors.local.orders import Order
from hanse.executors.local.output import LOGS
from hanse.executors.local.processes import ProcessId
from hanse.executors.local.records import RECORDS, Record
from hanse.executors.local.reports import (
    ended_report,
    order_of,
    pid_of,
    refusal_of,
    started_report,
    unlaunched_report,
)
from hanse.executors.local.supervisor import CONTROL
from hanse.executors.local.task import SCRATCH
from hanse.executors.local.watch import Change, Watch
from hanse.executors.port import LogChunk, ReportSink, TaskLaunch, TaskReport

_OWNER = "owner"
# News wait this long for more of the same: a short task's start and end are then one read and one report.
_GATHER_S = 0.002
# Records read per turn of the event loop, about 30 us each: others must get their turn too.
_RECORDS_PER_TURN_MAX = 128
# How long after the grace a supervisor may take to kill its task and say so before it is killed itself. It needs
# milliseconds; one that is frozen or wedged would never do it.
STOP_MARGIN_S = 10.0
# A supervisor takes up what it was given, and a killed launcher's descriptors are closed, within milliseconds.
_UNCLEAR_S = 0.02
# What the watch missed is found this late. Only a queue that overflowed at the worst moment makes it miss anything.
_NET_INTERVAL_S = 30.0
# A launch whose launcher dies this often is taken for the cause (the rest of its batch suffers with it).
_LAUNCHES_MAX = 5


class _Live(msgspec.Struct, kw_only=True):
    """A task that has not been reported as ended."""

    run: RunId
    task: int
    name: str
    cause: str = ""
    # Given to the launcher, which has not answered yet; then its claim's end means nothing by itself.
    in_flight: bool = False
    closed_in_flight: bool = False
    launches: int = 0
    supervisor: ProcessId | None = None
    started: bool = False
    force: asyncio.TimerHandle | None = None
    # Told before there was a supervisor to tell it to.
    signal_due: signal.Signals | None = None


class _Progress(enum.Enum):
    """How far a launch got whose launcher died."""

    NONE = "no supervisor, and there will be none"
    SOME = "the record tells, now or later"
    UNCLEAR = "ask again"


class LocalExecutor:
    """Runs tasks from `directory`, which must be on a local disk and belong to this daemon alone.

    `containment` None: the best that this process may have. `stop_margin_s`: see STOP_MARGIN_S. All methods must be
    called on one event loop.
    """

    def __init__(
        self, directory: Path, containment: Containment | None = None, stop_margin_s: float = STOP_MARGIN_S
    ) -> None:
        self._directory = directory
        self._stop_margin_s = stop_margin_s
        self._control = Control(directory / CONTROL)
        # Files that tasks left and that could not be deleted.
        self.undeleted = 0
        self._wanted_containment = containment
        self._live: dict[str, _Live] = {}
        # Every task whose record exists, by run; what reap deletes.
        self._recorded: dict[RunId, set[int]] = {}
        # Records to read again; True: their last holder is gone.
        self._changed: dict[str, bool] = {}
        self._turn_due = False
        # Closed while `recover` was reading.
        self._recovering = False
        self._closed_early: set[str] = set()
        self._net: asyncio.Handle | None = None
        self._owner = self._records = self._lease_directory = -1
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
        try:
            await self._launcher.start()
        except LauncherError:
            self._let_go_of_directory()
            raise
        self._undertaker = Undertaker(self._records, self._boot_id)
        self._watch = Watch(self._on_change, self._on_overflow)
        self._logs = Logs(self._watch)
        mask = kernel.IN_ATTRIB | kernel.IN_CLOSE_WRITE
        self._records_watch = self._watch.add(self._directory / RECORDS, mask)
        self._recovering = True
        records_found = await asyncio.to_thread(self._look)
        found = tuple(self._adopt(name, record) for name, record in records_found.items())
        self._recovering = False
        self._closed_early.clear()
        self._net = asyncio.get_running_loop().call_later(_NET_INTERVAL_S, self._cast_net, [])
        return found

    def _own_directory(self) -> None:
        for part in (RECORDS, CONTROL, LEASES, LOGS, SCRATCH):
            (self._directory / part).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._owner = os.open(self._directory / _OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._owner)
            raise DirectoryInUse(f"another daemon runs tasks from {self._directory}") from None
        self._records = os.open(self._directory / RECORDS, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._lease_directory = os.open(self._directory / LEASES, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._leases = LeaseFiles(self._lease_directory, self._boot_id)
        # Before there can be a supervisor of this boot.
        self._leases.sweep()

    def _look(self) -> dict[str, Record]:
        """Read every record, and write the ends of those of which nothing lives. Runs in a thread."""
        self._control.recall()
        names = [path.name for path in (self._directory / RECORDS).iterdir() if parse_record_name(path.name)]
        found = {name: self._read(name) for name in names}
        lost = {name: record for name, record in found.items() if not record.ended and self._unheld(name)}
        for name in survivors(lost).gone():
            if bury(self._records, name, self._boot_id):
                found[name] = self._read(name)
        return found

    def _read(self, name: str) -> Record:
        return records.read_record(self._records, name) or Record()

    def _unheld(self, name: str) -> bool:
        """Whether there is a record that nobody holds."""
        try:
            lock = records.try_lock(self._records, name)
        except FileNotFoundError:
            return False
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
        closed = name in self._closed_early or self._unheld(name)
        shard = record.claimed.shard if record.claimed else ""
        if record.ended is not None and closed:
            ended = ended_report(run, task, live.cause, record)
            return FoundTask(run=run, task=task, pid=pid_of(record), ended=ended, shard=shard)
        live.started = record.started is not None
        live.supervisor = record.supervised.supervisor if record.supervised else None
        self._live[name] = live
        # It may have ended since it was read, and the lost are still to be buried.
        self._note(name, closed)
        return FoundTask(run=run, task=task, pid=pid_of(record), shard=shard)

    async def close(self) -> None:
        """Let go. Tasks go on, and are found again by the `recover` of a later object."""
        await self._launcher.close()
        self._undertaker.close()
        self._watch.close()
        if self._net is not None:
            self._net.cancel()
        for live in self._live.values():
            _disarm(live)
        self._live.clear()
        self._logs.wake_all()
        self._let_go_of_directory()

    def _let_go_of_directory(self) -> None:
        self._leases.close()
        for descriptor in (self._lease_directory, self._records, self._owner):
            os.close(descriptor)

    # --- launching ---

    async def launch(self, tasks: Sequence[TaskLaunch]) -> None:
        """Start tasks; waits while the zygote has more than enough to do, never for a task. A task that was launched
        before, in whatever life, is not started again: what is known of it is reported again."""
        refused: list[TaskReport] = []
        orders = []
        for launch in tasks:
            reason = refusal_of(launch)
            if reason:
                refused.append(unlaunched_report(launch.run, launch.task, launch.cause, reason))
            elif (order := self._expect(launch)) is not None:
                orders.append(order)
        if refused:
            self._sink(refused)
        self._launcher.submit(orders)
        await self._launcher.room()

    def _expect(self, launch: TaskLaunch) -> Order | None:
        order = order_of(launch)
        if order.name in self._live:
            return None
        self._recorded.setdefault(launch.run, set()).add(launch.task)
        self._live[order.name] = _Live(
            run=launch.run, task=launch.task, name=order.name, cause=launch.cause, in_flight=True, launches=1
        )
        return order

    def _on_answered(self, orders: Sequence[Order], answer: dict[str, Any]) -> None:
        for order in orders:
            live = self._live.get(order.name)
            if live is not None:
                live.in_flight = False
                if live.closed_in_flight:
                    self._note(order.name, closed=True)
        self._fail({name: str(reason) for name, reason in answer["refused"].items()})
        for name in answer["existing"]:
            self._note(name, closed=self._unheld(name))

    def _on_in_doubt(self, orders: Sequence[Order], suspected: bool) -> None:
        """The launcher that had these is dead; `suspected`: perhaps because of them. The records tell which of them
        were never started."""
        again, unclear = [], []
        for order in (order for order in orders if order.name in self._live):
            match self._progress_of(order.name):
                case _Progress.NONE:
                    again.append(order)
                case _Progress.UNCLEAR:
                    unclear.append(order)
                case _Progress.SOME:
                    self._live[order.name].in_flight = False
        if unclear:
            asyncio.get_running_loop().call_later(_UNCLEAR_S, self._on_in_doubt, unclear, suspected)
        self._launch_again(again, suspected)

    def _progress_of(self, name: str) -> _Progress:
        """How far the launch of a task got before its launcher died. NONE: its claim, if there was one, is gone."""
        try:
            lock = records.try_lock(self._records, name)
        except FileNotFoundError:
            return _Progress.NONE
        record = self._read(name)
        begun = record.supervised is not None or record.ended is not None
        if lock is None:
            # A supervisor that has not said so yet, or the dead launcher's descriptors are just being closed.
            return _Progress.SOME if begun else _Progress.UNCLEAR
        if not begun:
            os.unlink(name, dir_fd=self._records)
        os.close(lock)
        self._note(name, closed=True)
        return _Progress.SOME if begun else _Progress.NONE

    def _launch_again(self, orders: Sequence[Order], suspected: bool) -> None:
        again = []
        for order in orders:
            live = self._live[order.name]
            live.launches += suspected
            live.closed_in_flight = False
            if live.launches <= _LAUNCHES_MAX:
                again.append(order)
            else:
                self._fail({order.name: "its launcher died each time that it was launched"})
        if again:
            self._launcher.submit(again)

    def _on_failed(self, orders: Sequence[Order], why: str) -> None:
        """No zygote can be had. What none started is reported so; what one did start goes on."""
        for order in (order for order in orders if order.name in self._live):
            if self._progress_of(order.name) is _Progress.NONE:
                self._fail({order.name: why})
            else:
                self._live[order.name].in_flight = False

    def _fail(self, reasons: dict[str, str]) -> None:
        reports: list[TaskReport] = []
        for name, reason in reasons.items():
            live = self._live.pop(name, None)
            if live is not None:
                _disarm(live)
                self._recorded[live.run].discard(live.task)
                reports.append(unlaunched_report(live.run, live.task, live.cause, reason))
        if reports:
            self._sink(reports)

    # --- news ---

    def _on_change(self, change: Change) -> None:
        watch, mask, name = change
        if watch == self._records_watch:
            closed = bool(mask & kernel.IN_CLOSE_WRITE)
            if name in self._live:
                self._note(name, closed)
            elif closed and self._recovering:
                self._closed_early.add(name)
        else:
            self._logs.on_change(watch)

    def _on_overflow(self) -> None:
        """More happened than the kernel would remember: look at everything."""
        for name in self._live:
            self._note(name, closed=self._unheld(name))
        self._logs.wake_all()

    def _cast_net(self, names: list[str]) -> None:
        """Now and then, a few at a time, ask of every task whether its supervisor lives: the watch should have told,
        but a kernel's word that was lost must not leave a job running for ever."""
        names = names or list(self._live)
        some, rest = names[:_RECORDS_PER_TURN_MAX], names[_RECORDS_PER_TURN_MAX:]
        for name in some:
            if name in self._live and self._unheld(name):
                self._note(name, closed=True)
        loop = asyncio.get_running_loop()
        if rest:
            self._net = loop.call_soon(self._cast_net, rest)
        else:
            self._net = loop.call_later(_NET_INTERVAL_S, self._cast_net, [])

    def _note(self, name: str, closed: bool) -> None:
        self._changed[name] = closed or self._changed.get(name, False)
        if not self._turn_due:
            self._turn_due = True
            asyncio.get_running_loop().call_later(_GATHER_S, self._take_turn)

    def _take_turn(self) -> None:
        """Read what changed, and report what is new in one batch."""
        self._turn_due = False
        reports: list[TaskReport] = []
        for _ in range(min(len(self._changed), _RECORDS_PER_TURN_MAX)):
            name = next(iter(self._changed))
            closed = self._changed.pop(name)
            live = self._live.get(name)
            record = records.read_record(self._records, name) if live else None
            if live is not None and record is not None:
                reports += self._news(live, record, closed)
                if closed and record.ended is None:
                    self._on_lost(live, record)
        if self._changed:
            self._turn_due = True
            asyncio.get_running_loop().call_soon(self._take_turn)
        if reports:
            self._sink(reports)

    def _on_lost(self, live: _Live, record: Record) -> None:
        """The record's last holder is gone, and it has no end."""
        if live.in_flight and record.supervised is None:
            # It was the launcher. What comes of the launch is known when the launcher answers, or the next.
            live.closed_in_flight = True
        else:
            self._undertaker.take(live.name)

    def _news(self, live: _Live, record: Record, closed: bool) -> Iterable[TaskReport]:
        """What of this record was not yet reported. Its end counts once it is durable, which it is when closed."""
        if record.supervised is not None and live.supervisor is None:
            live.supervisor = record.supervised.supervisor
            if live.signal_due is not None:
                processes.send_signal(live.supervisor, live.signal_due)
        if record.started is not None and not live.started:
            live.started = True
            yield started_report(live.run, live.task, live.cause, record.started)
        if record.ended is not None and closed:
            del self._live[live.name]
            _disarm(live)
            self._launcher.over(live.name)
            self._logs.wake_all()
            yield ended_report(live.run, live.task, live.cause, record)

    # --- control ---

    async def stop(self, run: RunId, grace_us: int) -> None:
        """SIGTERM to every process of the run, SIGKILL after `grace_us`. Again: the shorter grace wins."""
        for live in self._living(run):
            self._signal(live, self._control.tell_stop(live.name, grace_us))
            self._force_later(live, grace_us)

    def extend(self, shard: str, until_us: int) -> None:
        """One small write: supervisors look for themselves (leases.py)."""
        try:
            self._leases.extend(lease_name(shard), until_us)
        except OSError as error:
            raise LeaseNotTold(f"the lease of {shard} can't be written: {error.strerror}") from error

    def _living(self, run: RunId) -> list[_Live]:
        names = [record_name(run, task) for task in self._recorded.get(run, ())]
        return [self._live[name] for name in names if name in self._live]

    def _signal(self, live: _Live, number: signal.Signals) -> None:
        if live.supervisor is None:
            live.signal_due = number
        else:
            processes.send_signal(live.supervisor, number)

    def _force_later(self, live: _Live, grace_us: int) -> None:
        """Should the supervisor not do it: kill the supervisor, with whom the task dies (lost.py sees to that)."""
        loop = asyncio.get_running_loop()
        when_s = loop.time() + grace_us / 1e6 + self._stop_margin_s
        if live.force is None or live.force.when() > when_s:
            _disarm(live)
            live.force = loop.call_at(when_s, self._force, live)

    def _force(self, live: _Live) -> None:
        live.force = None
        if live.supervisor is None:
            # It hangs between its own start and the task's, of which nobody is told; look.
            self._note(live.name, closed=False)
            self._force_later(live, 0)
        else:
            processes.send_signal(live.supervisor, signal.SIGKILL)

    # --- forgetting ---

    async def reap(self, runs: Sequence[RunId], *, logs: bool = False) -> None:
        """Delete the records and scratch directories of ended runs, and with `logs` their output. A task that still
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
        if logs:
            directories += [self._directory / LOGS / run_name(run) for run in runs]
        if doomed or logs:
            await asyncio.to_thread(self._delete, doomed, directories)

    def _delete(self, names: Iterable[str], directories: Iterable[Path]) -> None:
        """Control first: a record without control is complete, control without a record is litter."""
        for name in names:
            self._control.delete(name)
            (self._directory / RECORDS / name).unlink(missing_ok=True)
        for directory in directories:
            self.undeleted += delete_tree(directory)

    # --- logs ---

    async def outputs_of(self, job_ids: Sequence[str]) -> tuple[RunId, ...]:
        """The runs of these arrays' elements that have a directory of logs."""
        return await asyncio.to_thread(self._outputs_of, frozenset(job_ids))

    def _outputs_of(self, job_ids: frozenset[str]) -> tuple[RunId, ...]:
        with os.scandir(self._directory / LOGS) as entries:
            runs = [parse_run_name(entry.name) for entry in entries]
        return tuple(
            run for run in runs if run is not None and job_of_run(run.job_id) in job_ids - {run.job_id}
        )

    def read_log(
        self, run: RunId, task: int, stream: str, offset: int, follow: bool
    ) -> AsyncIterator[LogChunk]:
        """Stream what is kept from byte `offset` on. With `follow` it goes on until the task has ended here."""
        name = record_name(run, task)
        place = Place(self._directory / LOGS / run_name(run), task, stream)
        return self._logs.read(place, offset, still_grows=lambda: follow and name in self._live)


def _disarm(live: _Live) -> None:
    if live.force is not None:
        live.force.cancel()


def _nobody(reports: Sequence[TaskReport]) -> None:
    raise AssertionError("news before recover")
