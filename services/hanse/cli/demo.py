"""`hanse demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hanse.cli.exits import ExitCode
from hanse.cli.output import Printer
from hanse.cli.signals import run_to_the_end

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_DIRECTORY = Path("build/demo")
_JOBS = 400
_SEED = 2017


@app.command()
def demo(
    ctx: typer.Context,
    jobs: Annotated[int, typer.Option(help="Jobs of the trace to run.", min=40, max=450)] = _JOBS,
    seed: Annotated[int, typer.Option(help="Which jobs are taken, fail, and are cancelled.")] = _SEED,
    out: Annotated[Path, typer.Option(help="Directory of the report.", metavar="DIR")] = _DIRECTORY,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the regions' data and logs.")] = False,
) -> int:
    """Run three regions on this machine, give them a real workload, break two of them, and balance the books.

    Some 400 jobs of a real trace run as processes, most of them submitted to one region. Midway one daemon is killed
    with SIGKILL and started again, another is frozen. Exits with 0 only if no job was lost, none was run twice, those
    failed that should, and all have ended, judged by records that the tasks themselves write.

    Writes report.json and report.html into the directory. JSON keys: those of report.json.
    """
    from rich.console import Console

    from hanse.demo.report import report_document
    from hanse.demo.run import DemoOptions, perform
    from hanse.demo.save import save

    printer = Printer.of(ctx)
    # A document is for programs: the show then goes to standard error.
    console = printer.console if printer.is_table else Console(stderr=True, highlight=False, markup=False)
    options = DemoOptions(directory=out.absolute(), jobs=jobs, seed=seed, keep=keep)
    performance = run_to_the_end(perform(options, console))
    document = report_document(performance)
    page = save(options.directory, performance, document)
    if printer.is_table:
        from hanse.demo.summary import summary

        printer.show(summary(performance, document, page))
    else:
        printer.document(document)
    return ExitCode.OK if document["ok"] else ExitCode.FAILURE
