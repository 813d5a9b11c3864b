"""What goes wrong in the daemon, and the gRPC status that each of it is to a caller.

HanseError
+-- CallerFault
|   +-- ConfigError           the configuration cannot be right
|   +-- ReloadRefused         it can, but not while the region runs                     FAILED_PRECONDITION
|   +-- RequestRefused        one request cannot be right, or is not done; carries status, field and retry hint
+-- EnvironmentFault
    +-- RegionUnreachable     the region that must answer does not                              UNAVAILABLE
    +-- PlanFailed            a plan failed or took too long                          FAILED_PRECONDITION
    +-- PlanBusy              another plan is being worked out                         RESOURCE_EXHAUSTED
    +-- DriverOverloaded      the inbox is full                                          RESOURCE_EXHAUSTED
    +-- DriverInterrupted     the region is being rebuilt or shut down                          UNAVAILABLE
"""

from __future__ import annotations

import grpc
import msgspec

from hanse.core.model.errors import CallerFault, EnvironmentFault
from hanse.core.model.limits import RETRY_AFTER_MS
from hanse.core.replies import Refused


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong with a configuration."""

    file: str
    key: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.reason}" if self.key else f"{self.file}: {self.reason}"


class ConfigError(CallerFault):
    """Everything that is wrong with a configuration, at once."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class ReloadRefused(CallerFault):
    """A configuration changes what can't change while the region runs."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        super().__init__(
            f"nothing was changed: {', '.join(keys)} can only change with a restart of the daemon"
        )
        self.keys = keys


class RequestRefused(CallerFault):
    """A typed "no" to a whole request."""

    def __init__(
        self, status: grpc.StatusCode, message: str, *, field: str = "", retry_after_ms: int = 0
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = field
        self.retry_after_ms = retry_after_ms


class RegionUnreachable(EnvironmentFault):
    """The region that must answer cannot be reached now."""

    def __init__(self, region: str, detail: str) -> None:
        super().__init__(f"region {region} cannot be reached: {detail}")
        self.region = region


class PlanFailed(EnvironmentFault):
    """The process that worked out a plan failed, or took too long."""


class PlanBusy(EnvironmentFault):
    """Another plan is being worked out."""


class DriverOverloaded(EnvironmentFault):
    """The region has more to do than it may have waiting."""


class DriverInterrupted(EnvironmentFault):
    """The region is being rebuilt from its disk, or is shutting down: what became of the request is not known."""


_STATUS_OF_REFUSAL = {
    "INVALID": grpc.StatusCode.INVALID_ARGUMENT,
    "VERSION_CONFLICT": grpc.StatusCode.ABORTED,
    "PLAN_CHANGED": grpc.StatusCode.FAILED_PRECONDITION,
    "NOT_NOW": grpc.StatusCode.UNAVAILABLE,
    "KEY_CONFLICT": grpc.StatusCode.ALREADY_EXISTS,
    "NEVER_FITS": grpc.StatusCode.FAILED_PRECONDITION,
    "UNIMPLEMENTED": grpc.StatusCode.UNIMPLEMENTED,
    "EXHAUSTED": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "TERMINAL": grpc.StatusCode.FAILED_PRECONDITION,
    "UNREACHABLE": grpc.StatusCode.UNAVAILABLE,
    "UNAUTHORISED": grpc.StatusCode.PERMISSION_DENIED,
    "CONFLICT": grpc.StatusCode.FAILED_PRECONDITION,
    "NOT_LEADER": grpc.StatusCode.UNAVAILABLE,
}


def leaves(group: BaseExceptionGroup[Exception]) -> list[Exception]:
    """The errors themselves, out of all groups."""
    return [
        leaf
        for error in group.exceptions
        for leaf in (leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


def refused_request(refused: Refused) -> RequestRefused:
    """A refusal of the core, where a whole request gets no other answer."""
    return RequestRefused(
        _STATUS_OF_REFUSAL[refused.code],
        refused.message,
        field=refused.field,
        retry_after_ms=refused.retry_after_ms,
    )


def as_refusal(error: CallerFault | EnvironmentFault) -> RequestRefused:
    """What a caller is told of `error`."""
    match error:
        case RequestRefused():
            return error
        case PlanFailed() | ReloadRefused():
            return RequestRefused(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        case DriverOverloaded() | PlanBusy():
            status = grpc.StatusCode.RESOURCE_EXHAUSTED
        case CallerFault():
            return RequestRefused(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        case _:
            status = grpc.StatusCode.UNAVAILABLE
    return RequestRefused(status, str(error), retry_after_ms=RETRY_AFTER_MS)


def not_found(message: str, field: str = "job_id") -> RequestRefused:
    """No such job, region, ..."""
    return RequestRefused(grpc.StatusCode.NOT_FOUND, message, field=field)


def invalid(field: str, message: str) -> RequestRefused:
    """A field of a request cannot be right."""
    return RequestRefused(grpc.StatusCode.INVALID_ARGUMENT, f"{field}: {message}", field=field)
