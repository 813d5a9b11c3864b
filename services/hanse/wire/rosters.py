"""Rosters: JSON with its bounds checked, and the core's answers about them -> protobuf."""

from __future__ import annotations

import msgspec

from hanse.core.effects import ProposalView, RosterView
from hanse.core.model import limits
from hanse.core.model.roster import SignedRoster, decode_signed, encode_signed, sha256_of
from hanse.wire.checks import FieldRefused
from hanse.wire.gen.hanse.v1 import regions_pb2
from hanse.wire.shapes import MalformedMessage


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
    )


def _progress(view: ProposalView) -> regions_pb2.RosterProgress:
    return regions_pb2.RosterProgress(
        document=encode_signed(view.signed),
        epoch=view.signed.roster.epoch,
        sha256=sha256_of(view.signed.roster),
        countersigned=view.countersigned,
        missing=view.missing,
        refusals=[
            regions_pb2.RosterRefusal(region=region, reason=reason) for region, reason in view.refusals
        ],
    )
