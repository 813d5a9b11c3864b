"""The port between the daemon and an engine that runs tasks.

An engine reports what happens to tasks as the core's own events (TaskStarted, TaskEnded) through a sink, each exactly
once per task and run, in that order, also across restarts of the daemon: a task that ended while nobody listened is
reported by `recover`. Reports may repeat after a crash; the core ignores what it already knows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

import msgspec

from hanse.core.events import FoundTask, TaskEnded, TaskStarted
from hanse.core.model.jobs import RunId

TaskReport = TaskStarted | TaskEnded
# Called from the event loop, never from another thread, and must not block. Reports come in batches.
ReportSink = Callable[[Sequence[TaskReport]], None]


class TaskLease(msgspec.Struct, frozen=True, kw_only=True):
    """A task may live until this instant of CLOCK_BOOTTIME, or the one that `extend` says later on for its shard. Then
    it is ended whether or not the daemon lives: SIGTERM at most a share of `length_us` before, SIGKILL at the end."""

    shard: str
    until_us: int
    length_us: int


class TaskLaunch(msgspec.Struct, frozen=True, kw_only=True):
    """One task to start. `environment` is complete (HANSE_* and device variables included).

    `node` is the region's name for the machine; `devices` are (kind, index) pairs that the task may use.
    `lease` None: it lives until it ends or is stopped. Sizes in bytes.
    """

    run: RunId
    task: int
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    working_directory: str = ""
    grace_us: int
    node: str
    devices: tuple[tuple[str, int], ...] = ()
    log_bytes_max: int = 16 * 1024 * 1024
    lease: TaskLease | None = None
    cause: str = ""


class LogChunk(msgspec.Struct, frozen=True):
    """A piece of a task's output: `data` ends before byte `next_offset`; `dropped` bytes fell to the cap so far."""

    data: bytes
    next_offset: int
    dropped: int


class Executor(Protocol):
    """An engine. All methods may be called again after an error; none of them waits for a task to end."""

    async def recover(self, sink: ReportSink) -> tuple[FoundTask, ...]:
        """Start the engine and tell all that is known of earlier runs. From then on `sink` gets the news."""

    async def launch(self, tasks: Sequence[TaskLaunch]) -> None:
        """Start tasks. A task that cannot be started is reported as TaskEnded(launched=False), never raised."""

    def extend(self, shard: str, until_us: int) -> None:
        """All tasks of this shard, also those of earlier lives and those yet to be launched, may live until this
        instant of CLOCK_BOOTTIME; an earlier one than before changes nothing. Never blocks, and costs the same however
        many they are. ExecutorError if it can't be told: then the earlier end stands."""

    async def stop(self, run: RunId, grace_us: int) -> None:
        """End every task of the run, SIGTERM first; each is reported by TaskEnded. Unknown or ended runs: nothing."""

    async def reap(self, runs: Sequence[RunId], *, logs: bool = False) -> None:
        """Forget the records of these ended runs; with `logs` also what they wrote, which otherwise stays."""

    async def outputs_of(self, job_ids: Sequence[str]) -> tuple[RunId, ...]:
        """The runs of these arrays' elements that have left output, in no order. Looks at all output that is kept."""

    def read_log(
        self, run: RunId, task: int, stream: str, offset: int, follow: bool
    ) -> AsyncIterator[LogChunk]:
        """Stream "stdout" or "stderr" from a byte offset; with `follow`, until the task has ended."""

    async def close(self) -> None:
        """Let go of the engine without touching the tasks: they go on and are found again by `recover`."""
