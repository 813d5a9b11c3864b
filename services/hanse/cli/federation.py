"""`hanse federation`. Its roster: roster_founding.py, roster_changes.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from hanse.cli import roster_changes, roster_founding
from hanse.cli.connect import client_of, run
from hanse.cli.output import Printer

if TYPE_CHECKING:
    from hanse.client.messages import GetInventoryResponse, ListMembersResponse

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback()
def federation() -> None:
    """Members and capacity of the whole federation, and its signed roster."""


app.command()(roster_founding.keygen)
app.command()(roster_founding.init)
app.command()(roster_changes.show)
app.command()(roster_changes.add)
app.command()(roster_changes.remove)
app.command("declare-lost")(roster_changes.declare_lost)
app.command()(roster_changes.change)
app.command()(roster_changes.rotate)
app.command()(roster_changes.draft)
app.command()(roster_changes.sign)
app.command()(roster_changes.apply)


@app.command()
def members(ctx: typer.Context) -> None:
    """List the federation's members as the region that is asked sees them. Liveness is advisory.

    JSON keys: those of ListMembersResponse in proto/hanse/v1/regions.proto.
    """

    async def fetched() -> ListMembersResponse:
        async with client_of(ctx) as client:
            return await client.members()

    found = run(fetched())
    printer = Printer.of(ctx)
    if printer.is_table:
        from hanse.cli.region_views import members_table

        printer.show(*members_table(found, printer.width))
    else:
        from hanse.client import to_plain

        printer.document(to_plain(found))


@app.command()
def inventory(ctx: typer.Context) -> None:
    """Show the capacity of all regions, as far as the region that is asked knows it.

    JSON keys: those of GetInventoryResponse in proto/hanse/v1/regions.proto.
    """

    async def fetched() -> GetInventoryResponse:
        async with client_of(ctx) as client:
            return await client.inventory()

    found = run(fetched())
    printer = Printer.of(ctx)
    if printer.is_table:
        from hanse.cli.region_views import inventory_table

        printer.show(inventory_table(found, printer.width))
    else:
        from hanse.client import to_plain

        printer.document(to_plain(found))
