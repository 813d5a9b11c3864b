"""Reservations: protobuf <-> model."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from hanse.core.model import limits
from hanse.core.model.jobs import GroupShape
from hanse.core.model.reservations import Before, RegionPlaces, WantedReservation
from hanse.core.model.resources import resources
from hanse.core.replies import ReservationView
from hanse.wire.calendar import instants
from hanse.wire.checks import (
    NAME,
    RESOURCE_KIND,
    FieldRefused,
    check_length,
    check_range,
    check_tenant,
    check_text,
    check_timestamp,
    duration_us,
)
from hanse.wire.gen.hanse.v1 import reservations_pb2 as pb
from hanse.wire.times import timestamp, wall_us

_BEFORE = {
    pb.BEFORE_WINDOW_UNSPECIFIED: Before.FINISH,
    pb.BEFORE_WINDOW_FINISH: Before.FINISH,
    pb.BEFORE_WINDOW_CHECKPOINT: Before.CHECKPOINT,
    pb.BEFORE_WINDOW_PREEMPT: Before.PREEMPT,
}


class WishedPlaces(NamedTuple):
    """What one region is to have, and what others are."""

    wanted: WantedReservation
    elsewhere: tuple[RegionPlaces, ...]


def read_reservation(message: pb.Reservation, region: str) -> WishedPlaces | FieldRefused:
    """What is asked of this region, with all windows resolved; or what can't be right about it."""
    try:
        groups = _groups(message)
        names = [group.region or region for group in message.groups]
        if names and region not in names:
            raise FieldRefused(
                "groups", f"none in {region}, which is asked: ask a region that has places in it"
            )
        wanted = decode_wanted(message, _starts)
    except FieldRefused as refused:
        return refused
    places = {name: tuple(g for g, of in zip(groups, names, strict=True) if of == name) for name in names}
    here = msgspec.structs.replace(wanted, groups=places.pop(region, ()))
    return WishedPlaces(here, tuple(RegionPlaces(*each) for each in places.items()))


def decode_wanted(
    message: pb.Reservation, starts_of: Callable[[pb.Reservation], tuple[int, ...]]
) -> WantedReservation:
    """All of its groups, wherever they are to be. Raises FieldRefused."""
    check_text("name", message.name, limits.NAME_LENGTH_MAX, NAME, "a printable name")
    check_tenant("tenant", message.tenant)
    for field in ("author", "why"):
        text = getattr(message, field)
        if len(text) > limits.POLICY_SENTENCE_LENGTH_MAX or not text.isprintable():
            raise FieldRefused(field, f"one line of at most {limits.POLICY_SENTENCE_LENGTH_MAX} characters")
    if message.before not in _BEFORE:
        raise FieldRefused("before", f"{message.before} is not known here")
    check_timestamp("start", message.start)
    return WantedReservation(
        name=message.name,
        tenant=message.tenant,
        groups=_groups(message),
        starts_wall_us=starts_of(message),
        duration_us=duration_us("duration", message.duration, limits.RESERVATION_AHEAD_US_MAX),
        before=_BEFORE[message.before],
        idle_release_us=duration_us("idle_release", message.idle_release, limits.RESERVATION_AHEAD_US_MAX),
        recurrence=message.recurrence,
        time_zone=message.time_zone,
        until_wall_us=wall_us(message.until),
        author=message.author,
        why=message.why,
    )


def _starts(message: pb.Reservation) -> tuple[int, ...]:
    start_us = wall_us(message.start)
    if not message.recurrence:
        for field in ("time_zone", "until"):
            if message.HasField("until") if field == "until" else message.time_zone:
                raise FieldRefused(field, "only with a recurrence")
        return (start_us,)
    check_length("recurrence", len(message.recurrence), limits.RECURRENCE_LENGTH_MAX, "characters")
    check_timestamp("until", message.until)
    until_us = wall_us(message.until)
    if until_us - start_us > limits.RESERVATION_AHEAD_US_MAX:
        days = limits.RESERVATION_AHEAD_US_MAX // (86_400 * 1_000_000)
        raise FieldRefused("until", f"more than {days} days after the start")
    # One more than there may be: so it is known that they are too many.
    found = instants(
        message.recurrence, message.time_zone, start_us, until_us, limits.RESERVATION_WINDOWS_MAX + 1
    )
    return tuple(found)


def _groups(message: pb.Reservation) -> tuple[GroupShape, ...]:
    check_length("groups", len(message.groups), limits.GROUPS_MAX, "groups")
    return tuple(_group(f"groups[{number}]", group) for number, group in enumerate(message.groups))


def _group(field: str, group: pb.ReservedGroup) -> GroupShape:
    check_range(f"{field}.count", group.count, 1, limits.RESERVATION_TASKS_MAX)
    check_length(
        f"{field}.resources", len(group.resources), limits.RESOURCE_KINDS_PER_TASK_MAX, "kinds of resources"
    )
    for kind, quantity in group.resources.items():
        where = f"{field}.resources[{kind}]"
        check_text(where, kind, limits.RESOURCE_KIND_LENGTH_MAX, RESOURCE_KIND, "a kind of resource")
        check_range(where, quantity, 0, limits.QUANTITY_MAX)
    check_length(f"{field}.region", len(group.region), limits.REGION_NAME_LENGTH_MAX, "characters")
    check_length(f"{field}.constraints", len(group.constraints), limits.CONSTRAINTS_MAX, "constraints")
    for at, text in enumerate(group.constraints):
        check_length(f"{field}.constraints[{at}]", len(text), limits.CONSTRAINT_LENGTH_MAX, "characters")
    return GroupShape(group.count, group.count, resources(dict(group.resources)), tuple(group.constraints))


def encode_reservation(view: ReservationView) -> pb.ReservationStatus:
    """One, as it stands."""
    known = view.reservation
    starts = known.starts_wall_us
    left = len(starts) - bisect_left(starts, view.window_wall_us) if view.window_wall_us else 0
    window_end_us = view.window_wall_us + known.duration_us if view.window_wall_us else 0
    status = pb.ReservationStatus(
        id=known.id,
        created_at=timestamp(known.created_wall_us),
        nodes=sorted({task.node for task in known.allocation.tasks}),
        state=f"WINDOW_STATE_{view.state.name}",
        window_start=timestamp(view.window_wall_us),
        window_end=timestamp(window_end_us),
        windows=len(starts),
        windows_left=left,
        used=dict(view.used),
        held=dict(view.held),
        missing=dict(view.missing),
    )
    status.reservation.CopyFrom(encode_wanted(known))
    if known.part is not None:
        elsewhere = known.part.elsewhere
        for each in elsewhere:
            status.reservation.groups.extend(_encode_group(group, each.region) for group in each.groups)
        share = pb.ReservationShare(
            owner=known.part.owner, confirmed=known.is_sure, elsewhere=[each.region for each in elsewhere]
        )
        status.share.CopyFrom(share)
    return status


def _encode_group(group: GroupShape, region: str = "") -> pb.ReservedGroup:
    return pb.ReservedGroup(
        count=group.count, resources=dict(group.resources), constraints=group.constraints, region=region
    )


def encode_wanted(known: WantedReservation) -> pb.Reservation:
    """What was asked of one region."""
    message = pb.Reservation(
        name=known.name,
        tenant=known.tenant,
        groups=[_encode_group(group) for group in known.groups],
        start=timestamp(known.starts_wall_us[0]),
        recurrence=known.recurrence,
        time_zone=known.time_zone,
        until=timestamp(known.until_wall_us),
        before=f"BEFORE_WINDOW_{known.before.name}",
        author=known.author,
        why=known.why,
    )
    message.duration.FromMicroseconds(known.duration_us)
    message.idle_release.FromMicroseconds(known.idle_release_us)
    return message
