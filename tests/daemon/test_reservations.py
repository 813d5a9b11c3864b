"""Reservations on a real daemon: kept over a restart, heeded, explained, refused, passed on to other regions."""

from __future__ import annotations

import time
from pathlib import Path

import grpc
import pytest

from hanse.wire.gen.hanse.v1 import common_pb2, jobs_pb2
from hanse.wire.gen.hanse.v1 import reservations_pb2 as pb
from tests.daemon.league import DEADLINE_S, Place, eventually, league, shell, submission, until_exists

QUEUED, RUNNING, SUCCEEDED = (
    common_pb2.JOB_STATE_QUEUED,
    common_pb2.JOB_STATE_RUNNING,
    common_pb2.JOB_STATE_SUCCEEDED,
)


def reservation(
    name: str, in_s: float = 0.3, lasts_s: int = 600, count: int = 2, cpu: int = 4000
) -> pb.Reservation:
    wanted = pb.Reservation(
        name=name, tenant="mill", groups=[pb.ReservedGroup(count=count, resources={"cpu": cpu})]
    )
    wanted.start.FromMicroseconds(time.time_ns() // 1_000 + int(in_s * 1e6))
    wanted.duration.FromSeconds(lasts_s)
    return wanted


async def reserved(place: Place, wanted: pb.Reservation, region: str = "") -> pb.CreateReservationResponse:
    request = pb.CreateReservationRequest(region=region, reservation=wanted)
    response: pb.CreateReservationResponse = await place.reservations.CreateReservation(
        request, timeout=DEADLINE_S
    )
    return response


async def taken(place: Place, wanted: pb.Reservation, region: str) -> bool:
    """Whether it answered."""
    try:
        await reserved(place, wanted, region)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return False
    return True


async def is_open(place: Place) -> bool:
    """Whether the window of its only reservation has begun."""
    (status,) = await listed(place)
    return status.state == pb.WINDOW_STATE_OPEN


async def listed(place: Place, region: str = "") -> list[pb.ReservationStatus]:
    request = pb.ListReservationsRequest(region=region)
    return list((await place.reservations.ListReservations(request, timeout=DEADLINE_S)).reservations)


async def test_a_reservation_outlives_the_daemon_and_is_heeded(tmp_path: Path) -> None:
    async with league(tmp_path, "north", executor="local") as regions:
        wanted = reservation("night")
        first = await reserved(regions["north"], wanted)
        assert not first.existed
        await regions.stop("north")
        north = await regions.start("north")
        again = await reserved(north, wanted)
        assert again.existed
        assert again.reservation.id == first.reservation.id
        assert list(again.reservation.nodes) == ["north1", "north2"]
        ours = shell("ours", until_exists(tmp_path / "gate"), cpu=1000, tenant="mill/weavers")
        theirs, own = [result.job.job_id for result in await north.submit(submission("theirs"), ours)]
        await north.state(own, RUNNING)
        answer = await north.jobs.ExplainJob(jobs_pb2.ExplainJobRequest(job_id=theirs), timeout=DEADLINE_S)
        assert answer.regions[0].blockers[0].code == "RESERVATION"
        await eventually(lambda: is_open(north))
        (status,) = await listed(north)
        assert (dict(status.used), dict(status.held)) == ({"cpu": 1000}, {"cpu": 7000})
        cancel = pb.CancelReservationRequest(name="night")
        await north.reservations.CancelReservation(cancel, timeout=DEADLINE_S)
        await north.state(theirs, SUCCEEDED)
        assert await listed(north) == []
        (tmp_path / "gate").touch()


async def test_places_in_two_regions_are_set_aside_in_both_or_in_neither(tmp_path: Path) -> None:
    async with league(tmp_path, "north", "south") as regions:
        north, south = regions["north"], regions["south"]
        wanted = reservation("both", in_s=60, count=1)
        wanted.groups.add(count=1, resources={"cpu": 4000}, region="south")
        await eventually(lambda: taken(north, wanted, ""))
        for place in (north, south):
            (status,) = await listed(place)
            assert (status.share.owner, status.share.confirmed) == ("north", True)
        too_many = reservation("more", in_s=60, count=1)
        too_many.groups.add(count=2, resources={"cpu": 4000}, region="south")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await reserved(north, too_many)
        assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert "region south: " in str(refused.value.details())
        # Ordinary places beside it fit as before: nothing of what was refused is left.
        assert not (await reserved(south, reservation("rest", in_s=60, count=1))).existed
        cancel = pb.CancelReservationRequest(name="both")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await south.reservations.CancelReservation(cancel, timeout=DEADLINE_S)
        assert "cancel it there" in str(refused.value.details())
        await north.reservations.CancelReservation(cancel, timeout=DEADLINE_S)

        async def is_gone() -> bool:
            return [each.reservation.name for each in await listed(south)] == ["rest"]

        await eventually(is_gone)


async def test_what_cannot_be_honoured_is_refused_with_its_field(tmp_path: Path) -> None:
    async with league(tmp_path, "north", "south") as regions:
        north = regions["north"]
        # A region that has just started waits until it knows that its disk is no old one.
        await eventually(lambda: taken(north, reservation("first", in_s=60, count=1), "south"))
        assert [each.reservation.name for each in await listed(north, "south")] == ["first"]
        assert await listed(north) == []
        recurring = reservation("often", in_s=60)
        recurring.recurrence = "0 25 * * *"
        recurring.until.FromSeconds(recurring.start.seconds + 86_400)
        cases = [
            (reservation("past", in_s=-5), "INVALID_ARGUMENT", "reservation.start"),
            (reservation("second", in_s=90), "FAILED_PRECONDITION", "reservation.groups"),
            (reservation("large", in_s=60, cpu=5000), "FAILED_PRECONDITION", "reservation.groups"),
            (reservation("first", in_s=9_000), "ALREADY_EXISTS", "reservation.name"),
            (reservation("", in_s=60), "INVALID_ARGUMENT", "reservation.name"),
            (recurring, "INVALID_ARGUMENT", "reservation.recurrence"),
        ]
        for wanted, status, field in cases:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await reserved(north, wanted, region="south")
            assert refused.value.code().name == status, refused.value.details()
            assert field in str(refused.value.trailing_metadata()) + str(refused.value.details()), field
        assert len(await listed(north, "south")) == 1
