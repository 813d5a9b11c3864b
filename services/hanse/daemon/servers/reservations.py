"""ReservationService: capacity of a region that is set aside. Any region answers about any region."""

from __future__ import annotations

from typing import Any

import structlog

from hanse.core.events import Ask, CancelReservation, Question, Reserve
from hanse.core.model import limits
from hanse.core.replies import Done, Refused, Reserved
from hanse.daemon.errors import invalid, refused_request
from hanse.daemon.ids import JobIds
from hanse.daemon.runtime import Runtime
from hanse.daemon.servers.members import Members
from hanse.wire.checks import FieldRefused
from hanse.wire.gen.hanse.v1 import reservations_pb2 as pb
from hanse.wire.gen.hanse.v1 import reservations_pb2_grpc
from hanse.wire.reservations import encode_reservation, read_reservation

log = structlog.get_logger()


class ReservationService(reservations_pb2_grpc.ReservationServiceServicer):
    """`members` None: only about this region, for peers."""

    def __init__(self, runtime: Runtime, ids: JobIds, members: Members | None) -> None:
        self._runtime = runtime
        self._ids = ids
        self._members = members

    async def CreateReservation(
        self, request: pb.CreateReservationRequest, context: Any
    ) -> pb.CreateReservationResponse:
        """Set capacity aside; durable when it is answered."""
        if not self._is_here(request.region):
            return await self._elsewhere("CreateReservation", request, context)  # type: ignore[no-any-return]
        read = read_reservation(request.reservation, self._runtime.name)
        if isinstance(read, FieldRefused):
            raise invalid(f"reservation.{read.field}", read.message)
        wanted = read.wanted
        drawn = self._ids.draw(1)[0]
        cause = f"reserve:{drawn}"
        answer = await self._runtime.ask(
            object,
            lambda number: Reserve(
                request_id=number, wanted=wanted, id=drawn, cause=cause, elsewhere=read.elsewhere
            ),
        )
        if isinstance(answer, Refused):
            raise refused_request(_under_reservation(answer))
        assert isinstance(answer, Reserved)
        log.info("reservation.created", name=wanted.name, existed=answer.existed, cause=cause)
        views = await self._runtime.ask(tuple, self._question())
        status = next(view for view in views if view.reservation.name == wanted.name)
        return pb.CreateReservationResponse(
            region=self._runtime.name, reservation=encode_reservation(status), existed=answer.existed
        )

    async def CancelReservation(
        self, request: pb.CancelReservationRequest, context: Any
    ) -> pb.CancelReservationResponse:
        """End one at once; durable when it is answered."""
        if not self._is_here(request.region):
            return await self._elsewhere("CancelReservation", request, context)  # type: ignore[no-any-return]
        cause = f"unreserve:{self._ids.draw(1)[0]}"
        answer = await self._runtime.ask(
            object, lambda number: CancelReservation(request_id=number, name=request.name, cause=cause)
        )
        if isinstance(answer, Refused):
            raise refused_request(answer)
        assert isinstance(answer, Done)
        log.info("reservation.cancelled", name=request.name, cause=cause)
        return pb.CancelReservationResponse(region=self._runtime.name)

    async def ListReservations(
        self, request: pb.ListReservationsRequest, context: Any
    ) -> pb.ListReservationsResponse:
        """All of them, by name."""
        if not self._is_here(request.region):
            return await self._elsewhere("ListReservations", request, context)  # type: ignore[no-any-return]
        views = await self._runtime.ask(tuple, self._question())
        return pb.ListReservationsResponse(
            region=self._runtime.name, reservations=[encode_reservation(view) for view in views]
        )

    @staticmethod
    def _question() -> Any:
        return lambda number: Ask(request_id=number, question=Question.RESERVATIONS)

    def _is_here(self, region: str) -> bool:
        if region in ("", self._runtime.name):
            return True
        if self._members is None or not self._members.knows(region):
            raise invalid("region", f"no region {region!r} in the roster")
        return False

    async def _elsewhere(self, method: str, request: Any, context: Any) -> Any:
        assert self._members is not None
        return await self._members.call(
            request.region,
            lambda stubs: getattr(stubs.reservations, method),
            request,
            context,
            limits.PROXY_TIMEOUT_S,
        )


def _under_reservation(refused: Refused) -> Refused:
    """The field, as the request has it."""
    field = f"reservation.{refused.field}" if refused.field else ""
    return Refused(refused.code, field, refused.message, refused.retry_after_ms)
