"""The protocol's invariant, judged by what is on the disks and what runs, not by what any region believes."""

from __future__ import annotations

from collections.abc import Mapping

from hanse.core.messages import Verdict
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.core.rows import JobRow, JobStateRow
from tests.core.protocol.station import Station, TokenError

Stations = Mapping[str, Station]


def check(stations: Stations, puppets: frozenset[str]) -> None:
    """Owners + undecided transfers + terminals = 1, and at most one region executes. What puppets own is on no disk,
    so with them only the second half is judged."""
    for job_id in sorted({job_id for each in stations.values() for job_id in each.ledger.jobs}):
        found = [token for name in stations if (token := _token(stations, puppets, name, job_id))]
        if not puppets and len(found) != 1:
            raise TokenError(f"{job_id}: {found or 'nobody has it'}")
        running = [name for name, station in stations.items() if station.alive(job_id)]
        if len(running) > 1:
            raise TokenError(f"{job_id} runs in {running}")


def _token(stations: Stations, puppets: frozenset[str], name: str, job_id: str) -> str:
    row = stations[name].ledger.row(job_id)
    if row is None:
        return ""
    state = JobState(row.state)
    if state in (JobState.QUEUED, JobState.RUNNING, JobState.STOPPING):
        return f"{name} owns it: {state.name}"
    if state is JobState.XFER and not _accepted(stations, puppets, name, row):
        return f"{name} has an undecided transfer"
    # What a home was told of carries what it was told; where the job ended there is nothing of the kind.
    if state in TERMINAL_STATES and not row.remote:
        return f"it ended in {name}: {state.name}"
    return ""


def _accepted(stations: Stations, puppets: frozenset[str], giver: str, row: JobRow | JobStateRow) -> bool:
    if row.transfer_to in puppets:
        return False
    decided = stations[row.transfer_to].ledger.decisions.get(stations[giver].ledger.ledger_id, {})
    decision = decided.get(row.transfer_sequence)
    return decision is not None and decision.verdict == Verdict.COMMITTED
