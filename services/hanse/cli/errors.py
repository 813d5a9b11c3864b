"""Errors of the command line itself, and how any error is told: what is wrong, and what to do next."""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any

import typer

from hanse.cli.settings import Output
from hanse.client.errors import (
    ConflictError,
    ExhaustedError,
    HanseError,
    InvalidArgumentError,
    InvalidSpecError,
    KeyConflictError,
    NeverFitsError,
    NotFoundError,
    NotLeaderError,
    PlanChangedError,
    SubmitIncompleteError,
    UnauthorisedError,
    UnreachableError,
    WaitTimeoutError,
)


class CommandError(Exception):
    """A command could not do what it was asked to. `hint` says what to do next; `exit_code` None: FAILURE."""

    code = "FAILED"

    def __init__(self, message: str, *, hint: str = "", exit_code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code


class UsageOrConfigError(CommandError):
    """The command line, the environment or a configuration is wrong; nothing was tried."""

    code = "USAGE"


# The first class that an error is an instance of decides.
_HINTS: tuple[tuple[type[HanseError], str], ...] = (
    (KeyConflictError, "use a new --client-key, or show the first job with `hanse job list`"),
    (NeverFitsError, "see what there is with `hanse federation inventory`"),
    (InvalidSpecError, "correct the spec; proto/hanse/v1/jobs.proto documents every field"),
    (PlanChangedError, "plan it again with `hanse job plan`, or leave out --check-index"),
    (ConflictError, "see who was quicker with `hanse policy history`, and look again"),
    (NotFoundError, "list what there is with `hanse job list` or `hanse federation members`"),
    (InvalidArgumentError, "list what there is with `hanse job list` or `hanse federation members`"),
    (UnauthorisedError, "check your credentials for this federation"),
    (WaitTimeoutError, "the jobs go on: follow them with `hanse job watch`, or ask `hanse job explain`"),
    (SubmitIncompleteError, "repeat the command with --client-key and --home as listed"),
    (UnreachableError, "see whether the region is up (`hanse dev status`), or name others with --server"),
    (NotLeaderError, "try again in a moment, or say on_region_loss: adopt_or_wait"),
    (ExhaustedError, "try again later, or submit to another region with --home"),
)


def report(error: BaseException, exit_code: int, output: Output) -> None:
    """Tell of the error on standard error: lines for people, or one JSON object per problem."""
    if _is_unexpected(error):
        traceback.print_exception(error)
        print("hanse: this is a bug; the lines above say where", file=sys.stderr)
        return
    for message, field in _problems(error):
        if output is Output.JSON:
            print(json.dumps({"error": error_document(error, message, field, exit_code)}), file=sys.stderr)
        else:
            print(f"{_red('error')}: {_with_field(message, field)}", file=sys.stderr)
    hint = hint_of(error)
    if hint and output is not Output.JSON:
        print(f"  next: {hint}", file=sys.stderr)


def error_document(error: BaseException, message: str, field: str, exit_code: int) -> dict[str, Any]:
    """An error as data. Keys: code, message, field, hint, retry_after_s (null: not known), exit_code."""
    return {
        "code": "USAGE" if isinstance(error, typer.TyperException) else getattr(error, "code", "FAILED"),
        "message": message,
        "field": field,
        "hint": hint_of(error),
        "retry_after_s": getattr(error, "retry_after_s", None),
        "exit_code": int(exit_code),
    }


def hint_of(error: BaseException) -> str:
    """What to do next, in one line."""
    match error:
        case CommandError():
            return error.hint
        case NotFoundError() if error.field == "version":
            return "see which versions there are with `hanse policy history`"
        case NotFoundError() if error.field == "name":
            return "see what there is with `hanse reservation list`"
        case ExhaustedError() if error.retry_after_s:
            return f"try again in {error.retry_after_s:g} s"
        case HanseError():
            return next((hint for kind, hint in _HINTS if isinstance(error, kind)), "")
        case typer.TyperException():
            context = getattr(error, "ctx", None)
            return f"see `{context.command_path} --help`" if context is not None else ""
        case _:
            return ""


def _problems(error: BaseException) -> list[tuple[str, str]]:
    """Messages, each with the field that it is about unless the message names it."""
    match error:
        case InvalidSpecError() if error.problems:
            return [(str(problem), problem.field) for problem in error.problems]
        case HanseError() | CommandError():
            return [(error.message, getattr(error, "field", ""))]
        case typer.TyperException():
            return [(" ".join(error.format_message().split()), "")]
        case _:
            return [(str(error) or type(error).__name__, "")]


def _with_field(message: str, field: str) -> str:
    return f"{field}: {message}" if field and field not in message else message


def _is_unexpected(error: BaseException) -> bool:
    expected = (HanseError, CommandError, typer.TyperException, typer.Abort, KeyboardInterrupt, OSError)
    return not isinstance(error, expected)


def _red(text: str) -> str:
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    return f"\x1b[1;31m{text}\x1b[0m" if coloured else text
