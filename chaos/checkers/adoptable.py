"""P1, P2, P4 for adoptable jobs: what a majority of guardians holds is never lost, has one owner, and ends once.

Read from two things: the rows that callers may read (they are written only once a majority holds the record), by the
shard that the job is in, by whoever leads it in the newest term (who led before may hear late that a majority held what
it wrote: an old truth, and it does not count here); and the records of the logs themselves, by region.
"""

from __future__ import annotations

from chaos.checkers.base import Checker, Handlers, violated
from chaos.checkers.disks import Disks
from chaos.checkers.rows import FINAL, HELD, Row, decoded, ended_here, shard_rows, term_begun
from hanse.core.model.lifecycle import JobState
from hanse.sim.errors import LivenessViolation
from hanse.sim.record import Committed, FederatedAck, Finished, Launched

# What counts as an outcome that comes out again as it was.
_Outcome = tuple[int, int]


class Adoptable(Checker):
    """Epochs, owners and outcomes of jobs in shards; launches that rest on a record; acknowledged jobs that end."""

    def __init__(self, disks: Disks) -> None:
        super().__init__(disks)
        # job -> shard -> its newest row.
        self._rows: dict[str, dict[str, Row]] = {}
        # shard -> its newest term, and who leads it.
        self._leaders: dict[str, tuple[int, str]] = {}
        self._epochs: dict[tuple[str, str], int] = {}
        self._given: dict[tuple[str, int], tuple[str, str, int]] = {}
        # job -> the shard in which it ended (empty: only another one has said so), and how.
        self._ended: dict[str, tuple[str, _Outcome]] = {}
        self._let_go: set[str] = set()
        self._running: set[tuple[str, str, int, int]] = set()
        self._acknowledged: dict[str, FederatedAck] = {}
        self._keys: dict[tuple[str, str, str], str] = {}

    def handlers(self) -> Handlers:
        return {
            Committed: self._on_committed,
            Launched: self._on_launched,
            FederatedAck: self._on_acknowledged,
            Finished: self._on_finished,
        }

    # --- what a region alone holds ------------------------------------------------------------------------------------

    def _on_launched(self, entry: Launched) -> None:
        run = entry.run
        if entry.shard and (entry.region, run.job_id, run.epoch, run.attempt) not in self._running:
            raise violated(f"{entry.region} launched {run} before its record", entry.at_us, run.job_id)

    # --- what a majority holds ----------------------------------------------------------------------------------------

    def _on_acknowledged(self, entry: FederatedAck) -> None:
        key = (entry.home, entry.tenant, entry.client_key)
        known = self._keys.setdefault(key, entry.job_id)
        if known != entry.job_id:
            raise violated(f"key {entry.client_key} was {known} before", entry.at_us, entry.job_id)
        self._acknowledged.setdefault(entry.job_id, entry)

    def _on_committed(self, entry: Committed) -> None:
        for writes in entry.writes:
            for record in writes.shard_rows:
                row = decoded(record)
                if row is not None and row.state == JobState.RUNNING:
                    self._running.add((entry.region, row.id, row.epoch, row.attempt))
                begun = term_begun(record)
                if begun is not None:
                    self._leaders[record.shard] = max(begun, self._leaders.get(record.shard, begun))
        touched: dict[str, None] = {}
        for row in shard_rows(entry):
            if self._leaders[row.shard][1] == entry.region:
                self._on_row(entry, row)
                touched[row.id] = None
        self._forget(entry)
        for job_id in touched:
            if job_id not in self._let_go:
                self._judge(job_id, entry.at_us)

    def _forget(self, entry: Committed) -> None:
        """Retention lets go of a job, and of its client key."""
        for writes in entry.writes:
            for shard, job_id in writes.shard_jobs_delete:
                row = self._rows.get(job_id, {}).pop(shard, None)
                if row is None or (not ended_here(row) and row.state not in FINAL):
                    continue
                self._let_go.add(job_id)
                if job_id in self._acknowledged:
                    ack = self._acknowledged[job_id]
                    self._keys.pop((ack.home, ack.tenant, ack.client_key), None)

    def _on_row(self, entry: Committed, row: Row) -> None:
        shard, before = row.shard, self._rows.get(row.id, {}).get(row.shard)
        if row.epoch < self._epochs.get((shard, row.id), 0):
            raise violated(f"shard {shard}: epoch fell to {row.epoch}", entry.at_us, row.id)
        self._epochs[(shard, row.id)] = row.epoch
        if before is not None and before.state in FINAL and row.state not in FINAL:
            raise violated(f"shard {shard}: left its final state", entry.at_us, row.id)
        if row.state == JobState.XFER:
            self._on_transfer(entry, row)
        if row.state in FINAL:
            self._on_outcome(entry, row)
        self._rows.setdefault(row.id, {})[shard] = row

    def _on_transfer(self, entry: Committed, row: Row) -> None:
        transfer = (row.shard, row.transfer_to, row.transfer_sequence)
        known = self._given.setdefault((row.id, row.transfer_epoch), transfer)
        if known != transfer:
            raise violated(
                f"epoch {row.transfer_epoch} given twice: {known}, {transfer}", entry.at_us, row.id
            )

    def _on_outcome(self, entry: Committed, row: Row) -> None:
        outcome = (row.state, row.exit_code)
        if ended_here(row):
            shard, before = self._ended.get(row.id, ("", outcome))
            if shard not in ("", row.shard) or before != outcome:
                raise violated(f"ended in {shard} and again in {row.shard}", entry.at_us, row.id)
            self._ended[row.id] = (row.shard, outcome)
            return
        if row.id not in self._ended or self._ended[row.id][1] != outcome:
            what = f"shard {row.shard} says {JobState(row.state).name} ({row.exit_code})"
            # The owner's rows are shown by its leader alone, who may be lost before it shows them.
            if row.id in self._ended:
                raise violated(f"{what}, its owner {self._ended[row.id]}", entry.at_us, row.id)
            self._ended[row.id] = ("", outcome)

    def _judge(self, job_id: str, at_us: int) -> None:
        rows = self._rows.get(job_id, {})
        counted = {shard: self._counts(row) for shard, row in rows.items()}
        if not rows or sum(counted.values()) <= 1:
            return
        story = "; ".join(
            f"{shard}: {JobState(row.state).name} epoch {row.epoch} transfer {row.transfer_epoch} to "
            f"{row.transfer_to or '-'} counts {counted[shard]}"
            for shard, row in rows.items()
        )
        raise violated(f"owned twice: {story}", at_us, job_id)

    def _counts(self, row: Row) -> int:
        if row.state in HELD:
            # Shown by a leader that has been lost since: the next one may have handed the job on without showing it.
            newest = max(self._epochs[(shard, row.id)] for shard in self._rows[row.id])
            return 1 if row.epoch >= newest else 0
        return 1 if ended_here(row) and row.state in FINAL else 0

    # --- the end ------------------------------------------------------------------------------------------------------

    def _on_finished(self, entry: Finished) -> None:
        for job_id, ack in self._acknowledged.items():
            if job_id in self._let_go:
                continue
            row = self._rows.get(job_id, {}).get(ack.home)
            # A job that has a row is still on its way while the league waits for something: that is Liveness' to say.
            if row is None or (row.state not in FINAL and not entry.waits_for):
                state = "nowhere" if row is None else JobState(row.state).name
                raise LivenessViolation(
                    f"acknowledged by its guardians, and {state} in the end", at_us=entry.at_us, job_id=job_id
                )
