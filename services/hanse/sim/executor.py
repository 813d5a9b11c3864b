"""A simulated engine: tasks that take their time, fail, ignore SIGTERM, and outlive the daemon that launched them.

It keeps what a real engine keeps on disk (the tasks of every run that was not reaped, with their end once they ended)
and writes the ground truth of every process' life into the record, which is what "run twice" is judged by.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

import msgspec

from hanse.core.effects import Launch, Lease
from hanse.core.events import FoundTask, TaskEnded, TaskStarted
from hanse.core.model.jobs import RunId, TaskPlacement
from hanse.core.model.resources import Resources
from hanse.core.model.time import MILLISECOND_US
from hanse.sim.errors import SafetyViolation
from hanse.sim.faults import Faults
from hanse.sim.record import Launched, LaunchFailed, Record, TaskBegan, TaskFinished
from hanse.sim.timeline import Timeline

_LAUNCH_DELAY_MAX_US = 20 * MILLISECOND_US
# A workload that heeds SIGTERM does so within this time.
_TERM_DELAY_MAX_US = 200 * MILLISECOND_US
_KILL_DELAY_US = 5 * MILLISECOND_US
# Shares of what a crash finds half done: a launch that went through all the same, an end whose record was not synced.
_LAUNCH_GOES_THROUGH = 0.5
_END_RECORD_SURVIVES = 0.5
SIGTERM, SIGKILL = 15, 9


class Behaviour(msgspec.Struct, frozen=True):
    """What tasks of one kind of job do: they run about `runtime_us` and fail with probability `fail_share`;
    `resources` are those of one task, by group. Those that keep a checkpoint write one when they are told to end."""

    runtime_us: int
    fail_share: float
    resources: tuple[Resources, ...]
    keeps_checkpoint: bool = False
    # Whether the run time is about that, or exactly.
    varies: bool = True


# (job id, task) -> how much of its run time is done: storage that all regions reach.
Checkpoints = dict[tuple[str, int], int]


class Reports(Protocol):
    """The daemon as its engine sees it."""

    @property
    def up(self) -> bool:
        """Whether somebody listens."""
        ...

    def report(self, event: TaskStarted | TaskEnded) -> None:
        """News of a task."""
        ...

    def wall_us(self) -> int:
        """The machine's wall clock."""
        ...

    def mono_us(self) -> int:
        """The machine's CLOCK_BOOTTIME."""
        ...

    def world_us(self, mono_us: int) -> int:
        """The first instant of the world at which the machine's CLOCK_BOOTTIME shows at least this."""
        ...


class _Task:
    __slots__ = (
        "began_us",
        "began_wall_us",
        "behaviour",
        "ended",
        "pid",
        "placement",
        "run",
        "shard",
        "stopping",
        "task",
        "tenant",
    )

    def __init__(
        self,
        run: RunId,
        task: int,
        placement: TaskPlacement,
        behaviour: Behaviour,
        shard: str,
        tenant: str,
    ) -> None:
        self.run = run
        self.task = task
        self.placement = placement
        self.behaviour = behaviour
        self.tenant = tenant
        # Under whose lease it lives; empty: none is needed.
        self.shard = shard
        self.pid = 0  # 0: not yet alive
        self.began_us = 0
        self.began_wall_us = 0
        self.stopping = False
        self.ended: TaskEnded | None = None


class SimExecutor:
    """The engine of one region. `behaviour_of` tells from a spec what its tasks do."""

    def __init__(
        self,
        region: str,
        timeline: Timeline,
        randomness: random.Random,
        faults: Faults,
        record: Record,
        behaviour_of: Callable[[bytes], Behaviour],
        reports: Reports,
        count: Callable[[str], None],
        checkpoints: Checkpoints,
    ) -> None:
        self.faults = faults
        self._region = region
        self._timeline = timeline
        self._random = randomness
        self._record = record
        self._behaviour_of = behaviour_of
        self._reports = reports
        self._count = count
        self._checkpoints = checkpoints
        self._runs: dict[RunId, dict[int, _Task]] = {}
        self._pids = 0
        # Shard -> until when its tasks may live, on the machine's mono clock. Supervisors keep it, not the daemon.
        self._leases: dict[str, int] = {}

    # --- what the daemon asks for -----------------------------------------------------------------------------------

    def launch(self, launch: Launch) -> None:
        """Start these tasks, each after a little while."""
        run = launch.run
        shard = launch.lease.shard if launch.lease is not None else ""
        self._record.append(
            Launched(self._timeline.now_us, self._region, run, tuple(task for task, _ in launch.tasks), shard)
        )
        if launch.lease is not None:
            self.extend(launch.lease)
        tasks = self._runs.setdefault(run, {})
        behaviour = self._behaviour_of(launch.spec)
        for number, placement in launch.tasks:
            if number in tasks:
                continue  # a second process of a run would be the engine's fault; the record has the second order
            task = _Task(run, number, placement, behaviour, shard, launch.tenant)
            tasks[number] = task
            self._timeline.after(int(_LAUNCH_DELAY_MAX_US * self._random.random()), self._begin, task)

    def extend(self, lease: Lease) -> None:
        """Tasks of a shard may live longer."""
        if lease.until_mono_us > self._leases.get(lease.shard, 0):
            self._leases[lease.shard] = lease.until_mono_us
            self._watch_lease(lease.shard, lease.until_mono_us)

    def _watch_lease(self, shard: str, until_us: int) -> None:
        at_us = max(self._timeline.now_us, self._reports.world_us(until_us))
        self._timeline.at(at_us, self._on_lease_end, shard, until_us)

    def _on_lease_end(self, shard: str, until_us: int) -> None:
        """The supervisors kill, whether or not the daemon lives."""
        if self._leases.get(shard) != until_us:
            return
        if self._reports.mono_us() < until_us:
            self._watch_lease(shard, until_us)  # the clock has slowed down since
            return
        for task in self._all():
            if task.shard == shard and task.ended is None:
                self._count("lease_end")
                if task.pid:
                    self._timeline.after(_KILL_DELAY_US, self._end, task, SIGKILL, True)
                else:
                    self._fail_launch(task, "its lease ended before it began", lease_ended=True)

    def stop(self, run: RunId, grace_us: int) -> None:
        """SIGTERM to every task of the run, SIGKILL after the grace. Unknown and ended runs: nothing."""
        for task in list(self._runs.get(run, {}).values()):
            if task.ended is not None or task.stopping:
                continue
            task.stopping = True
            if not task.pid:
                self._timeline.after(_KILL_DELAY_US, self._fail_launch, task, "stopped before it began")
            elif self._random.random() < self.faults.ignores_sigterm:
                self._count("ignores_sigterm")
                self._timeline.after(grace_us + _KILL_DELAY_US, self._end, task, SIGKILL)
            else:
                delay_us = min(grace_us, int(_TERM_DELAY_MAX_US * self._random.random()))
                self._timeline.after(delay_us, self._end, task, SIGTERM)

    def reap(self, run: RunId) -> None:
        """Forget an ended run."""
        tasks = self._runs.pop(run, {})
        alive = [task.task for task in tasks.values() if task.ended is None]
        if alive:
            what = f"{self._region}: {run} was reaped while tasks {alive} lived"
            raise SafetyViolation(what, at_us=self._timeline.now_us, job_id=run.job_id)

    def recover(self) -> tuple[FoundTask, ...]:
        """All that is known of earlier launches."""
        return tuple(
            FoundTask(run=task.run, task=task.task, pid=task.pid, ended=task.ended, shard=task.shard)
            for tasks in self._runs.values()
            for task in tasks.values()
        )

    # --- what goes wrong --------------------------------------------------------------------------------------------

    def daemon_died(self) -> None:
        """Launches that were under way go through now or never; whatever lives goes on living."""
        for task in self._all():
            if task.ended is None and not task.pid:
                if not task.stopping and self._random.random() < _LAUNCH_GOES_THROUGH:
                    self._begin(task)
                else:
                    self._drop(task)

    def machine_died(self) -> None:
        """Every process is gone; of some, the engine's disk still says how."""
        self.daemon_died()
        for task in self._all():
            if task.ended is None:
                survives = self._random.random() < _END_RECORD_SURVIVES
                self._end(task, SIGKILL, lost=True)
                if not survives:
                    self._drop(task)
        self._leases = {}  # they were of a clock that has begun anew

    def disk_lost(self) -> None:
        """What the engine's disk said is gone too. After `machine_died`."""
        self._runs = {}

    def processes_died(self) -> None:
        """Every process is killed from outside, and the daemon hears of it."""
        for task in self._all():
            if task.ended is None and task.pid:
                self._end(task, SIGKILL)

    # --- the life of a task -----------------------------------------------------------------------------------------

    def _all(self) -> list[_Task]:
        return [task for tasks in self._runs.values() for task in tasks.values()]

    def _drop(self, task: _Task) -> None:
        del self._runs[task.run][task.task]

    def _is_known(self, task: _Task) -> bool:
        return self._runs.get(task.run, {}).get(task.task) is task

    def _begin(self, task: _Task) -> None:
        if task.pid or task.stopping or task.ended is not None or not self._is_known(task):
            return
        if self._random.random() < self.faults.launch_failure:
            self._count("launch_failure")
            self._fail_launch(task, "drawn")
            return
        self._pids += 1
        task.pid = self._pids
        task.began_us = self._timeline.now_us
        task.began_wall_us = self._reports.wall_us()
        placement, behaviour = task.placement, task.behaviour
        self._record.append(
            TaskBegan(
                self._timeline.now_us,
                self._region,
                task.run,
                task.task,
                placement.node,
                behaviour.resources[placement.group],
                placement.devices,
                task.tenant,
            )
        )
        runtime_us = int(behaviour.runtime_us * (0.5 + self._random.random() if behaviour.varies else 1))
        done_us = self._checkpoints.get((task.run.job_id, task.task), 0)
        if done_us:
            self._count("continued")
        self._timeline.after(max(0, runtime_us - done_us), self._end, task, 0)
        if self._reports.up:
            self._reports.report(
                TaskStarted(run=task.run, task=task.task, pid=task.pid, at_wall_us=task.began_wall_us)
            )

    def _fail_launch(self, task: _Task, detail: str, *, lease_ended: bool = False) -> None:
        if task.ended is not None or not self._is_known(task):
            return
        self._record.append(LaunchFailed(self._timeline.now_us, self._region, task.run, task.task))
        self._settle(task, exit_code=127, signal=0, launched=False, detail=detail, lease_ended=lease_ended)

    def _end(self, task: _Task, signal: int, lease_ended: bool = False, *, lost: bool = False) -> None:
        """It ends by itself (signal 0) or by a signal, whichever comes first; `lost`: with its machine."""
        if task.ended is not None or not self._is_known(task):
            return
        if signal == SIGTERM and task.behaviour.keeps_checkpoint:
            place = (task.run.job_id, task.task)
            lived_us = self._timeline.now_us - task.began_us
            self._checkpoints[place] = self._checkpoints.get(place, 0) + lived_us
        if signal:
            exit_code = 128 + signal
        else:
            exit_code = self._random.randint(1, 3) if self._random.random() < task.behaviour.fail_share else 0
        self._record.append(
            TaskFinished(
                self._timeline.now_us,
                self._region,
                task.run,
                task.task,
                exit_code,
                natural=signal == 0,
                told_to_end=task.stopping,
            )
        )
        self._settle(
            task,
            exit_code=exit_code,
            signal=signal,
            launched=True,
            lost=lost,
            detail="",
            lease_ended=lease_ended,
        )

    def _settle(
        self,
        task: _Task,
        *,
        exit_code: int,
        signal: int,
        launched: bool,
        lost: bool = False,
        detail: str,
        lease_ended: bool,
    ) -> None:
        task.ended = TaskEnded(
            run=task.run,
            task=task.task,
            exit_code=exit_code,
            signal=signal,
            started_wall_us=task.began_wall_us,
            ended_wall_us=self._reports.wall_us(),
            launched=launched,
            lost=lost,
            detail=detail,
            lease_ended=lease_ended,
            stopped=task.stopping,
        )
        if self.faults.late_report and self._random.random() < self.faults.late_report:
            self._count("late_report")
            delay_us = int(self.faults.late_report_max_us * self._random.random())
            self._timeline.after(delay_us, self._report_end, task)
        else:
            self._report_end(task)

    def _report_end(self, task: _Task) -> None:
        if self._reports.up and task.ended is not None and self._is_known(task):
            self._reports.report(task.ended)
