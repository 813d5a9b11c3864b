"""What can go wrong, by whose fault.

HanseError
├── RequestError              the caller's: repeating the request unchanged cannot help
│   ├── InvalidArgumentError  a bad filter, page token, offset, ...
│   ├── InvalidSpecError      a job spec that cannot be right; `problems` lists what was found in a file
│   │   ├── NeverFitsError        no known region can ever hold it
│   │   ├── KeyConflictError      the client key was used before with another spec
│   │   └── UnsupportedSpecError  understood, but this version does not do it
│   ├── NotFoundError
│   ├── JobTerminalError      the job had already ended
│   ├── ConflictError         what was to be changed is not what the caller took it for
│   ├── PlanChangedError      the submit was held to a plan that does not hold any more
│   ├── UnimplementedError    the region is too old, or the feature is not built
│   └── UnauthorisedError
├── ServiceError              the environment's: the same request may succeed later
│   ├── UnreachableError      no answer: whether the request was carried out is unknown
│   │   └── CallTimeoutError  connected, but no answer within the call's deadline
│   ├── NotLeaderError        the job's home could not take it: no majority of its guardians, or another region leads
│   ├── ExhaustedError        a bound was reached (queue full, disk nearly full)
│   ├── CompactedError        a watch position is no longer kept; the client lists again by itself
│   └── SubmitIncompleteError some jobs of a submit_many are undecided; `outcomes` says which
├── ServerError               the region's: a bug or a failing disk
└── WaitTimeoutError          the caller's own timeout ran out; the jobs go on
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from hanse.client.submit import Submitted


class HanseError(Exception):
    """Base of all errors of the client.

    `code`: stable upper-case word. `field`: path of the offending field, if one is to blame. `retry_after_s`: when
    the region said that a retry may succeed, or None.
    """

    default_code: ClassVar[str] = "FAILED"

    def __init__(
        self, message: str, *, code: str = "", field: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.field = field
        self.retry_after_s = retry_after_s


class RequestError(HanseError):
    """The request is wrong; repeating it unchanged cannot help."""

    default_code = "FAILED_PRECONDITION"


class InvalidArgumentError(RequestError):
    """An argument other than a job spec has an impossible value."""

    default_code = "INVALID"


class SpecProblem(NamedTuple):
    """One mistake in a spec file. `line` counts from 1; 0: not known."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.field, self.message) if part)


class InvalidSpecError(RequestError):
    """A job spec that cannot be right. `problems` is not empty if it was read from a file."""

    default_code = "INVALID"

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        field: str = "",
        retry_after_s: float | None = None,
        problems: Sequence[SpecProblem] = (),
    ) -> None:
        super().__init__(message, code=code, field=field, retry_after_s=retry_after_s)
        self.problems = tuple(problems)


class NeverFitsError(InvalidSpecError):
    """No node or set of nodes in any known region can ever hold the job."""

    default_code = "NEVER_FITS"


class KeyConflictError(InvalidSpecError):
    """The client key was used before, in this home and by this tenant, with another spec."""

    default_code = "KEY_CONFLICT"


class UnsupportedSpecError(InvalidSpecError):
    """The spec asks for something that this version does not do."""

    default_code = "UNIMPLEMENTED"


class PlanChangedError(RequestError):
    """The job was held to a plan (`check_index`), and would not become what that says any more."""

    default_code = "PLAN_CHANGED"


class NotFoundError(RequestError):
    """No such job or region."""

    default_code = "NOT_FOUND"


class JobTerminalError(RequestError):
    """The job is already in a final state."""

    default_code = "TERMINAL"


class ConflictError(RequestError):
    """What was to be changed has been changed by somebody else meanwhile: look again."""

    default_code = "CONFLICT"


class UnimplementedError(RequestError):
    """The region does not know this call."""

    default_code = "UNIMPLEMENTED"


class UnauthorisedError(RequestError):
    """The credentials are missing, wrong, or do not allow this."""

    default_code = "UNAUTHENTICATED"


class ServiceError(HanseError):
    """The federation could not do it now."""

    default_code = "UNAVAILABLE"


class UnreachableError(ServiceError):
    """No region answered: whether the request was carried out is unknown."""

    default_code = "UNREACHABLE"


class CallTimeoutError(UnreachableError):
    """A region was connected but gave no answer within the call's deadline."""

    default_code = "DEADLINE_EXCEEDED"


class NotLeaderError(ServiceError):
    """An adoptable job was not taken: the region that was asked does not lead the shard of its home, or has no majority
    of the guardians. It may be again in a moment; a job that is ADOPT_OR_WAIT need not wait for it."""

    default_code = "NOT_LEADER"


class ExhaustedError(ServiceError):
    """A bound was reached; `retry_after_s` says when to try again."""

    default_code = "EXHAUSTED"


class CompactedError(ServiceError):
    """The revision to watch from is no longer kept."""

    default_code = "OUT_OF_RANGE"


class SubmitIncompleteError(ServiceError):
    """Some jobs are undecided: the region stopped answering.

    Call submit_many again with the same home and the same `client_keys`, in the same order: what was accepted comes
    back with `existed` set, and nothing is submitted twice.
    """

    default_code = "UNREACHABLE"

    def __init__(self, message: str, *, outcomes: Sequence[Submitted], cause: HanseError) -> None:
        super().__init__(message, code=cause.code, retry_after_s=cause.retry_after_s)
        self.outcomes = tuple(outcomes)
        self.client_keys = tuple(outcome.client_key for outcome in outcomes)


class ServerError(HanseError):
    """The region failed: a bug, or its disk."""

    default_code = "INTERNAL"


class WaitTimeoutError(HanseError, TimeoutError):
    """`wait` ran out of time. `pending` holds the ids of the jobs that were not final."""

    default_code = "TIMEOUT"

    def __init__(self, message: str, *, pending: Sequence[str]) -> None:
        super().__init__(message)
        self.pending = tuple(pending)


class DuplicationWarning(UserWarning):
    """A submission was forced to another home: if the first home had taken it, the job exists twice."""
