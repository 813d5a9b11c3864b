"""A daemon's worth of executor, to be killed: `python daemon_side.py <directory> <containment>`.

Reads launches from stdin, one per line (job id and command as JSON), and prints each report as a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from hanse.core.events import TaskStarted
from hanse.executors.local.containment import Containment
from hanse.executors.local.executor import LocalExecutor
from hanse.executors.port import TaskReport
from tests.executors.conftest import job_of, launch_of


def say(*words: object) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def tell(reports: Sequence[TaskReport]) -> None:
    """Print what a test may want to know."""
    for report in reports:
        pid = report.pid if isinstance(report, TaskStarted) else 0
        say(type(report).__name__, job_of(report.run), pid)


async def main(directory: Path, containment: Containment) -> None:
    """Serve until killed."""
    executor = LocalExecutor(directory, containment)
    await executor.recover(tell)
    say("Ready", "", executor._launcher.pid)
    while line := await asyncio.to_thread(sys.stdin.readline):
        await executor.launch([launch_of(job, *command) for job, command in json.loads(line)])
        say("Launched", "", 0)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Containment(sys.argv[2])))
