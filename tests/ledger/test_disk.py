"""Nearly full, no longer, and what the reserve is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from hanse.ledger import disk
from hanse.ledger.disk import DiskPolicy, DiskWatch, free_bytes, nearly_full

POLICY = DiskPolicy(nearly_full_bytes=100, clear_bytes=200, critical_bytes=20, reserve_bytes=64)


@pytest.mark.parametrize(
    ("free", "before", "after"),
    [
        (99, False, True),
        (100, False, False),
        (150, False, False),
        (150, True, True),
        (199, True, True),
        (200, True, False),
        (0, True, True),
    ],
)
def test_between_the_bounds_nothing_changes(free: int, before: bool, after: bool) -> None:
    assert nearly_full(free, before, POLICY) is after


@pytest.mark.parametrize(
    "bounds",
    [
        {"critical_bytes": 101, "nearly_full_bytes": 100, "clear_bytes": 200, "reserve_bytes": 0},
        {"critical_bytes": 0, "nearly_full_bytes": 100, "clear_bytes": 150, "reserve_bytes": 64},
    ],
)
def test_bounds_that_would_flutter_are_refused(bounds: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="bytes"):
        DiskPolicy(**bounds)


def test_the_defaults_are_valid_and_the_disk_can_be_asked(tmp_path: Path) -> None:
    assert DiskPolicy().reserve_bytes > 0
    assert free_bytes(tmp_path) > 0


def test_the_reserve_is_held_given_up_and_taken_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = 1000
    monkeypatch.setattr(disk, "free_bytes", lambda _: free)
    reserve = path.with_name("ledger.db.reserve")
    watch = DiskWatch(path, POLICY)
    assert watch.check().reserve_held
    assert reserve.stat().st_blocks * 512 >= POLICY.reserve_bytes, "really allocated"
    free = 99
    assert watch.check().nearly_full
    assert reserve.exists(), "nearly full is not critical yet"
    free = 19
    state = watch.check()
    assert (state.nearly_full, state.reserve_held) == (True, False)
    free = 199
    state = watch.check()
    assert (state.nearly_full, state.reserve_held) == (True, False)
    free = 200
    state = watch.check()
    assert (state.nearly_full, state.reserve_held) == (False, True)


def test_a_commit_that_found_the_disk_full_releases_the_reserve_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 1000
    monkeypatch.setattr(disk, "free_bytes", lambda _: free)
    watch = DiskWatch(path, POLICY)
    watch.check()
    watch.release()
    free = 150
    state = watch.check()
    assert (state.nearly_full, state.reserve_held) == (True, False)
