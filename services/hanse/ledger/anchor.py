"""A small file, best kept on another filesystem, that remembers how far the ledger had come.

If it is ahead of the ledger that is opened, the ledger's disk is old (restored from a backup or a snapshot), and what
it does not know of may have been promised to peers. The file may be a little behind, never ahead of a sound ledger:
it is written after the ledger.
"""

from __future__ import annotations

import enum
import os
from pathlib import Path

import msgspec

from hanse.core.model.regions import Position


class AnchorVerdict(enum.StrEnum):
    """What the anchor says of the ledger."""

    NONE = "there is no anchor"
    AGREES = "the ledger has all that the anchor has seen"
    AHEAD = "the anchor has seen more than the ledger has: its disk is old"
    FOREIGN = "the anchor belongs to another ledger: this one is new, or of another region"
    UNREADABLE = "the anchor's file can't be read"


class Anchor(msgspec.Struct, frozen=True):
    """The content of the file, as JSON."""

    ledger_id: str
    incarnation: int
    write_sequence: int

    @property
    def position(self) -> Position:
        """How far the ledger had come."""
        return Position(self.incarnation, self.write_sequence)


def read_anchor(path: Path) -> Anchor | None:
    """The anchor; None if there is no file. Raises OSError or msgspec.DecodeError if it can't be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Anchor)
    except FileNotFoundError:
        return None


def write_anchor(path: Path, anchor: Anchor) -> None:
    """Replace the file, durably and all at once. Raises OSError."""
    scratch = path.with_name(f"{path.name}.new")
    with scratch.open("wb") as file:
        file.write(msgspec.json.encode(anchor))
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
    sync_directory(path.parent)


def judge(anchor: Anchor | None, ledger_id: str, ledger: Position) -> AnchorVerdict:
    """Compare the anchor with the position that the ledger had before this open."""
    if anchor is None:
        return AnchorVerdict.NONE
    if anchor.ledger_id != ledger_id:
        return AnchorVerdict.FOREIGN
    return AnchorVerdict.AHEAD if anchor.position > ledger else AnchorVerdict.AGREES


def sync_directory(directory: Path) -> None:
    """Make names in this directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
