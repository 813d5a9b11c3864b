"""A ledger's id is known before the ledger is, and used once."""

from __future__ import annotations

from pathlib import Path

import pytest

from hanse.daemon.ledger_ids import (
    LEDGER_FILE,
    LEDGER_ID_FILE,
    LedgerIdFault,
    prepared_id,
    read_prepared,
    use_up,
)
from hanse.ledger.ledger import Ledger


async def test_the_ledger_takes_the_id_that_was_prepared_and_the_next_one_another(tmp_path: Path) -> None:
    prepared = prepared_id(tmp_path)
    assert prepared_id(tmp_path) == prepared
    for expected in (prepared, None):
        ledger = await Ledger.open(
            tmp_path / LEDGER_FILE, region="north", new_ledger_id=read_prepared(tmp_path)
        )
        use_up(tmp_path)
        found = ledger.opened.ledger_id
        assert prepared_id(tmp_path) == found
        await ledger.close()
        assert (found == prepared) == (expected is not None)
        _delete(tmp_path)


def _delete(directory: Path) -> None:
    for file in directory.iterdir():
        file.unlink()


def test_a_file_that_holds_no_id_is_refused(tmp_path: Path) -> None:
    (tmp_path / LEDGER_ID_FILE).write_text("north")
    with pytest.raises(LedgerIdFault, match="holds no ledger's id"):
        prepared_id(tmp_path)


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / LEDGER_FILE).write_text("no ledger" * 100)
    with pytest.raises(LedgerIdFault, match="cannot be told"):
        prepared_id(tmp_path)
