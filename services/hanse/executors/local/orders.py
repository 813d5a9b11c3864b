"""What the daemon and the zygote say to each other: length-prefixed JSON over one stream socket.

Daemon: {"batch": n, "orders": [...], "over": [...]}; `over` are tasks whose end it has heard, and may come without a
batch. Zygote, once: {"ready": pid, "containment": ...}, when it alone may launch. Then per batch {"batch": n,
"existing": [...], "refused": {...}}. Names are those of records.

And what a zygote says to a supervisor: one order at a time, with the record that it is about.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from typing import Any, NamedTuple

_LENGTH = struct.Struct("!I")
_DESCRIPTORS = struct.Struct("2i")
# A task's arguments and environment are at most 128 KiB each (the kernel's limit for one string); see launcher.py.
FRAME_BYTES_MAX = 64 * 1024 * 1024
# Small enough that a launch behind a full batch waits about 50 ms, large enough to share one directory fsync.
BATCH_TASKS_MAX = 32


class Order(NamedTuple):
    """One task to start: TaskLaunch with the names resolved, in types that JSON has. Times in microseconds."""

    name: str
    run_name: str
    job_id: str
    epoch: int
    attempt: int
    task: int
    command: list[str]
    environment: list[list[str]]
    working_directory: str
    grace_us: int
    log_bytes_max: int
    lease_start_us: int
    lease_us: int
    cause: str
    # Which pid the task should get, where one can be chosen: the launcher's choice.
    pid: int = 0


def encode_frame(message: dict[str, Any]) -> bytes:
    """One message as bytes."""
    text = json.dumps(message).encode()
    return _LENGTH.pack(len(text)) + text


class FrameReader:
    """Cuts a byte stream into messages."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The messages that `data` completes."""
        self._pending += data
        messages = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> dict[str, Any] | None:
        if len(self._pending) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._pending)
        if length > FRAME_BYTES_MAX:
            raise ValueError(f"a frame of {length} bytes")
        end = _LENGTH.size + length
        if len(self._pending) < end:
            return None
        message: dict[str, Any] = json.loads(bytes(self._pending[_LENGTH.size : end]))
        del self._pending[:end]
        return message


def send_order(link: socket.socket, order: Order, record: int) -> None:
    """Give a supervisor its next task. Its claimed record goes along, with the lock that is on it, so that the claim
    has a holder at every moment. OSError if nobody is there any more.

    The text goes in a file in memory: a supervisor that does not read (SIGSTOP) must not keep the launcher waiting.
    """
    text = os.memfd_create("order", os.MFD_CLOEXEC)
    try:
        os.write(text, json.dumps(order).encode())
        passed = _DESCRIPTORS.pack(text, record)
        # SIGPIPE is at its default, for the tasks' sake.
        link.sendmsg([b"!"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)], socket.MSG_NOSIGNAL)
    finally:
        os.close(text)


def receive_order(link: socket.socket) -> tuple[Order, int] | None:
    """Wait for the next task; None when there will be none."""
    said, passed, _, _ = link.recvmsg(1, socket.CMSG_SPACE(_DESCRIPTORS.size), socket.MSG_CMSG_CLOEXEC)
    if not said:
        return None
    text, record = _DESCRIPTORS.unpack(passed[0][2])
    order = Order(*json.loads(os.pread(text, os.fstat(text).st_size, 0)))
    os.close(text)
    return order, record
