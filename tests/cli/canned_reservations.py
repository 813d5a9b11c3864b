"""A ReservationService with a known content, for the command line's tests: one that recurs, and one that is over."""

from __future__ import annotations

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from hanse.wire.gen.hanse.v1 import reservations_pb2 as pb
from hanse.wire.gen.hanse.v1 import reservations_pb2_grpc

REGION = "north"
AT_S = 1_700_000_000


def status(name: str, **more: object) -> pb.ReservationStatus:
    known = pb.ReservationStatus(
        id=f"id-{name}",
        created_at=Timestamp(seconds=AT_S),
        nodes=["n1", "n2"],
        windows=1,
        **more,  # type: ignore[arg-type]
    )
    known.reservation.name = name
    known.reservation.tenant = "lab/vision"
    group = known.reservation.groups.add(count=2, constraints=["model = a100"])
    group.resources["gpu"] = 8_000
    known.reservation.start.seconds = AT_S
    known.reservation.duration.seconds = 8 * 3_600
    return known


def nightly() -> pb.ReservationStatus:
    known = status(
        "nightly",
        state=pb.WINDOW_STATE_OPEN,
        window_start=Timestamp(seconds=AT_S),
        window_end=Timestamp(seconds=AT_S + 8 * 3_600),
        windows_left=1,
        used={"gpu": 1_000},
        held={"gpu": 7_000},
        missing={"gpu": 8_000},
    )
    known.reservation.recurrence = "0 22 * * 1-5"
    known.reservation.time_zone = "Europe/Berlin"
    known.reservation.until.seconds = AT_S + 86_400
    known.reservation.before = pb.BEFORE_WINDOW_CHECKPOINT
    known.reservation.idle_release.seconds = 1_800
    known.reservation.author = "ada"
    known.reservation.why = "the spring models"
    known.reservation.groups.add(count=1, region="west").resources["gpu"] = 4_000
    known.share.owner = REGION
    known.share.elsewhere.append("west")
    return known


class Reservations(reservations_pb2_grpc.ReservationServiceServicer):
    """Refuses what begins in the past, and knows two."""

    async def ListReservations(
        self, request: pb.ListReservationsRequest, context: grpc.aio.ServicerContext
    ) -> pb.ListReservationsResponse:
        over = status("over", state=pb.WINDOW_STATE_OVER)
        return pb.ListReservationsResponse(region=REGION, reservations=[nightly(), over])

    async def CreateReservation(
        self, request: pb.CreateReservationRequest, context: grpc.aio.ServicerContext
    ) -> pb.CreateReservationResponse:
        wanted = request.reservation
        if wanted.start.seconds < AT_S:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the first window would have begun")
        answer = pb.CreateReservationResponse(region=REGION, reservation=nightly())
        answer.reservation.reservation.CopyFrom(wanted)
        return answer

    async def CancelReservation(
        self, request: pb.CancelReservationRequest, context: grpc.aio.ServicerContext
    ) -> pb.CancelReservationResponse:
        return pb.CancelReservationResponse(region=REGION)
