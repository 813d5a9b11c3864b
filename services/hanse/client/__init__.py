"""The Python client of a Hanse federation: `AsyncClient` for asyncio, `Client` for everything else.

    from hanse.client import Client, load_specs

    with Client("127.0.0.1:7401,127.0.0.1:7411") as client:
        submitted = client.submit_many(load_specs("job.yaml"))
        jobs = client.wait([one.job_id for one in submitted], timeout_s=600)

Any region answers for any job, so the addresses are equal: the next one is tried when one does not answer. What must
not vary is the *home* of a submission, and the client never varies it (see `hanse.client.submit`).

Everything that goes wrong is a `HanseError` (`hanse.client.errors`); messages of the wire contract are in
`hanse.client.messages`. This module imports gRPC only when one of its names is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hanse.client.errors import (
    CallTimeoutError,
    ConflictError,
    DuplicationWarning,
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
    ServiceError,
    SubmitIncompleteError,
    UnauthorisedError,
    UnimplementedError,
    UnreachableError,
    UnsupportedSpecError,
    WaitTimeoutError,
)
from hanse.client.retry import RetryPolicy

if TYPE_CHECKING:
    from hanse.client.aio import AsyncClient
    from hanse.client.plain import to_plain
    from hanse.client.specs import load_specs, parse_specs
    from hanse.client.submit import Submitted
    from hanse.client.sync import Client

_LAZY = {
    "AsyncClient": "hanse.client.aio",
    "Client": "hanse.client.sync",
    "Submitted": "hanse.client.submit",
    "load_specs": "hanse.client.specs",
    "parse_specs": "hanse.client.specs",
    "to_plain": "hanse.client.plain",
}

__all__ = [
    "AsyncClient",
    "CallTimeoutError",
    "Client",
    "ConflictError",
    "DuplicationWarning",
    "ExhaustedError",
    "HanseError",
    "InvalidArgumentError",
    "InvalidSpecError",
    "JobTerminalError",
    "KeyConflictError",
    "NeverFitsError",
    "NotFoundError",
    "NotLeaderError",
    "PlanChangedError",
    "RequestError",
    "RetryPolicy",
    "ServerError",
    "ServiceError",
    "SubmitIncompleteError",
    "Submitted",
    "UnauthorisedError",
    "UnimplementedError",
    "UnreachableError",
    "UnsupportedSpecError",
    "WaitTimeoutError",
    "load_specs",
    "parse_specs",
    "to_plain",
]


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(module), name)
