"""Tasks outlive their daemon, as they must; whoever deletes a region's data has to end them first."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

from hanse.cli.errors import CommandError
from hanse.executors.local import records
from hanse.executors.local.lost import survivors
from hanse.executors.local.names import parse_record_name
from hanse.executors.local.processes import ProcessId, open_process

# Each round ends all that was found; what forked meanwhile is found by the next one.
_ROUNDS_MAX = 20
_ROUND_WAIT_S = 1.0


def living_tasks(tasks_directory: Path) -> dict[str, list[ProcessId]]:
    """Processes by task that a region's executor has left running, supervisors included. The daemon must be down."""
    try:
        directory = os.open(tasks_directory / records.RECORDS, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return {}
    try:
        found = {
            path.name: records.read_record(directory, path.name) or records.Record()
            for path in (tasks_directory / records.RECORDS).iterdir()
            if parse_record_name(path.name)
        }
    finally:
        os.close(directory)
    unended = {name: record for name, record in found.items() if record.ended is None}
    return {name: alive for name, alive in survivors(unended).alive.items() if alive}


def end_tasks(tasks_directory: Path) -> int:
    """Kill whatever the region's tasks still run; returns how many tasks that were."""
    ended: set[str] = set()
    for _ in range(_ROUNDS_MAX):
        living = living_tasks(tasks_directory)
        if not living:
            return len(ended)
        ended.update(living)
        for process in (process for alive in living.values() for process in alive):
            _kill(process)
    raise CommandError(
        f"{len(living_tasks(tasks_directory))} tasks of {tasks_directory} cannot be ended",
        hint="end them by hand",
    )


def _kill(process: ProcessId) -> None:
    descriptor = open_process(process)
    if descriptor is None:
        return
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll(_ROUND_WAIT_S * 1000)
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)
