"""`hanse reservation`."""

from __future__ import annotations

import enum
import getpass
import re
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from hanse.cli.connect import WRITE_RETRY, client_of, run
from hanse.cli.errors import CommandError, UsageOrConfigError
from hanse.cli.output import Printer
from hanse.client.retry import RetryPolicy

if TYPE_CHECKING:
    from hanse.client import AsyncClient
    from hanse.client.messages import ReservationStatus, ReservedGroup

app = typer.Typer(add_completion=False, rich_markup_mode=None)

T = TypeVar("T")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the reservation.")]
RegionOption = Annotated[
    str, typer.Option("--region", metavar="REGION", help="Region; default: the one that is asked.")
]
_TIMES = "such as 2026-12-01T22:00+01:00, 2026-12-01T22:00 (of this machine), or +30m"
_GROUP = re.compile(r"(?:([^\s:=,]+):)?\s*(?:(\d+)\s*x\s*)?(.+)")


class BeforeOption(enum.StrEnum):
    """What becomes of running work."""

    FINISH = "finish"
    CHECKPOINT = "checkpoint"
    PREEMPT = "preempt"


@app.callback()
def reservation() -> None:
    """Capacity that is set aside for a tenant, over windows of time."""


@app.command()
def create(
    ctx: typer.Context,
    name: NameArgument,
    tenant: Annotated[
        str, typer.Option("--tenant", metavar="TENANT", help="Whom it is for, with all tenants below it.")
    ],
    place: Annotated[
        list[str],
        typer.Option(
            "--place",
            metavar="[REGION:][COUNTx]KIND=QUANTITY,...",
            help="Places, each on one node, such as '4xgpu=8000,cpu=64000', 'cpu=4 cores' or, of another region, "
            "'west:2xgpu=8000'; may be repeated.",
        ),
    ],
    start: Annotated[
        str, typer.Option("--start", metavar="TIME", help=f"When the first window begins, {_TIMES}.")
    ],
    duration: Annotated[
        str, typer.Option("--duration", metavar="DURATION", help="Of each window, such as 8h.")
    ],
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="SELECTOR", help="On nodes with such labels; may be repeated."),
    ] = None,
    every: Annotated[
        str,
        typer.Option(
            "--every",
            metavar="CRON",
            help="When windows begin: minute hour day month weekday, such as '0 22 * * 1-5'. Default: once.",
        ),
    ] = "",
    time_zone: Annotated[
        str,
        typer.Option("--time-zone", metavar="ZONE", help="Of --every, such as Europe/Berlin; default: UTC."),
    ] = "",
    until: Annotated[
        str, typer.Option("--until", metavar="TIME", help="With --every: the last window begins before this.")
    ] = "",
    before: Annotated[
        BeforeOption,
        typer.Option(
            "--before",
            help="What becomes of work that is in the way when a window begins: it ends in time of its own; what may "
            "be restarted is stopped, with its grace; all of it is.",
        ),
    ] = BeforeOption.FINISH,
    release_idle: Annotated[
        str,
        typer.Option(
            "--release-idle",
            metavar="DURATION",
            help="Give up a window that is not used for so long. Default: never.",
        ),
    ] = "",
    region: RegionOption = "",
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="What for.")] = "",
    author: Annotated[
        str, typer.Option("--author", metavar="NAME", help="Who asks; default: the user of this shell.")
    ] = "",
) -> None:
    """Set capacity aside. Refused whole if it can't be honoured beside the other reservations, or begins in the past.
    With places in several regions, all of them are set aside, or none.

    JSON keys: region, existed, reservation as ReservationStatus in proto/hanse/v1/reservations.proto.
    """
    from hanse.client.messages import Reservation

    wanted = Reservation(
        name=name,
        tenant=tenant,
        groups=[_group(text, where or []) for text in place],
        recurrence=every,
        time_zone=time_zone,
        before=f"BEFORE_WINDOW_{before.name}",
        author=author or getpass.getuser(),
        why=why,
    )
    wanted.start.FromMicroseconds(_instant_us(start, "--start"))
    wanted.duration.FromMicroseconds(_duration_us(duration, "--duration"))
    if until:
        wanted.until.FromMicroseconds(_instant_us(until, "--until"))
    if release_idle:
        wanted.idle_release.FromMicroseconds(_duration_us(release_idle, "--release-idle"))
    answer = _asked(ctx, lambda client: client.reserve(wanted, region), WRITE_RETRY)
    printer = Printer.of(ctx)
    if printer.is_table:
        from hanse.cli.reservation_views import status_lines

        printer.show(*status_lines(answer.reservation, answer.region))
    else:
        from hanse.client import to_plain

        printer.document(to_plain(answer))


@app.command()
def cancel(ctx: typer.Context, name: NameArgument, region: RegionOption = "") -> None:
    """End a reservation at once. What runs in it goes on.

    JSON keys: region, name.
    """
    answer = _asked(ctx, lambda client: client.cancel_reservation(name, region), WRITE_RETRY)
    printer = Printer.of(ctx)
    if printer.is_table:
        printer.show(f"{name} is cancelled in {answer.region}")
    else:
        printer.document({"region": answer.region, "name": name})


@app.command("list")
def list_(ctx: typer.Context, region: RegionOption = "") -> None:
    """List a region's reservations, with the window that is open or comes next; those that are over for a week more.

    JSON keys: region, reservations[] as ReservationStatus in proto/hanse/v1/reservations.proto.
    """
    found = _asked(ctx, lambda client: client.reservations(region))
    printer = Printer.of(ctx)
    if printer.is_table:
        from hanse.cli.reservation_views import status_table

        printer.show(status_table(found, printer.width))
    else:
        from hanse.client import to_plain

        printer.document(to_plain(found))


@app.command()
def show(ctx: typer.Context, name: NameArgument, region: RegionOption = "") -> None:
    """Show a reservation: its windows and nodes, and what of the open window is used, kept free and missing.

    JSON keys: region, reservation as ReservationStatus in proto/hanse/v1/reservations.proto.
    """
    found = _asked(ctx, lambda client: client.reservations(region))
    status = _named(found.reservations, name, found.region)
    printer = Printer.of(ctx)
    if printer.is_table:
        from hanse.cli.reservation_views import status_lines

        printer.show(*status_lines(status, found.region))
    else:
        from hanse.client import to_plain

        printer.document({"region": found.region, "reservation": to_plain(status)})


def _named(known: object, name: str, region: str) -> ReservationStatus:
    for status in known:  # type: ignore[attr-defined]
        if status.reservation.name == name:
            return status  # type: ignore[no-any-return]
    raise CommandError(f"{region} has no reservation {name!r}", hint="see `hanse reservation list`")


def _group(text: str, where: list[str]) -> ReservedGroup:
    from hanse.client.messages import ReservedGroup
    from hanse.policies.units import quantity

    found = _GROUP.fullmatch(text.strip())
    region, count, amounts = found.groups() if found is not None else ("", "1", text)
    group = ReservedGroup(count=int(count or 1), constraints=where, region=region or "")
    for part in amounts.split(","):
        kind, equals, amount_text = (each.strip() for each in part.partition("="))
        amount = int(amount_text) if amount_text.isdecimal() else quantity(kind, amount_text)
        if not equals or not kind or amount is None:
            raise UsageOrConfigError(f"--place {text!r}: {part.strip()!r} is not KIND=QUANTITY")
        group.resources[kind] = amount
    return group


def _instant_us(text: str, option: str) -> int:
    if text.startswith("+"):
        return time.time_ns() // 1_000 + _duration_us(text[1:], option)
    try:
        return int(datetime.fromisoformat(text).timestamp()) * 1_000_000
    except (ValueError, OverflowError, OSError) as error:
        raise UsageOrConfigError(f"{option} {text!r} is no instant, {_TIMES}") from error


def _duration_us(text: str, option: str) -> int:
    from hanse.policies.units import duration_us

    found = duration_us(text)
    if found is None:
        raise UsageOrConfigError(f"{option} {text!r} is no duration, such as 90s, 15m, 1h30m")
    return found


def _asked(
    ctx: typer.Context, question: Callable[[AsyncClient], Awaitable[T]], retry: RetryPolicy | None = None
) -> T:
    async def asked() -> T:
        async with client_of(ctx, retry=retry) as client:
            return await question(client)

    return run(asked())
