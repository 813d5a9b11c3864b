"""Reservations for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from hanse.cli.display import amounts_text, clock_text
from hanse.cli.tables import Column, make_table
from hanse.client.messages import BeforeWindow, WindowState
from hanse.policies.units import duration_text

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration
    from rich.console import RenderableType

    from hanse.client.messages import ListReservationsResponse, ReservationStatus

_NONE = "-"
_NODES_SHOWN_MAX = 20
_STYLES = {"OPEN": "green", "RELEASED": "yellow", "OVER": "bright_black"}
_BEFORE = {
    "FINISH": "it ends in time of its own",
    "CHECKPOINT": "what may be restarted is stopped, with its grace",
    "PREEMPT": "it is stopped, with its grace",
}


def status_table(found: ListReservationsResponse, width: int) -> RenderableType:
    """One row each."""
    if not found.reservations:
        return Text(f"{found.region} has no reservations", style="bright_black")
    columns = [
        Column("NAME"),
        Column("TENANT"),
        Column("STATE"),
        Column("WINDOW"),
        Column("FOR", justify="right"),
        Column("LEFT", drop=2, justify="right"),
        Column("PLACES", drop=1, flexible=True),
    ]
    rows = [
        (
            status.reservation.name,
            status.reservation.tenant,
            _state(status),
            clock_text(status.window_start)[:-4] if status.HasField("window_start") else _NONE,
            _length(status.reservation.duration),
            f"{status.windows_left} of {status.windows}",
            _places(status),
        )
        for status in found.reservations
    ]
    return make_table(columns, rows, width)


def status_lines(status: ReservationStatus, region: str) -> list[RenderableType]:
    """All about one."""
    known = status.reservation
    lines: list[RenderableType] = [
        Text.assemble((known.name, "bold"), f" of {known.tenant} in {region}: ", _state(status)),
        f"  places      {_places(status)}",
        f"  nodes       {_nodes(status)}",
        f"  windows     {_windows(status)}",
    ]
    if status.HasField("share"):
        lines.append(
            Text(f"  together    {_share(status)}", style="" if status.share.confirmed else "yellow")
        )
    if status.HasField("window_start"):
        word = "next" if status.state == WindowState.Value("WINDOW_STATE_AHEAD") else "this one"
        begins, ends = clock_text(status.window_start)[:-4], clock_text(status.window_end)[:-4]
        lines.append(f"  {word:<11} {begins} to {ends}")
    lines.append(f"  other work  {_BEFORE[_before(known.before)]}")
    if known.idle_release.ToMicroseconds():
        lines.append(f"  given up    when it is not used for {_length(known.idle_release)}")
    if status.state == WindowState.Value("WINDOW_STATE_OPEN"):
        lines += [
            f"  used        {amounts_text(status.used)}",
            f"  kept free   {amounts_text(status.held)}",
        ]
        if status.missing:
            lines.append(Text(f"  missing     {amounts_text(status.missing)}", style="yellow"))
    if known.author or known.why:
        lines.append(f"  asked for   by {known.author or _NONE}: {known.why or _NONE}")
    return lines


def _state(status: ReservationStatus) -> Text:
    name = WindowState.Name(status.state).removeprefix("WINDOW_STATE_")
    return Text(name, style=_STYLES.get(name, ""))


def _before(number: BeforeWindow) -> str:
    name = BeforeWindow.Name(number).removeprefix("BEFORE_WINDOW_")
    return name if name in _BEFORE else "FINISH"


def _places(status: ReservationStatus) -> str:
    parts = []
    for group in status.reservation.groups:
        where = f" where {' and '.join(group.constraints)}" if group.constraints else ""
        region = f" in {group.region}" if group.region else ""
        parts.append(f"{group.count} x {amounts_text(group.resources)}{where}{region}")
    return "; ".join(parts)


def _share(status: ReservationStatus) -> str:
    share = status.share
    with_others = f" with {', '.join(share.elsewhere)}" if share.elsewhere else ""
    kept = "" if share.confirmed else "; not confirmed yet, so no window opens"
    return f"one of several regions{with_others}, decided and cancelled in {share.owner}{kept}"


def _nodes(status: ReservationStatus) -> str:
    more = len(status.nodes) - _NODES_SHOWN_MAX
    return ", ".join(status.nodes[:_NODES_SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")


def _windows(status: ReservationStatus) -> str:
    known = status.reservation
    if not known.recurrence:
        return f"one, for {_length(known.duration)}"
    zone, until = known.time_zone or "UTC", clock_text(known.until)[:-4]
    return (
        f"{known.recurrence} ({zone}) until {until}, each for {_length(known.duration)}; {status.windows_left} of "
        f"{status.windows} left"
    )


def _length(duration: Duration) -> str:
    return duration_text(duration.ToMicroseconds())
