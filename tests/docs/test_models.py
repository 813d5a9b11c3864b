"""Every row of the protocol's tables is tied to the model and to the core, or says why it is not."""

from __future__ import annotations

from docs.models import PARTS, TABLES, line_number
from tests.core.protocol.rows import ROWS


def test_every_row_about_a_transfer_has_its_part_of_the_model() -> None:
    assert set(PARTS) == {row for row in ROWS if row[0] in TABLES}


def test_what_the_model_lacks_says_why() -> None:
    assert [row for row, part in PARTS.items() if not part.line and not part.note] == []


def test_every_part_of_the_model_is_one_line_of_it() -> None:
    assert all(line_number(part.line) for part in PARTS.values() if part.line)
