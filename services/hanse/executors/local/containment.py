"""How a supervisor holds its task's processes together, so that all of them die, and die with it.

PID_NAMESPACE, where the launcher may create one (root, or CAP_SYS_ADMIN): the supervisor is the init of a namespace of
its own. Whatever the task forks lives in it, setsid or not; one kill(-1) reaches all of it, and when the supervisor
dies for whatever reason, the kernel kills the rest before anybody sees the supervisor gone. /proc is mounted anew, so
that ps and the like see the same pids as the task; the task's first process has the same pid inside and outside, so
that the pid in its logs is the one that operators see (its children's pids differ). Nothing escapes. Costs about 0.3 ms
of CPU a task.

PROCESS_TREE, everywhere else: the supervisor is a subreaper, so that orphans become its children. While it lives, it
finds everything below it through /proc and kills it, and it reports an end only when it has no child left. When the
supervisor itself is killed, only the task's first process dies at once (parent-death signal); the daemon, or its next
life, kills the rest: what is in the task's session, and what carries its HANSE_* environment. What escapes
then: a process that has both left the session and cleared its environment. What always escapes: a setuid program, which
we may not kill; the supervisor waits for it.

In both modes a frozen supervisor (SIGSTOP) enforces nothing, its lease neither, until it goes on or is killed; after a
stop the daemon does that.
"""

from __future__ import annotations

import enum
import os
import signal
from collections.abc import Callable
from functools import partial

from hanse.executors.local import kernel
from hanse.executors.local.processes import descendants_of, send_signal


class Containment(enum.StrEnum):
    """The two ways. The words are stored in records."""

    PID_NAMESPACE = "pid_namespace"
    PROCESS_TREE = "process_tree"


def best_available() -> Containment:
    """Try a namespace in a child process; what fails there (no right, no kernel support) would fail for every task."""
    child = os.fork()
    if child == 0:
        os._exit(0 if _can_unshare() else 1)
    return Containment.PID_NAMESPACE if _succeeded(child) else Containment.PROCESS_TREE


def _can_unshare() -> bool:
    try:
        kernel.unshare(kernel.CLONE_NEWPID)
        init = os.fork()
    except OSError:
        return False
    if init == 0:
        try:
            enter(Containment.PID_NAMESPACE)
        except OSError:
            os._exit(1)
        os._exit(0)
    return _succeeded(init)


def _succeeded(child: int) -> bool:
    return os.waitpid(child, 0)[1] == 0


def enter(containment: Containment) -> None:
    """What the supervisor does first of all. (It was forked into its PID namespace; see zygote.py.)"""
    match containment:
        case Containment.PID_NAMESPACE:
            kernel.unshare(kernel.CLONE_NEWNS)
            kernel.mount_own_proc()
        case Containment.PROCESS_TREE:
            kernel.become_subreaper()


def signal_all(containment: Containment, group: int, number: signal.Signals) -> None:
    """Signal every process of the task. `group` is the process group of its first one."""
    match containment:
        case Containment.PID_NAMESPACE:
            _ignoring_absence(lambda: os.kill(-1, number))
        case Containment.PROCESS_TREE:
            # First the group, in one stroke; then what left it.
            _ignoring_absence(lambda: os.killpg(group, number))
            for stat in descendants_of(os.getpid()):
                if stat.group != group:
                    _ignoring_absence(partial(send_signal, stat.id, number))


def _ignoring_absence(send: Callable[[], object]) -> None:
    try:
        send()
    except (ProcessLookupError, PermissionError):
        # Gone, or a setuid program: the supervisor goes on waiting until it has no child left.
        return
