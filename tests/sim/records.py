"""Hand-made rows and transactions for tests of checkers and ledgers."""

from __future__ import annotations

from typing import Any

from hanse.core.messages import Verdict
from hanse.core.model.jobs import RunId
from hanse.core.model.lifecycle import JobState
from hanse.core.model.regions import Node
from hanse.core.model.resources import Resources, resources
from hanse.core.rows import DecisionRow, JobRow, JobStateRow, Writes
from hanse.sim.record import Acknowledged, Committed, Launched, RegionJoined, TaskBegan, TaskFinished

JOB = "a-00000000000000000000000001"
_JOB_ROW: dict[str, Any] = {
    "id": JOB,
    "home": "a",
    "tenant": "mills",
    "name": "job",
    "client_key": "",
    "spec": b"spec",
    "spec_sha256": b"",
    "shape_key": b"shape",
    "grace_us": 0,
    "retries_max": 0,
    "submitted_wall_us": 1,
    "order_us": 1,
    "traceparent": "",
    "path": "",
    "state": int(JobState.QUEUED),
    "reason": "SUBMITTED",
    "reason_detail": "",
    "epoch": 1,
    "attempt": 0,
    "failures": 0,
    "allocation": b"",
    "started_wall_us": 0,
    "ended_wall_us": 0,
    "exit_code": 0,
    "transfer_to": "",
    "transfer_epoch": 0,
    "transfer_sequence": 0,
    "cancel_id": "",
    "settled": 0,
    "remote": b"",
    "timeline_length": 1,
}


def job_row(state: JobState = JobState.QUEUED, **columns: Any) -> JobRow:
    """A whole row, QUEUED(1) at home "a" unless told otherwise."""
    if state is JobState.RUNNING:
        columns.setdefault("allocation", b"allocated")
    return JobRow(**{**_JOB_ROW, "state": int(state), **columns})


def state_row(state: JobState, **columns: Any) -> JobStateRow:
    """The changing columns alone."""
    row = job_row(state, **columns)
    return JobStateRow(**{name: getattr(row, name) for name in JobStateRow.__struct_fields__})


def xfer(to: str, epoch: int = 2, sequence: int = 1, **columns: Any) -> JobStateRow:
    """The job is given to `to` at `epoch`."""
    return state_row(
        JobState.XFER,
        transfer_to=to,
        transfer_epoch=epoch,
        transfer_sequence=sequence,
        epoch=columns.pop("own_epoch", epoch - 1),
        **columns,
    )


def decided(verdict: Verdict, giver: str = "a", epoch: int = 2, sequence: int = 1) -> DecisionRow:
    """What a target wrote about an epoch."""
    return DecisionRow(f"ledger-{giver}", sequence, giver, JOB, epoch, int(verdict), "ACCEPTED", "")


def committed(at_us: int, region: str, **tables: Any) -> Committed:
    """One transaction of one step."""
    return Committed(at_us, region, at_us, (Writes(**tables),))


def submitted(at_us: int = 1, **columns: Any) -> list[Committed | Acknowledged]:
    """The job is durable at "a", and the caller knows."""
    return [
        committed(at_us, "a", jobs=[job_row(**columns)]),
        Acknowledged(at_us, "a", "mills", "key-1", JOB, False),
    ]


def accepted(at_us: int, region: str, epoch: int = 2, sequence: int = 1, giver: str = "a") -> Committed:
    """The target takes the job."""
    return committed(
        at_us,
        region,
        jobs=[job_row(epoch=epoch)],
        decisions=[decided(Verdict.COMMITTED, giver, epoch, sequence)],
    )


def joined(region: str, **capacity: int) -> RegionJoined:
    """A region with one node, n1."""
    node = Node(name="n1", node_class="any", capacity=resources(capacity or {"cpu": 1000}))
    return RegionJoined(0, region, (node,))


def run_id(epoch: int = 1, attempt: int = 1, job_id: str = JOB) -> RunId:
    """A run of the job."""
    return RunId(job_id, epoch, attempt)


def launched(at_us: int, region: str, run: RunId, *tasks: int) -> Launched:
    """The order to start tasks."""
    return Launched(at_us, region, run, tasks or (0,))


def began(
    at_us: int, region: str, run: RunId, task: int = 0, needs: Resources = (), devices: Any = ()
) -> TaskBegan:
    """A process on n1."""
    return TaskBegan(at_us, region, run, task, "n1", needs, devices)


def ended(
    at_us: int,
    region: str,
    run: RunId,
    task: int = 0,
    exit_code: int = 0,
    natural: bool = True,
    told_to_end: bool = False,
) -> TaskFinished:
    """The end of a process."""
    return TaskFinished(at_us, region, run, task, exit_code, natural, told_to_end)
