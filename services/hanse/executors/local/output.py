"""A task's stdout and stderr in capped files.

The task writes into a pipe and the supervisor copies: so the cap holds for programs that know nothing of it, a silent
task costs no file at all, and output goes on being taken (and dropped) when the disk is full.

Kept are the head and the tail, at most `bytes_max` together: the first half of it in `<task>.stdout`, and of the rest
the last quarter or two in `<task>.stdout.<offset>`, where a third such segment replaces the oldest. Offsets count all
that the task ever wrote, kept or not; what lies between two files was dropped. Logs are not fsynced: a power cut may
take the last seconds of them, never an exit code.
"""

from __future__ import annotations

import os
from itertools import pairwise
from typing import NamedTuple

LOGS = "logs"
STREAMS = ("stdout", "stderr")
_READ_BYTES = 256 * 1024
# A writer that escaped the kill must not keep its supervisor reading for ever; a pipe holds 64 KiB.
_DRAIN_READS_MAX = 16


class CappedOutput:
    """The supervisor's end of one stream. `directory` is created with the first byte."""

    def __init__(self, directory: str, task: int, stream: str, bytes_max: int) -> None:
        self.source, self.sink = os.pipe()
        os.set_blocking(self.source, False)
        self.open = True
        self._directory = directory
        self._stem = f"{directory}/{task}.{stream}"
        self._head_max = bytes_max // 2
        self._segment_max = max(1, bytes_max // 4)
        self._offset = 0
        self._file = -1
        self._room = 0
        self._segments: list[str] = []

    def copy(self) -> bool:
        """Take what the pipe holds. False once nothing is there just now; closes itself at the end."""
        try:
            data = os.read(self.source, _READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self.close()
            return False
        self._write(data)
        return True

    def drain(self) -> None:
        """The writers are dead: take what they left."""
        reads = 0
        while self.open and reads < _DRAIN_READS_MAX and self.copy():
            reads += 1

    def close(self) -> None:
        """Let go of the pipe and the file."""
        if not self.open:
            return
        self.open = False
        os.close(self.source)
        if self._file >= 0:
            os.close(self._file)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            if self._room == 0:
                self._next_file()
            piece = view[: self._room]
            self._keep(piece)
            self._offset += len(piece)
            self._room -= len(piece)
            view = view[len(piece) :]

    def _keep(self, piece: memoryview) -> None:
        """Write at the place that the offset gives; what the disk refuses becomes a hole, which reads as dropped."""
        if self._file < 0:
            return
        try:
            written = os.write(self._file, piece)
        except OSError:
            written = 0
        if written < len(piece):
            # What follows starts a new file, whose name tells the gap.
            os.close(self._file)
            self._file = -1

    def _next_file(self) -> None:
        if self._offset == 0 and self._head_max > 0:
            self._file = self._create(self._stem)
            self._room = self._head_max
            return
        if self._file >= 0:
            os.close(self._file)
        path = f"{self._stem}.{self._offset:020d}"
        self._file = self._create(path)
        self._room = self._segment_max
        self._segments.append(path)
        if len(self._segments) > 2:
            _remove(self._segments.pop(0))

    def _create(self, path: str) -> int:
        try:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)  # noqa: PTH103 - no pathlib in here
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        except OSError:
            return -1


def _remove(path: str) -> None:
    try:
        os.unlink(path)  # noqa: PTH108
    except FileNotFoundError:
        return


class Piece(NamedTuple):
    """What was read: `data` ends before `next_offset`; `dropped` bytes of the stream so far are not kept."""

    data: bytes
    next_offset: int
    dropped: int


class _Kept(NamedTuple):
    start: int
    end: int
    path: str


def read_output(directory: str, task: int, stream: str, offset: int, bytes_max: int) -> Piece:
    """The first kept bytes at or after `offset`, at most `bytes_max`; none if there are none yet."""
    while True:
        kept = _kept(directory, f"{task}.{stream}")
        dropped = sum(later.start - earlier.end for earlier, later in pairwise(kept))
        dropped += kept[0].start if kept else 0
        place = next((entry for entry in kept if entry.end > offset), None)
        if place is None:
            return Piece(b"", offset, dropped)
        start = max(offset, place.start)
        try:
            descriptor = os.open(place.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # the segment was replaced between listing and opening
        try:
            data = os.pread(descriptor, min(bytes_max, place.end - start), start - place.start)
        finally:
            os.close(descriptor)
        return Piece(data, start + len(data), dropped)


def _kept(directory: str, stem: str) -> list[_Kept]:
    """The files of one stream in order, as (first offset, end offset, path)."""
    found = []
    try:
        entries = list(os.scandir(directory))
    except FileNotFoundError:
        return []
    for entry in entries:
        if entry.name != stem and not entry.name.startswith(f"{stem}."):
            continue
        start = 0 if entry.name == stem else int(entry.name.rpartition(".")[2])
        try:
            size = entry.stat().st_size
        except FileNotFoundError:
            continue
        if size:
            found.append(_Kept(start, start + size, entry.path))
    return sorted(found)
