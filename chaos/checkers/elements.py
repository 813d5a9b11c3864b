"""Arrays: each element ends once, and as its processes (or a caller, or the array's rule) say; the job's state is their
sum; and no more elements live at a time than the caller allows."""

from __future__ import annotations

import msgspec

from chaos.checkers.base import Checker, Handlers, violated
from chaos.checkers.disks import Disks
from chaos.checkers.rows import FINAL, Row, ended_here, job_rows, stopped_to_go_on
from hanse.core.model.arrays import ArrayRecord, element_id, parse_element_id
from hanse.core.model.indexes import all_of, positions, unpack
from hanse.core.model.jobs import ReasonCode, RunId
from hanse.core.model.lifecycle import JobState
from hanse.sim.record import (
    CancelAsked,
    Committed,
    DiskReplaced,
    Launched,
    LaunchFailed,
    TaskBegan,
    TaskFinished,
)

_RECORD = msgspec.msgpack.Decoder(ArrayRecord)
_OUTCOMES = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class _Array:
    """What the rows of one array have said so far, of whichever region: the sets only grow along its owners."""

    def __init__(self, record: ArrayRecord) -> None:
        self.rules = record.rules
        self.count = record.rules.indexes.count
        # By position.
        self.ended: dict[int, JobState] = {}


class Elements(Checker):
    """Reads the sets in the rows of arrays, beside the lives of processes. What a replaced disk had forgotten may be
    said anew, and elements may be done anew: then only what is said in one row is judged."""

    def __init__(self, disks: Disks) -> None:
        super().__init__(disks)
        self._arrays: dict[str, _Array] = {}
        self._cancelled: set[str] = set()
        self._forgetful = False
        self._stopped: set[RunId] = set()
        # Elements of which a run ended well, all its tasks of themselves; or of which a task failed.
        self._tasks: dict[tuple[str, RunId], set[int]] = {}
        self._clean: dict[tuple[str, RunId], set[int]] = {}
        self._succeeded: set[str] = set()
        self._failed: set[str] = set()
        # Array -> element -> its living tasks.
        self._living: dict[str, dict[str, int]] = {}

    def handlers(self) -> Handlers:
        return {
            Committed: self._on_committed,
            CancelAsked: self._on_cancel,
            Launched: self._on_launched,
            LaunchFailed: self._on_launch_failed,
            TaskBegan: self._on_began,
            TaskFinished: self._on_finished,
            DiskReplaced: self._on_replaced,
        }

    def _on_cancel(self, entry: CancelAsked) -> None:
        self._cancelled.add(entry.job_id)

    def _on_replaced(self, entry: DiskReplaced) -> None:
        self._forgetful = True
        self._arrays = {}

    # --- processes --------------------------------------------------------------------------------------------------

    def _on_launched(self, entry: Launched) -> None:
        if parse_element_id(entry.run.job_id) is not None:
            self._tasks.setdefault((entry.region, entry.run), set()).update(entry.tasks)

    def _on_launch_failed(self, entry: LaunchFailed) -> None:
        self._failed.add(entry.run.job_id)

    def _on_began(self, entry: TaskBegan) -> None:
        parsed = parse_element_id(entry.run.job_id)
        if parsed is None:
            return
        living = self._living.setdefault(parsed[0], {})
        living[entry.run.job_id] = living.get(entry.run.job_id, 0) + 1
        array = self._arrays.get(parsed[0])
        if array is None or self._forgetful:
            return
        limit = array.rules.in_flight_max
        if limit and len(living) > limit:
            message = f"{entry.region}: {len(living)} elements live, and {limit} may"
            raise violated(message, entry.at_us, parsed[0])
        position = array.rules.indexes.position(parsed[1])
        if position is None or position in array.ended:
            raise violated(f"{entry.region}: {entry.run} began, and it was through", entry.at_us, parsed[0])

    def _on_finished(self, entry: TaskFinished) -> None:
        job_id = entry.run.job_id
        parsed = parse_element_id(job_id)
        if parsed is None:
            return
        living = self._living[parsed[0]]
        living[job_id] -= 1
        if not living[job_id]:
            del living[job_id]
        if entry.exit_code:
            self._failed.add(job_id)
        elif not (entry.told_to_end and entry.run in self._stopped):
            clean = self._clean.setdefault((entry.region, entry.run), set())
            clean.add(entry.task)
            if clean == self._tasks.get((entry.region, entry.run)):
                self._succeeded.add(job_id)

    # --- rows -------------------------------------------------------------------------------------------------------

    def _on_committed(self, entry: Committed) -> None:
        self._stopped.update(stopped_to_go_on(entry))
        for writes in entry.writes:
            for row in writes.timeline:
                if row.what == "CANCEL":
                    # Which elements were meant stands in the text; that some were is enough here.
                    self._cancelled.add(row.job_id)
        for job in job_rows(entry):
            if job.array:
                self._on_row(entry, job)

    def _on_row(self, entry: Committed, row: Row) -> None:
        record = _RECORD.decode(row.array)
        known = self._arrays.setdefault(row.id, _Array(record))
        sets = _sets(record, known.count)
        union = 0
        for state in _OUTCOMES:
            if union & sets[state]:
                raise violated(f"{entry.region}: an element ended twice", entry.at_us, row.id)
            union |= sets[state]
        # A giver's row stays what it was while others go on; only owners tell what is new.
        if row.state in (JobState.XFER, JobState.MOVED):
            return
        self._compare(entry, row, known, sets)
        if row.state in FINAL:
            self._sum(entry, row, known, sets, union)

    def _compare(self, entry: Committed, row: Row, known: _Array, sets: dict[JobState, int]) -> None:
        told = {position: state for state, elements in sets.items() for position in positions(elements)}
        for position, state in known.ended.items():
            if told.get(position) is not state:
                name = element_id(row.id, known.rules.indexes.at(position))
                now = told[position].name if position in told else "open"
                raise violated(f"{entry.region}: {name} was {state.name} and is {now}", entry.at_us, row.id)
        for position, state in told.items():
            if position not in known.ended:
                self._on_ended(entry, row, known, position, state, sets)
                known.ended[position] = state

    def _on_ended(
        self,
        entry: Committed,
        row: Row,
        known: _Array,
        position: int,
        state: JobState,
        sets: dict[JobState, int],
    ) -> None:
        name = element_id(row.id, known.rules.indexes.at(position))
        rule = known.rules.stop_at_failures
        fault = ""
        if state is JobState.SUCCEEDED and name not in self._succeeded:
            fault = "no run of it ended well"
        elif state is JobState.FAILED and name not in self._failed:
            fault = "no task of it failed"
        elif state is JobState.FAILED and name in self._succeeded:
            fault = "a run of it ended well"
        elif state is JobState.CANCELLED:
            by_rule = bool(rule) and sets[JobState.FAILED].bit_count() >= rule
            wished = row.id in self._cancelled
            never = row.reason == ReasonCode.NEVER_AFTER
            fault = "" if by_rule or wished or never else "nobody asked for that"
        if fault and not self._forgetful:
            raise violated(f"{entry.region}: {name} is {state.name}, but {fault}", entry.at_us, row.id)

    def _sum(self, entry: Committed, row: Row, known: _Array, sets: dict[JobState, int], union: int) -> None:
        if union != all_of(known.count):
            left = known.count - union.bit_count()
            raise violated(f"{entry.region}: over, and {left} elements are not", entry.at_us, row.id)
        if ended_here(row) and self._living.get(row.id):
            raise violated(f"{entry.region}: over, and elements live", entry.at_us, row.id)
        ought = JobState.SUCCEEDED
        if sets[JobState.CANCELLED] and row.cancel_id:
            ought = JobState.CANCELLED
        elif sets[JobState.FAILED]:
            ought = JobState.FAILED
        elif sets[JobState.CANCELLED]:
            ought = JobState.CANCELLED
        # A home that was told the outcome may have wished for another one, too late.
        if ended_here(row) and row.state != ought:
            message = f"{entry.region}: {JobState(row.state).name}, and the sum is {ought.name}"
            raise violated(message, entry.at_us, row.id)


def _sets(record: ArrayRecord, count: int) -> dict[JobState, int]:
    progress = record.progress
    failed = 0
    for kind in progress.failed:
        failed |= unpack(kind.elements, count)
    return {
        JobState.SUCCEEDED: unpack(progress.succeeded, count),
        JobState.FAILED: failed,
        JobState.CANCELLED: unpack(progress.cancelled, count),
    }
