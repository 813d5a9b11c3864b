"""A disk that fills up, and a ledger that is damaged."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sqlite3
from contextlib import AsyncExitStack, closing
from pathlib import Path

from chaos.live.errors import HarnessError
from chaos.live.faults import CorruptLedger, FillDisk
from chaos.live.injectors.base import Injector
from chaos.live.stage import Stage
from hanse.cli.devnet import processes
from hanse.daemon.ledger_ids import LEDGER_FILE
from hanse.ledger.backup import backup, restore
from hanse.ledger.connection import connect_read_only

_KIBIBYTE = 1024
_BLOCK = bytes(64 * _KIBIBYTE)
_FILLER = "filler"
# A daemon that refuses its ledger does so before it listens.
_REFUSAL_TIMEOUT_S = 60.0
_REFUSAL_WORDS = "the ledger is damaged, restore a backup"
# Page 2 on: the header stays, so that it is seen to be a ledger, and a damaged one.
_DAMAGE_FROM = 4096
_DAMAGE = b"\xa5" * 3 * 4096
# How long jobs that are under way may take to end before a backup is made.
_QUIET_TIMEOUT_S = 60.0


class DiskFiller(Injector):
    """Fills the filesystem of a region's data with one file."""

    fault: FillDisk

    async def inject(self) -> None:
        """Write until only `leave_kib` are left."""
        left = await asyncio.to_thread(self._fill)
        self.stage.say(f"{self.fault.region}'s disk is full: {left // _KIBIBYTE} KiB left")

    async def heal(self) -> None:
        """Make room; start the daemon again if it gave up, as a service manager would."""
        self._filler.unlink(missing_ok=True)
        self.stage.say(f"{self.fault.region}'s disk has room again")
        if self.fault.region in self.stage.ended_by_themselves():
            self.stage.say(f"{self.fault.region}'s daemon had given up: started again")
            await processes.wait_until_ready(
                self.stage.region(self.fault.region), self.stage.start(self.fault.region)
            )

    @property
    def _filler(self) -> Path:
        return self.stage.region(self.fault.region).data / _FILLER

    def _fill(self) -> int:
        leave = self.fault.leave_kib * _KIBIBYTE
        with self._filler.open("wb", buffering=0) as file:
            try:
                while (free := _free(self._filler.parent)) > leave:
                    file.write(_BLOCK[: min(len(_BLOCK), free - leave)])
            except OSError:
                pass  # full to the last byte: somebody else wrote too
        return _free(self._filler.parent)


def _free(directory: Path) -> int:
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


class LedgerCorrupter(Injector):
    """Kills a daemon, damages its ledger, expects a refusal, and restores."""

    fault: CorruptLedger
    _killed_us = 0

    def __init__(self, fault: CorruptLedger, stage: Stage) -> None:
        super().__init__(fault, stage)
        self._quiet = AsyncExitStack()

    async def inject(self) -> None:
        """Kill, damage, start, and see it refuse without touching a byte."""
        name = self.fault.region
        if self.fault.restore == "backup":
            await self._quiet.enter_async_context(self.stage.quiet)
            await self._wait_until_quiet()
            await asyncio.to_thread(_back_up, self._ledger, self._copy)
        self._killed_us = await self.stage.kill(name)
        before = await asyncio.to_thread(_damage, self._ledger, self._copy)
        self.stage.say(f"kill -9 of {name}'s daemon, and its ledger is damaged")
        await self._expect_refusal()
        if await asyncio.to_thread(_digest, self._ledger) != before:
            raise HarnessError(f"{name}'s daemon refused its ledger and changed it all the same")

    async def heal(self) -> None:
        """Put back what was there, and start."""
        try:
            if self._killed_us:
                await asyncio.to_thread(_put_back, self._ledger, self._copy)
                await self.stage.restart(self.fault.region, self._killed_us)
                self.stage.say(f"{self.fault.region} serves again from the {self.fault.restore}")
        finally:
            await self._quiet.aclose()

    @property
    def _ledger(self) -> Path:
        return self.stage.region(self.fault.region).data / LEDGER_FILE

    @property
    def _copy(self) -> Path:
        return self.stage.region(self.fault.region).directory / "copy.db"

    async def _wait_until_quiet(self) -> None:
        """Until every job has ended: then an old ledger misses nothing."""
        async with self.stage.client() as client:
            ids = [each.job_id for each in self.stage.book.acknowledged.values()]
            await client.wait(ids, timeout_s=_QUIET_TIMEOUT_S)

    async def _expect_refusal(self) -> None:
        region = self.stage.region(self.fault.region)
        logged = region.log.stat().st_size
        process = self.stage.start(region.name)
        try:
            async with asyncio.timeout(_REFUSAL_TIMEOUT_S):
                await processes.wait_until_ended(process)
        except TimeoutError as error:
            raise HarnessError(f"{region.name} started from a damaged ledger") from error
        said = region.log.read_bytes()[logged:].decode(errors="replace")
        if _REFUSAL_WORDS not in said:
            raise HarnessError(f"{region.name} ended without saying why{processes.log_tail(region)}")
        self.stage.say(f"{region.name} refuses to start: {_REFUSAL_WORDS}")


def _back_up(ledger: Path, copy: Path) -> None:
    with closing(connect_read_only(ledger)) as connection:
        backup(connection, copy)


def _damage(ledger: Path, copy: Path) -> str:
    """Overwrite some pages; keep the sound file as `copy` unless there is one. Returns the damaged file's digest."""
    # What is still in the write-ahead log would hide the damage.
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    if not copy.exists():
        shutil.copyfile(ledger, copy)
    with ledger.open("r+b") as file:
        file.seek(_DAMAGE_FROM)
        file.write(_DAMAGE)
    return _digest(ledger)


def _put_back(ledger: Path, copy: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        ledger.with_name(f"{ledger.name}{suffix}").unlink(missing_ok=True)
    restore(copy, ledger)
    copy.unlink()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
