"""Which pid a task gets, where it can be chosen (a PID namespace): one that has not been anybody's for long.

The kernel deals pids in turn and so uses none again soon. Pids that are asked for bypass that: asking for those of the
last task again and again, each would be somebody else's a moment ago. So launchers deal in turn as well, each from a
place of its own, and leave out what the kernel has just dealt.
"""

from __future__ import annotations

import os
import sys

from hanse.executors.local.processes import PROC, read_small

# Some are taken already: a task tries as many, from the one that it was dealt on.
PIDS_TRIED = 16
# Once it has gone round, the kernel leaves out those below 300; what lives long has numbers below this.
_PID_MIN = 1024
# Processes that have ended lately had one of the last so many: some seconds' worth at a thousand forks a second.
_RECENT = 4096


class PidDealer:
    """For one launcher. Numbers are those of this process's PID namespace."""

    def __init__(self) -> None:
        self._size = int(read_small(f"{PROC}/sys/kernel/pid_max")) - _PID_MIN
        self._load = os.open(f"{PROC}/loadavg", os.O_RDONLY | os.O_CLOEXEC)
        self._place = int.from_bytes(os.urandom(4), sys.byteorder) % self._size

    def deal(self) -> int:
        """The first of PIDS_TRIED pids for a task to try."""
        return _PID_MIN + self._advance(int(os.pread(self._load, 100, 0).split()[-1]) - _PID_MIN)

    def _advance(self, kernel_place: int) -> int:
        self._place += 1
        if (kernel_place - self._place) % self._size < _RECENT:
            self._place = kernel_place + PIDS_TRIED
        if not 0 <= self._place < self._size - PIDS_TRIED:
            self._place = 0
        return self._place
