"""Clears everything away if the harness dies: a process that waits for the end of a pipe.

The harness holds the other end, and says "done" before it closes it in good order. Whatever ends the harness otherwise
(kill -9 included) closes it too, and then daemons, tasks, namespaces and mounts of the run are removed.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from chaos.live import network
from chaos.live.commands import run
from hanse.cli.devnet import layout, processes
from hanse.cli.devnet.tasks import end_tasks
from hanse.daemon.runtime import TASKS_DIRECTORY

_DONE = b"done\n"
_NO_NUMBER = "-"


class Janitor:
    """The harness's end of it. `number` and `lock`: the network's, if there is one."""

    def __init__(self, directory: Path, number: int | None, lock: int | None) -> None:
        words = [str(directory), _NO_NUMBER if number is None else str(number)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "chaos.live.janitor", *words],
            stdin=subprocess.PIPE,
            # It keeps the number until all is swept.
            pass_fds=() if lock is None else (lock,),
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """There is nothing left to clear away."""
        self._process.communicate(_DONE)


def clear(directory: Path, number: int | None) -> None:
    """End all processes of a run, and remove its namespaces and mounts. Files stay."""
    if number is not None:
        network.sweep(number)
    federation = layout.load(directory)
    if federation is not None:
        # A frozen daemon would not heed SIGTERM, and what is cleared away here has nothing left to save.
        processes.stop_all(federation.regions, grace_s=0)
        for region in federation.regions:
            end_tasks(region.data / TASKS_DIRECTORY)
    for mount in mounts_below(directory):
        run("umount", "--lazy", str(mount))


def mounts_below(directory: Path) -> list[Path]:
    """Where something is mounted, deepest first."""
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    points = [Path(line.split()[1].replace("\\040", " ")) for line in lines]
    return sorted((point for point in points if point.is_relative_to(directory)), reverse=True)


def main(directory: str, number: str) -> None:
    """Wait for the pipe's end, and clear unless it was a good one."""
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)
    if sys.stdin.buffer.read() != _DONE:
        clear(Path(directory), None if number == _NO_NUMBER else int(number))


if __name__ == "__main__":
    main(*sys.argv[1:])
