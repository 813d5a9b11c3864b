"""Fork and exec of the task itself."""

from __future__ import annotations

import errno
import os
import signal
from typing import NamedTuple, NoReturn

from hanse.executors.local import kernel
from hanse.executors.local.containment import Containment
from hanse.executors.local.orders import Order
from hanse.executors.local.processes import ProcessId, parse_stat, read_small

SCRATCH = "scratch"
# The task's pid is looked for this far above its supervisor's, where the kernel has not got to yet (nearer are other
# supervisors of the same batch), or, where the numbers end, as far below.
_PID_OFFSETS = (64, 65, 66, 67, -64, -65, -66, -67)
_FAILED = b"!"


class CannotStart(Exception):  # noqa: N818 - reads as what it says: raise CannotStart
    """The task's program could not be started; the text is for its owner."""


class Started(NamedTuple):
    """A task that runs. `pid` is the supervisor's name for it, `process` the daemon's."""

    pid: int
    process: ProcessId


def start(order: Order, containment: Containment, host_proc: int, stdout: int, stderr: int) -> Started:
    """Start the task as leader of a session of its own. Returns once exec has succeeded; else raises CannotStart.

    `host_proc` is a descriptor of the daemon's /proc.
    """
    supervisor = os.getpid()
    report, report_end = os.pipe()
    try:
        pid = _fork(containment, host_proc)
        if pid == 0:
            _become(order, supervisor, host_proc, stdout, stderr, report_end)
    except OSError as error:
        os.close(report)
        raise CannotStart(f"cannot fork: {error.strerror}") from error
    finally:
        os.close(report_end)
    told = _read_all(report)
    stat, failed, reason = told.partition(_FAILED)
    if failed:
        os.waitpid(pid, 0)
        raise CannotStart(reason.decode(errors="replace"))
    if not stat:
        # It was killed before it could say anything; its wait status tells the rest.
        return Started(pid, ProcessId(pid, 0))
    return Started(pid, parse_stat(stat).id)


def _read_all(descriptor: int) -> bytes:
    pieces = []
    while piece := os.read(descriptor, 4096):
        pieces.append(piece)
    os.close(descriptor)
    return b"".join(pieces)


def _fork(containment: Containment, host_proc: int) -> int:
    """In a namespace, give the task the same pid inside and outside; where that can't be had, any pid will do."""
    if containment is Containment.PID_NAMESPACE:
        own = int(os.readlink("self", dir_fd=host_proc))
        for offset in _PID_OFFSETS:
            # clone3 finds out that a pid is taken only after it has copied the process.
            if _exists(own + offset, host_proc):
                continue
            try:
                return kernel.fork_with_pid(own + offset, 2)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.EINVAL):
                    break
    return os.fork()


def _exists(pid: int, proc: int) -> bool:
    try:
        os.stat(str(pid), dir_fd=proc)
    except FileNotFoundError:
        return False
    return True


def _become(order: Order, supervisor: int, host_proc: int, stdout: int, stderr: int, report: int) -> NoReturn:
    """The child: become the task or say why not. Never returns into the supervisor's code."""
    try:
        os.setsid()
        kernel.die_with_parent(signal.SIGKILL)
        if os.getppid() != supervisor:
            os._exit(1)
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        _change_directory(order)
        os.write(report, read_small("self/stat", host_proc))
        _execute(order)
    except CannotStart as refusal:
        os.write(report, _FAILED + str(refusal).encode(errors="surrogateescape"))
    except BaseException as error:  # noqa: BLE001 - two processes must never run on in one program
        os.write(report, _FAILED + repr(error).encode(errors="backslashreplace"))
    finally:
        os._exit(1)


def _change_directory(order: Order) -> None:
    try:
        if not order.working_directory:
            path = f"{SCRATCH}/{order.run_name}"
            if not os.path.isdir(path):  # noqa: PTH112 - pathlib is not worth its weight here
                os.makedirs(path, exist_ok=True)  # noqa: PTH103
            os.chdir(path)
        else:
            os.chdir(order.working_directory)
    except OSError as error:
        raise CannotStart(f"working directory {order.working_directory!r}: {error.strerror}") from error


def _execute(order: Order) -> NoReturn:
    environment = {name: value for name, value in order.environment}  # noqa: C416 - JSON's pairs are lists
    program = order.command[0]
    if "/" in program:
        candidates = [program]
    else:
        path = environment.get("PATH", os.defpath)
        candidates = [f"{directory or '.'}/{program}" for directory in path.split(":")]
    refusal = f"{program}: not found on PATH" if "/" not in program else ""
    for candidate in candidates:
        try:
            os.execve(candidate, order.command, environment)
        except (FileNotFoundError, NotADirectoryError) as error:
            refusal = refusal or f"{program}: {error.strerror}"
        except PermissionError as error:
            # As a shell does: go on looking, and complain of this one if nothing better is found.
            refusal = f"{candidate}: {error.strerror}"
        except OSError as error:
            raise CannotStart(f"{candidate}: {error.strerror}") from error
    raise CannotStart(refusal)
