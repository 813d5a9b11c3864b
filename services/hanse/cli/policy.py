"""`hanse policy`."""

from __future__ import annotations

import getpass
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from hanse.cli.connect import WRITE_RETRY, client_of, run
from hanse.cli.errors import CommandError, UsageOrConfigError
from hanse.cli.exits import ExitCode
from hanse.cli.output import Printer, note
from hanse.cli.roster_founding import KEY_HELP
from hanse.client.retry import RetryPolicy

if TYPE_CHECKING:
    from hanse.client import AsyncClient
    from hanse.client.messages import GetPolicyResponse, PolicyProblem

app = typer.Typer(add_completion=False, rich_markup_mode=None)

T = TypeVar("T")

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A policy document (TOML).")]
RegionOption = Annotated[
    str, typer.Option("--region", metavar="REGION", help="Region; default: the one that is asked.")
]
WhyOption = Annotated[str, typer.Option("--why", metavar="TEXT", help="What for; kept in the history.")]
AuthorOption = Annotated[
    str, typer.Option("--author", metavar="NAME", help="Who applies it; default: the user of this shell.")
]
_TIMEOUT_S = 10.0
# A plan is not asked for twice: it takes seconds of the region's machine.
_ONCE = RetryPolicy(retry_for_s=0)


@app.callback()
def policy() -> None:
    """Who gets a region's capacity: read, check, plan and change its policy."""


@app.command()
def validate(
    ctx: typer.Context,
    file: FileArgument,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="REGION",
            help="Ask this region, which knows what regions and resources there are.",
        ),
    ] = None,
) -> int:
    """Judge a policy document, without a region; every mistake at once, with its place. Exits with 2 if there is one.

    JSON keys: file, valid, digest, problems[].{severity, path, line, column, width, message, hint, source}.
    """
    text = _text(file)
    if against is None:
        from hanse.cli.policy_views import judged

        valid, digest, problems = judged(text)
    else:
        answer = _asked(ctx, lambda client: client.validate_policy(text, against))
        valid, digest, problems = answer.valid, answer.digest, list(answer.problems)
    printer = Printer.of(ctx)
    if printer.is_table:
        from hanse.cli.policy_views import problem_lines, verdict

        printer.show(*problem_lines(problems, str(file)), verdict(problems, str(file), digest, valid=valid))
    else:
        printer.document(_problem_document(file, problems) | {"valid": valid, "digest": digest})
    return ExitCode.OK if valid else ExitCode.USAGE


@app.command()
def show(
    ctx: typer.Context,
    region: RegionOption = "",
    version: Annotated[int, typer.Option("--version", help="Version; default: the one in force.", min=0)] = 0,
) -> None:
    """Print a region's policy, as it was applied. Facts go to standard error, so that the document can be redirected.

    JSON keys: region, version_in_force, policy.{version, digest, document, author, why, applied_at}.
    """
    found = _asked(ctx, lambda client: client.policy(region, version))
    printer = Printer.of(ctx)
    if printer.is_table:
        from hanse.cli.policy_views import facts_line

        note(facts_line(found))
        print(found.policy.document, end="")
    else:
        from hanse.client import to_plain

        printer.document(to_plain(found))


@app.command()
def history(ctx: typer.Context, region: RegionOption = "") -> None:
    """List the versions of a region's policy, newest first: when, by whom, what for.

    JSON keys: region, version_in_force, policies[].{version, digest, author, why, applied_at}.
    """
    found = _asked(ctx, lambda client: client.policies(region))
    printer = Printer.of(ctx)
    if printer.is_table:
        from hanse.cli.policy_views import history_table

        printer.show(history_table(found, printer.width))
    else:
        from hanse.client import to_plain

        printer.document(to_plain(found))


@app.command()
def plan(
    ctx: typer.Context,
    file: FileArgument,
    region: RegionOption = "",
    jobs: Annotated[
        int, typer.Option("--jobs", help="How many of the last jobs are replayed.", min=1, max=10_000)
    ] = 2_000,
) -> int:
    """Replay a region's recent jobs under a policy document, and show who would wait longer. Changes nothing.

    JSON keys: region, problems[] as in `validate`, plan as PolicyPlan in proto/hanse/v1/policies.proto.
    """
    text = _text(file)
    found = _asked(ctx, lambda client: client.plan_policy(text, region, jobs), _ONCE)
    printer = Printer.of(ctx)
    if not found.HasField("plan"):
        return _refused(printer, file, found.problems)
    if printer.is_table:
        from hanse.cli.plan_views import plan_parts
        from hanse.cli.policy_views import problem_lines

        printer.show(*problem_lines(found.problems, str(file)), *plan_parts(found, str(file), printer.width))
    else:
        from hanse.client import to_plain

        printer.document(to_plain(found))
    return ExitCode.OK


@app.command()
def apply(
    ctx: typer.Context,
    file: FileArgument,
    region: RegionOption = "",
    why: WhyOption = "",
    author: AuthorOption = "",
    expect: Annotated[
        int,
        typer.Option(
            "--expect",
            metavar="VERSION",
            help="Only if this version is in force (with --league: this number); default: as when asked.",
            min=0,
        ),
    ] = 0,
    league: Annotated[
        bool,
        typer.Option("--league", help="In all regions: sign it, hand it in, and let it spread by itself."),
    ] = False,
    operator_key: Annotated[
        Path | None, typer.Option(help=f"With --league: {KEY_HELP[0].lower()}{KEY_HELP[1:]}", metavar="FILE")
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="With --league: seconds to wait for all regions to go by it.", min=0)
    ] = _TIMEOUT_S,
) -> int:
    """Put a policy document in force. A document with a mistake is refused whole, and the policy in force stays.

    With --league the document is signed and given to one region, and told by gossip: every region judges it, and goes
    by it until it is given another. It is durable when the command returns, whoever has heard of it by then.

    JSON keys: region, file, version (0: refused), replaced, digest, unchanged, problems[] as in `validate`. With
    --league: those of `status`, file, problems[]; number is 0 if it was refused.
    """
    if league:
        return _apply_league(ctx, file, operator_key, region, why, author, expect, timeout)
    if operator_key is not None:
        raise UsageOrConfigError(
            "--operator-key: only with --league", hint="one region's policy needs no signature"
        )
    return _apply(ctx, file, _text(file), region, why, author, expect)


@app.command()
def rollback(
    ctx: typer.Context,
    region: RegionOption = "",
    to: Annotated[
        int, typer.Option("--to", metavar="VERSION", help="Version; default: the one before.", min=0)
    ] = 0,
    why: WhyOption = "",
    author: AuthorOption = "",
) -> int:
    """Put an earlier version of a region's policy in force again, as a new version.

    JSON keys: as for `apply`.
    """
    in_force = _asked(ctx, lambda client: client.policy(region)).version_in_force
    to = to or in_force - 1
    if not 1 <= to < in_force:
        raise CommandError(
            f"there is no version {to} before version {in_force}, which is in force",
            hint="see what there was with `hanse policy history`",
        )
    former = _asked(ctx, lambda client: client.policy(region, to)).policy
    reason = f"back to version {to}{f': {why}' if why else ''}"
    return _apply(ctx, Path(f"version {to}"), former.document, region, reason, author, in_force)


@app.command()
def status(ctx: typer.Context, region: RegionOption = "") -> None:
    """Show the policy of the whole league, and what became of it in each region, as they last told.

    JSON keys: region, number (0: none), sha256, digest, issuer, issued_at, author, why, unfit (why it can't be in force
    in the region that answers), regions[].{region, number, sha256, standing (in_force, pending, unfit, deviates, none),
    version}.
    """
    found = _asked(ctx, lambda client: client.league_policy(region))
    printer = Printer.of(ctx)
    from hanse.cli.policy_league_views import status_document, status_lines

    if printer.is_table:
        printer.show(*status_lines(found, printer.width))
    else:
        printer.document(status_document(found))


def _apply_league(
    ctx: typer.Context,
    file: Path,
    operator_key: Path | None,
    region: str,
    why: str,
    author: str,
    expect: int,
    timeout_s: float,
) -> int:
    from hanse.cli.policy_league import applied
    from hanse.cli.quota import read_key

    text, key = _text(file), read_key(operator_key)
    answer, found = _asked(
        ctx, lambda client: applied(client, text, key, region, why, author, expect, timeout_s), WRITE_RETRY
    )
    printer = Printer.of(ctx)
    if not answer.number:
        return _refused(printer, file, answer.problems, "number")
    from hanse.cli.policy_league_views import applied_line, status_document, unfit_in

    if printer.is_table:
        from hanse.cli.policy_views import problem_lines

        printer.show(*problem_lines(answer.problems, str(file)), applied_line(found, answer.number))
    else:
        printer.document(status_document(found) | _problem_document(file, answer.problems))
    return ExitCode.FAILURE if unfit_in(found) else ExitCode.OK


def _apply(ctx: typer.Context, file: Path, text: str, region: str, why: str, author: str, expect: int) -> int:
    async def applied(client: AsyncClient) -> tuple[GetPolicyResponse, Any]:
        before = await client.policy(region)
        answer = await client.apply_policy(
            text,
            before.region,
            expected_version=expect or before.version_in_force,
            author=author or getpass.getuser(),
            why=why,
        )
        return before, answer

    before, answer = _asked(ctx, applied, WRITE_RETRY)
    printer = Printer.of(ctx)
    if not answer.version:
        return _refused(printer, file, answer.problems)
    replaced = 0 if answer.unchanged else before.version_in_force
    if printer.is_table:
        from hanse.cli.policy_views import applied_lines, problem_lines

        printer.show(*problem_lines(answer.problems, str(file)), *applied_lines(answer, replaced))
    else:
        printer.document(
            {
                "region": answer.region,
                "version": answer.version,
                "replaced": replaced,
                "digest": answer.digest,
                "unchanged": answer.unchanged,
            }
            | _problem_document(file, answer.problems)
        )
    return ExitCode.OK


def _refused(printer: Printer, file: Path, problems: Sequence[PolicyProblem], key: str = "version") -> int:
    if printer.is_table:
        from hanse.cli.policy_views import problem_lines, verdict

        printer.show(*problem_lines(problems, str(file)), verdict(problems, str(file), "", valid=False))
    else:
        printer.document(_problem_document(file, problems) | {key: 0})
    return ExitCode.USAGE


def _problem_document(file: Path, problems: Sequence[PolicyProblem]) -> dict[str, Any]:
    from hanse.cli.policy_views import problem_document

    return {"file": str(file), "problems": [problem_document(problem) for problem in problems]}


def _text(file: Path) -> str:
    """What a file holds; in bytes that are not UTF-8 the wrong ones are marked, and judged."""
    try:
        return file.read_bytes().decode(errors="replace")
    except OSError as error:
        raise UsageOrConfigError(f"{file}: {error.strerror}", hint="name a file that can be read") from error


def _asked(
    ctx: typer.Context, question: Callable[[AsyncClient], Awaitable[T]], retry: RetryPolicy | None = None
) -> T:
    async def answered() -> T:
        async with client_of(ctx, retry=retry) as client:
            return await question(client)

    return run(answered())
