"""Showing the scene: a live screen on a terminal, plain lines elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from hanse.demo.scene import Happening, RegionView, Scene

_REFRESH_S = 0.125
_PLAIN_INTERVAL_S = 5.0
_HAPPENINGS_SHOWN = 6
# With the rest of the table it fits into 80 columns.
_BAR_WIDTH = 10

# The same colours as in the report, region by region.
_REGION_STYLES = ("bright_blue", "bright_yellow", "bright_cyan")
_CONDITIONS = {
    "starting": Text("◌ starting", style="yellow"),
    "serving": Text("● serving", style="green"),
    "killed": Text("✘ killed", style="bold red"),
    "frozen": Text("❄ frozen", style="bold bright_cyan"),
    "stopped": Text("○ stopped", style="bright_black"),
}
_OUTCOMES = (
    ("SUCCEEDED", "✔ succeeded", "green"),
    ("FAILED", "✘ failed", "red"),
    ("CANCELLED", "⊘ cancelled", "bright_black"),
)


@asynccontextmanager
async def shown(scene: Scene, console: Console) -> AsyncGenerator[None, None]:
    """Show the scene until this is left; its last state stays on the screen."""
    live = console.is_terminal and not console.is_dumb_terminal
    async with asyncio.TaskGroup() as group:
        showing = group.create_task(
            _draw(scene, console) if live else _count_up(scene, console), name="stage"
        )
        try:
            with nullcontext() if live else _told(scene, console):
                yield
        finally:
            showing.cancel()


async def _draw(scene: Scene, console: Console) -> None:
    with Live(screen(scene), console=console, auto_refresh=False) as live:
        try:
            while True:
                live.update(screen(scene), refresh=True)
                await asyncio.sleep(_REFRESH_S)
        finally:
            live.update(screen(scene), refresh=True)


async def _count_up(scene: Scene, console: Console) -> None:
    while True:
        await asyncio.sleep(_PLAIN_INTERVAL_S)
        console.print(f"{scene.elapsed_s:6.1f}s  {plain_line(scene)}")


@contextmanager
def _told(scene: Scene, console: Console) -> Iterator[None]:
    """A line for whatever happens, when it happens."""

    def tell(happening: Happening) -> None:
        console.print(f"{happening.at_s:6.1f}s  {happening.text}")

    for happening in scene.happenings:
        tell(happening)
    scene.on_happening = tell
    try:
        yield
    finally:
        scene.on_happening = None


def plain_line(scene: Scene) -> str:
    """The scene in one line."""
    regions = "  ".join(
        f"{view.name}[{view.condition}] {view.queued} queued {view.running} running {view.given} given"
        for view in scene.views()
    )
    return f"{scene.done}/{scene.total} done  {regions}"


def screen(scene: Scene) -> RenderableType:
    """The scene as it looks on a terminal."""
    return Group(
        Rule(Text.assemble(("Hanse", "bold"), "  ", scene.act), align="left", style="bright_black"),
        Padding(_regions(scene), (1, 2)),
        Padding(_progress(scene), (0, 2)),
        Padding(_happenings(scene), (1, 2)),
    )


def _regions(scene: Scene) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bright_black")
    table.add_column("region", min_width=6)
    table.add_column("daemon", min_width=10)
    table.add_column("running", min_width=_BAR_WIDTH + 6)
    for name in ("submitted", "queued", "given", "taken", "ended"):
        table.add_column(name, justify="right")
    for view, style in zip(scene.views(), _REGION_STYLES, strict=False):
        table.add_row(*_region_row(view, style))
    return table


def _region_row(view: RegionView, style: str) -> list[RenderableType]:
    filled = round(_BAR_WIDTH * min(view.running, view.slots) / view.slots)
    bar = Text.assemble(
        ("━" * filled, style),
        ("━" * (_BAR_WIDTH - filled), "grey23"),
        (f" {view.running}/{view.slots}", "" if view.running else "bright_black"),
    )
    return [
        Text(view.name, style=f"bold {style}"),
        _CONDITIONS.get(view.condition, Text(view.condition)),
        bar,
        _count(view.submitted),
        _count(view.queued, "yellow"),
        _count(view.given, "magenta"),
        _count(view.taken, "magenta"),
        _count(view.done, "green"),
    ]


def _progress(scene: Scene) -> Table:
    line = Table.grid(padding=(0, 1))
    outcomes = scene.outcomes
    line.add_row(
        ProgressBar(total=scene.total, completed=scene.done, width=20, complete_style="green"),
        Text(f"{scene.done}/{scene.total} jobs", style="bold"),
        *(Text(f"{label} {outcomes[state]}", style=style) for state, label, style in _OUTCOMES),
        Text(f"{scene.elapsed_s:.0f} s", style="bright_black"),
    )
    return line


def _happenings(scene: Scene) -> Group:
    shown_now = scene.happenings[-_HAPPENINGS_SHOWN:]
    blank = [Text("")] * (_HAPPENINGS_SHOWN - len(shown_now))
    return Group(*(_happening(each) for each in shown_now), *blank)


def _happening(happening: Happening) -> Text:
    style = {"killed": "bold red", "frozen": "bold bright_cyan", "serving": "green"}.get(
        happening.condition, ""
    )
    return Text.assemble((f"{happening.at_s:6.1f} s  ", "bright_black"), (happening.text, style))


def _count(value: int, style: str = "") -> Text:
    return Text(str(value), style=style if value else "bright_black")
