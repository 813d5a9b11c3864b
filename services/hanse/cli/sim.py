"""`hanse sim`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hanse.cli.errors import UsageOrConfigError
from hanse.cli.exits import ExitCode
from hanse.cli.output import Printer, note

if TYPE_CHECKING:
    from hanse.sim.campaign import Failure, Order, Totals

app = typer.Typer(add_completion=False, rich_markup_mode=None)

# Progress is told at most this often where it cannot be drawn over.
_PLAIN_INTERVAL_S = 5.0
_TOLD_VIOLATIONS_MAX = 20
_KNOWN_JOBS_MAX = 3

RegionsOption = Annotated[int, typer.Option(help="Regions in the league.", min=1)]
MinutesOption = Annotated[
    float, typer.Option(help="Virtual minutes with faults; then all heals, and must end.", min=0.01)
]
JobsOption = Annotated[int, typer.Option(help="Jobs; 0: 110, and 10 more for each region.", min=0)]
FaultsOption = Annotated[
    str,
    typer.Option(help="swarm: a random subset of all kinds; none; or the name of one kind.", metavar="NAME"),
]
WithoutOption = Annotated[
    str, typer.Option(help="Kinds of faults to leave out, with commas between.", metavar="NAME,...")
]
UncheckedOption = Annotated[
    bool,
    typer.Option("--unchecked", help="Look for crashes and broken invariants only: without the checkers."),
]
SeedArgument = Annotated[int, typer.Argument(help="The seed.", metavar="SEED")]


@app.callback()
def sim() -> None:
    """Prove the promises: the real core under virtual time, with faults.

    Everything that goes wrong is drawn from the seed, and the same seed does the same on every machine. A run has a
    phase with faults; then all heals, and everything must come to its end. Exits with 10 if the core crashed, 11 if
    something happened that must never happen, 12 if something that must happen did not.
    """


@app.command()
def run(
    ctx: typer.Context,
    regions: RegionsOption = 5,
    seeds: Annotated[str, typer.Option(help="From A to before B, or one.", metavar="A:B")] = "0:20",
    minutes: MinutesOption = 10.0,
    jobs: JobsOption = 0,
    faults: FaultsOption = "swarm",
    without: WithoutOption = "",
    processes: Annotated[
        int, typer.Option("--processes", "-j", help="Seeds run at once; 0: one for each core.", min=0)
    ] = 0,
    unchecked: UncheckedOption = False,
) -> int:
    """Run seeds and judge them by every checker. Progress and violations go to standard error.

    A violation names its seed, the commit, and the command that runs it again. Several kinds of failure: the gravest
    decides the exit code, safety (11) before crash (10) before liveness (12).

    JSON keys: seeds, violations, jobs, handoffs, crashes, virtual_hours, wall_s, virtual_per_wall (of one process),
    events, convergence_rounds_p99 (only with --faults none), faults.{kind}, digest.
    """
    from hanse.sim.campaign import Totals, run_seeds

    order = _order(regions, minutes, jobs, faults, without, unchecked=unchecked)
    wanted = _seeds(seeds)
    told, totals, began_s = _Told(), Totals(), time.monotonic()
    try:
        for outcome in run_seeds(order, wanted, processes or os.cpu_count() or 1):
            totals.add(outcome)
            if outcome.failure is not None and len(totals.failures) <= _TOLD_VIOLATIONS_MAX:
                told.end()
                _tell_failure(order, outcome.failure)
            told(_progress(totals, len(wanted), time.monotonic() - began_s))
    finally:
        told.end()
    document = totals.document(time.monotonic() - began_s)
    _show(ctx, document)
    worst = totals.worst()
    return ExitCode.OK if worst is None else ExitCode(worst.exit_code)


@app.command()
def replay_seed(
    ctx: typer.Context,
    seed: SeedArgument,
    regions: RegionsOption = 5,
    minutes: MinutesOption = 10.0,
    jobs: JobsOption = 0,
    faults: FaultsOption = "swarm",
    without: WithoutOption = "",
    trace: Annotated[
        bool,
        typer.Option("--trace", help="Tell the story: of the job that a violation is about, or as asked."),
    ] = False,
    job: Annotated[str, typer.Option("--job", help="Tell the story of this job.", metavar="ID")] = "",
    region: Annotated[str, typer.Option("--region", help="Tell what this region did.", metavar="NAME")] = "",
    unchecked: UncheckedOption = False,
) -> int:
    """Run one seed again and tell, line by line, what happened to one job or in one region.

    Each line has the virtual second, the region, and what became durable there ("disk"), was sent (">"), or lived; and
    every fault in between. Exits as `hanse sim run` does.

    JSON keys: seed, digest, jobs, handoffs, virtual_s, faults.{kind}, violation.{kind, message, job_id, at_s} (null:
    none), story.
    """
    from hanse.sim.campaign import failure_of
    from hanse.sim.checking import all_checkers
    from hanse.sim.errors import SimulationFailure
    from hanse.sim.run import report_of
    from hanse.sim.world import World

    order = _order(regions, minutes, jobs, faults, without, unchecked=unchecked)
    world = World(order.plan(seed))
    failure = None
    try:
        world.run()
        if order.checked:
            all_checkers()(world.record)
    except SimulationFailure as found:
        failure = failure_of(seed, found)
    about = job or (failure.job_id if failure is not None and trace else "")
    story = _story(world, about, region, wanted=trace)
    report = report_of(world)
    document = {
        "seed": seed,
        "digest": report.digest,
        "jobs": report.jobs,
        "handoffs": report.handoffs,
        "virtual_s": report.virtual_us / 1e6,
        "faults": report.faults,
        "violation": _violation(failure),
        "story": story,
    }
    printer = Printer.of(ctx)
    if printer.is_table:
        for line in story:
            print(line)
        print(f"seed {seed}: {report.jobs} jobs, {report.handoffs} handoffs, digest {report.digest}")
        if failure is not None:
            _tell_failure(order, failure)
    else:
        printer.document(document)
    return ExitCode.OK if failure is None else ExitCode(failure.exit_code)


@app.command()
def shrink(
    ctx: typer.Context,
    seed: SeedArgument,
    regions: RegionsOption = 5,
    minutes: MinutesOption = 10.0,
    jobs: JobsOption = 0,
    faults: FaultsOption = "swarm",
    without: WithoutOption = "",
    unchecked: UncheckedOption = False,
) -> int:
    """Find a smaller run that fails in the same way: fewer regions, jobs and kinds of faults, and less time.

    JSON keys: seed, command, trials, violation.{kind, message, job_id, at_s}.
    """
    from hanse.sim.campaign import run_one
    from hanse.sim.shrink import shrink as shrink_order

    order = _order(regions, minutes, jobs, faults, without, unchecked=unchecked)
    failure = run_one(order, seed).failure
    if failure is None:
        raise UsageOrConfigError(f"seed {seed} finds nothing with these options: there is nothing to shrink")
    smallest = shrink_order(order, failure, note)
    found = smallest.failure
    document = {
        "seed": found.seed,
        "command": _replay_command(smallest.order, found),
        "trials": smallest.trials,
        "violation": _violation(found),
    }
    printer = Printer.of(ctx)
    if printer.is_table:
        print(f"after {smallest.trials} trials:")
        _tell_failure(smallest.order, found)
    else:
        printer.document(document)
    return ExitCode(found.exit_code)


# --- what was asked for ---------------------------------------------------------------------------------------------


def _order(regions: int, minutes: float, jobs: int, faults: str, without: str, *, unchecked: bool) -> Order:
    from hanse.sim.campaign import NONE, SWARM, Order
    from hanse.sim.checking import has_checkers
    from hanse.sim.faults import KINDS

    left_out = tuple(filter(None, without.split(",")))
    for name in (faults, *left_out):
        if name not in KINDS and (name in left_out or name not in (SWARM, NONE)):
            raise UsageOrConfigError(
                f"no such kind of fault: {name}", hint=f"there are: {', '.join((SWARM, NONE, *KINDS))}"
            )
    if not unchecked and not has_checkers():
        raise UsageOrConfigError(
            "the checkers (chaos/checkers) are part of the source tree, and this installation is none",
            hint="run it from a source tree, or look for crashes only, with --unchecked",
        )
    return Order(
        regions=regions, minutes=minutes, jobs=jobs, faults=faults, without=left_out, checked=not unchecked
    )


def _seeds(text: str) -> range:
    first, colon, beyond = text.partition(":")
    try:
        seeds = range(int(first), int(beyond) if colon else int(first) + 1)
    except ValueError:
        seeds = range(0)
    if not seeds:
        raise UsageOrConfigError(f"--seeds {text}: wanted A:B with A < B, such as 0:100, or one seed")
    return seeds


# --- what is told ---------------------------------------------------------------------------------------------------


def _story(world: object, job_id: str, region: str, *, wanted: bool) -> list[str]:
    from hanse.sim.checking import has_checkers, job_teller, region_teller
    from hanse.sim.world import World

    assert isinstance(world, World)
    if not (job_id or region or wanted):
        return []
    if not has_checkers():
        raise UsageOrConfigError("stories are told by the source tree (chaos/story.py), and this is none")
    if not (job_id or region):
        raise UsageOrConfigError("nothing failed: say whose story to tell", hint="--job ID or --region NAME")
    if region:
        story = region_teller()(world.record, region)
        known = ", ".join(host.name for host in world.hosts)
    else:
        story = job_teller()(world.record, job_id)
        known = f"{', '.join(world.progress.acknowledged_jobs(_KNOWN_JOBS_MAX))}, ..."
    if not story:
        raise UsageOrConfigError(
            f"nothing happened to {region or job_id} in this run", hint=f"there are: {known}"
        )
    return story


def _violation(failure: Failure | None) -> dict[str, object] | None:
    if failure is None:
        return None
    return {
        "kind": failure.kind,
        "message": failure.message,
        "job_id": failure.job_id,
        "at_s": failure.at_us / 1e6,
    }


def _tell_failure(order: Order, failure: Failure) -> None:
    about = f", job {failure.job_id}" if failure.job_id else ""
    note(
        f"VIOLATION seed {failure.seed}, commit {_commit()}: {failure.kind} at {failure.at_us / 1e6:.6f} s{about}"
    )
    note(f"  {failure.message}")
    note(f"  {_replay_command(order, failure)}")


def _replay_command(order: Order, failure: Failure) -> str:
    unchecked = "" if order.checked else " --unchecked"
    trace = " --trace" if failure.job_id else ""
    return f"hanse sim replay-seed {failure.seed} {order.arguments()}{unchecked}{trace}"


def _commit() -> str:
    """The commit of the source tree, with a + if it was changed since; the version where there is none."""
    import hanse

    asked = [
        "git",
        "-C",
        str(Path(hanse.__file__).parent),
        "describe",
        "--always",
        "--dirty=+",
        "--exclude=*",
    ]
    try:
        answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return hanse.__version__
    return answer.stdout.strip() or hanse.__version__


def _progress(totals: Totals, wanted: int, spent_s: float) -> str:
    left_s = spent_s / totals.seeds * (wanted - totals.seeds)
    return (
        f"{totals.seeds} of {wanted} seeds, {len(totals.failures)} violations, "
        f"{totals.virtual_per_wall():.0f} virtual s/s and process, {left_s:.0f} s left"
    )


def _show(ctx: typer.Context, document: dict[str, object]) -> None:
    printer = Printer.of(ctx)
    if not printer.is_table:
        printer.document(document)
        return
    from rich.table import Table

    table = Table.grid(padding=(0, 3))
    for name, value in document.items():
        if isinstance(value, dict):
            for kind, count in value.items():
                table.add_row(f"{name}.{kind}", f"{count:,}")
        else:
            table.add_row(name, f"{value:,}" if isinstance(value, int | float) else str(value))
    printer.show(table)


class _Told:
    """Progress on standard error: one line that is drawn over on a terminal, now and then a line elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._told_s = time.monotonic()

    def __call__(self, text: str) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s < (0.1 if self._live else _PLAIN_INTERVAL_S):
            return
        self._told_s = now_s
        sys.stderr.write(f"\r\x1b[K{text}" if self._live else f"{text}\n")
        sys.stderr.flush()

    def end(self) -> None:
        """Leave no half line behind."""
        if self._live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
