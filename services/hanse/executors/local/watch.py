"""Directories watched through one inotify descriptor on the event loop."""

from __future__ import annotations

import asyncio
import errno
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from hanse.executors.local import kernel

_EVENT = struct.Struct("iIII")
_READ_BYTES = 256 * 1024
# (watch number, mask, file name)
Change = tuple[int, int, str]


class Watch:
    """Calls `on_change` with each change, and `on_overflow` when the kernel had to drop some."""

    def __init__(self, on_change: Callable[[Change], None], on_overflow: Callable[[], None]) -> None:
        self._on_change = on_change
        self._on_overflow = on_overflow
        self._descriptor = kernel.inotify_open()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._descriptor, self._on_readable)

    def add(self, directory: Path, mask: int) -> int:
        """Watch a directory; a second call for the same directory gives the same number."""
        return kernel.inotify_watch(self._descriptor, os.fsencode(directory), mask)

    def remove(self, watch: int) -> None:
        """End a watch; nothing if its directory is gone already."""
        try:
            kernel.inotify_unwatch(self._descriptor, watch)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise

    def close(self) -> None:
        """Stop watching."""
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _on_readable(self) -> None:
        try:
            data = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return
        for change in _changes(data):
            if change[1] & kernel.IN_Q_OVERFLOW:
                self._on_overflow()
            else:
                self._on_change(change)


def _changes(data: bytes) -> Iterator[Change]:
    position = 0
    while position < len(data):
        watch, mask, _, length = _EVENT.unpack_from(data, position)
        position += _EVENT.size
        name = data[position : position + length].rstrip(b"\0")
        position += length
        yield watch, mask, os.fsdecode(name)
