"""Which pid a task gets, where it can be chosen (a PID namespace): one that has not been anybody's for long.

The kernel deals pids in turn and so uses none again soon. Pids that are asked for bypass that: asking for that of the
last task again and again, each would be somebody else's a moment ago. So launchers deal in turn as well, each from a
place of its own, and leave out what the kernel has just dealt. Each task is dealt a few that no other is dealt for a
whole round: which of them it took, only its supervisor knows.
"""

from __future__ import annotations

import os
import sys

from hanse.executors.local.processes import PROC, read_small

# Some are taken already: a task tries as many, from the one that it was dealt on. Where pids end at 32,768, a round
# takes some 7,900 tasks.
PIDS_TRIED = 4
# Once it has gone round, the kernel leaves out those below 300; what lives long has numbers below this.
_PID_MIN = 1024
# What has just ended had one of the last so many: some seconds' worth at a thousand forks a second.
_RECENT = 4096


class PidDealer:
    """For one launcher. Numbers are below `pid_max`; `place` says where to begin."""

    def __init__(self, pid_max: int, place: int) -> None:
        self._size = max(1, pid_max - _PID_MIN - PIDS_TRIED)
        self._place = place

    def deal_after(self, kernel_pid: int) -> int:
        """The first of PIDS_TRIED pids for a task. `kernel_pid` is the last that the kernel chose by itself."""
        kernel_place = kernel_pid - _PID_MIN
        self._place = (self._place + PIDS_TRIED) % self._size
        if (kernel_place - self._place) % self._size < _RECENT:
            self._place = max(0, kernel_place + 1) % self._size
        return _PID_MIN + self._place


class Pids:
    """Deals those of this process's PID namespace, which is the one that the daemon and people see."""

    def __init__(self) -> None:
        pid_max = int(read_small(f"{PROC}/sys/kernel/pid_max"))
        self._load = os.open(f"{PROC}/loadavg", os.O_RDONLY | os.O_CLOEXEC)
        self._dealer = PidDealer(pid_max, int.from_bytes(os.urandom(4), sys.byteorder))

    def deal(self) -> int:
        """The first of PIDS_TRIED pids for a task to try."""
        # The last field is the newest pid.
        return self._dealer.deal_after(int(os.pread(self._load, 100, 0).split()[-1]))
