"""Arrays on the command line: `--array 0-9999%50`, `ID[3,7-9]`, and how elements are shown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from hanse.cli.display import clock_text, duration_text, seconds_of, state_text
from hanse.cli.errors import UsageOrConfigError
from hanse.cli.tables import Column, make_table
from hanse.client import AsyncClient
from hanse.client.messages import (
    ArrayElement,
    ArrayStatus,
    CancelResult,
    ControlJobsRequest,
    JobKind,
    JobSpec,
    state_name,
)

_REFERENCE = re.compile(r"(?P<job>[^\[\]]+)\[(?P<indexes>[^\[\]]*)\]")
_ARRAY = re.compile(r"(?P<indexes>[^%]+)(?:%(?P<limit>\d{1,9}))?")


def parse_reference(text: str) -> tuple[str, str]:
    """A job's id, and the indexes of its elements that are meant: "" for the job itself."""
    match = _REFERENCE.fullmatch(text)
    return (match["job"], match["indexes"]) if match is not None else (text, "")


def one_index(text: str) -> tuple[str, int | None]:
    """A job's id, and the index of one element, or None. UsageOrConfigError for several."""
    job_id, indexes = parse_reference(text)
    if not indexes:
        return job_id, None
    if not indexes.isdecimal():
        raise UsageOrConfigError(f"{text} is not one element", hint=f"name one, as in {job_id}[7]")
    return job_id, int(indexes)


def make_arrays(specs: Sequence[JobSpec], array: str, stop_at_failures: int | None) -> None:
    """Turn these jobs into arrays, as `--array` says; or change the bound of those that are arrays already."""
    match = _ARRAY.fullmatch(array) if array else None
    if array and match is None:
        raise UsageOrConfigError(
            f"--array {array!r}", hint="indexes, and perhaps how many at a time: 0-9999%50, 1-99:2, 3,7-9"
        )
    for spec in specs:
        if match is not None:
            spec.kind = JobKind.JOB_KIND_ARRAY
            spec.array.indexes = match["indexes"]
            if match["limit"] is not None:
                spec.array.in_flight_max = int(match["limit"])
        if stop_at_failures is not None:
            if not spec.HasField("array"):
                raise UsageOrConfigError(
                    f"{spec.name or 'a job'} is no array",
                    hint="--stop-at-failures is for arrays: add --array",
                )
            spec.array.stop_at_failures = stop_at_failures


async def cancel(client: AsyncClient, references: Sequence[str]) -> list[CancelResult]:
    """Jobs, and elements of arrays; one result for each, in order, under the name that it was given by."""
    whole = [text for text in references if not parse_reference(text)[1]]
    results = dict(zip(whole, await client.cancel(whole), strict=True)) if whole else {}
    for text in references:
        job_id, indexes = parse_reference(text)
        if indexes:
            order = ControlJobsRequest(job_ids=[job_id])
            order.cancel_elements.indexes = indexes
            [answer] = await client.control(order)
            result = results[text] = CancelResult(job_id=text, state=answer.state)
            if answer.HasField("refusal"):
                result.refusal.CopyFrom(answer.refusal)
    return [results[text] for text in references]


def array_text(array: ArrayStatus) -> str:
    """How many elements are in which state."""
    counts = (
        (array.waiting, "waiting"),
        (array.in_flight, "in flight"),
        (array.succeeded, "succeeded"),
        (array.failed, "failed"),
        (array.cancelled, "cancelled"),
    )
    return f"{array.count:,} elements: " + ", ".join(f"{many:,} {word}" for many, word in counts if many)


def states_table(array: ArrayStatus, width: int) -> RenderableType:
    """Which elements are in which state."""
    columns = (
        Column("ELEMENTS", justify="right"),
        Column("STATE"),
        Column("HOW", drop=1),
        Column("INDEXES", flexible=True),
    )
    rows = [
        (
            f"{each.count:,}",
            state_text(state_name(each.state)),
            f"{each.reason} {each.exit_code}" if each.reason else "",
            each.indexes,
        )
        for each in array.indexes
    ]
    return make_table(columns, rows, width)


def elements_table(elements: Sequence[ArrayElement], width: int) -> RenderableType:
    """One line for each element that was asked for."""
    columns = (
        Column("INDEX", justify="right"),
        Column("STATE"),
        Column("RUN", drop=3, justify="right"),
        Column("NODES", drop=4),
        Column("STARTED", drop=5),
        Column("RAN", drop=2, justify="right"),
        Column("WHY", drop=1, flexible=True),
    )
    rows = [
        (
            str(element.index),
            state_text(state_name(element.state)),
            f"{element.epoch}.{element.attempt}" if element.attempt else "",
            ", ".join(dict.fromkeys(element.nodes)),
            clock_text(element.started_at) if element.HasField("started_at") else "",
            _ran(element),
            Text(f"{element.reason.code} {element.reason.detail}".strip()),
        )
        for element in elements
    ]
    return make_table(columns, rows, width)


def _ran(element: ArrayElement) -> str:
    if not (element.HasField("started_at") and element.HasField("ended_at")):
        return ""
    return duration_text(seconds_of(element.ended_at) - seconds_of(element.started_at))
