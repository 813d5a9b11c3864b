"""What holds for every command: the form of the output, and which regions to talk to."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer


class Output(enum.StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


@dataclass
class Settings:
    """Filled in by the options, wherever on the line they stand; the last one counts."""

    output: Output | None = None
    server: str = ""

    @property
    def form(self) -> Output:
        """The form of the output."""
        return self.output or Output.TABLE


def settings_of(ctx: typer.Context) -> Settings:
    """The settings of this run."""
    settings = ctx.find_root().obj
    assert isinstance(settings, Settings)
    return settings


def output_wanted(arguments: Sequence[str]) -> Output:
    """The output asked for on a line that could not be understood, so that its error has that form too."""
    for index, argument in enumerate(arguments):
        following = arguments[index + 1] if index + 1 < len(arguments) else ""
        value = following if argument in ("-o", "--output") else argument.removeprefix("--output=")
        if value in list(Output):
            return Output(value)
    return Output.TABLE


def _set_output(ctx: typer.Context, value: Output | None) -> None:
    if value is not None:
        settings_of(ctx).output = value


def _set_server(ctx: typer.Context, value: str | None) -> None:
    if value:
        settings_of(ctx).server = value


OutputOption = Annotated[
    Output | None,
    typer.Option("--output", "-o", help="Form of the output.", callback=_set_output, expose_value=False),
]
ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        envvar="HANSE_SERVER",
        show_envvar=True,
        metavar="ADDR[,ADDR]",
        help="Public addresses of one or more regions; default: those of `hanse dev up`.",
        callback=_set_server,
        expose_value=False,
    ),
]
