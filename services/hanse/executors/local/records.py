"""One file per task: the claim that starts it once, and what became of it.

Theory of operation. `records/<job>@<epoch>.<attempt>.<task>` is created with O_EXCL before anything is forked: whoever
creates it may start the task, everybody after that finds it there, so a launch that is repeated after a crash starts
nothing. The creator locks it (flock) and gives that very descriptor to a supervisor, which keeps it open until the task
is over. So "is the record locked" is "has it a supervisor", whatever became of pids meanwhile; and when the last holder
is gone, the kernel tells whoever watches the directory (IN_CLOSE_WRITE), however it died.

The file is appended to, one JSON object per line, each with one write:
    claimed      by the launcher, in the same breath as the creation
    supervised   the supervisor's pid and start time; written by it before it forks the task
    started      the task's pid and start time; written once exec has succeeded
    ended        exit code, signal, times, usage; written when every process of the task is dead
After `started` the file's mode is set to what it is, which tells the watch (IN_ATTRIB), without a word at each line.
Without `supervised` no task was forked. A record that nobody holds and that lacks `ended` means that the supervisor
was killed (lost.py).

Durability. Two fsyncs: the directory, once per batch of launches, after the claims and before the first fork; and the
record (fdatasync) after `ended`. The daemon heeds that line only when the descriptor has been closed, thus after the
fsync. So what a power cut can take is: an `ended` that nobody has read yet (the record then says that
the task was claimed, its boot is over, and it counts as lost), and `supervised` and `started`, which are worth nothing
in another boot. An end that was used is on disk here, and in the ledger. Space for the whole record is set aside with
the claim: a disk that fills up later cannot make a task's end unspeakable.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import time
from json.encoder import encode_basestring_ascii
from typing import Any, NamedTuple

from hanse.executors.local.kernel import boottime_us, reserve
from hanse.executors.local.processes import ProcessId, read_small

RECORDS = "records"
# One block, the least that a file system gives out: a record is about 800 bytes plus the cause, details are cut.
RECORD_BYTES_MAX = 4096
DETAIL_CHARACTERS_MAX = 400
_MODE = 0o600
# Exit code of a task whose end nobody saw: as if killed by SIGKILL, which is how supervisors die.
LOST_EXIT_CODE = 137


class Claimed(NamedTuple):
    """Who is meant, and in which boot of the machine. `shard`: whose lease the task lives by; empty: it needs none."""

    job_id: str
    epoch: int
    attempt: int
    task: int
    boot_id: str
    cause: str
    wall_us: int
    shard: str = ""


class Supervised(NamedTuple):
    """`supervisor` is as the daemon sees it; `containment` is a Containment."""

    supervisor: ProcessId
    containment: str


class Started(NamedTuple):
    """`process` is as the daemon sees it, outside of any PID namespace."""

    process: ProcessId
    wall_us: int
    boottime_us: int


class Ended(NamedTuple):
    """How it ended: `exit_code` 0 to 255 or 128 + signal. Usage is of the task and all its children that it waited
    for: microseconds of CPU, bytes of resident memory at the peak (never less than the fork had before exec: 10 MB).
    `lost`: it ended with its supervisor, or for its supervisor's fault. `lease_ended`: its supervisor ended it because
    its lease ran out. `stopped`: it had been told to end before it did."""

    exit_code: int
    signal: int
    launched: bool
    detail: str
    wall_us: int
    boottime_us: int
    user_us: int = 0
    system_us: int = 0
    memory_max_bytes: int = 0
    lost: bool = False
    lease_ended: bool = False
    stopped: bool = False


class Record(NamedTuple):
    """All that a record says. `damaged` lines could not be read: what a power cut tore."""

    claimed: Claimed | None = None
    supervised: Supervised | None = None
    started: Started | None = None
    ended: Ended | None = None
    damaged: int = 0


_Line = Claimed | Supervised | Started | Ended
_KINDS: dict[str, type[Claimed] | type[Supervised] | type[Started] | type[Ended]] = {
    "claimed": Claimed,
    "supervised": Supervised,
    "started": Started,
    "ended": Ended,
}


def claim(directory: int, name: str) -> int:
    """Create and lock a record; the descriptor is the claim. FileExistsError: somebody else has it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
    descriptor = os.open(name, flags, _MODE, dir_fd=directory)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _reserve(descriptor)
    except OSError:
        os.close(descriptor)
        os.unlink(name, dir_fd=directory)
        raise
    return descriptor


def _reserve(descriptor: int) -> None:
    try:
        reserve(descriptor, RECORD_BYTES_MAX)
    except OSError as error:
        # Not every file system can set space aside; there the end may have to wait for room (see supervisor.py).
        if error.errno != errno.EOPNOTSUPP:
            raise


def append(descriptor: int, line: _Line) -> None:
    """Add a line. Not yet durable."""
    os.write(descriptor, encode_line(line))


def encode_line(line: _Line) -> bytes:
    """A line as JSON, by hand: in a forked process every page that is touched is copied, and json.dumps touches a
    hundred, a tenth of what a whole supervision costs."""
    fields = zip(line._fields, line, strict=True)
    parts = [
        f'"what": "{type(line).__name__.lower()}"',
        *(f'"{name}": {_literal(value)}' for name, value in fields),
    ]
    return f"{{{', '.join(parts)}}}\n".encode()


def _literal(value: object) -> str:
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if isinstance(value, tuple):
        return f"[{value[0]}, {value[1]}]"
    return str(value)


def announce(descriptor: int) -> None:
    """Let the watch know of what was appended."""
    os.fchmod(descriptor, _MODE)


def append_end(descriptor: int, ended: Ended) -> None:
    """Add the last line and make it durable."""
    append(descriptor, ended._replace(detail=ended.detail[:DETAIL_CHARACTERS_MAX]))
    os.fdatasync(descriptor)


def mend(descriptor: int) -> None:
    """After a line that was torn: let it stay alone."""
    length = os.fstat(descriptor).st_size
    if length and os.pread(descriptor, 1, length - 1) != b"\n":
        os.write(descriptor, b"\n")


def read_record(directory: int, name: str) -> Record | None:
    """What the record says now; None if there is none."""
    try:
        return parse_record(read_small(name, directory))
    except FileNotFoundError:
        return None


def parse_record(text: bytes) -> Record:
    """Read the complete lines; what follows the last line end was torn, or is being written just now."""
    found: dict[str, Any] = {}
    damaged = 0
    for fields in _decoded(text.split(b"\n")[:-1]):
        try:
            kind = fields.pop("what")
            found[kind] = _KINDS[kind](**fields)
        except (KeyError, TypeError, AttributeError):
            damaged += 1
    return _with_process_ids(Record(**found, damaged=damaged))


def _decoded(lines: list[bytes]) -> list[Any]:
    """Each line's value, None for what is no JSON. All at once, which a daemon with many tasks feels."""
    try:
        values: list[Any] = json.loads(f"[{b','.join(lines).decode()}]")
    except ValueError:
        return [_decoded_line(line) for line in lines]
    return values


def _decoded_line(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _with_process_ids(record: Record) -> Record:
    """JSON knows no tuples."""
    supervised, started = record.supervised, record.started
    if supervised is not None:
        supervised = supervised._replace(supervisor=ProcessId(*supervised.supervisor))
    if started is not None:
        started = started._replace(process=ProcessId(*started.process))
    return record._replace(supervised=supervised, started=started)


def unlaunched(why: str) -> Ended:
    """The end of a task that never was."""
    return Ended(1, 0, False, why, time.time_ns() // 1000, boottime_us())


def lost(why: str, launched: bool = True) -> Ended:
    """The end of a task whose supervisor died before it could see it."""
    now = (time.time_ns() // 1000, boottime_us())
    return Ended(LOST_EXIT_CODE, signal.SIGKILL, launched, why, *now, lost=True)


def try_lock(directory: int, name: str) -> int | None:
    """Lock a record that nobody holds; None if a supervisor (or a launcher) lives. The caller closes the descriptor.

    It is read-only: closing one that could write would look to the watch like a supervisor's end.
    """
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def end_for(directory: int, name: str, ended: Ended) -> None:
    """Write the end in place of a supervisor that is dead; the caller holds the lock."""
    descriptor = os.open(name, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, dir_fd=directory)
    try:
        mend(descriptor)
        append_end(descriptor, ended)
    finally:
        os.close(descriptor)
