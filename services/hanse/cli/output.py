"""Where results go: tables for people, JSON and YAML documents for programs, all on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from hanse.cli.settings import Output, Settings, settings_of

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# A terminal's width is asked for; a file or pipe has none, and nothing is cut there.
_UNBOUNDED_WIDTH = 10_000


class Printer:
    """Prints in the form that was asked for."""

    def __init__(self, settings: Settings) -> None:
        self._form = settings.form
        self._console: Console | None = None

    @classmethod
    def of(cls, ctx: typer.Context) -> Printer:
        """The printer of this run."""
        return cls(settings_of(ctx))

    @property
    def form(self) -> Output:
        """The form that was asked for."""
        return self._form

    @property
    def is_table(self) -> bool:
        """Whether people read it."""
        return self._form is Output.TABLE

    @property
    def is_live(self) -> bool:
        """Whether the screen can be drawn over: people read it, on a terminal."""
        return self.is_table and self.console.is_terminal and not self.console.is_dumb_terminal

    @property
    def console(self) -> Console:
        """rich's console on standard output. Colour only on a terminal, and not with NO_COLOR."""
        if self._console is None:
            from rich.console import Console

            terminal = sys.stdout.isatty()
            width = None if terminal else _UNBOUNDED_WIDTH
            self._console = Console(width=width, highlight=False, emoji=False, markup=False, soft_wrap=False)
        return self._console

    @property
    def width(self) -> int:
        """Characters in a line."""
        return self.console.width

    def show(self, *renderables: RenderableType) -> None:
        """Print for people. Lines that are too long are left to the terminal, so that what they hold can be copied."""
        for renderable in renderables:
            self.console.print(renderable, soft_wrap=True)

    def show_wrapped(self, renderable: RenderableType) -> None:
        """Print for people, prose rather than ids: lines are broken between words."""
        self.console.print(renderable)

    def document(self, document: Any) -> None:
        """Print one result for programs."""
        if self._form is Output.YAML:
            sys.stdout.write(_yaml(document))
        else:
            print(json.dumps(document, indent=2, ensure_ascii=False))

    def item(self, document: Any) -> None:
        """Print one item of a stream for programs: one line of JSON, or one YAML document; at once."""
        if self._form is Output.YAML:
            sys.stdout.write("---\n" + _yaml(document))
        else:
            print(json.dumps(document, ensure_ascii=False, separators=(",", ":")))
        sys.stdout.flush()

    def result(self, document: Any, *renderables: RenderableType) -> None:
        """Print a result in either form."""
        if self.is_table:
            self.show(*renderables)
        else:
            self.document(document)


def note(text: str) -> None:
    """A remark for people that is no part of the result: on standard error."""
    print(text, file=sys.stderr)


def warn_unreachable(regions: Sequence[str]) -> None:
    """Say which regions are missing from a result."""
    if regions:
        note(f"warning: no answer from {', '.join(sorted(regions))}: what they know is missing here")


def _yaml(document: Any) -> str:
    import yaml

    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, default_flow_style=False))
