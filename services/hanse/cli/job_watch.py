"""`hanse job watch`, and waiting after a submit: a board on a terminal, one line or object per change elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from hanse.cli.display import STATE_ORDER, clock_text, duration_text, seconds_of, state_text
from hanse.cli.exits import ExitCode
from hanse.cli.job_views import why_text
from hanse.cli.output import Printer
from hanse.cli.tables import Column, make_table
from hanse.client import AsyncClient, WaitTimeoutError, to_plain
from hanse.client.limits import WATCH_IDS_MAX
from hanse.client.messages import Job, JobChange, JobFilter, JobState, is_final, state_name
from hanse.client.watch import EXPIRED

_FRAMES_PER_SECOND = 8
# Header, table head, the line for what is left out, and the prompt.
_LINES_BESIDES_ROWS = 5
_ID_WIDTH = 36

_COLUMNS = (
    Column("JOB"),
    Column("NAME", drop=3),
    Column("STATE"),
    Column("REGION", drop=1),
    Column("FOR", drop=2, justify="right"),
    Column("WHY", drop=4, flexible=True),
)


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    change: JobChange
    since_s: float


class Board:
    """Jobs and their newest states, drawn again several times a second from another thread: rows are only replaced."""

    def __init__(self, console: Console, names: Mapping[str, str]) -> None:
        self._console = console
        self._names = names
        self._rows: dict[str, _Row] = {}
        self._began_s = time.monotonic()
        self._spinner = Spinner("dots", style="cyan")

    def feed(self, change: JobChange) -> None:
        """Take a change in."""
        since_s = seconds_of(change.at) if change.HasField("at") else time.time()
        self._rows[change.job_id] = _Row(self._names.get(change.job_id, ""), change, since_s)

    def __rich__(self) -> RenderableType:
        rows = sorted(self._rows.values(), key=_importance)
        room = max(3, self._console.height - _LINES_BESIDES_ROWS)
        parts: list[RenderableType] = [self._header(rows), self._table(rows[:room])]
        if len(rows) > room:
            parts.append(Text(f"and {len(rows) - room:,} more", style="bright_black"))
        return Group(*parts)

    def _header(self, rows: Sequence[_Row]) -> RenderableType:
        counts = Counter(state_name(row.change.state) for row in rows)
        ended = all(is_final(row.change.state) for row in rows) and len(rows) >= len(self._names)
        line = Text(f"{max(len(rows), len(self._names)):,} jobs")
        for state in STATE_ORDER:
            if counts[state]:
                line.append("   ").append_text(state_text(state)).append(f" {counts[state]:,}")
        line.append(f"   {duration_text(time.monotonic() - self._began_s)}", style="bright_black")
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_row(Text(" ") if ended else self._spinner, line)
        return grid

    def _table(self, rows: Sequence[_Row]) -> RenderableType:
        now_s = time.time()
        cells = [
            (
                row.change.job_id,
                row.name,
                state_text(state_name(row.change.state)),
                row.change.region,
                "" if is_final(row.change.state) else duration_text(now_s - row.since_s),
                why_text(row.change.state, row.change.reason),
            )
            for row in rows
        ]
        return make_table(_COLUMNS, cells, self._console.width) if cells else Text()


async def watch_jobs(
    printer: Printer, connect: Callable[[], AsyncClient], job_filter: JobFilter, timeout_s: float | None
) -> int:
    """The whole command; returns its exit code."""
    async with connect() as client:
        if not job_filter.job_ids:
            await _watch_for_ever(printer, client, job_filter, timeout_s)
            return ExitCode.OK
        jobs = await _found(client, job_filter.job_ids)
        names = {job.id: job.spec.name for job in jobs}
        last = await _watch_until_ended(printer, client, names, timeout_s)
    succeeded = all(change.state == JobState.JOB_STATE_SUCCEEDED for change in last.values())
    return ExitCode.OK if succeeded else ExitCode.FAILURE


async def wait_for(
    printer: Printer, client: AsyncClient, names: Mapping[str, str], timeout_s: float | None
) -> dict[str, Job]:
    """All jobs (ids with names) in their final states; with a board if there is a terminal to draw it on."""
    began_s = time.monotonic()
    if printer.is_live and 0 < len(names) <= WATCH_IDS_MAX:
        await _watch_until_ended(printer, client, names, timeout_s)
    left_s = None if timeout_s is None else max(0.0, timeout_s - (time.monotonic() - began_s))
    return await client.wait(names, timeout_s=left_s)


def all_succeeded(jobs: Iterable[Job]) -> bool:
    """Whether nothing failed or was cancelled."""
    return all(job.state == JobState.JOB_STATE_SUCCEEDED for job in jobs)


async def _found(client: AsyncClient, job_ids: Sequence[str]) -> list[Job]:
    """The jobs; NotFoundError names one that does not exist."""
    async with aclosing(client.list(JobFilter(job_ids=job_ids))) as listed:
        found = {job.id: job async for job in listed}
    return [found[job_id] if job_id in found else await client.get(job_id) for job_id in job_ids]


async def _watch_until_ended(
    printer: Printer, client: AsyncClient, names: Mapping[str, str], timeout_s: float | None
) -> dict[str, JobChange]:
    """The last change of each job. WaitTimeoutError if they have not all ended in time."""
    last: dict[str, JobChange] = {}
    open_ids = dict.fromkeys(names)
    try:
        async with (
            asyncio.timeout(timeout_s),
            _screen(printer, names) as show,
            aclosing(client.watch(JobFilter(job_ids=list(names)))) as changes,
        ):
            async for change in changes:
                last[change.job_id] = change
                show(change)
                if is_final(change.state) or change.reason.code == EXPIRED:
                    open_ids.pop(change.job_id, None)
                if not open_ids:
                    return last
    except TimeoutError as error:
        raise WaitTimeoutError(
            f"{len(open_ids)} of {len(names)} jobs had not ended after {timeout_s:g} s",
            pending=list(open_ids),
        ) from error
    return last


async def _watch_for_ever(
    printer: Printer, client: AsyncClient, job_filter: JobFilter, timeout_s: float | None
) -> None:
    try:
        async with asyncio.timeout(timeout_s), aclosing(client.watch(job_filter)) as changes:
            async for change in changes:
                _print_change(printer, change)
    except TimeoutError:
        # Watching for a while was what was asked for.
        return


@asynccontextmanager
async def _screen(printer: Printer, names: Mapping[str, str]) -> AsyncIterator[Callable[[JobChange], None]]:
    """Where changes go: onto a board, or out line by line."""
    if not printer.is_live:
        yield lambda change: _print_change(printer, change)
        return
    board = Board(printer.console, names)
    with Live(board, console=printer.console, refresh_per_second=_FRAMES_PER_SECOND):
        yield board.feed


def _print_change(printer: Printer, change: JobChange) -> None:
    if not printer.is_table:
        printer.item(to_plain(change))
        return
    line = Text.assemble(
        (clock_text(change.at)[11:] if change.HasField("at") else " " * 12, "bright_black"),
        "  ",
        change.job_id.ljust(_ID_WIDTH),
        "  ",
    )
    state = state_text(state_name(change.state))
    state.pad_right(max(0, 12 - len(state)))
    line.append_text(state).append(f"  {change.region:<8}  ").append_text(
        why_text(change.state, change.reason)
    )
    line.rstrip()
    printer.show(line)


def _importance(row: _Row) -> tuple[int, float]:
    """What runs first, then what waits, then what has ended, the newest of those first."""
    ended = is_final(row.change.state)
    order = {"RUNNING": 0, "STOPPING": 0, "XFER": 1, "MOVED": 1, "OFFERED": 2, "QUEUED": 2}
    rank = 3 if ended else order.get(state_name(row.change.state), 2)
    return rank, -row.since_s if ended else row.since_s
