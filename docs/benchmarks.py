"""What the benchmarks found the last time, from benchmarks.json, which `make bench` writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docs.words import cell
from hanse.bench.scale.axes import MEMORY
from hanse.bench.scale.page import bytes_text, seconds_text
from hanse.bench.suite.records import read_file
from hanse.bench.suite.table import table

BOOK = Path(__file__).parent / "benchmarks.json"


def benchmark_table() -> str:
    """A row for each figure that counts, with what the project wants it to be."""
    return table(read_file(BOOK))


def scale_table() -> str:
    """A row for each work that `hanse bench scale` has timed, and the power of the size that its cost follows."""
    run = read_file(BOOK).get("scale")
    if run is None or not run.kept:
        return "Not measured."
    lines = ["| work | from | to | exponent | upper half | n log n |", "|---|---|---|---|---|---|"]
    for axis in run.kept:
        lines += [f"| {' | '.join(cells)} |" for cells in _rows(axis)]
    return "\n".join(lines)


def _rows(axis: dict[str, Any]) -> Iterator[list[str]]:
    for work in axis["works"]:
        text = bytes_text if work["name"] == MEMORY else seconds_text
        (least, first), (most, last) = work["costs"][0], work["costs"][-1]
        yield [
            f"{axis['axis']}: {cell(work['what'])}",
            f"{text(first)} at {least:,}",
            f"{text(last)} at {most:,}",
            _interval(work["exponent"]),
            _interval(work["exponent_upper_half"]),
            work["growth"] or "",
        ]
    if axis["missed"]:
        yield [
            f"{axis['axis']}: no time was left for {', '.join(f'{n:,}' for n in axis['missed'])}",
            *[""] * 5,
        ]


def _interval(found: dict[str, float] | None) -> str:
    return "" if found is None else f"{found['value']:z.2f} ({found['low']:z.2f} to {found['high']:z.2f})"
