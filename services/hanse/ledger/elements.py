"""Reading the rows of elements: what the sets in an array's own row don't tell."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from hanse.core.model.lifecycle import JobState
from hanse.core.rows import ElementRow
from hanse.ledger.statements import columns_of

_COLUMNS = ", ".join(
    f"hex({column})" if column == '"allocation"' else column for column in columns_of(ElementRow)
)
_ALLOCATION = ElementRow.__struct_fields__.index("allocation")
_ROWS = msgspec.json.Decoder(list[list[str | int]])
_COUNTS = msgspec.json.Decoder(list[tuple[str, int]])
_INDEXES = msgspec.json.Decoder(list[int])
_HOLDING = f"state IN ({int(JobState.RUNNING)}, {int(JobState.STOPPING)})"


def element_rows(
    connection: sqlite3.Connection, shard: str, job_id: str, indexes: Sequence[int]
) -> tuple[ElementRow, ...]:
    """Of these elements, those that have a row."""
    text = connection.execute(
        f"SELECT json_group_array(json_array({_COLUMNS})) FROM elements "
        "WHERE shard = ? AND job_id = ? AND element IN (SELECT value FROM json_each(?))",
        (shard, job_id, msgspec.json.encode(indexes).decode()),
    ).fetchone()[0]
    return tuple(_row(values) for values in _ROWS.decode(text))


def indexes_in_flight(connection: sqlite3.Connection, shard: str, job_id: str) -> list[int]:
    """The elements of an array that hold capacity, in ascending order."""
    text = connection.execute(
        f"SELECT json_group_array(element) FROM elements WHERE shard = ? AND job_id = ? AND {_HOLDING}",
        (shard, job_id),
    ).fetchone()[0]
    return sorted(_INDEXES.decode(text))


def counts_in_flight(connection: sqlite3.Connection, job_ids: Sequence[str]) -> dict[str, int]:
    """How many elements of each of these arrays hold capacity; who has none is left out."""
    text = connection.execute(
        "SELECT json_group_array(json_array(job_id, number)) FROM ("
        f"SELECT job_id, count(*) AS number FROM elements WHERE shard = '' AND {_HOLDING} "
        "AND job_id IN (SELECT value FROM json_each(?)) GROUP BY job_id)",
        (msgspec.json.encode(job_ids).decode(),),
    ).fetchone()[0]
    return dict(_COUNTS.decode(text))


def _row(values: list[str | int]) -> ElementRow:
    unpacked: list[str | int | bytes] = list(values)
    unpacked[_ALLOCATION] = bytes.fromhex(str(values[_ALLOCATION]))
    return msgspec.convert(unpacked, ElementRow, builtin_types=(bytes,))
