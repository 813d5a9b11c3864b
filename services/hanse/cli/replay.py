"""`hanse replay`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from hanse.cli.errors import UsageOrConfigError
from hanse.cli.exits import ExitCode
from hanse.cli.output import Printer, note

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hanse.core.policy.model import Policy
    from hanse.replay.outcome import Result
    from hanse.replay.plan import Plan
    from hanse.replay.trace import Trace

app = typer.Typer(add_completion=False, rich_markup_mode=None)

T = TypeVar("T")

_PLAIN_INTERVAL_S = 5.0
_LIVE_INTERVAL_S = 0.2
_BAR_WIDTH = 30
_SECOND_US = 1_000_000

JobsOption = Annotated[
    Path | None,
    typer.Option("--jobs", metavar="FILE", help="Jobs: CSV, SWF or sacct --parsable2; may be gzipped."),
]
NodesOption = Annotated[Path | None, typer.Option("--nodes", metavar="FILE", help="Nodes, as CSV.")]
FormatOption = Annotated[
    str, typer.Option("--format", metavar="NAME", help="Of the jobs: auto, csv, swf, sacct.")
]
ModeOption = Annotated[
    str,
    typer.Option("--mode", metavar="NAME", help="federated, isolated, or pooled: one region that knows all."),
]
PolicyOption = Annotated[
    str,
    typer.Option("--policy", metavar="FILE", help="A policy document, or default, fifo, easy, backfill."),
]
ScaleOption = Annotated[
    float, typer.Option("--scale-nodes", metavar="X", help="As many times the nodes.", min=0.01)
]
FaultsOption = Annotated[
    str, typer.Option("--faults", metavar="REGION@DAY-DAY,...", help="Regions that are lost, and come back.")
]
FromOption = Annotated[
    float, typer.Option("--from-day", metavar="A", help="Count jobs from this day on.", min=0)
]
ToOption = Annotated[
    float | None, typer.Option("--to-day", metavar="B", help="... to before this day; default: all.", min=0)
]
GossipOption = Annotated[
    float, typer.Option("--gossip-delay", metavar="S", help="How old records are when they arrive.", min=0)
]
SeedOption = Annotated[int, typer.Option("--seed", metavar="N", help="Of all that is drawn.")]
OracleOption = Annotated[
    bool, typer.Option("--oracle", help="Let regions know how long jobs will take: a bound, not a forecast.")
]
HtmlOption = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write a page with plots, too.")
]


@app.callback(invoke_without_command=True)
def replay(
    ctx: typer.Context,
    jobs: JobsOption = None,
    nodes: NodesOption = None,
    form: FormatOption = "auto",
    mode: ModeOption = "federated",
    policy: PolicyOption = "default",
    scale_nodes: ScaleOption = 1.0,
    faults: FaultsOption = "",
    from_day: FromOption = 0.0,
    to_day: ToOption = None,
    gossip_delay: GossipOption = 30.0,
    seed: SeedOption = 0,
    oracle: OracleOption = False,
    html: HtmlOption = None,
) -> int:
    """Replay a trace of jobs through real regions under virtual time, and tell how long people would wait.

    Scheduling, handoff, news of capacity and lost regions are the real ones; how long a job takes is known to nobody
    before it has ended.

    JSON keys: jobs, finished, refused, mean_wait_s, median_wait_s, p95_wait_s, max_wait_s, mean_jct_s, utilisation,
    handoffs, offers, declined, preemptions, lost, run_twice, handed_in_again, messages, bytes, steps, wall_s, digest.
    """
    if ctx.invoked_subcommand is not None:
        return ExitCode.OK
    plan = _plan(
        _trace(jobs, nodes, form),
        mode=mode,
        policy=policy,
        scale_nodes=scale_nodes,
        faults=faults,
        from_day=from_day,
        to_day=to_day,
        gossip_delay=gossip_delay,
        seed=seed,
        oracle=oracle,
    )
    (result,) = _results([plan])
    _write_page(html, [result], f"Replay of {plan.trace.source}")
    from hanse.cli.replay_views import document_of, figures

    printer = Printer.of(ctx)
    printer.result(document_of(result), figures(result))
    return _verdict([result])


@app.command()
def compare(
    ctx: typer.Context,
    jobs: JobsOption = None,
    nodes: NodesOption = None,
    form: FormatOption = "auto",
    modes: Annotated[
        str, typer.Option("--modes", metavar="NAME,...", help="Modes to compare.")
    ] = "isolated,federated,pooled",
    policies: Annotated[
        list[str] | None,
        typer.Option("--policy", metavar="FILE", help="As above; several: each is run in each mode."),
    ] = None,
    scale_nodes: ScaleOption = 1.0,
    faults: FaultsOption = "",
    from_day: FromOption = 0.0,
    to_day: ToOption = None,
    gossip_delay: GossipOption = 30.0,
    seed: SeedOption = 0,
    oracle: OracleOption = False,
    html: HtmlOption = None,
) -> int:
    """Replay a trace in several modes, or under several policies, and put the figures side by side.

    JSON keys: runs[].{name, and the keys of hanse replay}.
    """
    trace = _trace(jobs, nodes, form)
    wanted = policies or ["default"]
    plans = [
        _plan(
            trace,
            name=mode if len(wanted) == 1 else f"{mode} {Path(policy).stem}",
            mode=mode,
            policy=policy,
            scale_nodes=scale_nodes,
            faults=faults if mode != "pooled" else "",
            from_day=from_day,
            to_day=to_day,
            gossip_delay=gossip_delay,
            seed=seed,
            oracle=oracle,
        )
        for policy in wanted
        for mode in filter(None, modes.split(","))
    ]
    results = _results(plans)
    _write_page(html, results, f"Replays of {trace.source}")
    from hanse.cli.replay_views import comparison, document_of

    printer = Printer.of(ctx)
    document = {"runs": [{"name": result.name} | document_of(result) for result in results]}
    printer.result(document, comparison(results, printer.width))
    return _verdict(results)


@app.command()
def whatif(
    ctx: typer.Context,
    jobs: JobsOption = None,
    nodes: NodesOption = None,
    form: FormatOption = "auto",
    lose: Annotated[
        str,
        typer.Option(
            "--lose", metavar="REGION@DAY[-DAY],...", help="Regions that are lost; without an end: for good."
        ),
    ] = "",
    add: Annotated[
        str,
        typer.Option(
            "--add", metavar="REGION=N,...", help="More nodes (fewer: -N) of the region's first class."
        ),
    ] = "",
    change_policy: Annotated[
        str, typer.Option("--change-policy", metavar="FILE", help="Another policy than --policy.")
    ] = "",
    mode: ModeOption = "federated",
    policy: PolicyOption = "default",
    scale_nodes: ScaleOption = 1.0,
    from_day: FromOption = 0.0,
    to_day: ToOption = None,
    gossip_delay: GossipOption = 30.0,
    seed: SeedOption = 0,
    html: HtmlOption = None,
) -> int:
    """Ask what would become of people's waits: with a region less, other nodes, another policy.

    The trace is replayed as it is and with all changes together. What ends with a region that is lost for good is
    handed in again by its callers ten minutes later. `in_time` is the share of jobs with a deadline, or with a longest
    wait promised by their tier, for which that was kept (null: there are none).

    JSON keys: before, after: the keys of hanse replay; tenants[].{tenant, jobs, mean_wait_before_s, mean_wait_after_s,
    p95_wait_before_s, p95_wait_after_s, in_time_before, in_time_after}; regions.{region}.{before, after}: utilisation.
    """
    from hanse.replay.plan import with_nodes

    trace = _trace(jobs, nodes, form)
    if not (lose or add or change_policy):
        raise UsageOrConfigError("nothing is changed", hint="say --lose, --add or --change-policy")
    changed = _refusable(lambda: with_nodes(trace, add))
    before, after = (
        _plan(
            each,
            name=name,
            mode=mode,
            policy=chosen,
            scale_nodes=scale_nodes,
            faults=faults,
            from_day=from_day,
            to_day=to_day,
            gossip_delay=gossip_delay,
            seed=seed,
            oracle=False,
        )
        for name, each, chosen, faults in (
            ("as it is", trace, policy, ""),
            ("with the changes", changed, change_policy or policy, lose),
        )
    )
    results = _results([before, after])
    _write_page(html, results, f"What if: {trace.source}")
    from hanse.cli.replay_views import comparison, difference, tenants_table

    printer = Printer.of(ctx)
    printer.result(
        difference(*results), comparison(results, printer.width), "", tenants_table(results, printer.width)
    )
    return _verdict(results)


# --- what was asked for ---------------------------------------------------------------------------------------------


def _trace(jobs: Path | None, nodes: Path | None, form: str) -> Trace:
    from hanse.replay.reading.files import Format, read_trace

    if jobs is None or nodes is None:
        raise UsageOrConfigError("--jobs and --nodes are needed", hint="see hanse replay --help")
    if form not in list(Format):
        raise UsageOrConfigError(f"--format {form}: there are {', '.join(Format)}")
    trace = _refusable(lambda: read_trace(jobs, nodes, Format(form)))
    if not trace.jobs:
        raise UsageOrConfigError(f"{jobs.name}: there are no jobs in it")
    return trace


def _plan(
    trace: Trace,
    *,
    mode: str,
    policy: str,
    scale_nodes: float,
    faults: str,
    from_day: float,
    to_day: float | None,
    gossip_delay: float,
    seed: int,
    oracle: bool,
    name: str = "",
) -> Plan:
    from hanse.replay.bounds import SCALE_MAX
    from hanse.replay.faults import parse_faults
    from hanse.replay.plan import DAY_US, Mode, Plan

    if mode not in list(Mode):
        raise UsageOrConfigError(f"no mode {mode!r}: there are {', '.join(Mode)}")
    if scale_nodes > SCALE_MAX:
        raise UsageOrConfigError(f"--scale-nodes {scale_nodes}: at most {SCALE_MAX:g}")
    if to_day is not None and to_day <= from_day:
        raise UsageOrConfigError(f"--to-day {to_day:g} is not after --from-day {from_day:g}")
    plan = Plan(
        trace=trace,
        name=name,
        mode=Mode(mode),
        policy=_policy(policy),
        scale=scale_nodes,
        from_us=round(from_day * DAY_US),
        until_us=None if to_day is None else round(to_day * DAY_US),
        gossip_us=round(gossip_delay * _SECOND_US),
        seed=seed,
        oracle=oracle,
        faults=_refusable(lambda: parse_faults(faults, trace.regions)),
    )
    if plan.faults and plan.mode is Mode.POOLED:
        raise UsageOrConfigError("in pooled mode there are no regions that could be lost")
    return plan


def _policy(text: str) -> Policy:
    from hanse.policies.document import read_bytes
    from hanse.policies.problems import DocumentRefused, lines_of
    from hanse.replay.policies import NAMED

    if text in NAMED:
        return NAMED[text]
    path = Path(text)
    if not path.is_file():
        raise UsageOrConfigError(f"no policy document {text}", hint=f"a TOML file, or {', '.join(NAMED)}")
    try:
        document = read_bytes(path.read_bytes())
    except DocumentRefused as refused:
        lines = [line for problem in refused.problems for _, line in lines_of(problem, text)]
        found = "\n".join(lines)
        raise UsageOrConfigError(f"{text} is no policy:\n{found}") from refused
    if document.rules:
        note(
            f"note: the {len(document.rules)} rules of {text} are left out: a trace does not say what they ask"
        )
    return document.under(1)


# --- the runs -------------------------------------------------------------------------------------------------------


def _results(plans: Sequence[Plan]) -> list[Result]:
    from hanse.replay.run import run
    from hanse.replay.sizing import encoded_bytes

    results = []
    for number, plan in enumerate(plans, 1):
        prefix = f"{plan.name or plan.mode.value} ({number} of {len(plans)}): " if len(plans) > 1 else ""
        bar = _Bar(prefix)
        try:
            results.append(run(plan, bar, encoded_bytes))
        finally:
            bar.end()
    return results


def _write_page(path: Path | None, results: Sequence[Result], title: str) -> None:
    if path is not None:
        from hanse.replay.report.page import page_of

        path.write_text(page_of(results, title), encoding="utf-8")
        note(f"wrote {path}")


def _verdict(results: Sequence[Result]) -> int:
    """A replay that breaks a promise has failed, however good its figures."""
    broken = any(each.outcome.lost or each.outcome.run_twice for each in results)
    return ExitCode.FAILURE if broken else ExitCode.OK


def _refusable(make: Callable[[], T]) -> T:
    """What `make` makes; what it refuses is a wrong command line."""
    from hanse.replay.errors import ReplayRefused

    try:
        return make()
    except ReplayRefused as refused:
        raise UsageOrConfigError(str(refused)) from refused


class _Bar:
    """Progress on standard error: a bar that is drawn over on a terminal, now and then a line elsewhere."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._is_live = sys.stderr.isatty()
        self._began_s = self._told_s = time.monotonic()

    def __call__(self, done: int, jobs: int) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s < (_LIVE_INTERVAL_S if self._is_live else _PLAIN_INTERVAL_S):
            return
        self._told_s = now_s
        share = done / max(1, jobs)
        left = f", about {(now_s - self._began_s) * (1 - share) / share:.0f} s left" if share else ""
        text = f"{self._prefix}{done:,} of {jobs:,} jobs over{left}"
        if self._is_live:
            filled = round(_BAR_WIDTH * share)
            sys.stderr.write(f"\r\x1b[K[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}] {text}")
        else:
            sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def end(self) -> None:
        """Leave no half line behind."""
        if self._is_live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
