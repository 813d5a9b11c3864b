"""`hanse job submit`: read files, submit, report, and wait if asked to."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hanse.cli.errors import UsageOrConfigError, error_document, report
from hanse.cli.exits import ExitCode, exit_code_of
from hanse.cli.job_arrays import make_arrays
from hanse.cli.job_views import jobs_table, submitted_table
from hanse.cli.job_watch import all_succeeded, wait_for
from hanse.cli.output import Printer, note
from hanse.client import (
    AsyncClient,
    HanseError,
    InvalidSpecError,
    SubmitIncompleteError,
    Submitted,
    load_specs,
    parse_specs,
    to_plain,
)
from hanse.client.errors import SpecProblem
from hanse.client.messages import Job, JobSpec

_STDIN = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What the command line asks for."""

    files: Sequence[str]
    client_key: str
    wait: bool
    timeout_s: float | None
    check_index: str = ""
    array: str = ""
    stop_at_failures: int | None = None


async def submit_files(printer: Printer, connect: Callable[[], AsyncClient], submission: Submission) -> int:
    """The whole command; returns its exit code."""
    specs = read_specs(submission.files)
    make_arrays(specs, submission.array, submission.stop_at_failures)
    if submission.check_index and len(specs) != 1:
        raise UsageOrConfigError(
            f"--check-index is about one job, and the files have {len(specs)}",
            hint="plan and submit them one by one",
        )
    keys = client_keys(submission.client_key, len(specs))
    async with connect() as client:
        outcomes = await _submitted(printer, client, specs, keys, submission.check_index)
        refused = [outcome for outcome in outcomes if outcome.error is not None]
        if not submission.wait:
            _print_submitted(printer, specs, outcomes)
            return _report_refused(printer, refused)
        names = {
            outcome.job_id: spec.name
            for spec, outcome in zip(specs, outcomes, strict=True)
            if outcome.error is None
        }
        jobs = await wait_for(printer, client, names, submission.timeout_s)
    _print_ended(printer, jobs, refused)
    code = _report_refused(printer, refused)
    return code or (ExitCode.OK if all_succeeded(jobs.values()) else ExitCode.FAILURE)


def read_specs(files: Sequence[str]) -> list[JobSpec]:
    """The specs of all files, in order; every mistake in all of them at once."""
    specs: list[JobSpec] = []
    problems: list[SpecProblem] = []
    for file in files:
        try:
            specs += parse_specs(sys.stdin.buffer.read(), "<stdin>") if file == _STDIN else load_specs(file)
        except InvalidSpecError as error:
            problems.extend(error.problems)
        except OSError as error:
            raise UsageOrConfigError(
                f"{file}: {error.strerror or error}",
                hint="name files with job specs, or - for standard input",
            ) from error
    if problems:
        raise InvalidSpecError(str(problems[0]), field=problems[0].field, problems=problems)
    return specs


def client_keys(key: str, count: int) -> list[str] | None:
    """KEY, KEY-2, KEY-3, ...: the same for the same files; None: they are to be drawn."""
    if not key:
        return None
    return [key, *(f"{key}-{number}" for number in range(2, count + 1))][:count]


async def _submitted(
    printer: Printer,
    client: AsyncClient,
    specs: Sequence[JobSpec],
    keys: Sequence[str] | None,
    check_index: str,
) -> Sequence[Submitted]:
    try:
        return await client.submit_many(specs, client_keys=keys, check_index=check_index)
    except SubmitIncompleteError as error:
        # What is known must be told: the keys are needed to repeat it safely.
        _print_submitted(printer, specs, error.outcomes)
        raise


def _print_submitted(printer: Printer, specs: Sequence[JobSpec], outcomes: Sequence[Submitted]) -> None:
    if not printer.is_table:
        printer.document({"jobs": [submitted_document(outcome) for outcome in outcomes]})
        return
    named = [(spec.name, outcome) for spec, outcome in zip(specs, outcomes, strict=True)]
    taken = [(name, outcome) for name, outcome in named if outcome.job_id or outcome.undecided]
    if taken:
        printer.show(submitted_table(taken, printer.width))
    if len(taken) == 1 and taken[0][1].job_id and printer.is_live:
        note(f"\nnext: hanse job watch {taken[0][1].job_id}")


def _print_ended(printer: Printer, jobs: dict[str, Job], refused: Sequence[Submitted]) -> None:
    if not printer.is_table:
        documents = [{k: v for k, v in to_plain(job).items() if k != "timeline"} for job in jobs.values()]
        printer.document({"jobs": documents, "refused": [submitted_document(outcome) for outcome in refused]})
    elif jobs and not printer.is_live:
        printer.show(jobs_table(list(jobs.values()), printer.width))


def submitted_document(outcome: Submitted) -> dict[str, Any]:
    """An outcome as data. Keys: job_id, client_key, home, durability, existed, error (null: taken)."""
    error = outcome.error
    return {
        "job_id": outcome.job_id,
        "client_key": outcome.client_key,
        "home": outcome.home,
        "durability": outcome.durability,
        "existed": outcome.existed,
        "error": error and error_document(error, error.message, error.field, exit_code_of(error)),
    }


def _report_refused(printer: Printer, refused: Sequence[Submitted]) -> int:
    errors: list[HanseError] = [outcome.error for outcome in refused if outcome.error is not None]
    for error in errors:
        report(error, exit_code_of(error), printer.form)
    return exit_code_of(errors[0]) if errors else ExitCode.OK
