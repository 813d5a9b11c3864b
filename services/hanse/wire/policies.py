"""Policies, what is wrong with documents, and plans -> protobuf."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from hanse.core.effects import PolicyRow
from hanse.wire.gen.hanse.v1 import policies_pb2
from hanse.wire.times import timestamp

_SEVERITIES = {
    "error": policies_pb2.POLICY_SEVERITY_ERROR,
    "warning": policies_pb2.POLICY_SEVERITY_WARNING,
}


class _Problem(Protocol):
    """As hanse.policies.problems.Problem, which is beside this package."""

    severity: str
    path: str
    line: int
    column: int
    width: int
    message: str
    hint: str
    source: str


def encode_policy(row: PolicyRow) -> policies_pb2.Policy:
    """One version."""
    return policies_pb2.Policy(
        version=row.version,
        digest=row.digest,
        document=row.document,
        author=row.author,
        why=row.why,
        applied_at=timestamp(row.at_wall_us),
    )


def encode_problems(problems: Iterable[_Problem]) -> list[policies_pb2.PolicyProblem]:
    """In order."""
    return [
        policies_pb2.PolicyProblem(
            severity=_SEVERITIES[each.severity],
            path=each.path,
            line=each.line,
            column=each.column,
            width=each.width,
            message=each.message,
            hint=each.hint,
            source=each.source,
        )
        for each in problems
    ]
