"""How much room is left on the ledger's filesystem, and what is kept back for finishing.

Nearly full: the region stops admitting and accepting, and goes on running what it has. Critical: a reserve file is
given up, so that the outcomes of what runs still fit.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

MEBIBYTE = 1024 * 1024


class DiskPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds in bytes of free space: nearly full below `nearly_full_bytes`, no longer from `clear_bytes` on; below
    `critical_bytes` the reserve of `reserve_bytes` is released.

    The defaults: the reserve holds the outcomes of 30,000 jobs twice (WAL and file, 1 KiB each); nearly full leaves
    room for a WAL at its bound and a group of commits in flight.
    """

    nearly_full_bytes: int = 512 * MEBIBYTE
    clear_bytes: int = 1024 * MEBIBYTE
    critical_bytes: int = 128 * MEBIBYTE
    reserve_bytes: int = 64 * MEBIBYTE

    def __post_init__(self) -> None:
        """Raises ValueError for bounds that would make the decision flutter."""
        if not 0 <= self.critical_bytes <= self.nearly_full_bytes:
            raise ValueError("critical_bytes must be between 0 and nearly_full_bytes")
        # Releasing the reserve must not look like relief, nor taking it back like distress.
        if self.clear_bytes < self.nearly_full_bytes + self.reserve_bytes:
            raise ValueError("clear_bytes must be at least nearly_full_bytes + reserve_bytes")


class DiskState(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found."""

    free_bytes: int
    nearly_full: bool
    reserve_held: bool


def nearly_full(free_bytes: int, before: bool, policy: DiskPolicy) -> bool:
    """Whether to stop admitting, given whether it was so `before`: between the two bounds nothing changes."""
    return free_bytes < (policy.clear_bytes if before else policy.nearly_full_bytes)


def free_bytes(directory: Path) -> int:
    """What this user may still write on the filesystem of `directory`. Raises OSError."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


class DiskWatch:
    """Decides on every `check` whether the disk is nearly full, and holds the reserve while it is not.

    The reserve lies beside the ledger, with blocks that are really allocated. Raises OSError if the filesystem can't be
    asked.
    """

    def __init__(self, ledger_path: Path, policy: DiskPolicy) -> None:
        self._policy = policy
        self._directory = ledger_path.parent
        self._reserve = ledger_path.with_name(f"{ledger_path.name}.reserve")
        self._nearly_full = False

    def check(self) -> DiskState:
        """Look, decide, and release or take back the reserve."""
        free = free_bytes(self._directory)
        self._nearly_full = nearly_full(free, self._nearly_full, self._policy)
        if free < self._policy.critical_bytes:
            self.release()
        elif not self._nearly_full and not self._held():
            self._take()
        return DiskState(
            free_bytes=free_bytes(self._directory), nearly_full=self._nearly_full, reserve_held=self._held()
        )

    def release(self) -> None:
        """Give the reserve up: to be called when a commit failed for lack of space, before the ledger is reopened."""
        self._nearly_full = True
        self._reserve.unlink(missing_ok=True)

    def _held(self) -> bool:
        return self._reserve.exists()

    def _take(self) -> None:
        if self._policy.reserve_bytes == 0:
            return
        scratch = self._reserve.with_name(f"{self._reserve.name}.new")
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self._policy.reserve_bytes)
        except OSError:
            scratch.unlink()
            raise
        finally:
            os.close(descriptor)
        scratch.rename(self._reserve)
