"""The plots: both axes logarithmic, so that a power is a line and its exponent the slope. Dashed, through the first
point of each curve, is what n log n would make of it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from importlib import resources

from hanse.bench.scale.axes import MEMORY
from hanse.bench.scale.fitting import n_log_n
from hanse.bench.scale.run import AxisResult, Curve
from hanse.replay.report.svg import COLOURS, Axis, Series, measured, sheet

_NOTE = (
    "CPU seconds of one core for one piece of work, by size. Both axes are logarithmic: a power of n is a line, and "
    "its exponent the slope. Dashed: what n log n would make of the first size."
)
# Room beside the first and the last point, as a factor of the value; labels stand beside the last.
_EDGE = 1.5
_LABEL_ROOM = 4.0


def html_of(results: Sequence[AxisResult], verdict: str) -> str:
    """One page that needs nothing else."""
    title = "How cost grows"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title><style>{_style()}</style></head><body><main>",
            f"<header><h1>{title}</h1>",
            f'<p>{html.escape(verdict)}</p><p class="note">{_NOTE}</p></header>',
            *(_section(result) for result in results),
            "</main></body></html>",
            "",
        ]
    )


def svg_of(results: Sequence[AxisResult]) -> str:
    """One file with a plot for each axis."""
    return sheet([(f"by {result.axis.what}", _plot(result)) for result in results], _style())


def _style() -> str:
    return (resources.files("hanse.replay.report") / "page.css").read_text(encoding="utf-8")


def _section(result: AxisResult) -> str:
    rows = "".join(_row(number, curve) for number, curve in enumerate(result.curves))
    head = "<tr><th>work</th><th>least</th><th>most</th><th>exponent</th><th>upper half</th><th>n log n</th></tr>"
    return (
        f'<section class="card"><h2>by {html.escape(result.axis.what)}</h2>{_plot(result)}'
        f'<table class="legend">{head}{rows}</table></section>'
    )


def _row(number: int, curve: Curve) -> str:
    text = bytes_text if curve.name == MEMORY else seconds_text
    cells = [text(curve.costs[0][1]), text(curve.costs[-1][1]), *exponents(curve)]
    colour = "" if curve.name == MEMORY else f'<span class="s{number % COLOURS}"></span>'
    return (
        f"<tr><td>{colour}{html.escape(curve.what)}</td>{''.join(f'<td>{each}</td>' for each in cells)}</tr>"
    )


def exponents(curve: Curve) -> tuple[str, str, str]:
    """Over all sizes and over the upper half, each with its interval; and the comparison."""
    found = curve.judged
    if found is None:
        return "-", "-", "-"
    whole, upper = (
        f"{each.exponent:z.2f} ({each.low:z.2f} to {each.high:z.2f})" for each in (found.whole, found.upper)
    )
    return whole, upper, found.growth.value


def _plot(result: AxisResult) -> str:
    timed = [curve for curve in result.curves if curve.name != MEMORY]
    if not timed:
        return '<p class="note">Nothing was measured.</p>'
    every = [point for curve in timed for point in curve.costs]
    across = _axis([n for n, _ in every], result.axis.what, _LABEL_ROOM)
    up = _axis([cost for _, cost in every], "CPU time", _EDGE)
    series = [Series(curve.what, curve.costs) for curve in timed]
    laws = [Series("n log n", _law(curve, up.high)) for curve in timed]
    return measured(series, across, up, seconds_text, laws, [curve.name for curve in timed])


def _axis(values: Sequence[float], label: str, beyond: float) -> Axis:
    return Axis(min(values) / _EDGE, max(values) * beyond, label, is_log=True)


def _law(curve: Curve, most: float) -> list[tuple[float, float]]:
    """As far as it stays within the plot."""
    first_n, first = curve.costs[0]
    law = [(float(n), first * n_log_n(n) / n_log_n(first_n)) for n, _ in curve.costs]
    return [point for point in law if point[1] <= most]


def seconds_text(seconds: float) -> str:
    """In the unit that fits: 3.2 ms."""
    for size, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} us"


def bytes_text(count: float) -> str:
    """In the unit that fits: 3.2 GB."""
    return f"{count / 1e9:.3g} GB" if count >= 1e9 else f"{count / 1e6:.3g} MB"
