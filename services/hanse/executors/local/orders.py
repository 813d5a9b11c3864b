"""What the daemon and the zygote say to each other: length-prefixed JSON over one stream socket.

Daemon: {"batch": n, "orders": [...]}. Zygote, once: {"ready": pid, "containment": ...}, when it alone may launch.
Then per batch {"batch": n, "existing": [...], "refused": {...}}, or {"batch": n, "died": wait status} if the process
that worked on it was killed. Names are those of records.
"""

from __future__ import annotations

import json
import struct
from typing import Any, NamedTuple

_LENGTH = struct.Struct("!I")
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
