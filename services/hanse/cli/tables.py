"""Tables that fit the terminal by leaving out whole columns, never by cutting an id in two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

_GAP = 2
_FLEXIBLE_WIDTH_MIN = 12


@dataclass(frozen=True, slots=True)
class Column:
    """`drop`: larger numbers go first when space is short; 0: never. `flexible`: free text, which may be cut."""

    title: str
    drop: int = 0
    justify: Literal["left", "right"] = "left"
    flexible: bool = False


Cell = str | Text


def make_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int) -> Table:
    """A plain table, at most `width` wide if leaving out what may be left out achieves that.

    Columns that are empty in every row are left out too.
    """
    widths = [_natural_width(column, [row[index] for row in rows]) for index, column in enumerate(columns)]
    kept = _kept(columns, widths, rows, width)
    room = width - sum(widths[i] + _GAP for i in kept if not columns[i].flexible)
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold", show_edge=False)
    for index in kept:
        column = columns[index]
        if column.flexible:
            limit = max(_FLEXIBLE_WIDTH_MIN, room)
            table.add_column(column.title, no_wrap=True, overflow="ellipsis", max_width=limit)
        else:
            title = _padded(column, column.title, widths[index])
            table.add_column(title, no_wrap=True, overflow="ignore", min_width=widths[index])
    for row in rows:
        table.add_row(*(_padded(columns[index], row[index], widths[index]) for index in kept))
    return table


def _padded(column: Column, cell: Cell, width: int) -> Cell:
    """The cell at the right end of its column: rich does not justify what it may not cut."""
    if column.justify == "left":
        return cell
    missing = width - cell_len(cell if isinstance(cell, str) else cell.plain)
    return Text(" " * missing).append(cell)


def _kept(
    columns: Sequence[Column], widths: Sequence[int], rows: Sequence[Sequence[Cell]], width: int
) -> list[int]:
    kept = [i for i, column in enumerate(columns) if not column.drop or any(str(row[i]) for row in rows)]

    def needed() -> int:
        return sum((_FLEXIBLE_WIDTH_MIN if columns[i].flexible else widths[i]) + _GAP for i in kept) - _GAP

    while needed() > width:
        droppable = [i for i in kept if columns[i].drop]
        if not droppable:
            break
        kept.remove(max(droppable, key=lambda i: columns[i].drop))
    return kept


def _natural_width(column: Column, cells: Sequence[Cell]) -> int:
    return max(
        cell_len(column.title),
        *(cell_len(cell if isinstance(cell, str) else cell.plain) for cell in cells),
        0,
    )
