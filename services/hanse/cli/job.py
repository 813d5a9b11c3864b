"""`hanse job`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hanse.cli.connect import WRITE_RETRY, client_of, run
from hanse.cli.errors import UsageOrConfigError
from hanse.cli.exits import ExitCode
from hanse.cli.output import Printer, warn_unreachable

if TYPE_CHECKING:
    from hanse.client.messages import Job, JobFilter

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_LIMIT = 200

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job.")]
JobOrElement = Annotated[
    str, typer.Argument(metavar="JOB", help="Id of the job; of an array also an element: JOB[7].")
]
JobsOrElements = Annotated[
    list[str],
    typer.Argument(metavar="JOB...", help="Ids of the jobs; of arrays also elements: JOB[7], JOB[3,7-9]."),
]
ArrayOption = Annotated[
    str,
    typer.Option(
        "--array",
        metavar="INDEXES[%N]",
        help="Make each job an array of these elements, as 0-9999, 1-99:2 or 3,7-9; at most N of them at a time.",
    ),
]
JobsArgument = Annotated[list[str], typer.Argument(metavar="JOB...", help="Ids of the jobs.")]
TenantOption = Annotated[str, typer.Option("--tenant", help="Only this tenant's.")]
StateOption = Annotated[
    list[str] | None,
    typer.Option("--state", "-s", help="Only jobs in this state; may be repeated."),
]
NameOption = Annotated[str, typer.Option("--name", help="Only names that begin with this.", metavar="PREFIX")]
HomesOption = Annotated[
    list[str] | None, typer.Option("--home", help="Only jobs of this home region; may be repeated.")
]
WhyOption = Annotated[str, typer.Option("--why", help="For those who read the job's story later.")]
WaitOption = Annotated[
    bool,
    typer.Option("--wait", "-w", help="Wait until all have ended; exits with 1 if not all succeeded."),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option("--timeout", help="Give up waiting after this many seconds (exit code 124).", min=0),
]


@app.callback()
def job() -> None:
    """Submit, plan, list, show, explain, watch, follow, order and cancel jobs."""


@app.command()
def submit(
    ctx: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Specs in YAML or TOML; - is stdin.")],
    home: Annotated[str, typer.Option("--home", help="Home region; default: the one that is asked.")] = "",
    client_key: Annotated[
        str,
        typer.Option(
            "--client-key",
            help="Repeating a submit with the same key and home submits nothing twice. With several jobs the second "
            "has KEY-2, and so on. Default: drawn.",
        ),
    ] = "",
    wait: Annotated[
        bool,
        typer.Option("--wait", "-w", help="Wait until all have ended; exits with 1 if not all succeeded."),
    ] = False,
    timeout: TimeoutOption = None,
    check_index: Annotated[
        str,
        typer.Option(
            "--check-index",
            metavar="INDEX",
            help="Only if the plan of that index (`hanse job plan`) still holds; for one job.",
        ),
    ] = "",
    array: ArrayOption = "",
    stop_at_failures: Annotated[
        int | None,
        typer.Option(
            "--stop-at-failures",
            metavar="N",
            help="Of an array: when N elements have failed, cancel the rest; 0: run all.",
            min=0,
        ),
    ] = None,
) -> int:
    """Submit the jobs in files. Each is accepted or refused on its own; nothing is sent if a file has a mistake.

    JSON keys: jobs[].{job_id, client_key, home, durability, existed, error}; with --wait: jobs[] as `job show`, without
    timeline, and refused[] as above.
    """
    from hanse.cli.job_submit import Submission, submit_files

    if timeout is not None and not wait:
        raise UsageOrConfigError("--timeout without --wait", hint="add --wait, or leave out --timeout")
    submission = Submission(
        files=files,
        client_key=client_key,
        wait=wait,
        timeout_s=timeout,
        check_index=check_index,
        array=array,
        stop_at_failures=stop_at_failures,
    )
    printer = Printer.of(ctx)
    return run(submit_files(printer, lambda: client_of(ctx, home=home, retry=WRITE_RETRY), submission))


@app.command()
def plan(
    ctx: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Specs in YAML or TOML; - is stdin.")],
    home: Annotated[str, typer.Option("--home", help="Home region; default: the one that is asked.")] = "",
    array: ArrayOption = "",
) -> int:
    """Say what would become of the jobs in files if they were submitted now, region by region. Nothing is submitted.

    Exits with 1 if one of them could not run anywhere at present. The index holds a submit to the plan (--check-index).

    JSON keys: plans[] with those of PlanJobResponse in proto/hanse/v1/jobs.proto, and name (of the job).
    """
    from hanse.cli.job_plan import plan_files

    return run(plan_files(Printer.of(ctx), lambda: client_of(ctx, home=home), files, array))


@app.command("list")
def list_jobs(
    ctx: typer.Context,
    tenant: TenantOption = "",
    state: StateOption = None,
    name: NameOption = "",
    home: HomesOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="At most so many; 0: all.", min=0)] = _LIMIT,
) -> None:
    """List jobs of all regions, whichever is asked.

    JSON keys: jobs[] as `job show` without timeline, unreachable[] (regions whose jobs are missing), truncated (more
    jobs match).
    """
    jobs, unreachable, truncated = run(_listed(ctx, _filter(tenant, state, name, home), limit))
    printer = Printer.of(ctx)
    if printer.is_table:
        from hanse.cli.job_views import jobs_table

        printer.show(jobs_table(jobs, printer.width))
        if truncated:
            from hanse.cli.output import note

            note(f"the first {limit} jobs; all of them with --limit 0")
    else:
        from hanse.client import to_plain

        documents = [_without_timeline(to_plain(job)) for job in jobs]
        printer.document({"jobs": documents, "unreachable": sorted(unreachable), "truncated": truncated})
    warn_unreachable(sorted(unreachable))


@app.command()
def show(ctx: typer.Context, job_id: JobOrElement) -> None:
    """Show everything about a job: its state, its spec, and its story so far; or only some elements of an array.

    JSON keys: those of Job in proto/hanse/v1/jobs.proto; `spec` can be submitted again.
    """

    from hanse.cli.job_arrays import elements_table, parse_reference

    name, elements = parse_reference(job_id)

    async def fetched() -> Job:
        async with client_of(ctx) as client:
            return await client.get(name, with_timeline=True, elements=elements)

    job = run(fetched())
    printer = Printer.of(ctx)
    if printer.is_table and elements:
        printer.show(elements_table(job.array.elements, printer.width))
    elif printer.is_table:
        from hanse.cli.job_views import job_details

        printer.show(*job_details(job, printer.width))
    else:
        from hanse.client import to_plain

        printer.document(to_plain(job))


@app.command()
def explain(ctx: typer.Context, job_id: JobArgument) -> None:
    """Say why a job is where it is: what blocks it, region by region, and what would unblock it.

    JSON keys: those of ExplainJobResponse in proto/hanse/v1/jobs.proto.
    """

    async def fetched() -> Any:
        async with client_of(ctx) as client:
            return await client.explain(job_id)

    explanation = run(fetched())
    printer = Printer.of(ctx)
    if printer.is_table:
        from hanse.cli.job_views import explanation_tree

        printer.show_wrapped(explanation_tree(explanation))
    else:
        from hanse.client import to_plain

        printer.document(to_plain(explanation))


@app.command()
def watch(
    ctx: typer.Context,
    job_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[JOB...]", help="Ids; none: all jobs that match.")
    ] = None,
    tenant: TenantOption = "",
    state: StateOption = None,
    name: NameOption = "",
    home: HomesOption = None,
    timeout: TimeoutOption = None,
) -> int:
    """Watch jobs change. With ids: until all have ended; exits with 1 if not all succeeded. Else until interrupted.

    JSON: one object per change and line, with the keys job_id, state, region, epoch, attempt, reason.{code, detail},
    at, exit_code.
    """
    from hanse.cli.job_watch import watch_jobs

    job_filter = _filter(tenant, state, name, home)
    job_filter.job_ids.extend(job_ids or [])
    return run(watch_jobs(Printer.of(ctx), lambda: client_of(ctx), job_filter, timeout))


@app.command()
def logs(
    ctx: typer.Context,
    job_id: JobOrElement,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the task ends.")] = False,
    task: Annotated[int, typer.Option("--task", help="Task within the job, from 0.", min=0)] = 0,
    stderr: Annotated[
        bool, typer.Option("--stderr", help="Standard error rather than standard output.")
    ] = False,
    offset: Annotated[int, typer.Option("--offset", help="Byte to start from.", min=0)] = 0,
    attempt: Annotated[int, typer.Option("--attempt", help="Attempt; 0: the newest.", min=0)] = 0,
) -> None:
    """Print a task's output, byte for byte, wherever the task runs.

    JSON: one object per piece and line, with the keys data (text; bytes that are not UTF-8 as \\xNN), offset (of its
    first byte), next_offset, dropped (bytes lost to the file's cap so far).
    """
    from hanse.cli.job_arrays import one_index
    from hanse.cli.job_logs import LogRequest, print_logs

    name, index = one_index(job_id)
    request = LogRequest(
        job_id=name, follow=follow, task=task, stderr=stderr, offset=offset, attempt=attempt, index=index
    )
    run(print_logs(Printer.of(ctx), lambda: client_of(ctx), request))


@app.command()
def cancel(ctx: typer.Context, job_ids: JobsOrElements) -> int:
    """Ask for jobs, or elements of arrays, to be cancelled; exits with 1 if one could not be. The outcome comes as the
    job's state.

    JSON keys: results[].{job_id, state (when the wish was taken), refusal (null: taken)}.
    """

    from hanse.cli.job_arrays import cancel as cancel_references

    async def cancelled() -> Sequence[Any]:
        async with client_of(ctx, retry=WRITE_RETRY) as client:
            return await cancel_references(client, job_ids)

    results = run(cancelled())
    printer = Printer.of(ctx)
    if printer.is_table:
        from hanse.cli.job_views import cancel_table

        printer.show(cancel_table(results, printer.width))
    else:
        from hanse.client import to_plain

        printer.document({"results": [to_plain(result) for result in results]})
    return ExitCode.FAILURE if any(result.HasField("refusal") for result in results) else ExitCode.OK


@app.command()
def hold(ctx: typer.Context, job_ids: JobsArgument, why: WhyOption = "") -> int:
    """Keep jobs from starting until they are released. What runs of them is stopped and queued again.

    JSON keys: results[].{job_id, state (when the order was taken), region, refusal (null: taken)}.
    """
    from hanse.cli.job_control import carry_out
    from hanse.client.messages import ControlJobsRequest

    order = ControlJobsRequest(job_ids=job_ids, why=why)
    order.hold.SetInParent()
    return carry_out(ctx, order, "held")


@app.command()
def release(ctx: typer.Context, job_ids: JobsArgument, why: WhyOption = "") -> int:
    """Let jobs start that are held.

    JSON keys: as `job hold`.
    """
    from hanse.cli.job_control import carry_out
    from hanse.client.messages import ControlJobsRequest

    order = ControlJobsRequest(job_ids=job_ids, why=why)
    order.release.SetInParent()
    return carry_out(ctx, order, "released")


@app.command()
def requeue(ctx: typer.Context, job_ids: JobsArgument, why: WhyOption = "") -> int:
    """Stop what runs of jobs, and queue them again. It is no failure of theirs.

    JSON keys: as `job hold`.
    """
    from hanse.cli.job_control import carry_out
    from hanse.client.messages import ControlJobsRequest

    order = ControlJobsRequest(job_ids=job_ids, why=why)
    order.requeue.SetInParent()
    return carry_out(ctx, order, "queued again")


@app.command("set-priority")
def set_priority(
    ctx: typer.Context,
    job_ids: JobsArgument,
    priority: Annotated[
        int, typer.Option("--to", help="Higher goes first within a tier.", min=-1000, max=1000)
    ],
    why: WhyOption = "",
) -> int:
    """Give jobs another priority, queued or running.

    JSON keys: as `job hold`.
    """
    from hanse.cli.job_control import carry_out
    from hanse.client.messages import ControlJobsRequest

    order = ControlJobsRequest(job_ids=job_ids, why=why)
    order.set_priority.priority = priority
    order.set_priority.SetInParent()
    return carry_out(ctx, order, f"priority {priority}")


@app.command()
def move(
    ctx: typer.Context,
    job_ids: JobsArgument,
    region: Annotated[str, typer.Option("--to", metavar="REGION", help="Where they are to run.")],
    why: WhyOption = "",
) -> int:
    """Have jobs run in another region, and only there: what runs of them is stopped, and they are handed over as soon
    as that region has room.

    JSON keys: as `job hold`.
    """
    from hanse.cli.job_control import carry_out
    from hanse.client.messages import ControlJobsRequest

    order = ControlJobsRequest(job_ids=job_ids, why=why)
    order.move.region = region
    return carry_out(ctx, order, f"goes to {region}")


async def _listed(ctx: typer.Context, job_filter: JobFilter, limit: int) -> tuple[list[Job], set[str], bool]:
    """Up to `limit` jobs (0: all), the regions that did not answer, and whether there are more."""
    from hanse.client.limits import PAGE_JOBS_MAX

    jobs: list[Job] = []
    unreachable: set[str] = set()
    page_size = min(limit + 1, PAGE_JOBS_MAX) if limit else PAGE_JOBS_MAX
    async with (
        client_of(ctx) as client,
        aclosing(client.list_pages(job_filter, page_size=page_size)) as pages,
    ):
        async for page in pages:
            jobs.extend(page.jobs)
            unreachable.update(page.unreachable)
            if limit and len(jobs) > limit:
                return jobs[:limit], unreachable, True
    return jobs, unreachable, False


def _filter(tenant: str, states: Sequence[str] | None, name: str, homes: Sequence[str] | None) -> JobFilter:
    from hanse.client.messages import JobFilter, JobState, state_of

    numbers = []
    for given in states or ():
        try:
            numbers.append(state_of(given))
        except ValueError:
            known = ", ".join(name.removeprefix("JOB_STATE_").lower() for name in JobState.keys()[1:])
            raise UsageOrConfigError(f"no state {given!r}", hint=f"there are {known}") from None
    return JobFilter(tenant=tenant, states=numbers, name_prefix=name, homes=homes or ())


def _without_timeline(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "timeline"}
