"""Messages about reservations over several regions."""

from __future__ import annotations

from itertools import pairwise

from hanse.core import messages as m
from hanse.core.model import limits
from hanse.core.model.reservations import WantedReservation
from hanse.wire.checks import FieldRefused
from hanse.wire.gen.hanse.v1 import peers_pb2
from hanse.wire.kinds import Kind, Readers, bounded, job_id_of
from hanse.wire.reservations import decode_wanted, encode_wanted
from hanse.wire.shapes import MalformedMessage, word


def _wanted(message: peers_pb2.ReservationPart) -> WantedReservation:
    starts = tuple(bounded(message.starts_wall_us, limits.RESERVATION_WINDOWS_MAX))
    if not starts or any(after <= before for before, after in pairwise(starts)) or starts[0] <= 0:
        raise MalformedMessage("windows that do not ascend, or none")
    try:
        return decode_wanted(message.wanted, lambda _: starts)
    except FieldRefused as refused:
        raise MalformedMessage(str(refused)) from refused


def _decode_part(_: Readers, message: peers_pb2.ReservationPart) -> m.ReservationPart:
    return m.ReservationPart(id=_id(message.id), wanted=_wanted(message), binding=message.binding)


def _decode_taken(_: Readers, message: peers_pb2.ReservationTaken) -> m.ReservationTaken:
    return m.ReservationTaken(
        id=_id(message.id),
        binding=message.binding,
        code=word(message.code),
        reason=word(message.reason, limits.REFUSAL_LENGTH_MAX),
    )


def _decode_verdict(_: Readers, message: peers_pb2.ReservationVerdict) -> m.ReservationVerdict:
    if message.over_wall_us < 0:
        raise MalformedMessage("a reservation that was over before 1970")
    return m.ReservationVerdict(id=_id(message.id), kept=message.kept, over_wall_us=message.over_wall_us)


def _id(text: str) -> str:
    if not text:
        raise MalformedMessage("a reservation without an id")
    return job_id_of(text)


JOINT_KINDS: tuple[Kind, ...] = (
    Kind(
        m.ReservationPart,
        "reservation_parts",
        lambda x: peers_pb2.ReservationPart(
            id=x.id,
            wanted=encode_wanted(x.wanted),
            starts_wall_us=x.wanted.starts_wall_us,
            binding=x.binding,
        ),
        _decode_part,
    ),
    Kind(
        m.ReservationTaken,
        "reservations_taken",
        lambda x: peers_pb2.ReservationTaken(
            id=x.id, binding=x.binding, code=x.code, reason=x.reason[: limits.REFUSAL_LENGTH_MAX]
        ),
        _decode_taken,
    ),
    Kind(
        m.ReservationVerdict,
        "reservation_verdicts",
        lambda x: peers_pb2.ReservationVerdict(id=x.id, kept=x.kept, over_wall_us=x.over_wall_us),
        _decode_verdict,
    ),
    Kind(
        m.ReservationSettled,
        "reservations_settled",
        lambda x: peers_pb2.ReservationSettled(id=x.id, kept=x.kept),
        lambda _, x: m.ReservationSettled(id=_id(x.id), kept=x.kept),
    ),
)
