"""One daemon at a time: the lock beside the ledger."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hanse.ledger.errors import LedgerRefused, RefusedKind
from hanse.ledger.lock import DaemonLock


def test_a_second_daemon_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    held = DaemonLock(tmp_path / "ledger.db")
    with pytest.raises(LedgerRefused, match=f"process {os.getpid()}") as caught:
        DaemonLock(tmp_path / "ledger.db")
    assert caught.value.kind is RefusedKind.LOCKED
    held.release()
    DaemonLock(tmp_path / "ledger.db").release()


def test_what_is_released_is_free_although_a_forked_child_still_has_its_descriptor(tmp_path: Path) -> None:
    held = DaemonLock(tmp_path / "ledger.db")
    child = os.dup(held._descriptor)
    try:
        held.release()
        DaemonLock(tmp_path / "ledger.db").release()
    finally:
        os.close(child)
