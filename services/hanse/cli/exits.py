"""Exit codes: what a script may rely on."""

from __future__ import annotations

import enum

import typer

from hanse.cli.errors import CommandError, UsageOrConfigError
from hanse.client.errors import (
    HanseError,
    InvalidArgumentError,
    InvalidSpecError,
    ServiceError,
    SubmitIncompleteError,
    UnauthorisedError,
    UnreachableError,
    WaitTimeoutError,
)


class ExitCode(enum.IntEnum):
    """0 to 5 are Hanse's own, 10 to 12 its simulator's; 124 is timeout(1)'s; 130 is 128 + SIGINT."""

    OK = 0
    # The request was understood and did not succeed; also a job that failed under --wait.
    FAILURE = 1
    # The command line or a configuration is wrong; nothing was tried.
    USAGE = 2
    # A job spec is wrong, or was refused for what it asks.
    INVALID_SPEC = 3
    UNAUTHORISED = 4
    # No region answered; whether the request was carried out is unknown.
    UNREACHABLE = 5
    # In a simulation the core raised an exception, or broke one of its own invariants.
    SIM_CRASH = 10
    # In a simulation something happened that must never happen.
    SIM_SAFETY = 11
    # In a simulation everything had healed, and still something that must happen did not.
    SIM_LIVENESS = 12
    TIMEOUT = 124
    INTERRUPTED = 130


# The first class that an error is an instance of decides.
_CODES: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (typer.TyperException, ExitCode.USAGE),
    (UsageOrConfigError, ExitCode.USAGE),
    (InvalidArgumentError, ExitCode.USAGE),
    (InvalidSpecError, ExitCode.INVALID_SPEC),
    (UnauthorisedError, ExitCode.UNAUTHORISED),
    (SubmitIncompleteError, ExitCode.UNREACHABLE),
    (UnreachableError, ExitCode.UNREACHABLE),
    (WaitTimeoutError, ExitCode.TIMEOUT),
    (ServiceError, ExitCode.FAILURE),
    (HanseError, ExitCode.FAILURE),
    (CommandError, ExitCode.FAILURE),
    (KeyboardInterrupt, ExitCode.INTERRUPTED),
    (typer.Abort, ExitCode.INTERRUPTED),
)


def exit_code_of(error: BaseException) -> ExitCode:
    """The code that a command ends with because of this error."""
    if isinstance(error, CommandError) and error.exit_code is not None:
        return ExitCode(error.exit_code)
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.FAILURE)
