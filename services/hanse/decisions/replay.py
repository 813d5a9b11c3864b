"""Doing it again: a Region from an image, stepped through what was recorded, decides the same, bit for bit.

A life is replayed from the last image before the time that is asked for, or, if there is none, from the first one
within. Each step's effects are digested as they were when it was made; the first that differs ends the replay, because
what follows would differ for that reason alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import msgspec

from hanse.core.federation.roster.ballot import Authority
from hanse.core.model.errors import EnvironmentFault
from hanse.core.region import Region
from hanse.decisions.image import code_digest, load
from hanse.decisions.reading import Chapter
from hanse.decisions.records import Change, StepRecord, change_of, digest_of


class OtherCode(EnvironmentFault):
    """The journal was written by another version: its images mean nothing to this one."""


class Replayed(msgspec.Struct, frozen=True):
    """One step that was made again. `same`: it did exactly what it had done."""

    record: StepRecord
    changes: tuple[Change, ...]
    digest: str

    @property
    def same(self) -> bool:
        """A step that did not end has no digest to compare with."""
        return not self.record.digest or self.digest == self.record.digest


class Gap(msgspec.Struct, frozen=True):
    """Steps that are not in the journal, or can't be reached from any image: of this life, after that step."""

    life: str
    after: int
    why: str


class Replay:
    """One replay of a stretch of time (wall-clock microseconds). Iterate over `steps`; then `gaps` are known."""

    def __init__(
        self, found: Sequence[Chapter], from_us: int, to_us: int, authority: Callable[[], Authority | None]
    ) -> None:
        self._found = found
        self._from_us = from_us
        self._to_us = to_us
        self._authority = authority
        self.gaps: list[Gap] = []
        # Steps that were made only to get to where it begins.
        self.led_up = 0

    def steps(self) -> Iterator[Replayed]:
        """The steps of that time, made again. Ends after the first that is not the same. Raises OtherCode, Unreadable,
        ImageUnusable."""
        for life, chapters in groupby(self._found, key=lambda chapter: chapter.header.life):
            of_life = list(chapters)
            if of_life[0].header.begun_wall_us > self._to_us:
                return
            for replayed in self._life(life, of_life):
                if replayed.record.wall_us >= self._from_us:
                    yield replayed
                else:
                    self.led_up += 1
                if not replayed.same:
                    return

    def _life(self, life: str, chapters: list[Chapter]) -> Iterator[Replayed]:
        start = self._start(chapters)
        if start is None:
            if self._ends_us(chapters) >= self._from_us:
                self.gaps.append(Gap(life, chapters[0].header.first - 1, "it has no image to begin with"))
            return
        region: Region | None = None
        expected = 0
        for chapter in chapters[start:]:
            if region is None or chapter.header.first != expected:
                if region is not None:
                    self.gaps.append(Gap(life, expected - 1, "these steps are missing"))
                region, expected = self._loaded(chapter), chapter.header.first
            if region is None:
                continue
            for record in chapter.steps():
                if record.wall_us > self._to_us:
                    return
                yield self._again(region, record)
                expected = record.number + 1

    def _start(self, chapters: list[Chapter]) -> int | None:
        """The last with an image that begins before the time that is asked for; else the first with one."""
        imaged = [number for number, chapter in enumerate(chapters) if chapter.segment.image is not None]
        before = [number for number in imaged if chapters[number].header.begun_wall_us <= self._from_us]
        if before:
            # What ended long ago leads nowhere.
            return before[-1] if self._ends_us(chapters) >= self._from_us else None
        return imaged[0] if imaged else None

    @staticmethod
    def _ends_us(chapters: list[Chapter]) -> int:
        """When the last step of a life was."""
        last = chapters[-1].header.begun_wall_us
        for step in chapters[-1].steps():
            last = step.wall_us
        return last

    def _loaded(self, chapter: Chapter) -> Region | None:
        if chapter.header.code != code_digest():
            raise OtherCode(
                f"these decisions were made by hanse {chapter.header.version} (core {chapter.header.code[:12]}); this "
                f"is another one (core {code_digest()[:12]}): replay them with the version that made them"
            )
        image = chapter.image()
        return None if image is None else load(image, self._authority())

    @staticmethod
    def _again(region: Region, record: StepRecord) -> Replayed:
        effects = region.step(record.now, record.inputs())
        return Replayed(record, tuple(change_of(change) for change in effects.changes), digest_of(effects))
