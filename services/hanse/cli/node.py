"""`hanse node`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hanse.cli.connect import WRITE_RETRY, client_of, run
from hanse.cli.output import Printer

if TYPE_CHECKING:
    from hanse.client.messages import NodeOrder

app = typer.Typer(add_completion=False, rich_markup_mode=None)

NodesArgument = Annotated[list[str], typer.Argument(metavar="NODE...", help="Names of the nodes.")]
RegionOption = Annotated[str, typer.Option("--region", help="Their region; default: the one that is asked.")]
WhyOption = Annotated[str, typer.Option("--why", help="For those who ask later.")]


@app.callback()
def node() -> None:
    """Take single nodes out of use, and back into it."""


@app.command()
def cordon(ctx: typer.Context, names: NodesArgument, region: RegionOption = "", why: WhyOption = "") -> None:
    """Start nothing on these nodes any more; what runs there goes on. It lasts until `uncordon`, restarts included.

    JSON keys: nodes[], result.
    """
    from hanse.client.messages import NodeOrder

    _order(ctx, names, NodeOrder.NODE_ORDER_CORDON, "cordoned", region, why)


@app.command()
def uncordon(ctx: typer.Context, names: NodesArgument, region: RegionOption = "") -> None:
    """Let these nodes take jobs again.

    JSON keys: nodes[], result.
    """
    from hanse.client.messages import NodeOrder

    _order(ctx, names, NodeOrder.NODE_ORDER_UNCORDON, "in use again", region, "")


@app.command()
def drain(ctx: typer.Context, names: NodesArgument, region: RegionOption = "", why: WhyOption = "") -> None:
    """Start nothing on these nodes any more, stop what runs there, and queue it again: SIGTERM, the jobs' grace,
    SIGKILL. `hanse region nodes` shows when they are empty.

    JSON keys: nodes[], result.
    """
    from hanse.client.messages import NodeOrder

    _order(ctx, names, NodeOrder.NODE_ORDER_DRAIN, "being drained", region, why)


def _order(ctx: typer.Context, names: list[str], order: NodeOrder, done: str, region: str, why: str) -> None:
    async def given() -> None:
        async with client_of(ctx, retry=WRITE_RETRY) as client:
            await client.control_nodes(names, order, region, why=why)

    run(given())
    printer = Printer.of(ctx)
    if printer.is_table:
        from rich.text import Text

        printer.show(*(Text.assemble(name, "  ", (done, "green")) for name in names))
    else:
        printer.document({"nodes": names, "result": done})
