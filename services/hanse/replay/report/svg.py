"""Plots as SVG, from plain numbers. Colours are classes (`s0`, `s1`, ...), so that the page gives them for light and
dark; every mark has a title that tells its figures."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence

import msgspec

WIDTH, HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 14, 12, 34
_TICKS = 5
_LINE_HEIGHT = 12
# Regions beyond this many share a colour with earlier ones.
COLOURS = 8


class Series(msgspec.Struct, frozen=True):
    """A curve with its name."""

    name: str
    points: Sequence[tuple[float, float]]


class Axis(msgspec.Struct, frozen=True):
    """From `low` to `high`; `is_log`: by its logarithm, and `low` is positive."""

    low: float
    high: float
    label: str
    is_log: bool = False

    def place(self, value: float) -> float:
        """Where on the axis, from 0 to 1."""
        low, high = (math.log(self.low), math.log(self.high)) if self.is_log else (self.low, self.high)
        at = math.log(max(value, self.low)) if self.is_log else value
        return min(1.0, max(0.0, (at - low) / (high - low))) if high > low else 0.0

    def ticks(self) -> list[float]:
        """Round values along it."""
        if self.is_log:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            step = max(1, (last - first) // _TICKS)
            return [
                10.0**power for power in range(first, last + 1, step) if self.low <= 10.0**power <= self.high
            ]
        span = self.high - self.low
        if span <= 0:
            return [self.low]
        raw = span / _TICKS
        unit = 10.0 ** math.floor(math.log10(raw))
        width = next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= raw)
        first = math.ceil(self.low / width)
        return [number * width for number in range(first, int(self.high / width) + 1)]


def duration(seconds: float) -> str:
    """As people say it: 45 s, 12 min, 3.5 h, 2 d."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def curves(series: Sequence[Series], across: Axis, up: Axis) -> str:
    """Curves over a common axis; upwards are durations."""
    return _svg([*_frame(across, up, _number, duration), *_lines(series, across, up)], HEIGHT)


def measured(
    series: Sequence[Series],
    across: Axis,
    up: Axis,
    up_text: Callable[[float], str],
    laws: Sequence[Series] = (),
    labels: Sequence[str] = (),
) -> str:
    """Points that were measured, joined, with a label at the last; and dashed the laws that they are compared with."""
    parts = [*_frame(across, up, _count, up_text), *_lines(series, across, up)]
    parts += _lines(laws, across, up, "line law")
    for number, each in enumerate(series):
        parts += [
            f'<circle class="dot s{number % COLOURS}" cx="{_x(across, x):.1f}" cy="{_y(up, y):.1f}" r="3">'
            f"<title>{html.escape(each.name)}, {_count(x)}: {html.escape(up_text(y))}</title></circle>"
            for x, y in each.points
        ]
    ends = [(_y(up, each.points[-1][1]), label) for each, label in zip(series, labels, strict=False)]
    x = max((_x(across, each.points[-1][0]) for each in series), default=0.0)
    for y, label in _apart(sorted(ends)):
        parts.append(f'<text class="label" x="{x + 8:.1f}" y="{y + 4:.1f}">{html.escape(label)}</text>')
    return _svg(parts, HEIGHT)


def _apart(labels: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """From the top down, none on another one."""
    placed: list[tuple[float, str]] = []
    for y, label in labels:
        placed.append((max(y, placed[-1][0] + _LINE_HEIGHT) if placed else y, label))
    return placed


def sheet(plots: Sequence[tuple[str, str]], style: str) -> str:
    """Plots with their titles, one below the other, as a file of its own."""
    step = HEIGHT + 30
    parts = [
        f'<text class="title" x="{_LEFT}" y="{step * number + 20}">{html.escape(title)}</text>'
        f'<svg x="0" y="{step * number + 30}" width="{WIDTH}" height="{HEIGHT}">{plot}</svg>'
        for number, (title, plot) in enumerate(plots)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {step * len(plots)}">'
        f'<style>{style}</style><rect class="page" width="100%" height="100%"/>{"".join(parts)}</svg>\n'
    )


def distribution(series: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Which share of all waits is at most how long; quantiles from the shortest to the longest, evenly."""
    longest = max((quantiles[-1] for _, quantiles in series if quantiles), default=1.0)
    across = Axis(1.0, max(10.0, longest), "wait, log scale (at least 1 s)", is_log=True)
    up = Axis(0.0, 1.0, "share of jobs")
    shares = [
        Series(name, [(value, number / max(1, len(quantiles) - 1)) for number, value in enumerate(quantiles)])
        for name, quantiles in series
    ]
    return _svg([*_frame(across, up, duration, _number), *_lines(shares, across, up)], HEIGHT)


def _lines(series: Sequence[Series], across: Axis, up: Axis, kind: str = "line") -> list[str]:
    parts = []
    for number, each in enumerate(series):
        if each.points:
            path = " ".join(f"{_x(across, x):.1f},{_y(up, y):.1f}" for x, y in each.points)
            parts.append(
                f'<polyline class="{kind} s{number % COLOURS}" points="{path}">'
                f"<title>{html.escape(each.name)}</title></polyline>"
            )
    return parts


def bands(rows: dict[str, Sequence[float]], label: str) -> str:
    """A row for each region, darker where more of it is in use."""
    height = 18
    parts: list[str] = []
    width = WIDTH - 2 * _LEFT - _RIGHT
    for at, (region, shares) in enumerate(sorted(rows.items())):
        y = 4 + at * (height + 3)
        parts.append(
            f'<text class="label" x="{2 * _LEFT - 8}" y="{y + 13}" text-anchor="end">{html.escape(region)}</text>'
        )
        for number, share in enumerate(shares):
            x = 2 * _LEFT + width * number / len(shares)
            parts.append(
                f'<rect class="heat" x="{x:.1f}" y="{y}" width="{width / len(shares) + 0.3:.2f}" height="{height}" '
                f'style="opacity:{min(1.0, max(0.0, share)):.2f}"/>'
            )
        mean = sum(shares) / len(shares) if shares else 0.0
        parts.append(
            f'<rect class="hover" x="{2 * _LEFT}" y="{y}" width="{width}" height="{height}">'
            f"<title>{html.escape(region)}: {mean:.1%} {html.escape(label)}</title></rect>"
        )
    return _svg(parts, 8 + len(rows) * (height + 3))


def flows(links: Sequence[tuple[str, str, int]]) -> str:
    """From regions on the left to regions on the right; as thick as jobs are many (a Sankey diagram)."""
    if not links:
        return '<p class="note">Nothing was handed over.</p>'
    total = sum(jobs for _, _, jobs in links)
    givers, takers = _sums(links, 0), _sums(links, 1)
    gap = 8
    room = max(120, 22 * max(len(givers), len(takers)))
    left, right = _stacked(givers, total, room, gap), _stacked(takers, total, room, gap)
    colours = {name: number % COLOURS for number, name in enumerate(sorted(set(givers) | set(takers)))}
    from_x, to_x = 2 * _LEFT, WIDTH - 2 * _LEFT
    parts: list[str] = []
    used_left, used_right = dict(left), dict(right)
    for giver, taker, jobs in sorted(links):
        thick = room * jobs / total
        y0, y1 = used_left[giver] + thick / 2, used_right[taker] + thick / 2
        used_left[giver] += thick
        used_right[taker] += thick
        middle = (from_x + to_x) / 2
        parts.append(
            f'<path class="flow f{colours[giver]}" style="stroke-width:{max(0.6, thick):.1f}" '
            f'd="M{from_x},{y0:.1f} C{middle},{y0:.1f} {middle},{y1:.1f} {to_x},{y1:.1f}">'
            f"<title>{html.escape(giver)} to {html.escape(taker)}: {jobs:,} jobs</title></path>"
        )
    for names, places, x, anchor in ((givers, left, from_x - 10, "end"), (takers, right, to_x + 10, "start")):
        for name, jobs in names.items():
            y = places[name] + room * jobs / total / 2 + 4
            parts.append(
                f'<text class="label" x="{x}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(name)} {jobs:,}</text>'
            )
    return _svg(parts, int(room + gap * max(len(givers), len(takers)) + 8))


def _sums(links: Sequence[tuple[str, str, int]], side: int) -> dict[str, int]:
    sums: dict[str, int] = {}
    for link in sorted(links):
        name = link[side]
        assert isinstance(name, str)
        sums[name] = sums.get(name, 0) + link[2]
    return sums


def _stacked(sums: dict[str, int], total: int, room: float, gap: float) -> dict[str, float]:
    places, at = {}, 4.0
    for name, jobs in sums.items():
        places[name] = at
        at += room * jobs / total + gap
    return places


def _x(axis: Axis, value: float) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * axis.place(value)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * axis.place(value)


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _number(value: float) -> str:
    return f"{value:g}"


def _frame(
    across: Axis, up: Axis, across_text: Callable[[float], str], up_text: Callable[[float], str]
) -> list[str]:
    """Ticks and labels of both axes."""
    parts = []
    for value in up.ticks():
        y = _y(up, value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_tick(_LEFT - 6, y + 4, "end", up_text(value)))
    for value in across.ticks():
        parts.append(_tick(_x(across, value), HEIGHT - _BOTTOM + 15, "middle", across_text(value)))
    parts.append(_tick(WIDTH - _RIGHT, HEIGHT - 4, "end", f"{up.label} / {across.label}"))
    return parts


def _tick(x: float, y: float, anchor: str, text: str) -> str:
    return f'<text class="tick" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _svg(parts: Sequence[str], height: int) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{"".join(parts)}</svg>'
