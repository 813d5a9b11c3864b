"""Answers of the core about jobs -> protobuf."""

from __future__ import annotations

from collections.abc import Sequence

from hanse.core.effects import JobChange
from hanse.core.model.lifecycle import JobState
from hanse.core.replies import Blocker, CancelOutcome, Explanation, Refused, RegionExplanation, Submitted
from hanse.wire.gen.hanse.v1 import common_pb2, jobs_pb2
from hanse.wire.shapes import encode_reason
from hanse.wire.times import milliseconds_32, timestamp

_REFUSAL_CODES = {
    name.removeprefix("REFUSAL_CODE_"): number for name, number in common_pb2.RefusalCode.items()
}


def encode_state(state: JobState) -> common_pb2.JobState:
    """The numbers are the same on both sides (a test compares them)."""
    return state.value  # type: ignore[return-value]


def decode_states(numbers: Sequence[int]) -> tuple[JobState, ...]:
    """States of a filter. OFFERED jobs are QUEUED on disk. Raises ValueError."""
    offered = common_pb2.JOB_STATE_OFFERED
    return tuple(JobState.QUEUED if number == offered else JobState(number) for number in numbers)


def encode_refusal(refused: Refused, prefix: str = "") -> common_pb2.Refusal:
    """`prefix` says which of several submissions: "jobs[3]"."""
    field = f"{prefix}.{refused.field}" if prefix and refused.field else prefix or refused.field
    return common_pb2.Refusal(
        code=_REFUSAL_CODES[refused.code],  # type: ignore[arg-type]
        field=field,
        message=refused.message,
        retry_after_ms=refused.retry_after_ms,
        leader=refused.leader,
    )


def encode_submit_result(result: Submitted | Refused, index: int) -> jobs_pb2.SubmitResult:
    """What became of the submission at `index`."""
    if isinstance(result, Refused):
        return jobs_pb2.SubmitResult(refusal=encode_refusal(result, f"jobs[{index}]"))
    job = jobs_pb2.SubmittedJob(
        job_id=result.job_id, durability=encode_durability(federated=result.federated), existed=result.existed
    )
    return jobs_pb2.SubmitResult(job=job)


def encode_durability(*, federated: bool) -> common_pb2.Durability:
    """Whether a majority of the home's guardians holds it, or the home alone."""
    return common_pb2.DURABILITY_FEDERATED if federated else common_pb2.DURABILITY_REGIONAL


def encode_cancel_results(job_ids: Sequence[str], outcome: CancelOutcome) -> list[jobs_pb2.CancelResult]:
    """One for each job id, in order."""
    return [
        jobs_pb2.CancelResult(job_id=job_id, refusal=encode_refusal(result))
        if isinstance(result, Refused)
        else jobs_pb2.CancelResult(job_id=job_id, state=encode_state(result))
        for job_id, result in zip(job_ids, outcome.results, strict=True)
    ]


def encode_explanation(explanation: Explanation) -> jobs_pb2.ExplainJobResponse:
    """Why a job is where it is."""
    return jobs_pb2.ExplainJobResponse(
        job_id=explanation.job_id,
        state=encode_state(explanation.state),
        summary=explanation.summary,
        regions=[_region(region) for region in explanation.regions],
        position=explanation.position,
        predicted_start=timestamp(explanation.predicted_start_wall_us),
        unblock=explanation.unblock,
        predicted_earliest=timestamp(explanation.earliest_wall_us),
        predicted_latest=timestamp(explanation.latest_wall_us),
    )


def encode_change(change: JobChange) -> jobs_pb2.JobChange:
    """A change as watchers see it."""
    return jobs_pb2.JobChange(
        job_id=change.job_id,
        state=encode_state(change.state),
        region=change.region,
        epoch=change.epoch,
        attempt=change.attempt,
        reason=encode_reason(change.reason),
        at=timestamp(change.at_wall_us),
        exit_code=change.exit_code,
    )


def _region(region: RegionExplanation) -> jobs_pb2.RegionExplanation:
    return jobs_pb2.RegionExplanation(
        region=region.region,
        blockers=[encode_blocker(blocker) for blocker in region.blockers],
        age_ms=milliseconds_32(region.age_us),
    )


def encode_blocker(blocker: Blocker) -> jobs_pb2.Blocker:
    """With all that it rests on."""
    return jobs_pb2.Blocker(
        code=blocker.code,
        message=blocker.message,
        nodes=blocker.nodes,
        because=[encode_blocker(inner) for inner in blocker.because],
    )
