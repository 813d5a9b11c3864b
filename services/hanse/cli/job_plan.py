"""`hanse job plan`: what would become of jobs, as a tree of regions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.text import Text
from rich.tree import Tree

from hanse.cli.display import duration_text
from hanse.cli.exits import ExitCode
from hanse.cli.job_arrays import make_arrays
from hanse.cli.job_submit import read_specs
from hanse.cli.job_views import add_blocker, add_hints, predicted_start_text
from hanse.cli.output import Printer, warn_unreachable
from hanse.client import AsyncClient, to_plain
from hanse.client.messages import JobSpec, PlanJobResponse, PlanOutcome, RegionPlan

# How each outcome is told, and in which colour.
_VERDICTS = {
    PlanOutcome.PLAN_OUTCOME_START: ("starts at once", "bold green"),
    PlanOutcome.PLAN_OUTCOME_PREEMPT: ("starts when others have been stopped", "bold yellow"),
    PlanOutcome.PLAN_OUTCOME_WAIT: ("waits", "yellow"),
    PlanOutcome.PLAN_OUTCOME_NEVER: ("never", "red"),
    PlanOutcome.PLAN_OUTCOME_CLOSED: ("closed", "red"),
}


async def plan_files(
    printer: Printer, connect: Callable[[], AsyncClient], files: Sequence[str], array: str = ""
) -> int:
    """The whole command; returns its exit code."""
    specs = read_specs(files)
    make_arrays(specs, array, None)
    async with connect() as client:
        plans = [(spec, await client.plan(spec)) for spec in specs]
    if printer.is_table:
        for spec, plan in plans:
            printer.show_wrapped(plan_tree(spec, plan))
            warn_unreachable(sorted(plan.unreachable))
    else:
        printer.document({"plans": [{"name": spec.name, **to_plain(plan)} for spec, plan in plans]})
    return ExitCode.OK if all(plan.chosen for _, plan in plans) else ExitCode.FAILURE


def plan_tree(spec: JobSpec, plan: PlanJobResponse) -> Tree:
    """Where the job would go and why, then what each region would make of it."""
    tree = Tree(Text.assemble((spec.name, "bold"), f"  of {spec.tenant}"), guide_style="bright_black")
    tree.add(Text(plan.summary, style="italic"))
    for region in plan.regions:
        _add_region(tree, plan, region)
    if len(plan.takers) > 1:
        names = ", ".join(_taker(each.region, each.wait_ms) for each in plan.takers)
        tree.add(Text(f"may be offered to, best first: {names}", style="bright_black"))
    tree.add(Text.assemble(("index  ", "bright_black"), plan.index))
    return tree


def _taker(region: str, wait_ms: int) -> str:
    return f"{region} ({duration_text(wait_ms / 1000)})" if wait_ms else region


def _add_region(tree: Tree, plan: PlanJobResponse, region: RegionPlan) -> None:
    branch = tree.add(_region_title(region, chosen=region.region == plan.chosen))
    if region.nodes:
        charged = f", charged to queue {region.queue}" if region.queue else ""
        branch.add(Text(f"on {', '.join(region.nodes)}{charged}"))
    if region.elements_at_once:
        branch.add(Text(f"the nodes have room for {region.elements_at_once:,} elements now"))
    for stop in region.stops:
        branch.add(
            Text.assemble(
                ("stops  ", "bold yellow"), f"{stop.job_id} ({stop.name}) of {stop.tenant}: {stop.rule}"
            )
        )
    for blocker in region.blockers:
        add_blocker(branch, blocker)
    waits = region.outcome in (PlanOutcome.PLAN_OUTCOME_WAIT, PlanOutcome.PLAN_OUTCOME_PREEMPT)
    if waits and region.HasField("predicted_start"):
        branch.add(predicted_start_text(region))
    add_hints(branch, region.unblock)


def _region_title(region: RegionPlan, *, chosen: bool) -> Text:
    title = Text.assemble((region.region, "bold cyan"), "  ")
    if region.outcome in _VERDICTS:
        title.append(*_VERDICTS[region.outcome])
    else:
        title.append(f"not asked; as of {duration_text(region.age_ms / 1000)} ago", style="bright_black")
    if region.position and region.outcome == PlanOutcome.PLAN_OUTCOME_WAIT:
        title.append(f"  as number {region.position} in the queue")
    if chosen:
        title.append("  ← chosen", style="bold")
    return title
