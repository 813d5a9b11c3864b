"""gRPC statuses and refusals become typed errors here, and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # ships no stubs

from hanse.client.errors import (
    CallTimeoutError,
    CompactedError,
    ConflictError,
    ExhaustedError,
    HanseError,
    InvalidArgumentError,
    InvalidSpecError,
    JobTerminalError,
    KeyConflictError,
    NeverFitsError,
    NotFoundError,
    NotLeaderError,
    PlanChangedError,
    RequestError,
    ServerError,
    UnauthorisedError,
    UnimplementedError,
    UnreachableError,
    UnsupportedSpecError,
)
from hanse.client.messages import Refusal, RefusalCode

_STATUS_DETAILS_KEY = "grpc-status-details-bin"

_ERRORS_BY_STATUS: dict[grpc.StatusCode, type[HanseError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: RequestError,
    grpc.StatusCode.FAILED_PRECONDITION: RequestError,
    grpc.StatusCode.ABORTED: ConflictError,
    grpc.StatusCode.UNIMPLEMENTED: UnimplementedError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthorisedError,
    grpc.StatusCode.PERMISSION_DENIED: UnauthorisedError,
    grpc.StatusCode.UNAVAILABLE: UnreachableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: CallTimeoutError,
    # The far side ended the call: it is shutting down.
    grpc.StatusCode.CANCELLED: UnreachableError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ExhaustedError,
    grpc.StatusCode.OUT_OF_RANGE: CompactedError,
    grpc.StatusCode.INTERNAL: ServerError,
    grpc.StatusCode.UNKNOWN: ServerError,
    grpc.StatusCode.DATA_LOSS: ServerError,
}

_ERRORS_BY_REFUSAL: dict[RefusalCode, type[HanseError]] = {
    RefusalCode.REFUSAL_CODE_INVALID: InvalidSpecError,
    RefusalCode.REFUSAL_CODE_KEY_CONFLICT: KeyConflictError,
    RefusalCode.REFUSAL_CODE_NEVER_FITS: NeverFitsError,
    RefusalCode.REFUSAL_CODE_UNIMPLEMENTED: UnsupportedSpecError,
    RefusalCode.REFUSAL_CODE_EXHAUSTED: ExhaustedError,
    RefusalCode.REFUSAL_CODE_NOT_FOUND: NotFoundError,
    RefusalCode.REFUSAL_CODE_TERMINAL: JobTerminalError,
    RefusalCode.REFUSAL_CODE_UNREACHABLE: UnreachableError,
    RefusalCode.REFUSAL_CODE_NOT_LEADER: NotLeaderError,
    RefusalCode.REFUSAL_CODE_PLAN_CHANGED: PlanChangedError,
}

# What gRPC puts before and around the reason why it could not connect.
_NOISE = re.compile(
    r"failed to connect to all addresses; last error: \w+: |ipv[46]:\S+: |Failed to connect to remote host: "
)

# Not repeated: what is written is only known to be lost, not why.
RETRIABLE = (UnreachableError, ExhaustedError, NotLeaderError)


def refusal_error(refusal: Refusal) -> HanseError:
    """The error that this refusal means."""
    error = _ERRORS_BY_REFUSAL.get(refusal.code, RequestError)
    known = refusal.code in RefusalCode.values()
    code = RefusalCode.Name(refusal.code).removeprefix("REFUSAL_CODE_") if known else "REFUSED"
    return error(
        refusal.message or code.lower().replace("_", " "),
        code=code,
        field=refusal.field,
        retry_after_s=refusal.retry_after_ms / 1000 if refusal.retry_after_ms else None,
    )


def rpc_error(error: grpc.aio.AioRpcError, address: str) -> HanseError:
    """The error that a failed call means, with the field and the retry hint from its details."""
    field = ""
    retry_after_s = None
    for detail in _details(error):
        match detail:
            case Refusal():
                return refusal_error(detail)
            case error_details_pb2.BadRequest() if detail.field_violations:
                field = detail.field_violations[0].field
            case error_details_pb2.RetryInfo():
                retry_after_s = detail.retry_delay.ToTimedelta().total_seconds()
            case _:
                pass
    kind = _ERRORS_BY_STATUS.get(error.code(), ServerError)
    message = error.details() or error.code().name.lower().replace("_", " ")
    if issubclass(kind, UnreachableError):
        message = f"no answer from {address}: {_NOISE.sub('', message)}"
    code = error.code().name if kind is not UnreachableError else ""
    return kind(message, code=code, field=field, retry_after_s=retry_after_s)


def _details(error: grpc.aio.AioRpcError) -> Iterator[Message]:
    """The typed details of a status. Unknown kinds and unreadable bytes are left out: the code says enough."""
    metadata = dict(error.trailing_metadata() or ())
    packed = metadata.get(_STATUS_DETAILS_KEY)
    if not isinstance(packed, bytes):
        return
    try:
        status = status_pb2.Status.FromString(packed)
    except DecodeError:
        return
    for detail in status.details:
        for kind in (Refusal, error_details_pb2.BadRequest, error_details_pb2.RetryInfo):
            message = kind()
            if detail.Is(message.DESCRIPTOR) and detail.Unpack(message):
                yield message
