"""The table of all bounds, from limits.py: names, values, and the comments that say why."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import NamedTuple

from docs.words import cell, number
from hanse.core.model import limits

_SECTION = re.compile(r"# --- (.+?) -+$")
_BOUND = re.compile(r"([A-Z][A-Z0-9_]+)(?::[^=]+)? = ")


class Bound(NamedTuple):
    """One constant; `reason` is the comment right above it, and empty where several share the first one's."""

    section: str
    name: str
    reason: str


def bounds() -> Iterator[Bound]:
    """Every constant of limits.py, in its order."""
    section = ""
    comment: list[str] = []
    for line in inspect.getsource(limits).splitlines():
        if heading := _SECTION.match(line):
            section = heading[1]
        elif line.startswith("# "):
            comment.append(line[2:])
        elif bound := _BOUND.match(line):
            yield Bound(section, bound[1], " ".join(comment))
            comment = []
        elif not line:
            comment = []


def limits_tables() -> str:
    """One table for each section."""
    lines: list[str] = []
    section = ""
    for bound in bounds():
        if bound.section != section:
            section = bound.section
            lines += [
                "",
                f"## {section[0].upper()}{section[1:]}",
                "",
                "| bound | value | why |",
                "|---|---:|---|",
            ]
        value = number(getattr(limits, bound.name))
        lines.append(f"| `{bound.name}` | {value} | {cell(bound.reason)} |")
    return "\n".join(lines[1:])
