"""The zygote: a small process from which supervisors are forked.

It exists because a fork is cheap only from a small process without threads: the daemon is neither. It is started by
the daemon (launcher.py) in a session of its own, with the executor's directory as its working directory and one socket,
and it ends when that socket does. Nothing depends on it: supervisors are init's children, and if it is killed the
daemon starts another.

A batch of launches is worked on by a process of its own, so that whatever befalls a launch befalls that process:
claim the records, fsync their directory once, fork a supervisor each, answer, exit. It dies with the zygote
(parent-death signal), the supervisors do not.

The gate. At most one zygote may launch in a directory: a batch that a former life of the daemon sent must not start
tasks after the present one has looked at what is there. So the zygote and its workers hold a lock on the file
`launching`; a new one kills the former by its pid and start time, which are in that file, waits for the lock, and only
then says that it is ready. The daemon looks at the records after that.
"""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import socket
import sys
import time
from typing import Any, NamedTuple, NoReturn

from hanse.executors.local import kernel, records
from hanse.executors.local.containment import Containment, best_available
from hanse.executors.local.orders import FrameReader, Order, encode_frame
from hanse.executors.local.processes import PROC, ProcessId, boot_id, parse_stat, read_small, send_signal
from hanse.executors.local.supervisor import prepare_signals, supervise

GATE = "launching"
_RECEIVE_BYTES = 256 * 1024


class Seat(NamedTuple):
    """What every worker and supervisor inherits."""

    link: socket.socket
    gate: int
    containment: Containment
    host_proc: int
    own_namespace: int
    records: int
    boot_id: str


def main(link_descriptor: int, containment: str) -> None:
    """Serve one daemon over the inherited socket until it closes. `containment`: a Containment, or "" for the best."""
    os.set_inheritable(link_descriptor, False)
    prepare_signals()
    link = socket.socket(fileno=link_descriptor)
    seat = Seat(
        link=link,
        gate=_pass_gate(),
        containment=Containment(containment) if containment else best_available(),
        host_proc=os.open(PROC, os.O_RDONLY | os.O_DIRECTORY),
        own_namespace=os.open(f"{PROC}/self/ns/pid", os.O_RDONLY),
        records=os.open(records.RECORDS, os.O_RDONLY | os.O_DIRECTORY),
        boot_id=boot_id(),
    )
    _say(link, {"ready": os.getpid(), "containment": seat.containment})
    # What is here now is shared with every fork; a collection would touch, and so copy, all of it.
    gc.collect()
    gc.freeze()
    gc.disable()
    _serve(seat)


def _say(link: socket.socket, message: dict[str, Any]) -> None:
    # SIGPIPE is at its default, for the tasks' sake.
    link.sendall(encode_frame(message), socket.MSG_NOSIGNAL)


def _pass_gate() -> int:
    """Wait until no former zygote of this directory nor a worker of one lives, and lock out the next."""
    gate = os.open(GATE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _end_former(os.pread(gate, 100, 0))
        fcntl.flock(gate, fcntl.LOCK_EX)
    own = parse_stat(read_small(f"{PROC}/self/stat")).id
    os.ftruncate(gate, 0)
    os.pwrite(gate, f"{own.pid} {own.start_ticks}\n".encode(), 0)
    return gate


def _end_former(text: bytes) -> None:
    words = text.split()
    if len(words) == 2:
        send_signal(ProcessId(int(words[0]), int(words[1])), signal.SIGKILL)


def _serve(seat: Seat) -> None:
    frames = FrameReader()
    try:
        while data := seat.link.recv(_RECEIVE_BYTES):
            for message in frames.feed(data):
                _delegate(message, seat)
    except (BrokenPipeError, ConnectionResetError):
        return  # the daemon is gone, in the middle of an answer; what was launched is on record


def _delegate(message: dict[str, Any], seat: Seat) -> None:
    """Have a worker see to one batch, and answer for it if it can't."""
    zygote = os.getpid()
    worker = os.fork()
    if worker == 0:
        _work(message, seat, zygote)
    _, status = os.waitpid(worker, 0)
    if status != 0:
        _say(seat.link, {"batch": message["batch"], "died": status})


def _work(message: dict[str, Any], seat: Seat, zygote: int) -> NoReturn:
    """The worker: claim all, make the claims durable, fork all, answer."""
    status = 1
    try:
        kernel.die_with_parent(signal.SIGKILL)
        if os.getppid() == zygote:
            answer = _launch([Order(*order) for order in message["orders"]], seat)
            _say(seat.link, {"batch": message["batch"], **answer})
            status = 0
    except BrokenPipeError:
        status = 0  # nobody is left to hear the answer
    except BaseException:  # noqa: BLE001 - a worker must never run on as a second zygote
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def _launch(orders: list[Order], seat: Seat) -> dict[str, Any]:
    claims: list[tuple[Order, int]] = []
    existing, refused = [], {}
    for order in orders:
        try:
            claims.append((order, _claim(order, seat)))
        except FileExistsError:
            existing.append(order.name)
        except OSError as error:
            refused[order.name] = f"cannot create its record: {error.strerror}"
    if claims:
        os.fsync(seat.records)
    while claims:
        order, record = claims.pop(0)
        try:
            _fork_supervisor(order, record, seat, others=[descriptor for _, descriptor in claims])
        except OSError as error:
            records.append_end(record, records.unlaunched(f"cannot fork a supervisor: {error.strerror}"))
        os.close(record)
    return {"existing": existing, "refused": refused}


def _claim(order: Order, seat: Seat) -> int:
    record = records.claim(seat.records, order.name)
    now_us = time.time_ns() // 1000
    who = (order.job_id, order.epoch, order.attempt, order.task)
    records.append(record, records.Claimed(*who, seat.boot_id, order.cause, now_us))
    return record


def _fork_supervisor(order: Order, record: int, seat: Seat, others: list[int]) -> None:
    """Fork it into a PID namespace of its own, if there are any, and come back out of it."""
    namespaced = seat.containment is Containment.PID_NAMESPACE
    if namespaced:
        kernel.unshare(kernel.CLONE_NEWPID)
    try:
        supervisor = os.fork()
        if supervisor == 0:
            _become_supervisor(order, record, seat, others)
    finally:
        if namespaced:
            kernel.enter_namespace(seat.own_namespace, kernel.CLONE_NEWPID)


def _become_supervisor(order: Order, record: int, seat: Seat, others: list[int]) -> NoReturn:
    try:
        # Held open, these would say that the launcher or other tasks' supervisors live.
        for descriptor in (seat.link.detach(), seat.gate, seat.own_namespace, seat.records, *others):
            os.close(descriptor)
        supervise(order, record, seat.containment, seat.host_proc)
    except BaseException:  # noqa: BLE001 - a supervisor must never run on as a second worker
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)
