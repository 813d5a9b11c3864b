"""An engine without processes, for benchmarks of all the rest: a task is an instant at which it ends.

A task lasts as long as its environment variable SIMULATED_S says (seconds, decimals allowed), else the default
that the engine was made with; it ends with 0, or as told to stop with 143. One heap and one timer of the event loop
serve all tasks, and what happens at the same time is reported in one batch. Leases have a timer for each shard.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import AsyncIterator, Iterable, Sequence

from hanse.core.events import FoundTask, TaskEnded, TaskStarted
from hanse.core.model.jobs import RunId
from hanse.executors.port import LogChunk, ReportSink, TaskLaunch, TaskReport

DURATION_VARIABLE = "SIMULATED_S"
# Ends this close together are reported together: below what any caller can see, above what a timer can resolve.
_TICK_S = 0.001
_STOPPED_EXIT_CODE = 143
_SIGTERM = 15


class SimulatedExecutor:
    """Keeps tasks in memory: they end with the daemon, so `recover` finds nothing, ever."""

    def __init__(self, duration_s: float = 0.0) -> None:
        self._duration_s = duration_s
        self._sink: ReportSink = _nobody
        self._running: dict[RunId, dict[int, _Task]] = {}
        # (end on the loop's clock, launch number, task); stopped tasks stay until their time has come.
        self._ends: list[tuple[float, int, _Task]] = []
        self._launched = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_s = 0.0
        # Shard -> until when its tasks may live (CLOCK_BOOTTIME, us), and the timer that looks whether that is over.
        self._leases: dict[str, int] = {}
        self._lease_timers: dict[str, asyncio.TimerHandle] = {}

    async def recover(self, sink: ReportSink) -> tuple[FoundTask, ...]:
        """From now on `sink` gets the news."""
        self._sink = sink
        return ()

    async def launch(self, tasks: Sequence[TaskLaunch]) -> None:
        """Start tasks. One that runs already is not started again."""
        now_s, wall_us = asyncio.get_running_loop().time(), _wall_us()
        started: list[TaskReport] = []
        for launch in tasks:
            of_run = self._running.setdefault(launch.run, {})
            if launch.task not in of_run:
                shard = launch.lease.shard if launch.lease else ""
                of_run[launch.task] = task = _Task(launch.run, launch.task, launch.cause, wall_us, shard)
                self._launched += 1
                heapq.heappush(self._ends, (now_s + self._duration_of(launch), self._launched, task))
                started.append(
                    TaskStarted(
                        run=launch.run, task=launch.task, pid=0, at_wall_us=wall_us, cause=launch.cause
                    )
                )
        if started:
            self._sink(started)
            self._arm()
        for lease in {launch.lease for launch in tasks if launch.lease}:
            self.extend(lease.shard, lease.until_us)

    def extend(self, shard: str, until_us: int) -> None:
        """Tasks of this shard may live until then."""
        self._leases[shard] = max(until_us, self._leases.get(shard, 0))
        if shard not in self._lease_timers:
            self._watch_lease(shard)

    def _watch_lease(self, shard: str) -> None:
        wait_s = max(0, self._leases[shard] - _mono_us()) / 1e6
        loop = asyncio.get_running_loop()
        self._lease_timers[shard] = loop.call_later(wait_s, self._on_lease_timer, shard)

    def _on_lease_timer(self, shard: str) -> None:
        """Its lease was renewed, or its tasks end."""
        if _mono_us() < self._leases[shard]:
            self._watch_lease(shard)
            return
        del self._lease_timers[shard]
        living = [task for run in self._running.values() for task in run.values() if task.shard == shard]
        self._report_ends(living, _STOPPED_EXIT_CODE, _SIGTERM, "lease expired", lease_ended=True)

    async def stop(self, run: RunId, grace_us: int) -> None:
        """End every task of the run at once: simulated tasks heed SIGTERM."""
        stopped = list(self._running.get(run, {}).values())
        self._report_ends(stopped, _STOPPED_EXIT_CODE, _SIGTERM, "stopped")

    async def reap(self, runs: Sequence[RunId], *, logs: bool = False) -> None:
        """Nothing is kept."""

    async def outputs_of(self, job_ids: Sequence[str]) -> tuple[RunId, ...]:
        """Simulated tasks say nothing."""
        return ()

    async def read_log(
        self, run: RunId, task: int, stream: str, offset: int, follow: bool
    ) -> AsyncIterator[LogChunk]:
        """Simulated tasks say nothing."""
        nothing: tuple[LogChunk, ...] = ()
        for chunk in nothing:
            yield chunk

    async def close(self) -> None:
        """The tasks are gone with it."""
        for timer in (self._timer, *self._lease_timers.values()):
            if timer is not None:
                timer.cancel()
        self._lease_timers.clear()
        self._running.clear()
        self._ends.clear()

    def _duration_of(self, launch: TaskLaunch) -> float:
        for name, value in launch.environment:
            if name == DURATION_VARIABLE:
                return float(value)
        return self._duration_s

    def _arm(self) -> None:
        if not self._ends:
            return
        due_s = self._ends[0][0]
        if self._timer is not None:
            if self._timer_due_s <= due_s + _TICK_S:
                return
            self._timer.cancel()
        self._timer_due_s = due_s
        self._timer = asyncio.get_running_loop().call_at(due_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        until_s = asyncio.get_running_loop().time() + _TICK_S
        due = []
        while self._ends and self._ends[0][0] <= until_s:
            due.append(heapq.heappop(self._ends)[2])
        self._report_ends(due, 0, 0, "")
        self._arm()

    def _report_ends(
        self, tasks: Iterable[_Task], exit_code: int, signal: int, detail: str, *, lease_ended: bool = False
    ) -> None:
        wall_us = _wall_us()
        ends: list[TaskReport] = [
            task.end(exit_code, signal, detail, wall_us, lease_ended=lease_ended)
            for task in tasks
            if self._forget(task)
        ]
        if ends:
            self._sink(ends)

    def _forget(self, task: _Task) -> bool:
        """Whether this very task still ran."""
        of_run = self._running.get(task.run)
        if of_run is None or of_run.get(task.number) is not task:
            return False
        del of_run[task.number]
        if not of_run:
            del self._running[task.run]
        return True


class _Task:
    __slots__ = ("cause", "number", "run", "shard", "started_wall_us")

    def __init__(self, run: RunId, number: int, cause: str, started_wall_us: int, shard: str) -> None:
        self.run = run
        self.number = number
        self.cause = cause
        self.started_wall_us = started_wall_us
        self.shard = shard

    def end(self, exit_code: int, signal: int, detail: str, wall_us: int, *, lease_ended: bool) -> TaskEnded:
        return TaskEnded(
            run=self.run,
            task=self.number,
            exit_code=exit_code,
            signal=signal,
            started_wall_us=self.started_wall_us,
            ended_wall_us=wall_us,
            detail=detail,
            cause=self.cause,
            lease_ended=lease_ended,
            stopped=signal == _SIGTERM,
        )


def _wall_us() -> int:
    return time.time_ns() // 1000


def _mono_us() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def _nobody(reports: Sequence[TaskReport]) -> None:
    raise AssertionError("news before recover")
