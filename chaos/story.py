"""The story of one job or region, in order, out of the record of a run: what a violation is understood by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from chaos.checkers.rows import Row, decision_rows, job_rows
from hanse.core.messages import Message, Verdict
from hanse.core.model.jobs import RunId
from hanse.core.model.lifecycle import JobState
from hanse.sim.record import (
    Acknowledged,
    CancelAsked,
    Committed,
    Died,
    DiskReplaced,
    Entry,
    Explained,
    FaultInjected,
    FederatedAck,
    Finished,
    Healed,
    ImageTaken,
    Launched,
    LaunchFailed,
    Sent,
    Started,
    TaskBegan,
    TaskFinished,
)

# Regions as fault details name them.
_NAME = re.compile(r"[\w-]+")


def story(record: Sequence[Entry], job_id: str) -> list[str]:
    """One line for each thing that happened to this job, from the first to the last, and in between for each start,
    death and fault of a region that it had to do with. Empty: nothing ever happened to it."""
    about = [index for index, entry in enumerate(record) if job_id in _jobs_of(entry)]
    if not about:
        return []
    regions = {region for index in about for region in _regions_of(record[index])}
    lines: list[str] = []
    for entry in record[about[0] : about[-1] + 1]:
        if _concerns(entry, job_id, regions):
            lines.extend(_line(entry, text) for text in _lines(entry, job_id))
    return lines + [
        _line(each, text) for each in record if isinstance(each, Finished) for text in _lines(each, "")
    ]


def _line(entry: Entry, text: str) -> str:
    return f"{entry.at_us / 1e6:12.6f} {text}"


def _concerns(entry: Entry, job_id: str, regions: set[str]) -> bool:
    match entry:
        case Healed():
            return True
        case Started() | Died() | ImageTaken() | DiskReplaced():
            return entry.region in regions
        case FaultInjected():
            return not regions.isdisjoint(_NAME.findall(entry.detail))
        case _:
            return job_id in _jobs_of(entry)


def _regions_of(entry: Entry) -> Iterator[str]:
    region = _region_of(entry)
    if region:
        yield region
    if isinstance(entry, Sent):
        yield entry.to


def region_story(record: Iterable[Entry], region: str) -> list[str]:
    """One line for each thing that this region did, whatever the job, and for each fault that names it."""
    return [_line(entry, text) for entry in record for text in _region_lines(entry, region)]


def _region_lines(entry: Entry, region: str) -> Iterator[str]:
    match entry:
        case FaultInjected():
            if region in _NAME.findall(entry.detail):
                yield f"fault {entry.kind}: {entry.detail}"
        case Healed() | Finished():
            yield from _lines(entry, "")
        case FederatedAck():
            if entry.home == region:
                yield from (f"{line} of {entry.job_id}" for line in _lines(entry, entry.job_id))
        case Sent() if entry.to == region:
            yield from (f"{line} of {job_id}" for job_id in _jobs_of(entry) for line in _lines(entry, job_id))
        case _ if _region_of(entry) == region:
            jobs = _jobs_of(entry)
            if not jobs:
                yield from _lines(entry, "")
            yield from (f"{line} of {job_id}" for job_id in jobs for line in _lines(entry, job_id))
        case _:
            pass


def _region_of(entry: Entry) -> str:
    """Where it happened; of a majority's word the job's home."""
    if isinstance(entry, FederatedAck):
        return entry.home
    return getattr(entry, "region", "")


def _jobs_of(entry: Entry) -> tuple[str, ...]:
    """The jobs that an entry tells something about, in order."""
    match entry:
        case Committed():
            rows = [row.id for row in job_rows(entry)] + [each.job_id for each in decision_rows(entry)]
            return tuple(dict.fromkeys(rows))
        case Sent():
            job_id = getattr(entry.message, "job_id", "")
            return (job_id,) if job_id else ()
        case Acknowledged() | FederatedAck() | CancelAsked():
            return (entry.job_id,)
        case Explained():
            return (entry.explanation.job_id,)
        case Launched() | LaunchFailed() | TaskBegan() | TaskFinished():
            return (entry.run.job_id,)
        case _:
            return ()


def _lines(entry: Entry, job_id: str) -> Iterator[str]:
    match entry:
        case Committed():
            yield from (f"{entry.region}: disk {line}" for line in _durable(entry, job_id))
        case Sent():
            if getattr(entry.message, "job_id", None) == job_id:
                yield f"{entry.region} > {entry.to}: {_told(entry.message)}"
        case Acknowledged():
            if entry.job_id == job_id:
                yield f"{entry.region}: acknowledged {entry.client_key}{' again' if entry.existed else ''}"
        case FederatedAck():
            if entry.job_id == job_id:
                yield f"{entry.home}: acknowledged by a majority: {entry.client_key}{' again' if entry.existed else ''}"
        case CancelAsked():
            if entry.job_id == job_id:
                yield f"{entry.region}: a caller asks for a cancel"
        case Explained():
            if entry.explanation.job_id == job_id:
                yield f"{entry.region}: explains {entry.explanation.summary!r}"
        case Launched() | LaunchFailed() | TaskBegan() | TaskFinished():
            if entry.run.job_id == job_id:
                yield f"{entry.region}: {_lived(entry, entry.run)}"
        case Started():
            yield f"{entry.region}: started, incarnation {entry.incarnation}"
        case Died():
            yield f"{entry.region}: died, {entry.how}"
        case FaultInjected():
            yield f"fault {entry.kind}: {entry.detail}"
        case ImageTaken():
            yield f"{entry.region}: an image is taken of its disk"
        case DiskReplaced():
            yield f"{entry.region}: its disk is replaced by that image{', after a reboot' if entry.reboot else ''}"
        case Healed():
            yield "healed"
        case Finished():
            yield f"time is up: {entry.waits_for}" if entry.waits_for else "over"
        case _:
            pass


def _durable(entry: Committed, job_id: str) -> Iterator[str]:
    for row in job_rows(entry):
        if row.id == job_id:
            yield _state(row)
    for decision in decision_rows(entry):
        if decision.job_id == job_id:
            verdict = Verdict(decision.verdict).name
            yield f"{verdict} epoch {decision.epoch} of {decision.giver} ({decision.reason} {decision.reason_detail})"


def _state(row: Row) -> str:
    parts = [f"{JobState(row.state).name} epoch {row.epoch} attempt {row.attempt}"]
    if row.transfer_to:
        parts.append(f"transfer {row.transfer_epoch} to {row.transfer_to} #{row.transfer_sequence}")
    if row.cancel_id:
        parts.append("cancel wished")
    if row.settled:
        parts.append("settled")
    return f"{', '.join(parts)} ({row.reason} {row.reason_detail})"


def _told(message: Message) -> str:
    fields = {name: getattr(message, name) for name in ("epoch", "sequence", "verdict", "outcome")
              if hasattr(message, name)}  # fmt: skip
    details = " ".join(f"{name} {getattr(value, 'name', value)}" for name, value in fields.items())
    return f"{type(message).__name__.upper()} {details}"


def _lived(entry: Launched | LaunchFailed | TaskBegan | TaskFinished, run: RunId) -> str:
    name = f"run {run.epoch}.{run.attempt}"
    match entry:
        case Launched():
            return f"{name} launched, tasks {list(entry.tasks)}"
        case LaunchFailed():
            return f"{name} task {entry.task} failed to launch"
        case TaskBegan():
            return f"{name} task {entry.task} began on {entry.node}"
        case TaskFinished():
            return (
                f"{name} task {entry.task} ended with {entry.exit_code}{'' if entry.natural else ', killed'}"
            )
