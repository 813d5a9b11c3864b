"""What is on every region's disk, transaction by transaction; and what becomes of it when a disk is replaced by an
older image of itself.

An old disk takes rows back. What a checker may demand then follows from who still knows:

    what any other disk has, or speaks of    stands: whoever contradicts it is wrong, the region itself included
    what only the replaced disk had          is forgotten: its region may do it once more
    a job of which no disk has more than     is forgotten (is_forgotten): it was acknowledged, and is lost with the
    the memory of a hop that is over         disk that it was on

So a forgotten run, outcome, transfer or decision may come again; nothing that somebody remembers may. At no time may
two processes of a job live at once, forgotten or not. From the moment at which the disk is replaced until its region
has heard everybody and says so (META_TRUSTED_FROM), what its rows say of owners does not count: the region is in doubt,
and acts on none of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from chaos.checkers.rows import FINAL, Row, decision_rows, job_rows
from hanse.core.messages import Verdict
from hanse.core.model.jobs import RemoteView, RunId
from hanse.core.model.lifecycle import JobState
from hanse.core.rows import META_TRUSTED_FROM, DecisionRow
from hanse.sim.record import EMPTY_IMAGE, Committed, DiskReplaced, Entry, ImageTaken

_REMOTE = msgspec.msgpack.Decoder(RemoteView)


class Disk:
    """One region's durable rows: of jobs by id, of decisions by giver's ledger and sequence. `accepted` has the (job,
    epoch) of every acceptance, also those that STABLE has let go of."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.decisions: dict[str, dict[int, DecisionRow]] = {}
        self.accepted: set[tuple[str, int]] = set()

    def copy(self) -> Disk:
        """An image of it."""
        image = Disk()
        image.rows = dict(self.rows)
        image.decisions = {ledger_id: dict(decided) for ledger_id, decided in self.decisions.items()}
        image.accepted = set(self.accepted)
        return image

    def write(self, entry: Committed) -> dict[str, Row]:
        """A transaction. Returns the rows that it deletes."""
        for row in job_rows(entry):
            self.rows[row.id] = row
        for decision in decision_rows(entry):
            self.decisions.setdefault(decision.giver_ledger_id, {})[decision.sequence] = decision
            if decision.verdict == Verdict.COMMITTED:
                self.accepted.add((decision.job_id, decision.epoch))
        deleted: dict[str, Row] = {}
        for writes in entry.writes:
            for job_id in writes.jobs_delete:
                if job_id in self.rows:
                    deleted[job_id] = self.rows.pop(job_id)
            for ledger_id, below in writes.decisions_delete_below:
                decided = self.decisions.get(ledger_id, {})
                for sequence in [each for each in decided if each < below]:
                    del decided[sequence]
        return deleted


class Disks:
    """All of them. `doubtful` regions came back with an old disk, and have not heard everybody yet."""

    def __init__(self) -> None:
        self.by_region: dict[str, Disk] = {}
        self.doubtful: dict[str, None] = {}
        # The rows that retention has deleted in the newest transaction.
        self.deleted: dict[str, Row] = {}
        self._images: dict[int, Disk] = {EMPTY_IMAGE: Disk()}
        # Regions that never come back.
        self.gone: dict[str, None] = {}
        # How often a region's disk was replaced, and the rows that this took from it.
        self._replaced: dict[str, int] = {}
        self._dropped: dict[str, dict[str, Row]] = {}
        self._forgotten: set[str] = set()

    def take(self, entry: Entry) -> None:
        """The record goes on."""
        match entry:
            case Committed():
                self.deleted = self.by_region.setdefault(entry.region, Disk()).write(entry)
                if is_trusted_by(entry):
                    self._trust(entry.region)
            case ImageTaken():
                self._images[entry.image] = self.by_region.setdefault(entry.region, Disk()).copy()
            case DiskReplaced():
                self._replace(entry)
            case _:
                pass

    # --- what disks hold --------------------------------------------------------------------------------------------

    def row(self, region: str, job_id: str) -> Row | None:
        """A job's row on a region's disk."""
        disk = self.by_region.get(region)
        return disk.rows.get(job_id) if disk is not None else None

    def rows_of(self, job_id: str) -> dict[str, Row]:
        """A job's rows, by region."""
        return {region: disk.rows[job_id] for region, disk in self.by_region.items() if job_id in disk.rows}

    def decided(self, region: str, ledger_id: str, sequence: int) -> DecisionRow | None:
        """What this region's disk says of a transfer."""
        disk = self.by_region.get(region)
        return disk.decisions.get(ledger_id, {}).get(sequence) if disk is not None else None

    def has_accepted(self, region: str, job_id: str, epoch: int) -> bool:
        """Whether this region's disk says that it took a transfer: by its decision, or by having the job at that epoch
        or a later one."""
        row = self.row(region, job_id)
        if row is not None and max(row.epoch, row.transfer_epoch) >= epoch:
            return True
        disk = self.by_region.get(region)
        return disk is not None and (job_id, epoch) in disk.accepted

    def outcome_is_known(self, job_id: str) -> bool:
        """Whether any disk says how the job ended."""
        return any(row.state in FINAL for row in self.rows_of(job_id).values())

    # --- what they lost ---------------------------------------------------------------------------------------------

    def generation(self, region: str) -> int:
        """How often this region's disk was replaced."""
        return self._replaced.get(region, 0)

    def has_lost(self, region: str, job_id: str) -> bool:
        """Whether this region's disk once had the job, was replaced, and has it no more."""
        return job_id in self._dropped.get(region, ()) and self.row(region, job_id) is None

    def is_forgotten(self, job_id: str) -> bool:
        """Whether the job was on a disk that was replaced, and no disk tells what it was or how it ended: what is left
        of it at most are hops that are over, without its spec. Once its home has asked everybody, and has found no more
        than that, it stays forgotten, whatever older image still comes up."""
        return job_id in self._forgotten or self._has_no_trace(job_id)

    def _has_no_trace(self, job_id: str) -> bool:
        was_lost = any(self.has_lost(region, job_id) for region in self._dropped)
        return was_lost and all(
            row.state == JobState.MOVED and bool(row.settled) for row in self.rows_of(job_id).values()
        )

    def newest_known(self, job_id: str, besides: str) -> int:
        """The newest epoch of a job that any other disk than this region's speaks of."""
        epochs = [epoch for region, _, epoch, _ in self._spoken_of(job_id) if region != besides]
        for region, disk in self.by_region.items():
            if region != besides:
                decided = [row for by_sequence in disk.decisions.values() for row in by_sequence.values()]
                epochs += [row.epoch for row in decided if row.job_id == job_id]
        return max(epochs, default=0)

    def holds_run(self, region: str, run: RunId) -> bool:
        """Whether this region's own disk has come as far as this run."""
        row = self.row(region, run.job_id)
        return row is not None and (row.epoch, row.attempt) >= (run.epoch, run.attempt)

    def others_know_run(self, region: str, run: RunId) -> bool:
        """Whether another disk than this region's says that it has come as far as this run."""
        return any(
            owner == region and (epoch, attempt) >= (run.epoch, run.attempt)
            for whose, owner, epoch, attempt in self._spoken_of(run.job_id)
            if whose != region
        )

    def _spoken_of(self, job_id: str) -> Iterator[tuple[str, str, int, int]]:
        """(whose disk, of which owner, epoch, attempt) for all that the rows of a job say."""
        for region, row in self.rows_of(job_id).items():
            yield region, region, row.epoch, row.attempt
            if row.transfer_epoch:
                yield region, row.transfer_to, row.transfer_epoch, 0
            if row.remote:
                view = _REMOTE.decode(row.remote)
                yield region, view.region, view.epoch, view.attempt

    # --- what happens to them ---------------------------------------------------------------------------------------

    def _trust(self, region: str) -> None:
        self.doubtful.pop(region, None)
        for job_id in self._dropped.get(region, ()):
            if self.row(region, job_id) is None and self._has_no_trace(job_id):
                self._forgotten.add(job_id)

    def _replace(self, entry: DiskReplaced) -> None:
        before = self.by_region.setdefault(entry.region, Disk())
        image = self._images[entry.image].copy()
        dropped = self._dropped.setdefault(entry.region, {})
        dropped.update({job_id: row for job_id, row in before.rows.items() if job_id not in image.rows})
        self.by_region[entry.region] = image
        self.doubtful[entry.region] = None
        if entry.for_ever:
            self.gone[entry.region] = None
        self._replaced[entry.region] = self.generation(entry.region) + 1


def is_trusted_by(entry: Committed) -> bool:
    """Whether a region says in this transaction that it has heard everybody, and trusts its disk."""
    return any(name == META_TRUSTED_FROM for writes in entry.writes for name, _ in writes.meta)
