"""One trace follows a job from the caller through every region that it passes."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from hanse.daemon.tracing import is_sampled
from hanse.wire.gen.hanse.v1 import common_pb2, jobs_pb2
from tests.daemon.league import DEADLINE_S, League, league, submission
from tests.daemon.test_regions_together import acquainted, needs_zone

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SAMPLED = f"00-{TRACE}-00f067aa0ba902b7-01"
UNSAMPLED = f"00-{TRACE}-00f067aa0ba902b7-00"


def recorded(regions: League) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    for place, _, _ in regions.running.values():
        place.daemon.tracing._provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter


async def ran_abroad(regions: League, traceparent: str) -> str:
    await acquainted(regions)
    request = jobs_pb2.SubmitJobsRequest(jobs=[submission("abroad", **needs_zone_and_program("east"))])
    metadata = (("traceparent", traceparent),) if traceparent else ()
    answer = await regions["north"].jobs.SubmitJobs(request, timeout=DEADLINE_S, metadata=metadata)
    job_id = str(answer.results[0].job.job_id)
    await regions["north"].state(job_id, common_pb2.JOB_STATE_SUCCEEDED)
    return job_id


def needs_zone_and_program(zone: str) -> dict[str, list[jobs_pb2.TaskGroup]]:
    groups = needs_zone(zone)
    groups["groups"][0].program.command.append("/bin/true")
    return groups


async def test_one_trace_follows_a_job_through_a_handoff(tmp_path: Path) -> None:
    async with league(tmp_path, "north", "east", telemetry={"trace_sample_ratio": 0.0}) as regions:
        exporter = recorded(regions)

        job_id = await ran_abroad(regions, SAMPLED)

        spans = [span for span in exporter.get_finished_spans() if trace_id(span) == TRACE]
        told = {(region(span), span.name) for span in spans}
        assert ("north", "hanse.v1.JobService/SubmitJobs") in told
        assert {("north", "job queued"), ("east", "job queued"), ("east", "job running")} <= told
        assert all((span.attributes or {}).get("hanse.job.id", job_id) == job_id for span in spans)


@pytest.mark.parametrize("traceparent", ["", UNSAMPLED])
async def test_what_is_not_sampled_leaves_no_span(tmp_path: Path, traceparent: str) -> None:
    async with league(tmp_path, "north", "east", telemetry={"trace_sample_ratio": 0.0}) as regions:
        exporter = recorded(regions)

        await ran_abroad(regions, traceparent)

        assert exporter.get_finished_spans() == ()


@pytest.mark.parametrize(
    ("traceparent", "sampled"),
    [(SAMPLED, True), (UNSAMPLED, False), ("", False), ("01", False), ("1" * 54, False)],
)
def test_sampled(traceparent: str, sampled: bool) -> None:
    assert is_sampled(traceparent) is sampled


def trace_id(span: ReadableSpan) -> str:
    return f"{span.get_span_context().trace_id:032x}"


def region(span: ReadableSpan) -> str:
    return str((span.attributes or {})["hanse.region"])
