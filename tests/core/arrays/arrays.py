"""Arrays in a league of real regions: submitting them, ending their elements, and what the books say of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from hanse.core.events import Order, OrderJobs, OrderKind, Submit
from hanse.core.model.arrays import Array, ArrayRules, element_id
from hanse.core.model.indexes import parse_indexes
from hanse.core.model.jobs import Shape, Submission
from hanse.core.model.lifecycle import JobState
from hanse.core.model.time import SECOND_US
from hanse.core.replies import OrdersOutcome, Refused, SubmitOutcome, Submitted
from tests.core.protocol.league import League
from tests.core.protocol.station import shape_of


def submit_array(
    league: League,
    home: str,
    job_id: str,
    indexes: str,
    *,
    in_flight_max: int = 0,
    stop_at_failures: int = 0,
    retries_max: int = 0,
    shape: Shape | None = None,
) -> Submitted | Refused:
    """An array of one GPU for each element, unless a shape is given."""
    spec = f"spec of {job_id}".encode()
    submission = Submission(
        job_id=job_id,
        client_key=job_id,
        tenant="team",
        name=job_id,
        spec=spec,
        spec_sha256=hashlib.sha256(spec).digest(),
        shape=shape or shape_of(),
        grace_us=SECOND_US,
        retries_max=retries_max,
        array=ArrayRules(parse_indexes(indexes), in_flight_max, stop_at_failures),
    )
    league.step(home, Submit(request_id=500, submissions=(submission,), cause="caller"))
    answer = league.stations[home].answers.pop(500)
    assert isinstance(answer, SubmitOutcome)
    league.settle()
    return answer.results[0]


def cancel_elements(league: League, region: str, job_id: str, indexes: str) -> JobState | Refused:
    """An order about some elements."""
    order = Order(kind=OrderKind.CANCEL_ELEMENTS, indexes=parse_indexes(indexes))
    return order_about(league, region, job_id, order)


def order_about(league: League, region: str, job_id: str, order: Order) -> JobState | Refused:
    """Any order."""
    league.step(region, OrderJobs(request_id=501, job_ids=(job_id,), order=order, cause="hands"))
    answer = league.stations[region].answers.pop(501)
    assert isinstance(answer, OrdersOutcome)
    league.settle()
    return answer.results[0]


def array_of(league: League, region: str, job_id: str = "job-1") -> Array:
    """The elements of a job in a region's memory."""
    array = league.job(region, job_id).array
    assert array is not None
    return array


def running(league: League, region: str, job_id: str = "job-1") -> list[int]:
    """Indexes of the elements whose processes live in a region, in ascending order."""
    found = [
        int(run.job_id[len(job_id) + 1 : -1])
        for run, tasks in league.stations[region].processes.items()
        if run.job_id.startswith(f"{job_id}[") and None in tasks.values()
    ]
    return sorted(found)


def end(league: League, region: str, index: int, exit_code: int = 0, job_id: str = "job-1") -> None:
    """An element ends by itself."""
    league.end(region, element_id(job_id, index), exit_code)
    league.settle()


def end_all(league: League, region: str, indexes: Sequence[int], job_id: str = "job-1") -> None:
    """These end well, one after the other."""
    for index in indexes:
        end(league, region, index, job_id=job_id)


def launches(league: League, region: str, job_id: str = "job-1") -> list[tuple[int, int, int]]:
    """(index, epoch, attempt) of all that was launched of an array in a region."""
    return [
        (int(launch.run.job_id[len(job_id) + 1 : -1]), launch.run.epoch, launch.run.attempt)
        for launch in league.stations[region].launches
        if launch.run.job_id.startswith(f"{job_id}[")
    ]


def settled(league: League, region: str, job_id: str = "job-1") -> tuple[JobState, str]:
    """The state and the reason's detail in the durable row."""
    row = league.row(region, job_id)
    assert row is not None
    return JobState(row.state), row.reason_detail
