"""Jobs as people see them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from hanse.cli.display import (
    NONE,
    age_text,
    amounts_text,
    clock_text,
    duration_text,
    seconds_of,
    state_text,
)
from hanse.cli.job_arrays import array_text, states_table
from hanse.cli.tables import Cell, Column, make_table
from hanse.client import Submitted
from hanse.client.messages import (
    Blocker,
    CancelResult,
    Durability,
    ExplainJobResponse,
    Job,
    JobSpec,
    JobState,
    Reason,
    RegionExplanation,
    RegionPlan,
    TaskGroup,
    TimelineEntry,
    state_name,
)
from hanse.client.status import refusal_error

_COMMAND_WIDTH = 80

_JOB_COLUMNS = (
    Column("JOB"),
    Column("NAME", drop=3),
    Column("TENANT", drop=5),
    Column("STATE"),
    Column("REGION", drop=1),
    Column("AGE", drop=2, justify="right"),
    Column("RAN", drop=4, justify="right"),
    Column("WHY", drop=6, flexible=True),
)


def jobs_table(jobs: Sequence[Job], width: int) -> RenderableType:
    """One line per job."""
    if not jobs:
        return Text("no jobs match", style="bright_black")
    now_s = time.time()
    rows = [
        (
            job.id,
            job.spec.name,
            job.spec.tenant,
            state_text(state_name(job.state)),
            _region(job),
            age_text(job.submitted_at, now_s),
            _ran(job, now_s),
            why_text(job.state, job.reason),
        )
        for job in jobs
    ]
    return make_table(_JOB_COLUMNS, rows, width)


def submitted_table(submitted: Sequence[tuple[str, Submitted]], width: int) -> RenderableType:
    """One line per (name, outcome) that was taken, or whose fate is unknown."""
    columns = (
        Column("JOB"),
        Column("NAME", drop=2),
        Column("HOME", drop=1),
        Column("DURABLE", drop=3),
        Column("CLIENT KEY", drop=5),
        Column("NOTE", drop=4),
    )
    rows = [
        (
            outcome.job_id or Text("undecided", style="yellow"),
            name,
            outcome.home,
            outcome.durability.lower(),
            # Only of use where the submission must be repeated.
            outcome.client_key if outcome.undecided else "",
            "submitted before" if outcome.existed else "",
        )
        for name, outcome in submitted
    ]
    return make_table(columns, rows, width)


def cancel_table(results: Sequence[CancelResult], width: int) -> RenderableType:
    """One line per job that was to be cancelled."""
    rows: list[tuple[Cell, ...]] = []
    for result in results:
        if result.HasField("refusal"):
            rows.append((result.job_id, Text("refused", style="red"), refusal_error(result.refusal).message))
        else:
            rows.append(
                (result.job_id, Text("asked to stop", style="green"), f"was {state_name(result.state)}")
            )
    return make_table((Column("JOB"), Column("CANCEL"), Column("NOTE", drop=1, flexible=True)), rows, width)


def job_details(job: Job, width: int) -> list[RenderableType]:
    """Everything about a job: facts, groups, timeline."""
    parts: list[RenderableType] = [_facts(job), Text()]
    if job.HasField("array"):
        parts += [states_table(job.array, width), Text()]
    parts += [_groups_table(job.spec, width), Text()]
    if job.timeline:
        parts.append(_timeline_table(job.timeline, width))
    return parts


def _facts(job: Job) -> Table:
    spec = job.spec
    facts: list[tuple[str, Cell]] = [
        ("job", Text(job.id, style="bold")),
        ("name", spec.name),
        ("tenant", spec.tenant),
        ("state", state_text(state_name(job.state))),
        ("why", why_text(job.state, job.reason)),
        ("array", array_text(job.array) if job.HasField("array") else ""),
        ("region", _where(job)),
        ("nodes", ", ".join(dict.fromkeys(job.nodes))),
        ("tier", f"{spec.tier or 'standard'}, priority {spec.priority}"),
        ("if lost", _if_lost(job)),
        ("run", f"epoch {job.epoch}, attempt {job.attempt}" if job.attempt else ""),
        ("submitted", _moment(job, "submitted_at")),
        ("started", _moment(job, "started_at")),
        ("ended", _moment(job, "ended_at")),
        ("exit code", str(job.exit_code) if state_name(job.state) in ("SUCCEEDED", "FAILED") else ""),
        ("cancel", "asked for" if job.cancel_requested else ""),
        ("client key", job.client_key),
        ("labels", ", ".join(f"{key}={spec.labels[key]}" for key in sorted(spec.labels))),
        ("observed", _observed(job)),
        ("as of", _old_copy(job)),
    ]
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bright_black", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ignore")
    for name, value in facts:
        if str(value):
            table.add_row(name, value)
    return table


def _groups_table(spec: JobSpec, width: int) -> Table:
    columns = (
        Column("GROUP"),
        Column("TASKS", justify="right"),
        Column("EACH NEEDS"),
        Column("WHERE", drop=2),
        Column("RUNS", drop=1, flexible=True),
    )
    rows = [
        (
            group.name or "main",
            _tasks(group),
            amounts_text(group.requirements.resources),
            ", ".join(group.requirements.constraints),
            " ".join(group.program.command)[:_COMMAND_WIDTH].replace("\n", " "),
        )
        for group in spec.groups
    ]
    return make_table(columns, rows, width)


def _timeline_table(entries: Sequence[TimelineEntry], width: int) -> Table:
    columns = (
        Column("AT"),
        Column("+", justify="right"),
        Column("REGION", drop=1),
        Column("WHAT"),
        Column("RUN", drop=3, justify="right"),
        Column("WHY", drop=2, flexible=True),
    )
    first_s = seconds_of(entries[0].at)
    rows = [
        (
            clock_text(entry.at),
            duration_text(seconds_of(entry.at) - first_s),
            entry.region,
            entry.what,
            f"{entry.epoch}.{entry.attempt}",
            reason_text(entry.reason),
        )
        for entry in entries
    ]
    return make_table(columns, rows, width)


def explanation_tree(explanation: ExplainJobResponse) -> Tree:
    """What blocks a job, region by region, each blocker above what it rests on."""
    title = Text.assemble((explanation.job_id, "bold"), "  ", state_text(state_name(explanation.state)))
    if explanation.position:
        title.append(f"  number {explanation.position} in the queue")
    tree = Tree(title, guide_style="bright_black")
    if explanation.summary:
        tree.add(Text(explanation.summary, style="italic"))
    for region in explanation.regions:
        branch = tree.add(_region_title(region))
        for blocker in region.blockers:
            add_blocker(branch, blocker)
    if explanation.HasField("predicted_start"):
        tree.add(predicted_start_text(explanation))
    add_hints(tree, explanation.unblock)
    return tree


def predicted_start_text(told: ExplainJobResponse | RegionPlan) -> Text:
    """How long it will be until then, and at least and at most."""
    now_s = time.time()
    wait_s = seconds_of(told.predicted_start) - now_s
    text = Text(f"predicted to start in {duration_text(max(0.0, wait_s))}")
    if told.HasField("predicted_earliest") and told.predicted_latest != told.predicted_earliest:
        earliest_s = max(0.0, seconds_of(told.predicted_earliest) - now_s)
        latest_s = max(0.0, seconds_of(told.predicted_latest) - now_s)
        text.append(f"  ({duration_text(earliest_s)} to {duration_text(latest_s)})", style="bright_black")
    return text


def add_hints(tree: Tree, hints: Sequence[str]) -> None:
    """What would let a job run; nothing if nothing is known."""
    if hints:
        branch = tree.add(Text("what would let it run", style="bold green"))
        for hint in hints:
            branch.add(escape(hint))


def _region_title(region: RegionExplanation) -> Text:
    title = Text(region.region, style="bold cyan")
    if region.age_ms:
        title.append(f"  as of {duration_text(region.age_ms / 1000)} ago", style="bright_black")
    if not region.blockers:
        title.append("  nothing in the way", style="green")
    return title


def add_blocker(branch: Tree, blocker: Blocker) -> None:
    """A blocker, and below it what it rests on."""
    text = Text.assemble((blocker.code, "bold yellow"), "  ", blocker.message)
    if blocker.nodes:
        text.append(f"  ({', '.join(blocker.nodes)})", style="bright_black")
    below = branch.add(text)
    for cause in blocker.because:
        add_blocker(below, cause)


def reason_text(reason: Reason) -> Text:
    """The stable code and what there is to say about it."""
    if not reason.code:
        return Text()
    text = Text(reason.code)
    if reason.detail:
        text.append(f"  {' '.join(reason.detail.split())}", style="bright_black")
    return text


def why_text(state: JobState, reason: Reason) -> Text:
    """The reason of a state, as far as it is not plain from the state."""
    return Text() if reason.code == state_name(state) and not reason.detail else reason_text(reason)


def _region(job: Job) -> str:
    return job.region if job.region in ("", job.home) else f"{job.home} → {job.region}"


def _where(job: Job) -> str:
    return job.region if job.region == job.home else f"{job.region or NONE} (home {job.home})"


def _ran(job: Job, now_s: float) -> str:
    if not job.HasField("started_at"):
        return ""
    end_s = seconds_of(job.ended_at) if job.HasField("ended_at") else now_s
    return duration_text(end_s - seconds_of(job.started_at))


def _moment(job: Job, field: str) -> str:
    if not job.HasField(field):
        return ""
    moment = getattr(job, field)
    return f"{clock_text(moment)}  ({age_text(moment)} ago)"


def _observed(job: Job) -> str:
    if not job.HasField("observed_at"):
        return ""
    by = f" by {job.observed_by}" if job.observed_by else ""
    return f"{age_text(job.observed_at)} ago{by}"


def _if_lost(job: Job) -> str:
    """What becomes of it if its region is lost."""
    match job.durability:
        case Durability.DURABILITY_FEDERATED:
            return "another region goes on with it"
        case Durability.DURABILITY_REGIONAL:
            return "waits for its region"
        case _:
            return ""


def _old_copy(job: Job) -> Text:
    """Only if whoever leads the job's shard could not be asked."""
    if not job.HasField("as_of"):
        return Text()
    return Text(f"{age_text(job.as_of)} ago: an old copy in {job.answered_by}", style="yellow")


def _tasks(group: TaskGroup) -> str:
    count = group.count or 1
    return f"{group.count_min}-{count}" if group.count_min and group.count_min != count else str(count)
