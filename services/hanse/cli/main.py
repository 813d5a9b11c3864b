"""The door of the `hanse` command: global options, the table of command groups, and how errors leave."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from hanse.cli.errors import report
from hanse.cli.exits import ExitCode, exit_code_of
from hanse.cli.lazy import LazyGroup, with_shared_options
from hanse.cli.settings import OutputOption, ServerOption, Settings, output_wanted

app = typer.Typer(
    cls=LazyGroup,
    name="hanse",
    # Plain help starts in half the time of rich's.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


@app.callback()
def hanse(output: OutputOption = None, server: ServerOption = None) -> None:
    """Hanse, a federation of regional schedulers.

    Any region answers for any job: --server may name one region or several. To try it: hanse dev up
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code (`hanse.cli.exits`)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments:
        arguments = ["--help"]
    settings = Settings()
    try:
        command = with_shared_options(typer.main.get_command(app))
        result = command.main(arguments, prog_name="hanse", standalone_mode=False, obj=settings)
        return result if isinstance(result, int) else ExitCode.OK
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else ExitCode.FAILURE
    except Exception as error:  # noqa: BLE001 - the last door: every error is reported, an unexpected one in full
        code = exit_code_of(error)
        report(error, code, settings.output or output_wanted(arguments))
        return code


if __name__ == "__main__":
    sys.exit(main())
