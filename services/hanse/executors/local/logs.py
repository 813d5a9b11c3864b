"""Reading tasks' output in the daemon, also while it grows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

from hanse.executors.local import kernel
from hanse.executors.local.output import STREAMS, Piece, read_output
from hanse.executors.local.watch import Watch
from hanse.executors.port import LogChunk

_READ_BYTES = 256 * 1024


class Place(NamedTuple):
    """One stream of one task; `directory` is its run's."""

    directory: Path
    task: int
    stream: str


class Logs:
    """Followers wait for the kernel's word that something in their run's directory was written."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._followers: dict[int, set[asyncio.Event]] = {}

    async def read(
        self, place: Place, offset: int, still_grows: Callable[[], bool]
    ) -> AsyncIterator[LogChunk]:
        """What is kept from `offset` on, until nothing is left and `still_grows` says no. ValueError for a stream
        that no task has."""
        if place.stream not in STREAMS:
            raise ValueError(f"a task has {' and '.join(STREAMS)}, not {place.stream!r}")
        following = self._follow(place.directory) if still_grows() else None
        try:
            while True:
                # Asked before reading: what is written between a last read and the end must not be missed.
                again = following is not None and still_grows()
                if following is not None:
                    following.clear()
                while (piece := await _read_piece(place, offset)).data:
                    offset = piece.next_offset
                    yield LogChunk(piece.data, piece.next_offset, piece.dropped)
                if following is None or not again:
                    return
                await following.wait()
        finally:
            if following is not None:
                self._unfollow(following)

    def on_change(self, watch: int) -> None:
        """Something happened in a run's directory."""
        for follower in self._followers.get(watch, ()):
            follower.set()

    def wake_all(self) -> None:
        """A task ended, or nobody knows what happened: let everybody look."""
        for events in self._followers.values():
            for event in events:
                event.set()

    def _follow(self, directory: Path) -> asyncio.Event:
        directory.mkdir(mode=0o700, exist_ok=True)
        event = asyncio.Event()
        watch = self._watch.add(directory, kernel.IN_MODIFY)
        self._followers.setdefault(watch, set()).add(event)
        return event

    def _unfollow(self, event: asyncio.Event) -> None:
        for watch, events in list(self._followers.items()):
            events.discard(event)
            if not events:
                del self._followers[watch]
                self._watch.remove(watch)


async def _read_piece(place: Place, offset: int) -> Piece:
    return await asyncio.to_thread(
        read_output, str(place.directory), place.task, place.stream, offset, _READ_BYTES
    )
