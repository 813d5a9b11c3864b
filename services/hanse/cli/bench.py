"""`hanse bench`."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from hanse.bench.faults import Fault
from hanse.bench.scale.axes import AxisName
from hanse.cli.errors import UsageOrConfigError
from hanse.cli.output import Printer
from hanse.cli.signals import run_to_the_end
from hanse.cli.told import Told

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_DATA = Path("build/bench")
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Also write the figures, as JSON, to this file.", metavar="FILE")
]
DataOption = Annotated[
    Path, typer.Option("--data-dir", help="Directory on a disk for the regions' data.", metavar="DIR")
]
KeepOption = Annotated[bool, typer.Option("--keep", help="Keep the regions' data and logs.")]


class EngineName(enum.StrEnum):
    """What runs the tasks."""

    SIMULATED = "simulated"
    LOCAL = "local"


class BackfillName(enum.StrEnum):
    """What may overtake a blocked job."""

    NONE = "none"
    EASY = "easy"
    CONSERVATIVE = "conservative"


@app.callback()
def bench() -> None:
    """Measure this machine: daemons of their own, default configuration, ledgers on a disk.

    Figures hold for the machine and the moment: the load before and after is part of them. Progress goes to standard
    error.
    """


@app.command()
def submit(
    ctx: typer.Context,
    jobs: Annotated[int, typer.Option(help="Jobs to submit.", min=1)] = 100_000,
    batch: Annotated[int, typer.Option(help="Jobs in one call.", min=1, max=1000)] = 500,
    in_flight: Annotated[int, typer.Option(help="Calls under way at once.", min=1, max=64)] = 4,
    adoptable: Annotated[
        bool,
        typer.Option("--adoptable", help="Three regions: jobs that guardians keep, and others, in turn."),
    ] = False,
    out: OutOption = None,
    data_dir: DataOption = _DATA,
    keep: KeepOption = False,
) -> None:
    """Submit jobs to one region as fast as it acknowledges them.

    With --adoptable the latency is that of single jobs which come half as fast as they could.

    JSON keys: jobs, jobs_per_s, handed_off, lost, run_twice, p50_s, p95_s, p99_s, set_up, versions, load; with
    --adoptable also share_of_wait (of their throughput), by_kind.{wait, adopt}.{jobs_per_s, half_load_jobs_per_s,
    p50_s, p95_s, p99_s}.
    """
    from hanse.bench.adoptable import bench_adoptable
    from hanse.bench.submit import bench_submit

    measured = bench_adoptable if adoptable else bench_submit
    _measure(ctx, out, lambda told: measured(data_dir.absolute(), jobs, batch, in_flight, told, keep=keep))


@app.command()
def run(
    ctx: typer.Context,
    executor: Annotated[EngineName, typer.Option(help="What runs the tasks.")] = EngineName.SIMULATED,
    jobs: Annotated[
        int | None, typer.Option(help="Default: 30,000 simulated, 3,000 local.", min=1, show_default=False)
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the last job.", min=1)] = 300.0,
    out: OutOption = None,
    data_dir: DataOption = _DATA,
    keep: KeepOption = False,
) -> None:
    """Run jobs to their end: all are submitted to one region, which has a third of the capacity of three.

    JSON keys: as submit, and handed_off_share, runs_by_region.
    """
    from dataclasses import replace

    from hanse.bench.run import LOCAL, SIMULATED, bench_run

    preset = LOCAL if executor is EngineName.LOCAL else SIMULATED
    run_set = preset if jobs is None else replace(preset, jobs=jobs)
    _measure(
        ctx, out, lambda told: bench_run(data_dir.absolute(), run_set, told, timeout_s=timeout, keep=keep)
    )


@app.command()
def handoff(
    ctx: typer.Context,
    jobs: Annotated[int, typer.Option(help="Jobs to submit, one by one.", min=1)] = 400,
    rate: Annotated[float, typer.Option(help="Jobs per second.", min=0.1)] = 20.0,
    out: OutOption = None,
    data_dir: DataOption = _DATA,
    keep: KeepOption = False,
) -> None:
    """Time from submit to the start on another region, while the home region is full.

    JSON keys: as submit, and max_s, runs_by_region.
    """
    from hanse.bench.handoff import bench_handoff

    _measure(ctx, out, lambda told: bench_handoff(data_dir.absolute(), jobs, rate, told, keep=keep))


@app.command()
def takeover(
    ctx: typer.Context,
    trials: Annotated[int, typer.Option(help="Regions to lose, one after the other.", min=1)] = 21,
    regions: Annotated[int, typer.Option(help="Regions of a federation.", min=3, max=9)] = 3,
    fault: Annotated[
        list[Fault] | None,
        typer.Option(help="How regions are lost, in turn.  [default: all]", show_default=False),
    ] = None,
    federations: Annotated[int, typer.Option(help="Federations side by side.", min=1, max=8)] = 1,
    out: OutOption = None,
    data_dir: DataOption = _DATA,
    keep: KeepOption = False,
) -> None:
    """Lose regions with adoptable jobs, and time how long these stand still until they run elsewhere.

    kill: the daemon, its supervisors and its disk are gone. freeze: the daemon is stopped, its tasks run on.
    partition: all of it runs on, and is cut off. Lease of the development profile. A trial takes about half a minute.

    JSON keys: trials, takeover_s (a list, a trial each), p50_s, p95_s, p99_s, max_s, jobs, lost, run_twice, disturbed,
    lease_bound_s, before_lease_bound, broken, by_fault.{kill, freeze, partition}.{takeover_s, first_start_s, ended_s,
    reconciled_s}, set_up, versions, load.
    """
    from hanse.bench.takeover import bench_takeover

    faults = fault or list(Fault)
    _measure(
        ctx,
        out,
        lambda told: bench_takeover(
            data_dir.absolute(), trials, regions, faults, federations, told, keep=keep
        ),
    )


@app.command()
def quota(
    ctx: typer.Context,
    clients: Annotated[int, typer.Option(help="Clients, each with one job at a time.", min=1)] = 200,
    limit: Annotated[int, typer.Option(help="The quota: jobs that may run at once.", min=1)] = 16,
    run: Annotated[float, typer.Option(help="Seconds that a job runs.", min=0.1)] = 4.0,
    cuts: Annotated[int, typer.Option(help="Regions to cut off, one after the other.", min=0)] = 3,
    healed: Annotated[float, typer.Option(help="Seconds to measure when all is whole again.", min=1)] = 30.0,
    out: OutOption = None,
    data_dir: DataOption = _DATA,
    keep: KeepOption = False,
) -> None:
    """Let clients race for a global quota in three regions that are cut off in turn.

    JSON keys: clients, limit, most_in_use, exceeded, utilisation_healed, utilisation_cut, runs, runs_by_region, held,
    balances[].{region, account, held, used, in_transit, debt, lost}, set_up, versions, load.
    """
    from hanse.bench.quota import Race, bench_quota

    race = Race(clients=clients, limit=limit, run_s=run, cuts=cuts, healed_s=healed)
    _measure(ctx, out, lambda told: bench_quota(data_dir.absolute(), race, told, keep=keep))


@app.command()
def memory(
    ctx: typer.Context,
    jobs: Annotated[int, typer.Option(help="Jobs in the queue.", min=1)] = 100_000,
    out: OutOption = None,
    data_dir: DataOption = _DATA,
    keep: KeepOption = False,
) -> None:
    """Resident memory of a region with a long queue, and the time that it takes to start with it.

    JSON keys: jobs, resident_bytes.{empty, full, after_restart}, bytes_per_job, start_s, ledger_bytes, set_up,
    versions, load.
    """
    from hanse.bench.memory import bench_memory

    _measure(ctx, out, lambda told: bench_memory(data_dir.absolute(), jobs, told, keep=keep))


TraceOption = Annotated[
    Path,
    typer.Option("--trace", help="Jobs of the Alibaba GPU trace 2023 (CSV, may be gzipped).", metavar="FILE"),
]
InventoryOption = Annotated[
    Path, typer.Option("--inventory", help="Nodes of that trace (CSV).", metavar="FILE")
]


@app.command()
def placement(
    ctx: typer.Context,
    trace: TraceOption,
    inventory: InventoryOption,
    nodes: Annotated[int, typer.Option(help="Nodes of the region.", min=1, max=100_000)] = 30_000,
    jobs: Annotated[int, typer.Option(help="Jobs to place.", min=100)] = 20_000,
    allocations: Annotated[int, typer.Option(help="Jobs that run when memory is measured.", min=0)] = 200_000,
    out: OutOption = None,
) -> None:
    """Place jobs in a large region, in this process and on one core, without ledger and executor.

    The trace is not part of Hanse: docs/placement.md says where it is and which columns are read. JSON keys:
    placements_per_s, distinct_placements_per_s (each job of another shape), submits_per_s, p50_s, p95_s, p99_s,
    preemption (the same, where others are stopped), cycle_s (over cycle_pending_jobs that have no room), allocations,
    resident_bytes, set_up, versions, load.
    """
    from hanse.bench.placement import bench_placement

    async def measure(told: Callable[[str], None]) -> dict[str, Any]:
        return bench_placement(trace, inventory, nodes, jobs, allocations, told)

    _measure(ctx, out, measure)


@app.command()
def fragmentation(
    ctx: typer.Context,
    trace: TraceOption,
    inventory: InventoryOption,
    runs: Annotated[int, typer.Option(help="Random orders of arrival.", min=1)] = 10,
    out: OutOption = None,
) -> None:
    """Allocate GPUs until none that is left is of use, and compare with other methods.

    JSON keys: allocated_percent.{default, best_fit, dot_product}.{at_100, at_130} (percent of all GPUs, by percent
    asked for; mean of all runs), allocated_percent_worst, published_percent, gpus, set_up, versions, load.
    """
    from hanse.bench.fragmentation import bench_fragmentation

    async def measure(told: Callable[[str], None]) -> dict[str, Any]:
        return bench_fragmentation(trace, inventory, runs, told)

    _measure(ctx, out, measure)


@app.command()
def scale(
    ctx: typer.Context,
    axis: Annotated[
        list[AxisName] | None,
        typer.Option(help="What to make larger.  [default: all, one after the other]", show_default=False),
    ] = None,
    up_to: Annotated[
        list[str] | None,
        typer.Option(
            "--up-to",
            help="Size to end with: of all axes that are measured, or of one.  [default: 300, 100,000, 1,000,000]",
            metavar="[AXIS=]N",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        float | None,
        typer.Option(
            help="Wall seconds for an axis; sizes beyond are left out.  [default: 120, 80, 390]",
            min=1,
            show_default=False,
        ),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with plots, too.", metavar="FILE")] = None,
    svg: Annotated[Path | None, typer.Option(help="Write the plots, too.", metavar="FILE")] = None,
    out: OutOption = None,
) -> None:
    """How cost grows with regions (from 3), nodes (from 100) and jobs that wait (from 1,000).

    CPU time of work in the real core at sizes evenly spaced by the logarithm, the power of the size that it follows,
    and whether that is faster than n log n. Each size runs in a process of its own, and those that are quick several
    times. Work that is done once for all n is told as a whole, other work by the piece.

    JSON keys: faster_than_n_log_n, undecided (both: AXIS.WORK, ...), missed (AXIS=N, ...: no time was left), verdict,
    exponent_max, axes[].{axis, what, wall_s, missed, works[].{name, what, unit, costs[] (size and cost), noise,
    exponent.{value, low, high}, exponent_upper_half.{value, low, high}, growth}}, set_up, versions, load. An interval
    holds 95 of 100 cases; growth is within (no faster than n log n), faster, or undecided.
    """
    from hanse.bench.scale.page import html_of, svg_of
    from hanse.bench.scale.run import bench_scale

    axes = list(dict.fromkeys(axis or AxisName))
    most = _sizes(up_to or [], axes)

    async def measure(told: Told) -> dict[str, Any]:
        results, document = await bench_scale(axes, most, limit, told.bar)
        for path, text in ((html, html_of(results, document["verdict"])), (svg, svg_of(results))):
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
        return document

    _measure(ctx, out, measure)


def _sizes(texts: Sequence[str], axes: Sequence[AxisName]) -> dict[AxisName, int]:
    """Where each axis ends, as far as that was said."""
    from hanse.bench.scale.axes import AXES

    sizes: dict[AxisName, int] = {}
    for text in texts:
        name, equals, number = text.rpartition("=")
        named = [axis for axis in AxisName if axis.value == name]
        if bool(named) != bool(equals) or not number.isdecimal():
            raise UsageOrConfigError(
                f"--up-to {text}: write N or AXIS=N, with an axis of {', '.join(AxisName)}"
            )
        for axis in named or axes:
            if int(number) < AXES[axis].least:
                raise UsageOrConfigError(f"--up-to {text}: {axis} begin with {AXES[axis].least:,}")
            sizes[axis] = int(number)
    return sizes


@app.command()
def kueue_baseline(
    ctx: typer.Context,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the last job.", min=1)] = 600.0,
    out: OutOption = None,
    data_dir: DataOption = _DATA,
    keep: KeepOption = False,
) -> None:
    """Kueue's "baseline" performance test: 30 queues in 5 cohorts, 15,000 jobs in three sizes over a minute.

    JSON keys: as submit, and wall_s, submitted_s, admission_s by size, quota_use, preemptions, over_quota.
    """
    from hanse.bench.kueue import BASELINE, bench_kueue

    _measure(
        ctx, out, lambda told: bench_kueue(data_dir.absolute(), BASELINE, told, timeout_s=timeout, keep=keep)
    )


@app.command()
def kueue_large(
    ctx: typer.Context,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the last job.", min=1)] = 600.0,
    out: OutOption = None,
    data_dir: DataOption = _DATA,
    keep: KeepOption = False,
) -> None:
    """Kueue's "large-scale" performance test: 1,000 queues in 10 cohorts, 50,000 jobs as fast as they are taken.

    JSON keys: as kueue-baseline.
    """
    from hanse.bench.kueue import LARGE, bench_kueue

    _measure(
        ctx, out, lambda told: bench_kueue(data_dir.absolute(), LARGE, told, timeout_s=timeout, keep=keep)
    )


@app.command()
def backfill(
    ctx: typer.Context,
    schedule: Annotated[
        Path,
        typer.Argument(metavar="SCHEDULE", help="CSV of a schedule, as evalys and Batsim write it."),
    ],
    mode: Annotated[BackfillName, typer.Option(help="How backfill is done.")] = BackfillName.EASY,
    out: OutOption = None,
) -> None:
    """Replay a schedule that another simulator made, and compare the start of every job.

    JSON keys: jobs, nodes, started, differences, first_differences, mean_wait_s, cpu_s.
    """
    from hanse.bench.schedules import bench_schedule

    async def replay() -> dict[str, Any]:
        return bench_schedule(schedule, mode.value)

    _measure(ctx, out, lambda _: replay())


def _measure(
    ctx: typer.Context,
    out: Path | None,
    measurement: Callable[[Told], Coroutine[Any, Any, dict[str, Any]]],
) -> None:
    told = Told()
    try:
        document = run_to_the_end(measurement(told))
    finally:
        told.end()
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    printer = Printer.of(ctx)
    if printer.is_table:
        from rich.table import Table

        table = Table.grid(padding=(0, 3))
        for name, value in _rows(document):
            table.add_row(name, value)
        printer.show(table)
    else:
        printer.document(document)


def _rows(document: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Every figure on a line of its own, named by its path."""
    rows = []
    for name, value in document.items():
        if isinstance(value, Mapping):
            rows += _rows(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", _cell(value)))
    return rows


def _cell(value: Any) -> str:
    match value:
        case None:
            return "-"
        case int() | float():
            return f"{value:,}"
        case _:
            return str(value)
