"""Arrays on the command line: what is written, and what is shown."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from hanse.cli.errors import UsageOrConfigError
from hanse.cli.job_arrays import elements_table, make_arrays, one_index, parse_reference, states_table
from hanse.cli.job_views import job_details
from hanse.client.messages import ArrayStatus, Job, JobKind, JobSpec, JobState
from hanse.wire.gen.hanse.v1 import jobs_pb2


def printed(*parts: object) -> str:
    console = Console(width=100, record=True, file=io.StringIO())
    for part in parts:
        console.print(part)
    return console.export_text()


def test_elements_are_named_after_their_job() -> None:
    assert parse_reference("north-01[3,7-9]") == ("north-01", "3,7-9")
    assert parse_reference("north-01") == ("north-01", "")
    assert one_index("north-01[7]") == ("north-01", 7)
    assert one_index("north-01") == ("north-01", None)
    with pytest.raises(UsageOrConfigError, match="not one element"):
        one_index("north-01[3,7]")


def test_jobs_become_arrays() -> None:
    spec = JobSpec(name="sweep")
    make_arrays([spec], "0-9999%50", 10)
    assert spec.kind == JobKind.JOB_KIND_ARRAY
    array = spec.array
    assert (array.indexes, array.in_flight_max, array.stop_at_failures) == ("0-9999", 50, 10)
    with pytest.raises(UsageOrConfigError, match="no array"):
        make_arrays([JobSpec(name="plain")], "", 1)
    with pytest.raises(UsageOrConfigError):
        make_arrays([JobSpec()], "0-9%many", None)


def test_an_array_is_shown_by_its_counts_and_ranges() -> None:
    array = ArrayStatus(
        count=10_000,
        waiting=9_900,
        in_flight=50,
        succeeded=49,
        failed=1,
        indexes=[
            jobs_pb2.ElementsInState(state=JobState.JOB_STATE_SUCCEEDED, indexes="0-6,8-49", count=49),
            jobs_pb2.ElementsInState(
                state=JobState.JOB_STATE_FAILED, indexes="7", reason="EXIT_CODE", exit_code=3, count=1
            ),
        ],
        elements=[jobs_pb2.ArrayElement(index=7, state=JobState.JOB_STATE_FAILED, epoch=1, attempt=2)],
    )
    job = Job(id="north-01", home="north", region="north", state=JobState.JOB_STATE_RUNNING, array=array)
    text = printed(*job_details(job, 100))
    assert "10,000 elements: 9,900 waiting, 50 in flight, 49 succeeded, 1 failed" in text
    assert "0-6,8-49" in printed(states_table(array, 100))
    assert "EXIT_CODE 3" in text
    assert "1.2" in printed(elements_table(array.elements, 100))
