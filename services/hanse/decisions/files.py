"""The files of a journal: segments in a directory, the oldest of which make room for the newest.

Only one writer at a time. Nothing is synced: the journal is beside the promises that the ledger keeps. What a power cut
takes from its end is recognised, and what the page cache holds survives the daemon.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import IO

import msgspec

from hanse.decisions.records import Header, header_frame

_SEGMENT = re.compile(r"(\d{12})\.steps")
STEPS = ".steps"
IMAGE = ".image"
# While it is being written.
UNFINISHED = ".unfinished"


class Segment(msgspec.Struct, frozen=True):
    """One segment as it lies there. `image_bytes` None: it has no image."""

    number: int
    steps: Path
    steps_bytes: int
    image: Path | None

    @property
    def image_bytes(self) -> int:
        """0 if there is none."""
        return _size(self.image) if self.image is not None else 0


def segments_in(directory: Path) -> list[Segment]:
    """Oldest first."""
    found = []
    for path in sorted(directory.glob(f"*{STEPS}")):
        match = _SEGMENT.fullmatch(path.name)
        if match is not None:
            image = path.with_suffix(IMAGE)
            found.append(Segment(int(match[1]), path, _size(path), image if image.exists() else None))
    return found


class JournalFiles:
    """Writes segments. Raises OSError; then it is to be left alone until the next `open`."""

    def __init__(self, directory: Path, bytes_max: int) -> None:
        self._directory = directory
        self._bytes_max = bytes_max
        self._file: IO[bytes] | None = None
        self._number = 0
        self._swept = False
        self.written = 0

    def next_number(self) -> int:
        """That of the segment after all that are there."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()
        found = segments_in(self._directory)
        self._number = max(self._number, found[-1].number if found else 0) + 1
        return self._number

    def _sweep(self) -> None:
        """Of earlier daemons: what this one's children are writing has such a name as well."""
        if not self._swept:
            self._swept = True
            for left in self._directory.glob(f"*{UNFINISHED}"):
                left.unlink(missing_ok=True)

    def image_path(self, number: int) -> Path:
        """Where the image of a segment belongs."""
        return self._directory / f"{number:012d}{IMAGE}"

    def open(self, number: int, header: Header) -> None:
        """A new segment; the one before it is complete."""
        self.close()
        self._number = max(self._number, number)
        path = self._directory / f"{number:012d}{STEPS}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self.write(header_frame(header))

    def write(self, frame: bytes) -> None:
        """Add a frame to the present segment, and let old segments make room."""
        assert self._file is not None, "no segment is open"
        left = memoryview(frame)
        while left:
            left = left[self._file.write(left) :]
        self.written += len(frame)

    def make_room(self) -> int:
        """Drop the oldest segments until what is left fits; never the present one. Returns how many went."""
        found = segments_in(self._directory)
        held = sum(each.steps_bytes + each.image_bytes for each in found)
        dropped = 0
        for each in found:
            if held <= self._bytes_max or each.number >= self._number:
                break
            held -= each.steps_bytes + each.image_bytes
            drop(each)
            dropped += 1
        return dropped

    def close(self) -> None:
        """The present segment is complete."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


def drop(segment: Segment) -> None:
    """Its image first: steps without an image lead nowhere, an image without steps is a file that nobody reads."""
    if segment.image is not None:
        segment.image.unlink(missing_ok=True)
    segment.steps.unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
