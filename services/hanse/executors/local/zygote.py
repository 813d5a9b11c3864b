"""The zygote: a small process from which supervisors are forked.

It exists because a fork is cheap only from a small process without threads: the daemon is neither. It is started by
the daemon (launcher.py) in a session of its own, with the executor's directory as its working directory and one socket,
and it ends when that socket does. Nothing depends on it: supervisors that have a task don't notice its end, and if it
is killed the daemon starts another.

A batch of launches: claim the records, fsync their directory once, give each to a supervisor (pool.py), answer.

The gate. At most one zygote may launch in a directory: a batch that a former life of the daemon sent must not start
tasks after the present one has looked at what is there. So a zygote holds a lock on the file `launching`; a new one
kills the former by its pid and start time, which are in that file, waits for the lock, and only then says that it is
ready. The daemon looks at the records after that. (What the former gave to a supervisor that has not taken it up yet is
a record that somebody holds.)
"""

from __future__ import annotations

import fcntl
import gc
import os
import select
import signal
import socket
import time
from typing import Any, NamedTuple

from hanse.executors.local import records
from hanse.executors.local.containment import Containment, best_available, open_own_namespace
from hanse.executors.local.orders import FrameReader, Order, encode_frame
from hanse.executors.local.pids import Pids
from hanse.executors.local.pool import IDLE_S_MAX, Pool
from hanse.executors.local.processes import PROC, ProcessId, boot_id, parse_stat, read_small, send_signal
from hanse.executors.local.supervisor import prepare_signals

GATE = "launching"
_RECEIVE_BYTES = 256 * 1024


class Seat(NamedTuple):
    """What a zygote has to work with."""

    link: socket.socket
    records: int
    boot_id: str
    pids: Pids
    pool: Pool


def main(link_descriptor: int, containment: str) -> None:
    """Serve one daemon over the inherited socket until it closes. `containment`: a Containment, or "" for the best."""
    os.set_inheritable(link_descriptor, False)
    prepare_signals()
    link = socket.socket(fileno=link_descriptor)
    _pass_gate()
    held = Containment(containment) if containment else best_available()
    seat = Seat(
        link=link,
        records=os.open(records.RECORDS, os.O_RDONLY | os.O_DIRECTORY),
        boot_id=boot_id(),
        pids=Pids(),
        pool=Pool(held, os.open(PROC, os.O_RDONLY | os.O_DIRECTORY), open_own_namespace()),
    )
    # Supervisors that have ended are nobody's concern.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _say(link, {"ready": os.getpid(), "containment": held})
    # What is here now is shared with every fork; a collection would touch, and so copy, all of it.
    gc.collect()
    gc.freeze()
    _serve(seat)


def _say(link: socket.socket, message: dict[str, Any]) -> None:
    # SIGPIPE is at its default, for the tasks' sake.
    link.sendall(encode_frame(message), socket.MSG_NOSIGNAL)


def _pass_gate() -> None:
    """Wait until no former zygote of this directory lives, and lock out the next for as long as this process lives."""
    gate = os.open(GATE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _end_former(os.pread(gate, 100, 0))
        fcntl.flock(gate, fcntl.LOCK_EX)
    own = parse_stat(read_small(f"{PROC}/self/stat")).id
    os.ftruncate(gate, 0)
    os.pwrite(gate, f"{own.pid} {own.start_ticks}\n".encode(), 0)


def _end_former(text: bytes) -> None:
    words = text.split()
    if len(words) == 2:
        send_signal(ProcessId(int(words[0]), int(words[1])), signal.SIGKILL)


def _serve(seat: Seat) -> None:
    frames = FrameReader()
    poll = select.poll()
    poll.register(seat.link, select.POLLIN)
    try:
        while True:
            if poll.poll(IDLE_S_MAX * 1000 if seat.pool.idle else None):
                data = seat.link.recv(_RECEIVE_BYTES)
                if not data:
                    return
                for message in frames.feed(data):
                    _heed(message, seat)
            seat.pool.dismiss_idle()
    except (BrokenPipeError, ConnectionResetError):
        return  # the daemon is gone, in the middle of an answer; what was launched is on record


def _heed(message: dict[str, Any], seat: Seat) -> None:
    seat.pool.take_back(message["over"])
    if "batch" in message:
        answer = _launch([Order(*order) for order in message["orders"]], seat)
        _say(seat.link, {"batch": message["batch"], **answer})


def _launch(orders: list[Order], seat: Seat) -> dict[str, Any]:
    """Claim all, make the claims durable, have all started."""
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
    for order, record in claims:
        try:
            seat.pool.give(order._replace(pid=seat.pids.deal()), record)
        except OSError as error:
            records.append_end(record, records.unlaunched(f"cannot have a supervisor: {error.strerror}"))
        os.close(record)
    return {"existing": existing, "refused": refused}


def _claim(order: Order, seat: Seat) -> int:
    record = records.claim(seat.records, order.name)
    now_us = time.time_ns() // 1000
    who = (order.job_id, order.epoch, order.attempt, order.task)
    records.append(record, records.Claimed(*who, seat.boot_id, order.cause, now_us))
    return record
