"""`hanse region`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from hanse.cli.connect import WRITE_RETRY, client_of, run
from hanse.cli.output import Printer
from hanse.client.retry import RetryPolicy

if TYPE_CHECKING:
    from hanse.client import AsyncClient

app = typer.Typer(add_completion=False, rich_markup_mode=None)

T = TypeVar("T")

RegionArgument = Annotated[
    str,
    typer.Argument(metavar="[REGION]", help="Region; default: the one that is asked.", show_default=False),
]


@app.callback()
def region() -> None:
    """How a region fares, its nodes, and draining it."""


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
def drain(ctx: typer.Context, name: RegionArgument = "") -> None:
    """Let a region take no new work: queued jobs are offered to others, running ones finish.

    JSON keys: region, draining.
    """
    _print_draining(ctx, name, _asked(ctx, lambda client: client.drain(name), WRITE_RETRY))


@app.command()
def undrain(ctx: typer.Context, name: RegionArgument = "") -> None:
    """Let a region take work again.

    JSON keys: region, draining.
    """
    _print_draining(ctx, name, _asked(ctx, lambda client: client.undrain(name), WRITE_RETRY))


def _print_draining(ctx: typer.Context, name: str, draining: bool) -> None:
    printer = Printer.of(ctx)
    if printer.is_table:
        print(f"{name or 'the region'} {'is draining' if draining else 'takes work'}")
    else:
        printer.document({"region": name, "draining": draining})


def _asked(
    ctx: typer.Context, question: Callable[[AsyncClient], Awaitable[T]], retry: RetryPolicy | None = None
) -> T:
    async def answered() -> T:
        async with client_of(ctx, retry=retry) as client:
            return await question(client)

    return run(answered())
