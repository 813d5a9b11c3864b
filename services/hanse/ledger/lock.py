"""One daemon per ledger."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from hanse.ledger.errors import LedgerRefused, RefusedKind


class DaemonLock:
    """An exclusive flock on a file beside the ledger, held until `release` or the end of the process.

    Not on the ledger itself: closing any descriptor of it would drop the locks that SQLite holds there. The descriptor
    is closed on exec; a process that forks without exec after this must close it, or the lock outlives the daemon that
    dies without `release`.
    The file stays: deleting it would let two daemons lock two files of one name.
    """

    def __init__(self, ledger_path: Path) -> None:
        self.path = ledger_path.with_name(f"{ledger_path.name}.lock")
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(self._descriptor, 32).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise LedgerRefused(
                RefusedKind.LOCKED,
                f"{ledger_path} is in use by another daemon (process {holder or 'unknown'})",
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next daemon have it; also while a forked child has not closed its descriptor yet."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)
