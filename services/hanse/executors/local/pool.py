"""The zygote's supervisors: who has a task, who is free for the next, and when they go.

A supervisor that is forked for one task spends most of its life on copying pages that it shares with the zygote; one
that has done it before has its own. So supervisors take one task after the other. What makes that safe:

- It is free only when the daemon has heard the end of its task (`over`), and then the daemon has said its last word
  about that. So a signal that was meant for one task can't reach the next: it was sent before the next order was, and
  is dropped when that is taken up.
- That end was written when every process of the task was dead, and was durable before anybody could hear it.
- Nothing of a task is kept by its supervisor: processes are dead, mounts were the task's own, descriptors are closed.
- One that fails in any way ends, and takes nobody along.
- It holds nothing of the launcher but its own end of a socket. When the launcher is gone, so is what has no task.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import NamedTuple, NoReturn

from hanse.executors.local.containment import Containment, fork_supervisor
from hanse.executors.local.orders import Order, send_order
from hanse.executors.local.processes import PROC
from hanse.executors.local.supervisor import serve

# Where ends are followed by starts it is milliseconds; an idle supervisor keeps about 2 MB.
IDLE_S_MAX = 1.0
# However slowly something grows in a supervisor, it does not grow for ever.
_TASKS_MAX = 1_000
# Each costs the launcher a descriptor, of which it may have 1,024. More tasks than this at once are no short ones: the
# supervisors beyond have one task each.
_KEPT_MAX = 256


class _Supervisor(NamedTuple):
    """One that was forked here. `tasks` counts those that it has had."""

    link: socket.socket
    tasks: int
    free_since_s: float


class Pool:
    """`host_proc` and `own_namespace` are descriptors: of the daemon's /proc, and of the launcher's PID namespace."""

    def __init__(self, containment: Containment, host_proc: int, own_namespace: int) -> None:
        self._containment = containment
        self._host_proc = host_proc
        self._own_namespace = own_namespace
        self._busy: dict[str, _Supervisor] = {}
        # The last one to become free is the first to be taken: those at the front are the ones that nobody needs.
        self._free: list[_Supervisor] = []

    def give(self, order: Order, record: int) -> None:
        """Have a supervisor run this. `record` is claimed, and stays open here. OSError if no process can be had."""
        while self._free:
            if self._give(self._free.pop(), order, record):
                return
        if not self._give(self._fork(), order, record):
            raise ChildProcessError("a supervisor died at birth")

    def take_back(self, names: list[str]) -> None:
        """The daemon has heard of the ends of these tasks."""
        for name in names:
            supervisor = self._busy.pop(name, None)
            if supervisor is None:
                continue  # an earlier launcher's
            if supervisor.tasks < _TASKS_MAX:
                self._free.append(supervisor._replace(free_since_s=time.monotonic()))
            else:
                supervisor.link.close()

    def dismiss_idle(self) -> None:
        """Let those go that have been free for long."""
        until_s = time.monotonic() - IDLE_S_MAX
        while self._free and self._free[0].free_since_s <= until_s:
            self._free.pop(0).link.close()

    @property
    def idle(self) -> bool:
        """Whether there are any that may have to go."""
        return bool(self._free)

    def _give(self, supervisor: _Supervisor, order: Order, record: int) -> bool:
        try:
            send_order(supervisor.link, order, record)
        except (BrokenPipeError, ConnectionResetError):
            supervisor.link.close()
            return False
        if len(self._busy) + len(self._free) < _KEPT_MAX:
            self._busy[order.name] = supervisor._replace(tasks=supervisor.tasks + 1)
        else:
            supervisor.link.close()
        return True

    def _fork(self) -> _Supervisor:
        ours, theirs = socket.socketpair()
        try:
            if fork_supervisor(self._containment, self._own_namespace) == 0:
                self._become_supervisor(theirs)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        return _Supervisor(ours, 0, 0.0)

    def _become_supervisor(self, link: socket.socket) -> NoReturn:
        try:
            _close_all_but(link.fileno(), self._host_proc)
            serve(link, self._containment, self._host_proc)
        except BaseException:  # noqa: BLE001 - a supervisor must never run on as a second launcher
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(1)


def _close_all_but(*kept: int) -> None:
    """Held open, the rest would say that the launcher or other tasks' supervisors live. The standard ones stay."""
    for name in os.listdir(f"{PROC}/self/fd"):  # noqa: PTH208 - no pathlib in here
        descriptor = int(name)
        if descriptor > 2 and descriptor not in kept:
            try:
                os.close(descriptor)
            except OSError:
                continue  # the listing's own
