"""Until when the tasks of a shard may live: one file for each shard, written by the daemon and read by supervisors.

Theory of operation. A renewal comes many times in a lease and must cost next to nothing however many tasks there are.
So nobody is told of it: `leases/<shard>` says until when, and a supervisor, which knows an end from its launch, looks
there when SIGTERM would be due. If the end is later by then, it sleeps until that one. A daemon that is frozen, dead or
cut off from its guardians writes nothing, and the tasks end.

The file holds an instant of CLOCK_BOOTTIME in microseconds, twice, and the boot in which it means something. It is
written in place, in fixed width: once it is there, a full disk can't end what the guardians have prolonged. Whoever
reads two different numbers has met half a write, and reads again. It is never synced: what a power cut takes belongs to
another boot.
"""

from __future__ import annotations

import os
import time

from hanse.executors.local.processes import read_small

LEASES = "leases"
# Two numbers of 20 digits and the name of a boot, which has some 60.
_BYTES_MAX = 256
# A write is a copy of some 100 bytes. Whoever reads half of one this often, this far apart, has a damaged file.
_READS_MAX = 5
_READ_AGAIN_S = 0.0005


class LeaseFiles:
    """The daemon's side: the files of one boot. `directory` is a descriptor of `leases/`."""

    def __init__(self, directory: int, boot_id: str) -> None:
        self._directory = directory
        self._boot_id = boot_id
        # Descriptors, held open so that nothing but the write itself can fail; and what the files say.
        self._files: dict[str, int] = {}
        self._until_us: dict[str, int] = {}

    def sweep(self) -> None:
        """Delete what earlier boots left: their instants may be far ahead of this one's clock."""
        for name in os.listdir(self._directory):  # noqa: PTH208 - no pathlib in here
            if _boot_of(read_small(name, self._directory)) != self._boot_id:
                os.unlink(name, dir_fd=self._directory)

    def extend(self, name: str, until_us: int) -> None:
        """What lives by this file may live until then; an earlier instant than before changes nothing. OSError: it
        could not be written, and the former end stands."""
        if until_us <= self._until_us.get(name, 0):
            return
        if name not in self._files:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._files[name] = os.open(name, flags, 0o600, dir_fd=self._directory)
            until_us = max(until_us, _parse(os.pread(self._files[name], _BYTES_MAX, 0)))
        number = f"{until_us:020d}"
        os.pwrite(self._files[name], f"{number} {number} {self._boot_id}\n".encode(), 0)
        self._until_us[name] = until_us

    def close(self) -> None:
        """Let go of the files; what they say goes on to count."""
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()


def until_us(path: str) -> int:
    """Until when the tasks that live by this file may live; 0: it does not say."""
    for _ in range(_READS_MAX):
        try:
            found_us = _parse(read_small(path))
        except FileNotFoundError:
            return 0
        if found_us:
            return found_us
        time.sleep(_READ_AGAIN_S)
    return 0


def _boot_of(text: bytes) -> str:
    words = text.split()
    return words[2].decode() if len(words) == 3 else ""


def _parse(text: bytes) -> int:
    words = text.split()
    return int(words[0]) if len(words) == 3 and words[0] == words[1] else 0
