"""The id of a region's ledger before there is a ledger: a roster must name it before the region first starts.

    <data_dir>/ledger.id    drawn by `hanse federation keygen`; taken by the ledger when it is created, and then gone

So an id is used once. A ledger that is created in the place of one that was lost draws another.
"""

from __future__ import annotations

import os
import re
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

from hanse.core.model.errors import CallerFault

LEDGER_FILE = "ledger.db"
LEDGER_ID_FILE = "ledger.id"
_ID = re.compile(r"[0-9a-f]{32}")


class LedgerIdFault(CallerFault):
    """The id of a ledger cannot be read or prepared."""


def prepared_id(data_dir: Path) -> str:
    """The id of the ledger in this directory, or the one that it will have. Raises LedgerIdFault."""
    ledger, file = data_dir / LEDGER_FILE, data_dir / LEDGER_ID_FILE
    try:
        if ledger.exists():
            return _id_of(ledger)
        if found := read_prepared(data_dir):
            return found
        drawn = uuid.uuid4().hex
        with file.open("x", encoding="ascii") as handle:
            handle.write(drawn)
            handle.flush()
            os.fsync(handle.fileno())
    except (OSError, sqlite3.Error) as error:
        raise LedgerIdFault(f"{data_dir}: the ledger's id cannot be told: {error}") from error
    return drawn


def read_prepared(data_dir: Path) -> str:
    """The id that was prepared for a ledger; empty: none. Raises LedgerIdFault if the file holds something else."""
    file = data_dir / LEDGER_ID_FILE
    try:
        found = file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerIdFault(f"{file}: {error}") from error
    if _ID.fullmatch(found) is None:
        raise LedgerIdFault(f"{file} holds no ledger's id: delete it, and run hanse federation keygen")
    return found


def use_up(data_dir: Path) -> None:
    """The ledger is there: no other one may have this id."""
    (data_dir / LEDGER_ID_FILE).unlink(missing_ok=True)


def _id_of(ledger: Path) -> str:
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        found: tuple[str] | None = connection.execute("SELECT ledger_id FROM ledger").fetchone()
    if found is None:
        raise LedgerIdFault(
            f"{ledger} has no id yet: start the region once, or delete the file if it never ran"
        )
    return found[0]
