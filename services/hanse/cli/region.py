"""`hanse region`. Copies of its ledger: region_copies.py."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from hanse.cli import region_copies
from hanse.cli.connect import WRITE_RETRY, client_of, run
from hanse.cli.errors import UsageOrConfigError
from hanse.cli.output import Printer
from hanse.client.retry import RetryPolicy

if TYPE_CHECKING:
    from hanse.client import AsyncClient

app = typer.Typer(add_completion=False, rich_markup_mode=None)

T = TypeVar("T")


class Running(enum.StrEnum):
    """What becomes of the running jobs of a region that is being drained."""

    FINISH = "finish"
    MOVE = "move"


RegionArgument = Annotated[
    str,
    typer.Argument(metavar="[REGION]", help="Region; default: the one that is asked.", show_default=False),
]


@app.callback()
def region() -> None:
    """How a region fares, its nodes, draining it, and copies of its ledger."""


@app.command()
def status(ctx: typer.Context, name: RegionArgument = "") -> None:
    """Show how a region fares: health, jobs by state, capacity in use, and its channels to other regions.

    JSON keys: those of GetStatusResponse in proto/hanse/v1/regions.proto.
    """
    found = _asked(ctx, lambda client: client.status(name))
    printer = Printer.of(ctx)
    if printer.is_table:
        from hanse.cli.region_views import status_details

        printer.show(*status_details(found, printer.width))
    else:
        from hanse.client import to_plain

        printer.document(to_plain(found))


@app.command()
def nodes(ctx: typer.Context, name: RegionArgument = "") -> None:
    """List a region's nodes, with what is in use on each.

    JSON keys: nodes[] as Node in proto/hanse/v1/regions.proto.
    """
    found = _asked(ctx, lambda client: client.nodes(name))
    printer = Printer.of(ctx)
    if printer.is_table:
        from hanse.cli.region_views import nodes_table

        printer.show(nodes_table(found.nodes, printer.width))
    else:
        from hanse.client import to_plain

        printer.document(to_plain(found))


@app.command()
def drain(
    ctx: typer.Context,
    name: RegionArgument = "",
    running: Annotated[
        Running, typer.Option("--running", help="What becomes of the jobs that run there.")
    ] = Running.FINISH,
) -> None:
    """Let a region take no new work: queued jobs are offered to others, running ones finish or move.

    With --running move, jobs that may be restarted (they name a checkpoint, or say `restartable: true`) are stopped as
    other regions have room for them: they get SIGTERM and their grace, in which to write a checkpoint, and go on
    elsewhere. The others finish. `hanse region status` shows how far it is and what keeps the rest.

    The newest wish counts: drain again to change it, undrain to end it.

    JSON keys: region, draining, running.
    """
    move = running is Running.MOVE
    draining = _asked(ctx, lambda client: client.drain(name, move=move), WRITE_RETRY)
    _print_draining(ctx, name, draining, running)


@app.command()
def undrain(ctx: typer.Context, name: RegionArgument = "") -> None:
    """Let a region take work again. What is being stopped in order to move still is; then it waits as others do.

    JSON keys: region, draining.
    """
    _print_draining(ctx, name, _asked(ctx, lambda client: client.undrain(name), WRITE_RETRY))


@app.command()
def reload(ctx: typer.Context, name: RegionArgument = "") -> None:
    """Have a region read its configuration file again, without a restart. Tasks go on.

    If the file is wrong, or changes what can only change with a restart, nothing is changed, and the keys are named.

    JSON keys: changed[] (keys that took effect).
    """
    changed = list(_asked(ctx, lambda client: client.reload_config(name), WRITE_RETRY))
    printer = Printer.of(ctx)
    if printer.is_table:
        from rich.text import Text

        printer.show(Text(f"in effect: {', '.join(changed)}" if changed else "nothing has changed"))
    else:
        printer.document({"changed": changed})


@app.command("trust-disk")
def trust_disk(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="REGION", help="The region that waits.")],
    without: Annotated[
        list[str],
        typer.Option("--without", metavar="MEMBER", help="A member to go on without; may be repeated."),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="The risk is understood.")] = False,
) -> None:
    """Let a region whose disk is an old one go on without the answers of members that are gone.

    A region whose disk was replaced by an older one has forgotten what it did since, and runs nothing until every
    member has told what it knows (`hanse region status`). THE RISK: what only the members named here know stays
    unknown. A job that one of them runs, or has run, may run a second time, also at the same time; one that it gave
    back may be lost. So be sure that they are gone for good, with all that ran there. Without --yes nothing is done but
    to show what is at stake.

    JSON keys: region, missing[] (members that it still waits for).
    """
    if not yes:
        _show_stakes(ctx, name, without)
        return
    missing = list(_asked(ctx, lambda client: client.trust_disk(name, without), WRITE_RETRY))
    printer = Printer.of(ctx)
    if not printer.is_table:
        printer.document({"region": name, "missing": missing})
    elif missing:
        print(f"{name} goes on without {', '.join(without)}, and still waits for {', '.join(missing)}")
    else:
        print(f"{name} goes on without {', '.join(without)}")


app.command()(region_copies.backup)
app.command()(region_copies.restore)


def _show_stakes(ctx: typer.Context, name: str, without: list[str]) -> None:
    found = _asked(ctx, lambda client: client.status(name))
    if not found.HasField("quarantine"):
        raise UsageOrConfigError(
            f"{name} is not in quarantine", hint=f"see what is in its way with `hanse region status {name}`"
        )
    quarantine = found.quarantine
    raise UsageOrConfigError(
        f"{quarantine.suspects:,} jobs of {name} wait for {', '.join(quarantine.missing) or 'nobody'}. Without "
        f"{', '.join(without)}, those that run there may run a second time, and those that came back from there may "
        "be lost",
        hint="repeat it with --yes, once you are sure that these members are gone with all that ran there",
    )


def _print_draining(ctx: typer.Context, name: str, draining: bool, running: Running | None = None) -> None:
    printer = Printer.of(ctx)
    if not printer.is_table:
        running_too = {} if running is None else {"running": running.value}
        printer.document({"region": name, "draining": draining, **running_too})
    elif draining:
        what = "move if they may" if running is Running.MOVE else "finish"
        print(f"{name or 'the region'} is draining; running jobs {what}")
    else:
        print(f"{name or 'the region'} takes work")


def _asked(
    ctx: typer.Context, question: Callable[[AsyncClient], Awaitable[T]], retry: RetryPolicy | None = None
) -> T:
    async def answered() -> T:
        async with client_of(ctx, retry=retry) as client:
            return await question(client)

    return run(answered())
