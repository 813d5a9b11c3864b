"""A league on real SQLite files whose power can be cut at any write: before it, inside it, and after it.

A cut keeps what is in the files at that instant, byte for byte: database and write-ahead log are copied while the
connection is open, and the log may end in the middle of the transaction that was not synced. Everything in memory is
gone, and with the machine also its processes.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections import deque
from pathlib import Path

import msgspec

from hanse.core.effects import Effects
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.core.model.time import SECOND_US
from hanse.core.rows import DecisionRow, JobRow, Snapshot, Writes
from hanse.ledger.boot import boot
from hanse.ledger.recovery import load_snapshot
from hanse.ledger.transaction import transaction, write
from tests.core.protocol import station as stations
from tests.core.protocol.league import League
from tests.core.protocol.station import Station

_JOBS = f"SELECT {', '.join(JobRow.__struct_fields__)} FROM jobs WHERE shard = ''"
_DECISIONS = f"SELECT {', '.join(DecisionRow.__struct_fields__)} FROM decisions"
# Of the write-ahead log's format: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
_WAL_HEADER_BYTES, _FRAME_HEADER_BYTES, _PAGE_BYTES = 32, 24, 4096
_FRAME_BYTES = _FRAME_HEADER_BYTES + _PAGE_BYTES
# The league ends what it has within this long, however a cut has shuffled it.
FINISH_US = 600 * SECOND_US


class PowerCut(Exception):  # noqa: N818 -- what happens in the test, not what went wrong with it
    """The power of a region was cut just now."""


class Cut(msgspec.Struct, frozen=True):
    """When and how: at the `ordinal`-th write of the league.

    `released` -1: before the write; else it is durable, and so many effects have left. `torn` above 0: the write-ahead
    log ends so many bytes into the transaction, and nothing has left. `machine`: the processes die, too.
    """

    ordinal: int
    released: int = -1
    torn: int = 0
    machine: bool = True


class Written(msgspec.Struct, frozen=True):
    """A write of a run without a cut: by whom, how many effects waited for it, how many bytes of log it took."""

    region: str
    effects: int
    bytes: int


class DiskLedger:
    """In the place of a SimLedger: the transactions and the recovery of the real one, on a file."""

    def __init__(self, directory: Path, region: str, ledger_id: str) -> None:
        self.region = region
        self.ledger_id = ledger_id
        # Of `wait` jobs.
        self.jobs: dict[str, JobRow] = {}
        self.decisions: dict[str, dict[int, DecisionRow]] = {}
        self.write_sequence = 0
        self.last_bytes = 0
        self._directory = directory
        self._lives = 0
        self._pending: deque[tuple[int, Writes]] = deque()
        self._connection: sqlite3.Connection | None = None

    @property
    def _path(self) -> Path:
        return self._directory / f"{self.region}-{self._lives}" / "ledger.db"

    @property
    def _wal(self) -> Path:
        return self._path.with_name("ledger.db-wal")

    def append(self, sequence: int, writes: Writes) -> None:
        """A step's transaction, not written yet."""
        self._pending.append((sequence, writes))

    def sync(self, count: int) -> None:
        """Written and synced."""
        assert self._connection is not None
        before = self._wal.stat().st_size
        for _ in range(count):
            sequence, writes = self._pending.popleft()
            write(self._connection, [Effects(sequence=sequence, writes=writes)])
            self.write_sequence = sequence
        self.last_bytes = self._wal.stat().st_size - before
        self._read()

    def tear(self, kept: int) -> None:
        """Only so many bytes of the last transaction have reached the disk when the power goes."""
        size = self._wal.stat().st_size - self.last_bytes + kept
        self.discard()
        with self._wal.open("r+b") as log:
            log.truncate(size)

    def discard(self) -> None:
        """The process is gone: what the files say now is what the next life finds."""
        self._pending.clear()
        if self._connection is None:
            return
        old, old_log = self._path, self._wal
        self._lives += 1
        self._path.parent.mkdir(parents=True)
        shutil.copyfile(old, self._path)
        if old_log.exists():
            shutil.copyfile(old_log, self._wal)
        self.close()
        shutil.rmtree(old.parent)

    def recover(self) -> Snapshot:
        """Open the file as a daemon does at its start."""
        assert self._connection is None
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(self._path, isolation_level=None)
        boot(self._connection, self.region, None, self.ledger_id)
        with transaction(self._connection, "DEFERRED"):
            snapshot = load_snapshot(self._connection)
        self.write_sequence = snapshot.write_sequence
        self._read()
        return snapshot

    def row(self, job_id: str) -> JobRow | None:
        """A job's durable row."""
        return self.jobs.get(job_id)

    def close(self) -> None:
        """The descriptors go with the process."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _read(self) -> None:
        assert self._connection is not None
        self.jobs = {values[0]: JobRow(*values) for values in self._connection.execute(_JOBS)}
        self.decisions = {}
        for values in self._connection.execute(_DECISIONS):
            row = DecisionRow(*values)
            self.decisions.setdefault(row.giver_ledger_id, {})[row.sequence] = row


class PowerLeague(League):
    """A league with a power switch; `written` tells of every write since it was connected."""

    def __init__(self, directory: Path, **regions: int) -> None:
        self.cut_at: Cut | None = None
        self.written: list[Written] | None = None
        self.ended_well: dict[str, int] = {}
        original = stations.SimLedger
        stations.SimLedger = lambda region, name: DiskLedger(directory, region, name)  # type: ignore[assignment, misc]
        try:
            super().__init__(**regions)  # type: ignore[arg-type]
        finally:
            stations.SimLedger = original  # type: ignore[misc]
        self.written = []

    def disk(self, name: str) -> DiskLedger:
        """The file of a region."""
        ledger = self.stations[name].ledger
        assert isinstance(ledger, DiskLedger)
        return ledger

    def close(self) -> None:
        """Give all descriptors back."""
        for name in self.stations:
            self.disk(name).close()

    # --- the switch -------------------------------------------------------------------------------------------------

    def _dies(self, station: Station, effects: Effects, *, before: bool) -> bool:
        if self.written is None or not effects.writes:
            return False
        if before:
            self.written.append(Written(station.name, len(_parts(effects)), 0))
            if (
                self._is_due()
                and self.cut_at is not None
                and not self.cut_at.torn
                and self.cut_at.released < 0
            ):
                self._cut(station)
            return False
        self.written[-1] = msgspec.structs.replace(self.written[-1], bytes=self.disk(station.name).last_bytes)
        if self._is_due() and self.cut_at is not None:
            if self.cut_at.torn:
                self.disk(station.name).tear(self.cut_at.torn)
            else:
                self._release(station, _first(effects, self.cut_at.released))
            self._cut(station)
        return False

    def _is_due(self) -> bool:
        return (
            self.cut_at is not None
            and self.written is not None
            and self.cut_at.ordinal == len(self.written) - 1
        )

    def _cut(self, station: Station) -> None:
        assert self.cut_at is not None
        self.crash(station.name, "as its power is cut")
        if self.cut_at.machine:
            station.processes.clear()
        self.written = None
        raise PowerCut(station.name)

    # --- on to the end ----------------------------------------------------------------------------------------------

    def end(self, region: str, job_id: str, exit_code: int = 0, task: int = 0) -> None:
        """See League. What ended well is counted, to be compared in the end."""
        if exit_code == 0:
            self.ended_well[job_id] = self.ended_well.get(job_id, 0) + 1
        super().end(region, job_id, exit_code, task)

    def finish(self) -> None:
        """Everything is up and connected, every process ends well: every job must end, everywhere."""
        self.let_go()
        self.heal()
        until_us = self.now_us + FINISH_US
        self.settle()
        while not self.is_over():
            assert self.now_us < until_us, f"not over: {[self.states(job_id) for job_id in self.job_ids()]}"
            for name, station in self.stations.items():
                for job_id in self.job_ids():
                    if station.alive(job_id):
                        self.end(name, job_id)
            self.advance(SECOND_US)

    def job_ids(self) -> list[str]:
        """Every job that is on some disk."""
        return sorted({job_id for name in self.stations for job_id in self.disk(name).jobs})

    def is_over(self) -> bool:
        """Every job has ended at its home, and no region has anything open but what moved on."""
        rows = [row for name in self.stations for row in self.disk(name).jobs.values()]
        return all(row.settled or JobState(row.state) is JobState.MOVED for row in rows) and all(
            self.state(job_id_home, row.id) in TERMINAL_STATES for row in rows for job_id_home in (row.home,)
        )


def torn_lengths(transaction_bytes: int) -> list[int]:
    """Every frame's end, the last one left out, and the middle of every frame."""
    header = transaction_bytes % _FRAME_BYTES
    assert header in (0, _WAL_HEADER_BYTES), "a transaction is whole frames"
    ends = [header + number * _FRAME_BYTES for number in range((transaction_bytes - header) // _FRAME_BYTES)]
    return [length for end in ends for length in (end, end + _FRAME_BYTES // 2) if length]


def _parts(effects: Effects) -> list[object]:
    return [*effects.launches, *effects.stops, *effects.reaps, *effects.replies, *effects.sends]


def _first(effects: Effects, count: int) -> Effects:
    """The same step with only the first of its effects."""
    kept = Effects(sequence=effects.sequence)
    for name in ("launches", "stops", "reaps", "replies", "sends"):
        parts = getattr(effects, name)[:count]
        setattr(kept, name, parts)
        count -= len(parts)
    return kept
