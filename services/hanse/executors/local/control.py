"""The daemon's side of what supervisors are told (supervisor.py has the words), and the deletion of what is left."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import msgspec


class Control:
    """The files of `control/`. What was told before is kept where it is stricter (a stop) or reaches further (a
    lease): the supervisor may not have read it yet."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._told: set[str] = set()

    def recall(self) -> None:
        """Learn what earlier lives told. OSError without the directory."""
        self._told.update(path.stem for path in self._directory.iterdir())

    def tell_stop(self, name: str, grace_us: int) -> signal.Signals:
        """Write down a stop; returns the signal that makes the supervisor heed it."""
        self._told.add(name)
        try:
            told = self._read(f"{name}.stop")
            self._write(f"{name}.stop", {"grace_us": min(grace_us, told.get("grace_us", grace_us))})
        except OSError:
            # A full disk must not keep a task alive: this one says "stop" by itself, with the launch's grace.
            return signal.SIGUSR2
        return signal.SIGUSR1

    def tell_lease(self, name: str, start_us: int, lease_us: int) -> signal.Signals:
        """Write down a lease; returns the signal that makes the supervisor heed it."""
        self._told.add(name)
        told = self._read(f"{name}.lease")
        if told.get("start_us", 0) + told.get("lease_us", 0) < start_us + lease_us:
            self._write(f"{name}.lease", {"start_us": start_us, "lease_us": lease_us})
        return signal.SIGUSR1

    def delete(self, name: str) -> None:
        """Forget what this task was told. Most are never told anything."""
        if name in self._told:
            for suffix in (".stop", ".lease"):
                (self._directory / f"{name}{suffix}").unlink(missing_ok=True)
            self._told.discard(name)

    def _read(self, name: str) -> dict[str, int]:
        try:
            return msgspec.json.decode((self._directory / name).read_bytes(), type=dict[str, int])
        except FileNotFoundError:
            return {}

    def _write(self, name: str, told: dict[str, int]) -> None:
        """All or nothing for whoever reads at this moment."""
        path = self._directory / name
        partial = path.with_name(f"{name}.new")
        partial.write_bytes(msgspec.json.encode(told))
        partial.rename(path)


def delete_tree(directory: Path) -> int:
    """Delete a directory with all that a task put there; returns how much of it could not be deleted."""
    undeleted = 0

    def on_error(function: Any, path: str, error: object) -> None:
        nonlocal undeleted
        undeleted += not _delete_locked(Path(path))

    try:
        directory.rmdir()
    except FileNotFoundError:
        return 0
    except OSError:
        # Not empty, as most are not that were used; or not that easily deleted.
        shutil.rmtree(directory, onerror=on_error)
    return undeleted


def _delete_locked(path: Path) -> bool:
    """The task was its owner, and may have taken away its own rights to it, or to the directory that it is in."""
    try:
        path.parent.chmod(0o700)
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
