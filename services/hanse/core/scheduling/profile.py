"""When what runs will end, as far as one can tell: predicted ends in order, corrected when they turn out wrong.

A job that is still there at its predicted end is expected to take an eighth longer than it has so far. So a wrong
prediction is corrected a number of times that grows with its logarithm, and never lies in the past.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from hanse.core.model.deadlines import NEVER_US
from hanse.core.model.time import MILLISECOND_US

_OVERRUN_PARTS = 8
# As in sorted_jobs.py: moving 8 KiB costs about as much as finding the place.
_CHUNK_MAX = 1024
# Sorting takes a twentieth of the time for each end that its insertion takes.
_FRESH_PARTS = 16

_End = tuple[int, str]


class Ends:
    """Predicted ends of running jobs; mono microseconds."""

    def __init__(self) -> None:
        self._chunks: list[list[_End]] = []
        self._of: dict[str, tuple[int, int]] = {}
        # Not put in order yet: many may start before anybody looks. No earlier than the time beside it.
        self._fresh: list[_End] = []
        self._fresh_from_us = NEVER_US

    def __len__(self) -> int:
        return len(self._of)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._of

    def add(self, job_id: str, began_us: int, end_us: int) -> None:
        """This job runs since `began_us` and is expected to end at `end_us`."""
        assert job_id not in self._of, f"{job_id} runs already"
        self._of[job_id] = (began_us, end_us)
        self._fresh.append((end_us, job_id))
        if end_us < self._fresh_from_us:
            self._fresh_from_us = end_us

    def discard(self, job_id: str) -> None:
        """It does not run any more."""
        known = self._of.pop(job_id, None)
        if known is not None:
            self._remove((known[1], job_id))

    def move(self, job_id: str, end_us: int) -> None:
        """It is expected to end at another time."""
        began_us, former_us = self._of[job_id]
        self._remove((former_us, job_id))
        self._of[job_id] = (began_us, end_us)
        self._insert((end_us, job_id))

    def began_us(self, job_id: str) -> int:
        """Since when it runs."""
        return self._of[job_id][0]

    def end_us(self, job_id: str) -> int:
        """When it is expected to end."""
        return self._of[job_id][1]

    def correct(self, now_us: int) -> None:
        """Ends that should have come by now have not."""
        if self._fresh_from_us <= now_us:
            self._settle()
        while self._chunks and self._chunks[0][0][0] <= now_us:
            job_id = self._chunks[0][0][1]
            began_us = self._of[job_id][0]
            self.move(job_id, now_us + max(MILLISECOND_US, (now_us - began_us) // _OVERRUN_PARTS))

    def __iter__(self) -> Iterator[_End]:
        self._settle()
        for chunk in self._chunks:
            yield from chunk

    def first(self, count: int) -> list[_End]:
        """The next ends, and those at the same time as the last of them."""
        self._settle()
        taken: list[_End] = []
        for chunk in self._chunks:
            for end in chunk:
                if len(taken) >= count and end[0] != taken[-1][0]:
                    return taken
                taken.append(end)
        return taken

    def _insert(self, end: _End) -> None:
        if not self._chunks:
            self._chunks.append([end])
            return
        number = len(self._chunks) - 1
        chunk = self._chunks[number]
        if end > chunk[-1]:
            chunk.append(end)
        else:
            number = self._chunk_of(end)
            chunk = self._chunks[number]
            insort(chunk, end)
        if len(chunk) > _CHUNK_MAX:
            half = len(chunk) // 2
            self._chunks[number : number + 1] = [chunk[:half], chunk[half:]]

    def _settle(self) -> None:
        """Put in order what is fresh: one by one, or if it is many, all anew."""
        fresh = self._fresh
        if not fresh:
            return
        self._fresh, self._fresh_from_us = [], NEVER_US
        if _FRESH_PARTS * len(fresh) < len(self._of):
            for end in fresh:
                self._insert(end)
            return
        ends = [end for chunk in self._chunks for end in chunk] + fresh
        ends.sort()
        half = _CHUNK_MAX // 2
        self._chunks = [ends[at : at + half] for at in range(0, len(ends), half)]

    def _remove(self, end: _End) -> None:
        self._settle()
        number = self._chunk_of(end)
        chunk = self._chunks[number]
        del chunk[bisect_left(chunk, end)]
        if not chunk:
            del self._chunks[number]

    def _chunk_of(self, end: _End) -> int:
        last = len(self._chunks) - 1
        return min(last, bisect_left(self._chunks, end, key=lambda chunk: chunk[-1]))
