"""What one run of one benchmark is remembered by, and the file that holds the newest of each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it ran."""

    processor: str
    cores: int
    memory_bytes: int
    kernel: str


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """How busy the machine was: the load average over a minute before and after, and how many of its cores were, on
    average, at work for something else than the benchmark. (Tasks that a benchmark lets loose count as something
    else.)"""

    before_1min: float
    after_1min: float
    others_cores: float


class Earlier(msgspec.Struct, frozen=True):
    """A figure as it was the last time that the table was committed."""

    value: float
    others_cores: float
    same_machine: bool


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """`failure` empty: it ran to its end. `figures` by their paths. `set_up`: which traces it read, if it read any."""

    benchmark: str
    day: str
    source: str
    versions: dict[str, str]
    machine: Machine
    load: Load
    wall_s: float
    set_up: str = ""
    failure: str = ""
    figures: dict[str, float] = {}
    earlier: dict[str, Earlier] = {}
    # What the benchmark's document says beyond figures (catalogue.py: keeps).
    kept: Any = None


Book = dict[str, Run]
_DECODER = msgspec.json.Decoder(Book)


def read_book(packed: bytes) -> Book:
    """Raises msgspec.DecodeError if this is no such file."""
    return _DECODER.decode(packed)


def read_file(path: Path) -> Book:
    """Nothing, if there is no file yet."""
    return read_book(path.read_bytes()) if path.exists() else {}


def packed_book(book: Mapping[str, Run]) -> bytes:
    """For people to read and for diffs, too."""
    return msgspec.json.format(msgspec.json.encode(book, order="sorted"), indent=2) + b"\n"


def with_earlier(run: Run, before: Run | None) -> Run:
    """The run with its figures as they were before, as far as they can be compared."""
    if before is None or before.failure or run.failure or before.set_up != run.set_up:
        return run
    alike = before.machine.processor == run.machine.processor and before.machine.cores == run.machine.cores
    earlier = {
        path: Earlier(before.figures[path], before.load.others_cores, alike)
        for path in run.figures
        if path in before.figures
    }
    return msgspec.structs.replace(run, earlier=earlier)
