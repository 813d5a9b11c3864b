"""`hanse job hold`, `release`, `requeue`, `set-priority` and `move`: one order about some jobs, and its table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.text import Text

from hanse.cli.connect import WRITE_RETRY, client_of, run
from hanse.cli.exits import ExitCode
from hanse.cli.output import Printer
from hanse.cli.tables import Cell, Column, make_table
from hanse.client import to_plain
from hanse.client.messages import ControlJobsRequest, ControlResult, state_name
from hanse.client.status import refusal_error

if TYPE_CHECKING:
    import typer


def carry_out(ctx: typer.Context, order: ControlJobsRequest, said: str) -> int:
    """Give the order; exits with 1 if one job did not take it. `said`: what is told of one that did."""

    async def given() -> Sequence[ControlResult]:
        async with client_of(ctx, retry=WRITE_RETRY) as client:
            return await client.control(order)

    results = run(given())
    printer = Printer.of(ctx)
    if printer.is_table:
        printer.show(_table(results, said, printer.width))
    else:
        printer.document({"results": [_document(result) for result in results]})
    return ExitCode.FAILURE if any(result.HasField("refusal") for result in results) else ExitCode.OK


def _document(result: ControlResult) -> dict[str, Any]:
    document: dict[str, Any] = to_plain(result)
    return document


def _table(results: Sequence[ControlResult], said: str, width: int) -> RenderableType:
    rows: list[tuple[Cell, ...]] = []
    for result in results:
        if result.HasField("refusal"):
            refused = refusal_error(result.refusal).message
            rows.append((result.job_id, Text("refused", style="red"), "", refused))
        else:
            was = f"was {state_name(result.state)}"
            rows.append((result.job_id, Text(said, style="green"), result.region, was))
    columns = (
        Column("JOB"),
        Column("ORDER"),
        Column("REGION", drop=2),
        Column("NOTE", drop=1, flexible=True),
    )
    return make_table(columns, rows, width)
