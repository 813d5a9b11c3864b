"""What a job's start and its attempts depend on besides room, out of its spec."""

from __future__ import annotations

import re

from hanse.core.model import limits
from hanse.core.model.jobs import NO_TERMS, After, JobTerms, ReasonCode, RetryRules, When
from hanse.wire import checks
from hanse.wire.checks import FieldRefused, echo
from hanse.wire.gen.hanse.v1 import jobs_pb2

_WHENS = {
    # As most people mean it.
    jobs_pb2.AFTER_UNSPECIFIED: When.OK,
    jobs_pb2.AFTER_OK: When.OK,
    jobs_pb2.AFTER_ANY: When.ANY,
    jobs_pb2.AFTER_FAILED: When.FAILED,
}
_EXIT_CODES = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")
_EXIT_CODE_MAX = 255
_REASONS = (ReasonCode.EXIT_CODE, ReasonCode.SIGNAL, ReasonCode.LAUNCH_FAILED, ReasonCode.LOST_TASK)


def decode_terms(spec: jobs_pb2.JobSpec) -> JobTerms:
    """Raises FieldRefused."""
    after = _after(spec)
    retry = _retry(spec.retry)
    return JobTerms(after, retry) if after or retry is not None else NO_TERMS


def _after(spec: jobs_pb2.JobSpec) -> tuple[After, ...]:
    checks.check_length("spec.after", len(spec.after), limits.AFTER_MAX, "jobs")
    found: dict[str, After] = {}
    for number, each in enumerate(spec.after):
        field = f"spec.after[{number}]"
        if each.when not in _WHENS:
            raise FieldRefused(f"{field}.when", f"{each.when} is not a JobDependency.When")
        if not each.job_id or len(each.job_id) > limits.JOB_ID_LENGTH_MAX:
            raise FieldRefused(f"{field}.job_id", f"{echo(each.job_id)!r} is no job id")
        if each.job_id in found:
            raise FieldRefused(f"{field}.job_id", f"{each.job_id} is named twice")
        found[each.job_id] = After(each.job_id, _WHENS[each.when])
    return tuple(found.values())


def _retry(policy: jobs_pb2.RetryPolicy) -> RetryRules | None:
    rules = RetryRules(
        _ranges("spec.retry.exit_codes", policy.exit_codes),
        _ranges("spec.retry.final_exit_codes", policy.final_exit_codes),
        _reasons(policy),
    )
    return rules if rules != RetryRules() else None


def _ranges(field: str, texts: object) -> tuple[tuple[int, int], ...]:
    given = [str(text) for text in texts]  # type: ignore[attr-defined]
    checks.check_length(field, len(given), limits.RETRY_RULES_MAX, "ranges")
    found = []
    for number, text in enumerate(given):
        match = _EXIT_CODES.fullmatch(text)
        low, high = (int(match[1]), int(match[2] or match[1])) if match is not None else (1, 0)
        if not low <= high <= _EXIT_CODE_MAX:
            message = f"{echo(text)!r} is no exit code such as 75, or range such as 64-78"
            raise FieldRefused(f"{field}[{number}]", message)
        found.append((low, high))
    return tuple(found)


def _reasons(policy: jobs_pb2.RetryPolicy) -> tuple[str, ...]:
    checks.check_length("spec.retry.reasons", len(policy.reasons), limits.RETRY_RULES_MAX, "reasons")
    for number, reason in enumerate(policy.reasons):
        if reason not in _REASONS:
            known = ", ".join(_REASONS)
            raise FieldRefused(
                f"spec.retry.reasons[{number}]", f"no reason {echo(reason)!r}; there are {known}"
            )
    return tuple(policy.reasons)
