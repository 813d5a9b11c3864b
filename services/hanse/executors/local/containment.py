"""How a supervisor holds its task's processes together, so that all of them die, and die with it.

PID_NAMESPACE, where the launcher may create one (root, or CAP_SYS_ADMIN): the supervisor is the init of a namespace of
its own. Whatever the task forks lives in it, setsid or not; one kill(-1) reaches all of it, and when the supervisor
dies for whatever reason, the kernel kills the rest before anybody sees the supervisor gone. The task has mounts of its
own, with a /proc that shows ps and the like the same pids as the task sees; its first process has the same pid inside
and outside, so that the pid in its logs is the one that operators see (its children's pids differ). Nothing escapes.

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
from hanse.executors.local.processes import PROC, descendants_of, send_signal


class Containment(enum.StrEnum):
    """The two ways. The words are stored in records."""

    PID_NAMESPACE = "pid_namespace"
    PROCESS_TREE = "process_tree"


def best_available() -> Containment:
    """Try in child processes what every task needs; what fails there (no right, no kernel support) fails for all."""
    own_namespace = open_own_namespace()
    try:
        init = fork_supervisor(Containment.PID_NAMESPACE, own_namespace)
    except OSError:
        return Containment.PROCESS_TREE
    finally:
        os.close(own_namespace)
    if init == 0:
        status = 1
        try:
            mount_apart()
            status = 0
        finally:
            os._exit(status)
    return Containment.PID_NAMESPACE if os.waitpid(init, 0)[1] == 0 else Containment.PROCESS_TREE


def open_own_namespace() -> int:
    """A descriptor of this process's PID namespace."""
    return os.open(f"{PROC}/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)


def fork_supervisor(containment: Containment, own_namespace: int) -> int:
    """As os.fork. `own_namespace`: a descriptor of this process's PID namespace, in which it remains.

    Whatever this raises, it raises in the parent: OSError if nothing can be forked now, RuntimeError if this process
    can't fork any more.
    """
    if containment is Containment.PROCESS_TREE:
        return os.fork()
    kernel.unshare(kernel.CLONE_NEWPID)
    child = -1
    try:
        child = os.fork()
    finally:
        if child != 0:
            _come_back(own_namespace)
    return child


def _come_back(own_namespace: int) -> None:
    try:
        kernel.enter_namespace(own_namespace, kernel.CLONE_NEWPID)
    except OSError as error:
        raise RuntimeError(
            "this process's next children belong to a namespace that is not its own"
        ) from error


def hold(containment: Containment) -> None:
    """What the supervisor does first of all. (Into its PID namespace it was forked.)"""
    if containment is Containment.PROCESS_TREE:
        kernel.become_subreaper()


def mount_apart() -> None:
    """PID_NAMESPACE, in the task's first process: mounts of its own, with a /proc that fits."""
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount_own_proc()


def die_with(supervisor: int) -> None:
    """PROCESS_TREE, in the task's first process: its supervisor's death is its own, also if that came before."""
    kernel.die_with_parent(signal.SIGKILL)
    if os.getppid() != supervisor:
        os._exit(1)


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
