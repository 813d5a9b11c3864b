"""Real daemons in one process beside the tests: it starts and stops them as it is told on its standard input.

start FILE      a region's daemon from this configuration; answers "ok" when it serves
stop FILE       the same, in good order; answers "ok" when it is gone
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from hanse.daemon.config import load_config
from hanse.daemon.logs import configure_logging
from hanse.daemon.serve import Daemon

DEADLINE_S = 30.0


async def main() -> None:
    """Until the input ends."""
    configure_logging("warning", "tests")
    running: dict[str, tuple[Daemon, asyncio.Task[None]]] = {}
    async with asyncio.TaskGroup() as group:
        while line := (await asyncio.to_thread(sys.stdin.readline)).split():
            verb, file = line
            async with asyncio.timeout(DEADLINE_S):
                if verb == "start":
                    daemon = Daemon(load_config(Path(file)))
                    running[file] = daemon, group.create_task(daemon.run())
                    await daemon.serving.wait()
                else:
                    daemon, task = running.pop(file)
                    daemon.stop()
                    await task
            sys.stdout.write("ok\n")
            sys.stdout.flush()
        for daemon, _ in running.values():
            daemon.stop()


if __name__ == "__main__":
    asyncio.run(main())
