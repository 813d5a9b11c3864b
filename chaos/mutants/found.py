"""found.json: what the last hunt brought. Written by `python -m chaos.mutants`, never by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from chaos.mutants.hunt import Finding

PATH = Path(__file__).with_name("found.json")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One mutant: who caught it first with every checker on, and who when only harm to jobs counts. None: nobody.
    `by_hand`: `profile` is a schedule."""

    name: str
    shortcut: str
    profile: str
    by_hand: bool
    harmless: str
    caught: Finding | None
    harm: Finding | None


def read() -> list[Found]:
    """The last hunt."""
    return msgspec.json.decode(PATH.read_bytes(), type=list[Found])


def write(found: Sequence[Found]) -> None:
    """Keep this hunt."""
    PATH.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
