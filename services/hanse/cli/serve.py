"""`hanse serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def serve(
    config: Annotated[Path, typer.Option("--config", "-c", help="The region's TOML file.", metavar="FILE")],
) -> int:
    """Run a region's daemon in the foreground until SIGTERM or SIGINT.

    Exits with 2 if the configuration is wrong (see `hanse config check`).
    """
    from hanse.daemon.serve import run

    return run(config)
