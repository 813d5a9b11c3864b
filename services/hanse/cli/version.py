"""`hanse version`."""

from __future__ import annotations

import platform

import typer

import hanse
from hanse.cli.output import Printer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def version(ctx: typer.Context) -> None:
    """Print the version. JSON keys: version, python, grpc, protobuf."""
    from importlib import metadata

    found = {
        "version": hanse.__version__,
        "python": platform.python_version(),
        "grpc": metadata.version("grpcio"),
        "protobuf": metadata.version("protobuf"),
    }
    printer = Printer.of(ctx)
    if printer.is_table:
        print(f"hanse {found['version']} (python {found['python']}, grpc {found['grpc']})")
    else:
        printer.document(found)
