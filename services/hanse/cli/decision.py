"""`hanse decision`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hanse.cli.errors import CommandError
from hanse.cli.exits import ExitCode
from hanse.cli.moments import moment_us
from hanse.cli.output import Printer, note
from hanse.core.model.errors import EnvironmentFault

if TYPE_CHECKING:
    from hanse.daemon.config import DaemonConfig

app = typer.Typer(add_completion=False, rich_markup_mode=None)

ConfigArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The region's configuration.")]
FromOption = Annotated[
    str, typer.Option("--from", metavar="WHEN", help="14:05, 2026-11-21T14:05:10, or -10m (ago).")
]
ToOption = Annotated[str, typer.Option("--to", metavar="WHEN", help="As --from; default: the end.")]
JobOption = Annotated[str, typer.Option("--job", metavar="JOB", help="Only what became of this job.")]

_FOR_EVER_US = 1 << 62


class DecisionsDifferError(CommandError):
    """A replay decided something else."""

    code = "DIFFERENT"


@app.callback()
def decision() -> None:
    """What a region decided: list it, and do it again from the recorded inputs.

    Reads the decision log in the region's data directory, whether or not its daemon runs.
    """


@app.command()
def status(ctx: typer.Context, file: ConfigArgument) -> None:
    """Show what the decision log holds: from when to when, and what of it can be replayed.

    JSON keys: segments[].{number, life, version, first_step, begun_at, bytes, image_bytes, torn}.
    """
    from hanse.cli.decision_views import segment_document, segments_table

    found = [segment_document(chapter) for chapter in _chapters(_config(file))]
    printer = Printer.of(ctx)
    if printer.is_table:
        printer.show(segments_table(found, printer.width))
    else:
        printer.document({"segments": found})


@app.command("list")
def list_decisions(
    ctx: typer.Context,
    file: ConfigArgument,
    begin: FromOption = "-10m",
    end: ToOption = "",
    job: JobOption = "",
) -> None:
    """List what was decided, as it was recorded: each change of a job, with its reason.

    JSON: one object per decision and line, with the keys at, step, job_id, state, region, epoch, attempt, reason,
    detail, cause.
    """
    from hanse.cli.decision_views import change_document, change_text
    from hanse.decisions.reading import steps_between

    from_us, to_us = _stretch(begin, end)
    printer = Printer.of(ctx)
    with _told():
        for record in steps_between(_chapters(_config(file)), from_us, to_us):
            for change in record.changes:
                if job in ("", change.job_id):
                    if printer.is_table:
                        printer.show(change_text(record, change))
                    else:
                        printer.item(change_document(record, change))


@app.command()
def replay(
    ctx: typer.Context,
    file: ConfigArgument,
    begin: FromOption = "-10m",
    end: ToOption = "",
    job: JobOption = "",
) -> int:
    """Make the decisions of a stretch of time again, from what entered the core then, and compare them bit for bit.

    Exits with 1 if one differs, or if some of that time can't be replayed.

    JSON: one object per decision and line, as `decision list`; then one with the keys steps, led_up, same,
    first_difference.{step, at, recorded, made}, gaps[].{life, after_step, why}.
    """
    from hanse.cli.decision_views import Telling
    from hanse.decisions.replay import Replay

    config = _config(file)
    from_us, to_us = _stretch(begin, end)
    work = Replay(_chapters(config), from_us, to_us, lambda: _keys(config))
    telling = Telling(Printer.of(ctx), job)
    with _told():
        for replayed in work.steps():
            telling.step(replayed)
    telling.end(work)
    if telling.difference is not None:
        raise DecisionsDifferError(
            f"step {telling.difference.record.number} does something else than it did",
            hint="the step's inputs are in the log; keep it, and report this",
        )
    if not telling.steps and not work.gaps:
        note("nothing was recorded in that time")
    return ExitCode.FAILURE if work.gaps else ExitCode.OK


def _config(file: Path) -> DaemonConfig:
    from hanse.daemon.config import load_config
    from hanse.daemon.errors import ConfigError

    try:
        return load_config(file)
    except ConfigError as error:
        raise CommandError(str(error), exit_code=ExitCode.USAGE) from error


def _chapters(config: DaemonConfig) -> list[Any]:
    from hanse.daemon.journal import JOURNAL_DIRECTORY
    from hanse.decisions.reading import chapters

    with _told():
        return chapters(config.data_dir / JOURNAL_DIRECTORY)


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a journal, as an error of the command."""
    try:
        yield
    except EnvironmentFault as fault:
        raise CommandError(str(fault)) from fault


def _keys(config: DaemonConfig) -> Any:
    from hanse.daemon.keys import region_keys

    return region_keys(config.data_dir) if config.region.roster else None


def _stretch(begin: str, end: str) -> tuple[int, int]:
    return moment_us(begin), moment_us(end) if end else _FOR_EVER_US
