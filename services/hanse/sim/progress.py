"""Whether anything is still open: rows in any ledger, and acknowledged jobs without an outcome at home."""

from __future__ import annotations

from itertools import islice

from hanse.core.federation.shards.quorum import is_majority
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.core.model.regions import Group, unpack_group
from hanse.core.model.roster import decode_signed
from hanse.core.rows import JobRow, JobStateRow, ShardRow
from hanse.sim.ledger import SimLedger
from hanse.sim.record import Committed, place_of

_CLOSED = frozenset(int(state) for state in (*TERMINAL_STATES, JobState.MOVED))
_FINAL = frozenset(int(state) for state in TERMINAL_STATES)


class Progress:
    """Counts, kept up to date from what becomes durable."""

    def __init__(self) -> None:
        self.jobs = 0
        self.handoffs = 0
        # (place, job id) of rows that somebody still has to do something about.
        self.open: dict[tuple[str, str], None] = {}
        # Acknowledged jobs without a final row at home.
        self.unfinished: dict[str, None] = {}
        self._final_at_home: dict[str, None] = {}
        self._home: dict[str, str] = {}
        # By region: (shard, job id) of rows that nobody needs any more, since when; oldest first.
        self._settled: dict[str, dict[tuple[str, str], int]] = {}
        # Adoptable jobs.
        self._of_shards: dict[str, None] = {}
        # (shard, key, term, sequence) of records that say that a job has ended -> regions whose copies have them.
        self._held_by: dict[tuple[str, str, int, int], set[str]] = {}
        # Who keeps a shard's log, by the newest group that any copy knows; and what was looked at last.
        self._groups: dict[str, Group] = {}
        self._packed: dict[str, bytes] = {}
        self._handed: dict[tuple[str, str], int] = {}
        # Acknowledged jobs that their home's disk has forgotten, until they are known there again.
        self._lost: dict[str, None] = {}
        # Regions that never come back; and of `wait` jobs, the newest row in each region.
        self._gone: dict[str, None] = {}
        self._newest: dict[str, dict[str, JobRow | JobStateRow]] = {}
        # Those of them that an operator has declared lost, in a roster that is in force.
        self._declared: dict[str, None] = {}

    def _note_group(self, shard: str, packed: bytes) -> None:
        """These regions keep the adoptable jobs of one, as far as some copy knows."""
        if packed != self._packed.get(shard):
            group = unpack_group(packed)
            known = self._groups.get(shard, group)
            self._packed[shard] = packed
            self._groups[shard] = max(known, group, key=lambda each: (each.version, not each.joining))

    def acknowledged(self, region: str, job_id: str) -> None:
        """Somebody was told that this job is on this region's disk."""
        if job_id in self._home:
            return
        self.jobs += 1
        self._home[job_id] = region
        if job_id not in self._final_at_home:
            self.unfinished[job_id] = None

    def acknowledged_jobs(self, count: int) -> list[str]:
        """The first of them."""
        return list(islice(self._home, count))

    def committed(self, region: str, entry: Committed) -> None:
        """Rows became durable in this region."""
        for writes in entry.writes:
            rows: tuple[JobRow | JobStateRow, ...] = (*writes.jobs, *writes.job_states)
            for row in rows:
                place = place_of(region, row)
                key = (place, row.id)
                if not row.shard:
                    self._newest.setdefault(row.id, {})[region] = row
                if _is_open(row):
                    self.open[key] = None
                else:
                    self.open.pop(key, None)
                if row.state in _FINAL and row.settled:
                    self._closed(place, row.id)
                if self._home.get(row.id) == place:
                    self._lost.pop(row.id, None)
                if row.settled:
                    self._settled.setdefault(region, {}).setdefault((row.shard, row.id), entry.at_us)
                if row.state == JobState.MOVED and self._handed.get(key) != row.transfer_epoch:
                    self._handed[key] = row.transfer_epoch
                    self.handoffs += 1
            for roster in writes.rosters:
                if roster.in_force:
                    lost = decode_signed(roster.document).roster.lost_regions
                    self._declared.update(dict.fromkeys(each.name for each in lost))
            for state in writes.shard_states:
                self._note_group(state.shard, state.group)
            for record in writes.shard_rows:
                self._on_record(region, record)
            for job_id in writes.jobs_delete:
                self._newest.get(job_id, {}).pop(region, None)
                self.open.pop((region, job_id), None)
                self._settled.get(region, {}).pop(("", job_id), None)
            for shard, job_id in writes.shard_jobs_delete:
                self.open.pop((shard, job_id), None)
                self._settled.get(region, {}).pop((shard, job_id), None)
            for shard in writes.shards_delete:
                # Its next leader has the same jobs.
                settled = self._settled.get(region, {})
                self._settled[region] = {key: at for key, at in settled.items() if key[0] != shard}

    def may_go_on(self, job_id: str) -> bool:
        """Whether this job was acknowledged, or is open in some ledger, and has not ended."""
        return job_id in self.unfinished or any(job_id == each for _, each in self.open)

    @property
    def is_over(self) -> bool:
        """Whether nobody has to do anything any more who could."""
        if not self._gone:
            return not self.open and not self.unfinished
        return all(self._is_hopeless(job_id) for job_id in (*self.unfinished, *(job for _, job in self.open)))

    def _is_hopeless(self, job_id: str) -> bool:
        """Whether a `wait` job waits for a region that never comes back: nobody else has it, or can tell of it."""
        if job_id in self._of_shards:
            return False
        return not any(
            region not in self._gone and not row.settled and self._goes_on(job_id, row)
            for region, row in self._newest.get(job_id, {}).items()
        )

    def _goes_on(self, job_id: str, row: JobRow | JobStateRow) -> bool:
        home = job_id.rsplit("-", 1)[0]
        if row.state in _FINAL:
            return not self._waits_for_ever(home)
        if row.state == JobState.XFER:
            return not self._waits_for_ever(row.transfer_to)
        if row.state == JobState.MOVED:
            # Who gave it to a region that was declared lost takes it back; unless that was its home as well.
            return row.transfer_to in self._declared and home not in self._gone
        return True

    def _waits_for_ever(self, region: str) -> bool:
        return region in self._gone and region not in self._declared

    def disk_replaced(self, region: str, ledger: SimLedger, *, for_ever: bool = False) -> None:
        """This is all that the region's disk holds now. What shards hold is not that region's alone."""
        if for_ever:
            self._gone[region] = None
        for job_id, rows in self._newest.items():
            rows.pop(region, None)
            row = ledger.row(job_id)
            if row is not None:
                rows[region] = row
        for key in [key for key in self.open if key[0] == region and key[1] not in self._of_shards]:
            del self.open[key]
        settled = self._settled[region] = {}
        for job_id in ledger.jobs:
            row = ledger.row(job_id)
            if row is not None and _is_open(row):
                self.open[(region, job_id)] = None
            if row is not None and row.settled:
                settled[("", job_id)] = 0
        for job_id in [job_id for job_id, home in self._home.items() if home == region]:
            if job_id not in self._of_shards:
                self._acknowledged_again(job_id, ledger)

    def _acknowledged_again(self, job_id: str, ledger: SimLedger) -> None:
        """What the home's disk says now of a job that it acknowledged once."""
        self._final_at_home.pop(job_id, None)
        self.unfinished.pop(job_id, None)
        row = ledger.row(job_id)
        if row is None:
            self._lost[job_id] = None
        elif row.state in _FINAL and row.settled:
            self._final_at_home[job_id] = None
        else:
            self.unfinished[job_id] = None

    @property
    def forgotten(self) -> int:
        """Acknowledged jobs that only a disk knew which was replaced by an older one."""
        return len(self._lost)

    def settled_before(self, region: str, at_us: int) -> tuple[tuple[str, str], ...]:
        """(shard, job id) of what this region's retention may pick."""
        settled = self._settled.get(region, {})
        return tuple(key for key, since_us in settled.items() if since_us < at_us)

    def _on_record(self, region: str, record: ShardRow) -> None:
        """A job that has ended may never be shown so: its leader was lost, and the next one has nothing to do."""
        kind, _, job_id = record.key.partition("/")
        if kind == "j":
            self._of_shards[job_id] = None
        has_ended = bool(record.value) if kind == "f" else kind == "j" and not record.value
        if not has_ended:
            return
        holders = self._held_by.setdefault((record.shard, record.key, record.term, record.sequence), set())
        holders.add(region)
        if is_majority(self._groups[record.shard], holders):
            self.open.pop((record.shard, job_id), None)
            if kind == "f":
                self._closed(record.shard, job_id)

    def _closed(self, place: str, job_id: str) -> None:
        home = self._home.get(job_id) or job_id.rsplit("-", 1)[0]
        if home == place:
            self._final_at_home[job_id] = None
            self.unfinished.pop(job_id, None)


def _is_open(row: JobRow | JobStateRow) -> bool:
    """Whether somebody still has to do something about it."""
    return not (row.state in _CLOSED and (row.settled or row.state == JobState.MOVED))
