"""The timeline of the report, drawn as SVG: for each region its queue over time, and below it every run on its node.

Colours come from page.css through classes (r0, r1, r2: by home; s-...: by outcome), so that the picture follows the
reader's light or dark scheme. A run in a colour that is not its region's own was handed off; a thin arc leads to it
from the queue that it left.
"""

from __future__ import annotations

import html
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hanse.demo.records import TaskRun
from hanse.demo.run import Performance
from hanse.demo.task import TERMINATED_STATUS

_WIDTH = 1200
_LEFT = 96
_RIGHT = 16
_LANE = 9
_LANE_GAP = 2
_NODE_GAP = 7
_QUEUE_HEIGHT = 40
_QUEUE_GAP = 8
_TITLE = 26
_REGION_GAP = 26
_AXIS = 24
_TICK_S = (1, 2, 5, 10, 20, 30, 60, 120, 300)
_TICKS_MAX = 14
_QUEUE_STEP_S = 0.25


@dataclass(frozen=True, slots=True)
class _Lane:
    run: TaskRun
    index: int


@dataclass(frozen=True, slots=True)
class _Band:
    """One region's place. `queue_y`: the base line of its queue; `lane_y`: the top of each node's first lane."""

    name: str
    number: int
    top: float
    queue_y: float
    lane_y: dict[str, float]
    bottom: float


class Timeline:
    """Draws one performance."""

    def __init__(self, performance: Performance) -> None:
        self._performance = performance
        known = performance.book.acknowledged.values()
        self._jobs = {each.job_id: each for each in known}
        last_us = max((run.end_us or run.begin_us for run in performance.runs), default=performance.begun_us)
        self._span_s = max(1.0, (last_us - performance.begun_us) / 1e6) * 1.01
        self._lanes = _lanes(performance)
        self._bands = self._placed()
        self._numbers = {name: number for number, name in enumerate(performance.regions)}

    def svg(self) -> str:
        """The whole picture."""
        height = self._bands[-1].bottom + _AXIS
        return "\n".join(
            [
                f'<svg viewBox="0 0 {_WIDTH} {height:g}" role="img" aria-label="All runs, by region and node">',
                '<defs><pattern id="stopped" width="5" height="5" patternUnits="userSpaceOnUse" '
                'patternTransform="rotate(45)"><rect width="2" height="5" class="hatch"/></pattern></defs>',
                *self._grid(height),
                *(line for band in self._bands for line in self._band(band)),
                *self._faults(),
                '<g class="arcs">',
                *self._arcs(),
                "</g>",
                *self._runs(),
                "</svg>",
            ]
        )

    # --- places -----------------------------------------------------------------------------------------------------

    def _placed(self) -> list[_Band]:
        bands, y = [], 4.0
        for number, name in enumerate(self._performance.regions):
            queue_y = y + _TITLE + _QUEUE_HEIGHT
            lane_y, at = {}, queue_y + _QUEUE_GAP
            for node in self._performance.nodes[name]:
                lane_y[node] = at
                lanes = max((lane.index + 1 for lane in self._lanes if lane.run.node == node), default=1)
                at += lanes * (_LANE + _LANE_GAP) + _NODE_GAP
            bands.append(_Band(name, number, y, queue_y, lane_y, at))
            y = at + _REGION_GAP
        return bands

    def _x(self, wall_us: float) -> float:
        share = (wall_us - self._performance.begun_us) / 1e6 / self._span_s
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def _x_of_s(self, seconds: float) -> float:
        return self._x(self._performance.begun_us + seconds * 1e6)

    # --- pieces -----------------------------------------------------------------------------------------------------

    def _grid(self, height: float) -> Iterable[str]:
        step_s = next((each for each in _TICK_S if self._span_s / each <= _TICKS_MAX), _TICK_S[-1])
        bottom = height - _AXIS
        for tick in range(0, int(self._span_s) + 1, step_s):
            x = self._x_of_s(tick)
            yield f'<line class="grid" x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{bottom:g}"/>'
            yield f'<text class="tick" x="{x:.1f}" y="{bottom + 16:g}" text-anchor="middle">{tick} s</text>'

    def _band(self, band: _Band) -> Iterable[str]:
        yield f'<circle class="r{band.number}" cx="6" cy="{band.top + 12:g}" r="5"/>'
        yield f'<text class="region" x="18" y="{band.top + 17:g}">{html.escape(band.name)}</text>'
        yield from self._queue(band)
        for node, y in band.lane_y.items():
            yield f'<text class="node" x="{_LEFT - 10}" y="{y + 13:g}" text-anchor="end">{html.escape(node)}</text>'

    def _queue(self, band: _Band) -> Iterable[str]:
        """How many jobs submitted to this region had not begun to run anywhere."""
        waiting = self._waiting(band.name)
        peak = max(self._peak_of_all(), 1)
        points = [
            f"{self._x_of_s(index * _QUEUE_STEP_S):.1f},{band.queue_y - _QUEUE_HEIGHT * count / peak:.1f}"
            for index, count in enumerate(waiting)
        ]
        end = self._x_of_s((len(waiting) - 1) * _QUEUE_STEP_S)
        base = f"{band.queue_y:g}"
        outline = " ".join([f"{_LEFT},{base}", *points, f"{end:.1f},{base}"])
        yield f'<polygon class="queue r{band.number}" points="{outline}"/>'
        yield f'<line class="base" x1="{_LEFT}" y1="{base}" x2="{_WIDTH - _RIGHT}" y2="{base}"/>'
        highest = max(waiting, default=0)
        if highest:
            x = self._x_of_s(waiting.index(highest) * _QUEUE_STEP_S)
            y = band.queue_y - _QUEUE_HEIGHT * highest / peak - 4
            yield f'<text class="peak" x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{highest} waiting</text>'

    def _waiting(self, home: str) -> list[int]:
        first_us: dict[str, int] = {}
        for run in self._performance.runs:
            first_us.setdefault(run.job_id, run.begin_us)
        steps = int(self._span_s / _QUEUE_STEP_S) + 2
        changes = [0] * (steps + 1)
        for job in self._jobs.values():
            if job.planned.home != home:
                continue
            until_us = first_us.get(job.job_id) or self._ended_us(job.job_id)
            changes[self._step(job.sent_us, steps)] += 1
            changes[self._step(until_us, steps)] -= 1
        counts, total = [], 0
        for change in changes[:-1]:
            total += change
            counts.append(total)
        return counts

    def _ended_us(self, job_id: str) -> int:
        """When a job that never ran was over."""
        job = self._performance.jobs.get(job_id)
        if job is None or not job.HasField("ended_at"):
            return self._performance.ended_us
        return int(job.ended_at.seconds * 1_000_000 + job.ended_at.nanos // 1_000)

    def _step(self, wall_us: int, steps: int) -> int:
        return min(steps, max(0, int((wall_us - self._performance.begun_us) / 1e6 / _QUEUE_STEP_S)))

    def _peak_of_all(self) -> int:
        return max(max(self._waiting(name), default=0) for name in self._performance.regions)

    def _runs(self) -> Iterable[str]:
        bands = {band.name: band for band in self._bands}
        adopted = {
            (run.job_id, run.task, run.epoch, run.attempt) for run in self._performance.audit().readopted
        }
        for lane in self._lanes:
            run = lane.run
            y = bands[run.region].lane_y[run.node] + lane.index * (_LANE + _LANE_GAP)
            readopted = (run.job_id, run.task, run.epoch, run.attempt) in adopted
            yield from self._run(run, y, readopted=readopted)

    def _run(self, run: TaskRun, y: float, *, readopted: bool) -> Iterable[str]:
        x = self._x(run.begin_us)
        width = max(1.5, self._x(run.end_us or self._performance.ended_us) - x - 0.6)
        job = self._jobs.get(run.job_id)
        home = job.planned.home if job else run.region
        outcome = _outcome(run)
        away = " away" if home != run.region else ""
        kept = " kept" if readopted else ""
        tip = html.escape(self._tip(run, home, readopted=readopted), quote=True)
        place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{_LANE}" rx="1.5"'
        yield f'<g class="run r{self._numbers[home]} {outcome}{away}{kept}" data-job="{run.job_id}" data-tip="{tip}">'
        yield f"<rect {place}/>"
        if outcome == "s-stopped":
            yield f'<rect {place} class="stopped" fill="url(#stopped)"/>'
        if outcome == "s-failed":
            end = x + width
            yield f'<path class="cross" d="M{end - 6:.1f} {y + 2:.1f}l5 5m0 -5l-5 5"/>'
        yield "</g>"

    def _tip(self, run: TaskRun, home: str, *, readopted: bool) -> str:
        job = self._jobs.get(run.job_id)
        begin_s = (run.begin_us - self._performance.begun_us) / 1e6
        lines = [f"{job.planned.key if job else 'unknown'}  task {run.task}", run.job_id]
        lines.append(f"home {home}" + (f", handed off to {run.region}" if home != run.region else ""))
        lines.append(f"{run.node}  epoch {run.epoch}  attempt {run.attempt}  pid {run.pid}")
        if job is not None:
            lines.append(f"waited {(run.begin_us - job.sent_us) / 1e6:.2f} s")
        if run.end_us is not None:
            lines.append(
                f"ran {(run.end_us - run.begin_us) / 1e6:.2f} s from {begin_s:.2f} s, status {run.status}"
            )
        if readopted:
            lines.append("readopted: its daemon was killed, and the next one took it over")
        return "\n".join(lines)

    def _arcs(self) -> Iterable[str]:
        bands = {band.name: band for band in self._bands}
        drawn: set[str] = set()
        for lane in self._lanes:
            run, job = lane.run, self._jobs.get(lane.run.job_id)
            if job is None or job.planned.home == run.region or run.job_id in drawn:
                continue
            drawn.add(run.job_id)
            home = bands[job.planned.home]
            x1, y1 = self._x(job.sent_us), home.queue_y
            x2 = self._x(run.begin_us)
            y2 = bands[run.region].lane_y[run.node] + lane.index * (_LANE + _LANE_GAP) + _LANE / 2
            middle = (y1 + y2) / 2
            yield (
                f'<path class="arc r{home.number}" data-job="{run.job_id}" '
                f'd="M{x1:.1f} {y1:.1f}C{x1:.1f} {middle:.1f} {x2:.1f} {middle:.1f} {x2:.1f} {y2:.1f}"/>'
            )

    def _faults(self) -> Iterable[str]:
        bands = {band.name: band for band in self._bands}
        for restart in self._performance.restarts:
            yield from self._fault(
                bands[restart.region],
                restart.killed_us,
                restart.serving_us,
                "kill -9",
                "dead",
                "killed, serves again",
            )
        for name, begin_us, end_us in self._performance.freezes:
            yield from self._fault(bands[name], begin_us, end_us, "SIGSTOP", "frozen", "frozen")

    def _fault(
        self, band: _Band, begin_us: int, end_us: int, label: str, kind: str, told: str
    ) -> Iterable[str]:
        x, width = self._x(begin_us), max(2.0, self._x(end_us) - self._x(begin_us))
        top, height = band.top + 4, band.bottom - band.top - 6
        tip = html.escape(
            f"{band.name}'s daemon: {told}\nfor {(end_us - begin_us) / 1e6:.2f} s; its tasks run on",
            quote=True,
        )
        yield f'<g class="fault {kind}" data-tip="{tip}">'
        yield f'<rect x="{x:.1f}" y="{top:g}" width="{width:.1f}" height="{height:g}"/>'
        yield f'<line x1="{x:.1f}" y1="{top:g}" x2="{x:.1f}" y2="{top + height:g}"/>'
        yield f'<line x1="{x + width:.1f}" y1="{top:g}" x2="{x + width:.1f}" y2="{top + height:g}"/>'
        yield f'<text x="{x + 4:.1f}" y="{top + 11:g}">{label}</text></g>'


def _outcome(run: TaskRun) -> str:
    if run.end_us is None:
        return "s-open"
    if run.status == 0:
        return "s-ok"
    return "s-stopped" if run.status == TERMINATED_STATUS else "s-failed"


def _lanes(performance: Performance) -> list[_Lane]:
    """Each run in the first lane of its node that is free when it begins."""
    free_us: dict[str, list[int]] = defaultdict(list)
    lanes = []
    for run in sorted(performance.runs, key=lambda run: run.begin_us):
        ends = free_us[run.node]
        end_us = run.end_us or performance.ended_us
        index = next((i for i, free in enumerate(ends) if free <= run.begin_us), len(ends))
        if index == len(ends):
            ends.append(end_us)
        else:
            ends[index] = end_us
        lanes.append(_Lane(run, index))
    return lanes


def legend(regions: Sequence[str]) -> str:
    """What the colours and signs mean, as HTML."""
    homes = "".join(
        f'<span><i class="swatch r{number}"></i>submitted to {html.escape(name)}</span>'
        for number, name in enumerate(regions)
    )
    return (
        f'<span class="by-home">{homes}</span>'
        '<span class="by-outcome"><span><i class="swatch s-ok"></i>succeeded</span>'
        '<span><i class="swatch s-failed"></i>failed</span><span><i class="swatch s-stopped"></i>stopped</span></span>'
        '<span><i class="swatch away"></i>handed off</span><span><i class="swatch kept"></i>readopted</span>'
        '<span><i class="sign">✕</i>failed, as planned</span><span><i class="swatch hatched"></i>cancelled</span>'
    )
