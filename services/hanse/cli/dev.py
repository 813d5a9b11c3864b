"""`hanse dev`."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hanse.cli.connect import find_dev_file, run
from hanse.cli.devnet import layout, processes
from hanse.cli.devnet.layout import Federation, LocalRegion
from hanse.cli.errors import CommandError, UsageOrConfigError
from hanse.cli.exits import ExitCode
from hanse.cli.output import Printer, note

if TYPE_CHECKING:
    from hanse.executors.local.processes import ProcessId

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback()
def dev() -> None:
    """Run a federation of local regions, for development. Its files are in .hanse/ below the current directory."""


@app.command()
def up(
    ctx: typer.Context,
    count: Annotated[
        int | None,
        typer.Argument(
            metavar="[N]", help="How many regions; default: those there are, or 3.", show_default=False
        ),
    ] = None,
) -> None:
    """Start N regions on loopback and wait until each is ready. What runs already is left as it is.

    JSON keys: directory, regions[].{name, state, pid, public_address, peer_address, http_address, config, log}.
    """
    federation = _prepared(count)
    printer = Printer.of(ctx)
    started = [region for region in federation.regions if processes.running(region) is None]
    with _progress(printer, f"starting {', '.join(region.name for region in started)}" if started else ""):
        run(_started(federation.regions))
    if printer.is_table:
        _print_status(printer, federation)
        _print_next()
    else:
        printer.document(_status_document(federation))


@app.command()
def down(
    ctx: typer.Context,
    purge: Annotated[
        bool, typer.Option("--purge", help="Also end tasks that still run, and delete all data.")
    ] = False,
) -> None:
    """Stop the regions gracefully. Their tasks go on, and are found again by the next `hanse dev up`.

    JSON keys: directory, stopped[] (regions), tasks_running, tasks_ended, purged.
    """
    federation = _found()
    printer = Printer.of(ctx)
    stopped: list[LocalRegion] = []
    if federation is not None:
        with _progress(printer, "stopping"):
            stopped = processes.stop_all(federation.regions)
    tasks_ended = _purged(federation) if purge and federation is not None else 0
    tasks_running = 0 if purge or federation is None else _tasks_running(federation)
    _print_down(printer, federation, stopped, tasks_running, tasks_ended, purge=purge)


@app.command()
def status(ctx: typer.Context) -> int:
    """Show the local regions; exits with 1 if one is not running.

    JSON keys: as `hanse dev up`.
    """
    federation = _found()
    if federation is None:
        raise CommandError("there are no local regions here", hint="start some with `hanse dev up`")
    printer = Printer.of(ctx)
    if printer.is_table:
        _print_status(printer, federation)
    else:
        printer.document(_status_document(federation))
    down = [region for region in federation.regions if processes.running(region) is None]
    return ExitCode.FAILURE if down else ExitCode.OK


def _prepared(count: int | None) -> Federation:
    """The federation that is here, or a new one."""
    existing = _found()
    if existing is None:
        return layout.create(Path.cwd(), layout.REGIONS_DEFAULT if count is None else count)
    if count not in (None, len(existing.regions)):
        raise UsageOrConfigError(
            f"there are {len(existing.regions)} regions here already, and their roster is fixed",
            hint="`hanse dev up` starts those; for another number first `hanse dev down --purge`",
        )
    return existing


async def _started(regions: Sequence[LocalRegion]) -> None:
    """Start what does not run, and wait for all. If one cannot start, the others go on; the first error is raised."""
    daemons = [(region, processes.running(region) or processes.start(region)) for region in regions]

    async def ready(region: LocalRegion, process: ProcessId) -> CommandError | None:
        try:
            await processes.wait_until_ready(region, process)
        except CommandError as error:
            return error
        return None

    failed = [
        error for error in await asyncio.gather(*(ready(*daemon) for daemon in daemons)) if error is not None
    ]
    if failed:
        raise failed[0]


def _found() -> Federation | None:
    """The federation of this directory or the nearest one above it."""
    dev_file = find_dev_file(Path.cwd())
    return layout.load(dev_file.parent.parent) if dev_file is not None else None


def _tasks_directory(region: LocalRegion) -> Path:
    from hanse.daemon.runtime import TASKS_DIRECTORY

    return region.data / TASKS_DIRECTORY


def _tasks_running(federation: Federation) -> int:
    from hanse.cli.devnet.tasks import living_tasks

    return sum(len(living_tasks(_tasks_directory(region))) for region in federation.regions)


def _purged(federation: Federation) -> int:
    """End the tasks and delete the data of all regions; returns how many tasks were ended."""
    from hanse.cli.devnet.tasks import end_tasks

    ended = sum(end_tasks(_tasks_directory(region)) for region in federation.regions)
    # First, so that nothing half deleted is taken for a federation.
    federation.dev_file.unlink()
    for region in federation.regions:
        shutil.rmtree(region.directory)
    shutil.rmtree(federation.directory, ignore_errors=True)
    return ended


@contextmanager
def _progress(printer: Printer, text: str) -> Iterator[None]:
    """A spinner, where there is a terminal to turn it on."""
    if not printer.is_live or not text:
        yield
        return
    with printer.console.status(text):
        yield


def _status_document(federation: Federation) -> dict[str, Any]:
    return {
        "directory": str(federation.directory),
        "regions": [_region_document(region) for region in federation.regions],
    }


def _region_document(region: LocalRegion) -> dict[str, Any]:
    process = processes.running(region)
    return {
        "name": region.name,
        "state": "running" if process else "stopped",
        "pid": process.pid if process else None,
        "public_address": region.public_address,
        "peer_address": region.peer_address,
        "http_address": region.http_address,
        "config": str(region.config),
        "log": str(region.log),
    }


def _print_status(printer: Printer, federation: Federation) -> None:
    from rich.text import Text

    from hanse.cli.tables import Column, make_table

    columns = (
        Column("REGION"),
        Column("STATE"),
        Column("PUBLIC"),
        Column("HTTP", drop=2),
        Column("PID", drop=1, justify="right"),
        Column("LOG", drop=3),
    )
    rows = []
    for region in federation.regions:
        process = processes.running(region)
        state = Text("● running", style="green") if process else Text("✘ stopped", style="red")
        pid = str(process.pid) if process else ""
        rows.append(
            (region.name, state, region.public_address, region.http_address, pid, processes.short(region.log))
        )
    printer.show(make_table(columns, rows, printer.width))


def _print_next() -> None:
    note("\ntry:  hanse federation inventory\n      hanse job submit FILE --wait\n      hanse dev down")


def _print_down(
    printer: Printer,
    federation: Federation | None,
    stopped: Sequence[LocalRegion],
    tasks_running: int,
    tasks_ended: int,
    *,
    purge: bool,
) -> None:
    if not printer.is_table:
        document = {
            "directory": str(federation.directory) if federation else None,
            "stopped": [region.name for region in stopped],
            "tasks_running": tasks_running,
            "tasks_ended": tasks_ended,
            "purged": purge and federation is not None,
        }
        printer.document(document)
        return
    print(f"stopped {', '.join(region.name for region in stopped)}" if stopped else "nothing was running")
    if tasks_ended:
        print(f"ended {_tasks(tasks_ended)}")
    if purge and federation is not None:
        print(f"deleted {processes.short(federation.directory)}")
    if tasks_running:
        note(
            f"still running: {_tasks(tasks_running)}; `hanse dev up` finds them again, "
            "`hanse dev down --purge` ends them"
        )


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"
