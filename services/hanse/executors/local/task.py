"""Fork and exec of the task itself.

The child is a copy of its supervisor until it execs, and every page that either of them touches meanwhile is copied for
it. So the supervisor prepares all that it can, and the child does little more than the system calls that nobody else
can do for it.
"""

from __future__ import annotations

import errno
import os
from typing import NamedTuple, NoReturn

from hanse.executors.local import kernel
from hanse.executors.local.containment import Containment, die_with, mount_apart
from hanse.executors.local.orders import Order
from hanse.executors.local.pids import PIDS_TRIED
from hanse.executors.local.processes import ProcessId, parse_stat, read_small

SCRATCH = "scratch"


class CannotStart(Exception):  # noqa: N818 - reads as what it says: raise CannotStart
    """The task's program could not be started; the text is for its owner."""


class Program(NamedTuple):
    """What exec needs, in bytes, so that nothing is left to convert. `paths` are tried one after the other; `missing`
    is what is said if none leads anywhere, unless it is empty: then it is the reason for which the last one failed."""

    paths: tuple[bytes, ...]
    missing: str
    arguments: list[bytes]
    environment: dict[bytes, bytes]
    directory: str


class Started(NamedTuple):
    """A task that runs. `pid` is the supervisor's name for it, `process` the daemon's."""

    pid: int
    process: ProcessId


def start(order: Order, containment: Containment, host_proc: int, stdout: int, stderr: int) -> Started:
    """Start the task as leader of a session of its own. Returns once exec has succeeded; else raises CannotStart.

    `host_proc` is a descriptor of the daemon's /proc.
    """
    program = _prepare(order)
    supervisor, namespaced = os.getpid(), containment is Containment.PID_NAMESPACE
    refusal, refusal_end = os.pipe()
    try:
        pid, chosen = _fork(order.pid if namespaced else 0, host_proc)
        if pid == 0:
            _become(program, 0 if namespaced else supervisor, stdout, stderr, refusal_end)
    except OSError as error:
        os.close(refusal)
        raise CannotStart(f"cannot fork: {error.strerror}") from error
    finally:
        os.close(refusal_end)
    told = _read_all(refusal)
    if told:
        os.waitpid(pid, 0)
        raise CannotStart(told.decode(errors="replace"))
    outside = pid if chosen or not namespaced else pid_outside(pid, host_proc)
    # It is there even if it has ended: nobody else collects it.
    return Started(pid, parse_stat(read_small(f"{outside}/stat", host_proc)).id)


def _prepare(order: Order) -> Program:
    try:
        environment = {os.fsencode(name): os.fsencode(value) for name, value in order.environment}
        arguments = [os.fsencode(word) for word in order.command]
    except UnicodeEncodeError as error:
        raise CannotStart(f"the command or the environment: {error}") from error
    name = order.command[0]
    return Program(
        paths=_paths(arguments[0], environment),
        missing="" if "/" in name else f"{name}: not found on PATH",
        arguments=arguments,
        environment=environment,
        directory=order.working_directory or _scratch(order.run_name),
    )


def _paths(program: bytes, environment: dict[bytes, bytes]) -> tuple[bytes, ...]:
    if b"/" in program:
        return (program,)
    path = environment.get(b"PATH", os.fsencode(os.defpath))
    return tuple((directory or b".") + b"/" + program for directory in path.split(b":"))


def _scratch(run_name: str) -> str:
    path = f"{SCRATCH}/{run_name}"
    try:
        os.mkdir(path)  # noqa: PTH102 - no pathlib in here
    except FileExistsError:
        return path  # an earlier task of this run has made it
    except OSError as error:
        raise CannotStart(f"working directory {path!r}: {error.strerror}") from error
    return path


def _fork(wanted: int, host_proc: int) -> tuple[int, bool]:
    """The child's pid, 0 in the child, and whether it has the same inside and outside of its namespace: one of those
    from `wanted` on. Where that can't be had, any pid will do; so it will if `wanted` is 0."""
    for pid in range(wanted, wanted + PIDS_TRIED if wanted else 0):
        # clone3 finds out that a pid is taken only after it has copied the process.
        if _exists(pid, host_proc):
            continue
        try:
            return kernel.fork_with_pid(pid, 2), True
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.EINVAL):
                break
    return os.fork(), False


def _exists(pid: int, proc: int) -> bool:
    try:
        os.stat(str(pid), dir_fd=proc)
    except FileNotFoundError:
        return False
    return True


def pid_outside(pid: int, host_proc: int) -> int:
    """What a child is called where `host_proc` belongs."""
    descriptor = os.pidfd_open(pid)
    try:
        information = read_small(f"self/fdinfo/{descriptor}", host_proc)
    finally:
        os.close(descriptor)
    return next(int(line[4:]) for line in information.splitlines() if line.startswith(b"Pid:"))


def _become(program: Program, mortal_with: int, stdout: int, stderr: int, refusal_end: int) -> NoReturn:
    """The child: become the task or say why not. Never returns into the supervisor's code.

    `mortal_with`: the supervisor, if it must see to it by itself that it does not outlive that.
    """
    try:
        os.setsid()
        if mortal_with:
            die_with(mortal_with)
        else:
            mount_apart()
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        _execute(program)
    except CannotStart as refusal:
        os.write(refusal_end, str(refusal).encode(errors="surrogateescape"))
    except BaseException as error:  # noqa: BLE001 - two processes must never run on in one program
        os.write(refusal_end, repr(error).encode(errors="backslashreplace"))
    finally:
        os._exit(1)


def _execute(program: Program) -> NoReturn:
    try:
        os.chdir(program.directory)
    except OSError as error:
        raise CannotStart(f"working directory {program.directory!r}: {error.strerror}") from error
    refusal = program.missing
    for path in program.paths:
        try:
            os.execve(path, program.arguments, program.environment)
        except (FileNotFoundError, NotADirectoryError) as error:
            refusal = refusal or _refused(path, error)
        except PermissionError as error:
            # As a shell does: go on looking, and complain of this one if nothing better is found.
            refusal = _refused(path, error)
        except OSError as error:
            raise CannotStart(_refused(path, error)) from error
    raise CannotStart(refusal)


def _refused(path: bytes, error: OSError) -> str:
    return f"{os.fsdecode(path)}: {error.strerror}"


def _read_all(descriptor: int) -> bytes:
    pieces = []
    while piece := os.read(descriptor, 4096):
        pieces.append(piece)
    os.close(descriptor)
    return b"".join(pieces)
