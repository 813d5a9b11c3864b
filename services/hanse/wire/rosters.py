"""Rosters: documents as JSON with its bounds checked, the messages that carry them, and the core's answers."""

from __future__ import annotations

import msgspec

from hanse.core import messages as m
from hanse.core.model import limits
from hanse.core.model.roster import Round, SignedRoster, decode_signed, encode_signed, sha256_of
from hanse.core.replies import ProposalView, RosterView
from hanse.wire.checks import FieldRefused
from hanse.wire.gen.hanse.v1 import peers_pb2, regions_pb2
from hanse.wire.kinds import Kind, Readers, region_name, stored
from hanse.wire.shapes import MalformedMessage, word


def read_document(document: bytes) -> SignedRoster | FieldRefused:
    """An operator's document, or what is wrong with its form. What it says is for the core to judge."""
    if not document:
        return FieldRefused("document", "required")
    if len(document) > limits.SIGNED_ROSTER_BYTES_MAX:
        size = len(document)
        return FieldRefused("document", f"{size} bytes; at most {limits.SIGNED_ROSTER_BYTES_MAX}")
    try:
        return decode_signed(document)
    except msgspec.DecodeError as error:
        return FieldRefused("document", f"not a signed roster: {error}")


def decode_document(document: bytes) -> SignedRoster:
    """As `read_document`, of a peer. Raises MalformedMessage."""
    read = read_document(document)
    if isinstance(read, FieldRefused):
        raise MalformedMessage(str(read))
    return read


def encode_roster(view: RosterView) -> regions_pb2.RosterStatus:
    """The roster as a region has it."""
    head = view.head
    return regions_pb2.RosterStatus(
        region=view.region,
        document=b"" if head is None else encode_signed(head),
        epoch=0 if head is None else head.roster.epoch,
        sha256="" if head is None else sha256_of(head.roster),
        removed=view.removed,
        following=[encode_signed(each) for each in view.following],
        known=[regions_pb2.KnownRoster(region=region, epoch=epoch) for region, epoch in view.known],
        proposal=None if view.proposal is None else _progress(view.proposal),
        conflicts=[
            regions_pb2.RosterConflict(region=region, reason=reason) for region, reason in view.conflicts
        ],
        unable=view.unable,
        ledger_id=view.ledger_id,
    )


def _encode_round(each: Round) -> peers_pb2.RosterRound:
    return peers_pb2.RosterRound(number=each.number, region=each.region)


def _decode_round(each: peers_pb2.RosterRound) -> Round:
    if each.number > limits.ROSTER_EPOCH_MAX:
        raise MalformedMessage(f"round {each.number}: at most {limits.ROSTER_EPOCH_MAX}")
    return Round(each.number, region_name(each.region))


def _encode_vote(message: m.RosterVote) -> peers_pb2.RosterVote:
    return peers_pb2.RosterVote(
        epoch=message.epoch,
        sha256=message.sha256,
        round=_encode_round(message.round),
        answered=_encode_round(message.answered),
        asks=message.asks,
        signature=message.signature,
        has=b"" if message.has is None else encode_signed(message.has),
        refusal=message.refusal[: limits.REASON_DETAIL_LENGTH_MAX],
        is_final=message.is_final,
    )


def _decode_vote(_: Readers, message: peers_pb2.RosterVote) -> m.RosterVote:
    return m.RosterVote(
        epoch=stored(message.epoch),
        sha256=word(message.sha256),
        round=_decode_round(message.round),
        answered=_decode_round(message.answered),
        asks=message.asks,
        signature=word(message.signature),
        has=decode_document(message.has) if message.has else None,
        refusal=word(message.refusal, limits.REASON_DETAIL_LENGTH_MAX),
        is_final=message.is_final,
    )


# They need no session, so their place among the others does not matter.
ROSTER_KINDS: tuple[Kind, ...] = (
    Kind(
        m.RosterAnnounce,
        "roster_announces",
        lambda x: peers_pb2.RosterAnnounce(epoch=x.epoch, sha256=x.sha256),
        lambda _, x: m.RosterAnnounce(stored(x.epoch), word(x.sha256)),
    ),
    Kind(
        m.RosterRequest,
        "roster_requests",
        lambda x: peers_pb2.RosterRequest(after_epoch=x.after_epoch),
        lambda _, x: m.RosterRequest(stored(x.after_epoch)),
    ),
    Kind(
        m.RosterDocument,
        "roster_documents",
        lambda x: peers_pb2.RosterDocument(document=encode_signed(x.signed)),
        lambda _, x: m.RosterDocument(decode_document(x.document)),
    ),
    Kind(
        m.RosterProposal,
        "roster_proposals",
        lambda x: peers_pb2.RosterProposal(
            document=encode_signed(x.signed), round=_encode_round(x.round), asks=x.asks
        ),
        lambda _, x: m.RosterProposal(decode_document(x.document), _decode_round(x.round), x.asks),
    ),
    Kind(m.RosterVote, "roster_votes", _encode_vote, _decode_vote),
)


def _progress(view: ProposalView) -> regions_pb2.RosterProgress:
    return regions_pb2.RosterProgress(
        document=encode_signed(view.signed),
        epoch=view.signed.roster.epoch,
        sha256=sha256_of(view.signed.roster),
        countersigned=view.countersigned,
        missing=view.missing,
        is_asking=view.is_asking,
        has_failed=view.has_failed,
        refusals=[
            regions_pb2.RosterRefusal(region=region, reason=reason) for region, reason in view.refusals
        ],
    )
