"""What the ledger raises. Two questions decide which: may it be opened at all, and did it fail while it was open?"""

from __future__ import annotations

import enum
import sqlite3

from hanse.core.model.errors import EnvironmentFault, OurBug


class RefusedKind(enum.StrEnum):
    """Why a ledger was not opened."""

    NO_DIRECTORY = "NO_DIRECTORY"
    LOCKED = "LOCKED"
    CORRUPT = "CORRUPT"
    NOT_A_LEDGER = "NOT_A_LEDGER"
    NEWER_SCHEMA = "NEWER_SCHEMA"
    OTHER_REGION = "OTHER_REGION"
    # The machine's fault, and perhaps over soon.
    FULL = "FULL"
    IO = "IO"


class FailedKind(enum.StrEnum):
    """What went wrong with a ledger that was open."""

    FULL = "FULL"
    IO = "IO"
    BUSY = "BUSY"
    CORRUPT = "CORRUPT"


class LedgerRefused(EnvironmentFault):
    """The ledger can't be used as it is; a person must look. Nothing was changed."""

    def __init__(self, kind: RefusedKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class LedgerFailed(EnvironmentFault):
    """A transaction or query failed. After a failed transaction the ledger must be opened anew: whether the transaction
    is on the disk is known only then."""

    def __init__(self, kind: FailedKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class LedgerViolated(OurBug):
    """The core wrote what must never be written: a second answer to a transfer, a change to a job that has no row."""


_KINDS: dict[int, FailedKind] = {
    sqlite3.SQLITE_FULL: FailedKind.FULL,
    sqlite3.SQLITE_BUSY: FailedKind.BUSY,
    sqlite3.SQLITE_LOCKED: FailedKind.BUSY,
    sqlite3.SQLITE_CORRUPT: FailedKind.CORRUPT,
    sqlite3.SQLITE_NOTADB: FailedKind.CORRUPT,
    sqlite3.SQLITE_IOERR: FailedKind.IO,
    sqlite3.SQLITE_CANTOPEN: FailedKind.IO,
    sqlite3.SQLITE_READONLY: FailedKind.IO,
    sqlite3.SQLITE_PERM: FailedKind.IO,
    sqlite3.SQLITE_PROTOCOL: FailedKind.IO,
    sqlite3.SQLITE_NOMEM: FailedKind.IO,
    sqlite3.SQLITE_INTERRUPT: FailedKind.BUSY,
}
# What Python raises for a value that SQLite can't store; sqlite3's own errors aside.
UNSTORABLE = (OverflowError, TypeError, ValueError)


def failed_kind(error: sqlite3.Error) -> FailedKind | None:
    """The kind of this error; None: nothing is wrong with the machine, the statement was our bug."""
    code = getattr(error, "sqlite_errorcode", None)
    # The low byte is the primary code; the rest says which call it was.
    return None if code is None else _KINDS.get(code & 0xFF)


def translated(error: Exception, doing: str) -> LedgerFailed | LedgerViolated:
    """The typed error for what `doing` something with an open ledger raised."""
    kind = failed_kind(error) if isinstance(error, sqlite3.Error) else None
    if kind is None:
        return LedgerViolated(f"{doing}: {error}")
    name = getattr(error, "sqlite_errorname", "")
    return LedgerFailed(kind, f"{doing}: {error} ({name})")
