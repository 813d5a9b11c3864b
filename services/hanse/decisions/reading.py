"""A journal as it lies on the disk: what it holds, from when to when, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from hanse.core.model.errors import EnvironmentFault
from hanse.core.model.limits import JOURNAL_FRAME_BYTES_MAX
from hanse.decisions.codec import Unreadable
from hanse.decisions.files import Segment, segments_in
from hanse.decisions.records import Header, Kind, StepRecord, frames, read_block, read_header, whole_length


class JournalMissing(EnvironmentFault):
    """There is no journal, or none of the time that was asked for."""


class Chapter(msgspec.Struct, frozen=True):
    """A segment with its header."""

    segment: Segment
    header: Header

    def steps(self) -> Iterator[StepRecord]:
        """In order, up to the segment's end or to where it is torn. Raises Unreadable."""
        for kind, payload in frames(self.segment.steps.read_bytes(), JOURNAL_FRAME_BYTES_MAX):
            if kind is Kind.BLOCK:
                yield from read_block(payload)

    def is_torn(self) -> bool:
        """Whether the file ends in the middle of a frame."""
        data = self.segment.steps.read_bytes()
        return whole_length(data) < len(data)

    def image(self) -> bytes | None:
        """The Region before the first step; None: there is no image, or only a part of one."""
        if self.segment.image is None or not self.segment.image.exists():
            return None
        for kind, payload in frames(self.segment.image.read_bytes(), JOURNAL_FRAME_BYTES_MAX):
            if kind is Kind.IMAGE:
                return payload
        return None


def chapters(directory: Path) -> list[Chapter]:
    """All segments that have a header, oldest first. Raises JournalMissing if there are none, Unreadable for those of
    another format."""
    found = []
    for segment in segments_in(directory):
        first = next(frames(segment.steps.read_bytes(), JOURNAL_FRAME_BYTES_MAX), None)
        if first is not None and first[0] is Kind.HEADER:
            found.append(Chapter(segment, read_header(first[1])))
    if not found:
        raise JournalMissing(f"there is no decision log in {directory}")
    return found


def steps_between(found: list[Chapter], from_us: int, to_us: int) -> Iterator[StepRecord]:
    """The steps of this time by the wall clock, life by life."""
    for number, chapter in enumerate(found):
        following = found[number + 1].header.begun_wall_us if number + 1 < len(found) else to_us
        if following >= from_us and chapter.header.begun_wall_us <= to_us:
            yield from (step for step in chapter.steps() if from_us <= step.wall_us <= to_us)


__all__ = ["Chapter", "JournalMissing", "Unreadable", "chapters", "steps_between"]
