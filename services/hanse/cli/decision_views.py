"""Decisions as people and programs see them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from hanse.cli.display import bytes_text, state_text
from hanse.cli.output import Printer
from hanse.cli.tables import Column, make_table
from hanse.decisions.reading import Chapter
from hanse.decisions.records import Change, StepRecord
from hanse.decisions.replay import Replay, Replayed

_LIFE_SHOWN = 8


def segment_document(chapter: Chapter) -> dict[str, Any]:
    """A segment as data."""
    header, segment = chapter.header, chapter.segment
    return {
        "number": segment.number,
        "life": header.life,
        "version": header.version,
        "first_step": header.first,
        "begun_at": moment_text(header.begun_wall_us),
        "bytes": segment.steps_bytes,
        "image_bytes": segment.image_bytes,
        "torn": chapter.is_torn(),
    }


def segments_table(found: Sequence[dict[str, Any]], width: int) -> RenderableType:
    """One line per segment."""
    columns = (
        Column("SEGMENT", justify="right"),
        Column("LIFE", drop=3),
        Column("FROM"),
        Column("FIRST STEP", drop=2, justify="right"),
        Column("STEPS", justify="right"),
        Column("IMAGE", justify="right"),
        Column("NOTE", drop=1),
    )
    rows = [
        (
            str(each["number"]),
            each["life"][:_LIFE_SHOWN],
            each["begun_at"],
            f"{each['first_step']:,}",
            bytes_text(each["bytes"]),
            bytes_text(each["image_bytes"]) if each["image_bytes"] else "",
            Text("torn at its end", style="yellow") if each["torn"] else "",
        )
        for each in found
    ]
    return make_table(columns, rows, width)


def change_document(record: StepRecord, change: Change) -> dict[str, Any]:
    """A decision as data."""
    return {
        "at": moment_text(record.wall_us),
        "step": record.number,
        "job_id": change.job_id,
        "state": change.state,
        "region": change.region,
        "epoch": change.epoch,
        "attempt": change.attempt,
        "reason": change.reason,
        "detail": change.detail,
        "cause": change.cause,
    }


def change_text(record: StepRecord, change: Change) -> Text:
    """A decision in one line."""
    return Text.assemble(
        (moment_text(record.wall_us), "bright_black"),
        "  ",
        change.job_id,
        "  ",
        state_text(change.state),
        f"  {change.epoch}.{change.attempt}  {change.reason}",
        (f"  {change.detail}" if change.detail else "", "bright_black"),
    )


class Telling:
    """Tells of a replay while it goes on."""

    def __init__(self, printer: Printer, job: str) -> None:
        self._printer = printer
        self._job = job
        self.steps = 0
        self.decisions = 0
        self.difference: Replayed | None = None

    def step(self, replayed: Replayed) -> None:
        """One step was made again."""
        self.steps += 1
        if not replayed.same:
            self.difference = replayed
        for change in replayed.changes:
            if self._job in ("", change.job_id):
                self.decisions += 1
                if self._printer.is_table:
                    self._printer.show(change_text(replayed.record, change))
                else:
                    self._printer.item(change_document(replayed.record, change))

    def end(self, work: Replay) -> None:
        """It is over."""
        if not self._printer.is_table:
            self._printer.item(self._document(work))
            return
        for gap in work.gaps:
            text = f"not replayed: after step {gap.after:,} of life {gap.life[:_LIFE_SHOWN]}: {gap.why}"
            self._printer.show(Text(text, style="yellow"))
        if self.difference is not None:
            self._printer.show(Text(f"step {self.difference.record.number:,} DIFFERS", style="bold red"))
        elif self.steps:
            led_up = f", after {work.led_up:,} that lead up to it" if work.led_up else ""
            text = f"{self.steps:,} steps with {self.decisions:,} decisions, all the same{led_up}"
            self._printer.show(Text(text, style="green"))

    def _document(self, work: Replay) -> dict[str, Any]:
        found = self.difference
        return {
            "steps": self.steps,
            "led_up": work.led_up,
            "same": found is None,
            "first_difference": None
            if found is None
            else {
                "step": found.record.number,
                "at": moment_text(found.record.wall_us),
                "recorded": found.record.digest,
                "made": found.digest,
            },
            "gaps": [{"life": gap.life, "after_step": gap.after, "why": gap.why} for gap in work.gaps],
        }


def moment_text(wall_us: int) -> str:
    """Local date and time to the microsecond."""
    seconds, microseconds = divmod(wall_us, 1_000_000)
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(seconds))}.{microseconds:06d}"
