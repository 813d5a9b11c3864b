"""Processes as /proc shows them. A process is named by pid *and* start time, for pids are used again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

PROC = "/proc"
_DEAD_STATES = (b"Z", b"X")


class ProcessId(NamedTuple):
    """One process of one boot. `start_ticks` is field 22 of /proc/<pid>/stat (clock ticks since boot); 0: unknown."""

    pid: int
    start_ticks: int


class ProcessStat(NamedTuple):
    """What of /proc/<pid>/stat matters here."""

    id: ProcessId
    state: bytes
    parent: int
    group: int
    session: int

    @property
    def dead(self) -> bool:
        """Whether it runs no more: a zombie only waits to be collected."""
        return self.state in _DEAD_STATES


def parse_stat(text: bytes) -> ProcessStat:
    """Read a line of /proc/<pid>/stat. The command's name may hold blanks and parentheses; all else is plain."""
    head, _, tail = text.rpartition(b")")
    pid = int(head[: head.index(b" ")])
    fields = tail.split()
    return ProcessStat(
        id=ProcessId(pid, int(fields[19])),
        state=fields[0],
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
    )


def read_small(path: str, directory: int | None = None) -> bytes:
    """The whole of a small file, such as those in /proc."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        pieces = []
        while piece := os.read(descriptor, 65536):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def boot_id() -> str:
    """A name for this boot of the machine or, in a container, of that: pids and start times are told within it.

    A container that is restarted deals the same pids again under the same boot of its machine; its init is another.
    """
    machine = read_small(f"{PROC}/sys/kernel/random/boot_id").decode().strip()
    init = stat_of(1)
    return f"{machine}/{init.id.start_ticks}" if init is not None else machine


def stat_of(pid: int) -> ProcessStat | None:
    """What runs under this pid now, zombies included."""
    try:
        return parse_stat(read_small(f"{PROC}/{pid}/stat"))
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_alive(process: ProcessId) -> bool:
    """Whether exactly this process still runs."""
    stat = stat_of(process.pid)
    return stat is not None and not stat.dead and stat.id == process


def open_process(process: ProcessId) -> int | None:
    """A pidfd of exactly this process, or None if it is gone. The caller closes it."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    # Only after opening: what the pid names now is what the descriptor names for ever.
    if is_alive(process):
        return descriptor
    os.close(descriptor)
    return None


def send_signal(process: ProcessId, number: signal.Signals) -> bool:
    """Signal exactly this process; False if it is gone."""
    descriptor = open_process(process)
    if descriptor is None:
        return False
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def all_processes() -> Iterator[ProcessStat]:
    """Every process that this one can see, zombies included."""
    for name in os.listdir(PROC):  # noqa: PTH208 - runs in supervisors, which do without pathlib
        if name.isdigit() and (stat := stat_of(int(name))) is not None:
            yield stat


def descendants_of(pid: int) -> list[ProcessStat]:
    """Everything that lives below `pid`. A snapshot: what forks meanwhile may be missing, so ask until none is left."""
    children: dict[int, list[ProcessStat]] = {}
    for stat in all_processes():
        children.setdefault(stat.parent, []).append(stat)
    found, frontier = [], [pid]
    while frontier:
        below = children.pop(frontier.pop(), [])
        found += [stat for stat in below if not stat.dead]
        frontier += [stat.id.pid for stat in below]
    return found


def environment_of(pid: int) -> dict[str, str] | None:
    """The environment that a process was started with; empty if it is gone or another user's.

    None while it becomes another program (execve): the old environment is gone, and the new one is not there yet.
    """
    try:
        text = read_small(f"{PROC}/{pid}/environ")
        while not text:
            length = _environment_length(pid)
            if not length:
                return {} if length == 0 else None
            text = read_small(f"{PROC}/{pid}/environ")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return {}
    pairs = (entry.partition(b"=") for entry in text.split(b"\0") if entry)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def _environment_length(pid: int) -> int | None:
    """Bytes of a process' environment by /proc/<pid>/stat; None while it has memory, but no program in it yet."""
    fields = read_small(f"{PROC}/{pid}/stat").rpartition(b")")[2].split()
    memory, code_start, start, end = (int(fields[place]) for place in (20, 23, 47, 48))
    # execve notes where the code is last of all, after the environment is laid out.
    if memory > 0 and code_start == 0:
        return None
    return end - start


def living(stats: Iterable[ProcessStat], wanted: Callable[[ProcessStat], bool]) -> list[ProcessId]:
    """The processes that still run and that `wanted` picks."""
    return [stat.id for stat in stats if not stat.dead and wanted(stat)]
