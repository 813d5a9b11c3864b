"""Between the port's words and the records': what is asked for, and what is reported."""

from __future__ import annotations

from hanse.core.events import TaskEnded, TaskStarted
from hanse.core.model.jobs import RunId
from hanse.executors.local import records
from hanse.executors.local.leases import LEASES
from hanse.executors.local.names import lease_name, record_name, run_name
from hanse.executors.local.orders import Order
from hanse.executors.local.records import Record
from hanse.executors.port import TaskLaunch

# Below this a head and a tail make no sense.
_LOG_BYTES_MIN = 4096


def refusal_of(launch: TaskLaunch) -> str:
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


def order_of(launch: TaskLaunch) -> Order:
    """What the zygote is told of a launch that `refusal_of` let pass."""
    lease = launch.lease
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
        shard=lease.shard if lease else "",
        lease_file=f"{LEASES}/{lease_name(lease.shard)}" if lease else "",
        lease_until_us=lease.until_us if lease else 0,
        lease_us=lease.length_us if lease else 0,
        cause=launch.cause,
    )


def pid_of(record: Record) -> int:
    """The task's, or 0 if it never had one."""
    return record.started.process.pid if record.started else 0


def started_report(run: RunId, task: int, cause: str, started: records.Started) -> TaskStarted:
    """The start that the record tells."""
    return TaskStarted(run=run, task=task, pid=started.process.pid, at_wall_us=started.wall_us, cause=cause)


def ended_report(run: RunId, task: int, cause: str, record: Record) -> TaskEnded:
    """The end that the record tells."""
    ended = record.ended
    assert ended is not None, "asked for an end that is not there"
    return TaskEnded(
        run=run,
        task=task,
        exit_code=ended.exit_code,
        signal=ended.signal,
        started_wall_us=record.started.wall_us if record.started else 0,
        ended_wall_us=ended.wall_us,
        launched=ended.launched,
        lost=ended.lost,
        detail=ended.detail,
        cause=cause,
        lease_ended=ended.lease_ended,
        stopped=ended.stopped,
    )


def unlaunched_report(run: RunId, task: int, cause: str, reason: str) -> TaskEnded:
    """The end of a task that could not be started."""
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
