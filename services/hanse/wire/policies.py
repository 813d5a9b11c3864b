"""Policies: versions of a region's own; and the league's: its document as JSON with its bounds checked, its messages,
and what is told of it."""

from __future__ import annotations

import msgspec

from hanse.core import messages as m
from hanse.core.model import limits
from hanse.core.model.league_policy import (
    LeagueStanding,
    SignedPolicy,
    decode_league_policy,
    encode_league_policy,
)
from hanse.core.model.regions import PolicyNews
from hanse.core.replies import LeaguePolicyView
from hanse.core.rows import PolicyRow
from hanse.wire.checks import FieldRefused
from hanse.wire.gen.hanse.v1 import peers_pb2, policies_pb2, regions_pb2
from hanse.wire.kinds import Kind, stored
from hanse.wire.shapes import MalformedMessage, word
from hanse.wire.times import timestamp

_STANDINGS = {standing.value: standing for standing in LeagueStanding}
_PACKED_STANDINGS = {
    LeagueStanding.PENDING: regions_pb2.POLICY_STANDING_PENDING,
    LeagueStanding.IN_FORCE: regions_pb2.POLICY_STANDING_IN_FORCE,
    LeagueStanding.UNFIT: regions_pb2.POLICY_STANDING_UNFIT,
    LeagueStanding.DEVIATES: regions_pb2.POLICY_STANDING_DEVIATES,
}


def encode_policy(row: PolicyRow) -> policies_pb2.Policy:
    """One version."""
    return policies_pb2.Policy(
        version=row.version,
        digest=row.digest,
        document=row.document,
        author=row.author,
        why=row.why,
        applied_at=timestamp(row.at_wall_us),
    )


# --- the league's
# ------------------------------------------------------------------------------------------------------


def read_league_policy(document: bytes) -> SignedPolicy | FieldRefused:
    """An operator's document, or what is wrong with its form. What it says is for others to judge."""
    if not document:
        return FieldRefused("document", "required")
    if len(document) > limits.SIGNED_POLICY_BYTES_MAX:
        size = len(document)
        return FieldRefused("document", f"{size} bytes; at most {limits.SIGNED_POLICY_BYTES_MAX}")
    try:
        return decode_league_policy(document)
    except msgspec.DecodeError as error:
        return FieldRefused("document", f"not a signed policy: {error}")


def _decode_document(document: bytes) -> SignedPolicy:
    read = read_league_policy(document)
    if isinstance(read, FieldRefused):
        raise MalformedMessage(str(read))
    return read


def encode_policy_news(news: PolicyNews) -> regions_pb2.PolicyNews:
    """What a region tells of the league's policy in its record."""
    return regions_pb2.PolicyNews(
        number=news.number,
        sha256=news.sha256,
        standing=_PACKED_STANDINGS[news.standing],
        version=news.version,
    )


def decode_policy_news(message: regions_pb2.PolicyNews) -> PolicyNews:
    """Raises MalformedMessage if a bound is broken. A standing that only later versions know is none yet."""
    return PolicyNews(
        number=stored(message.number),
        sha256=word(message.sha256),
        standing=_STANDINGS.get(message.standing, LeagueStanding.PENDING),
        version=stored(message.version),
    )


def encode_league_policy_view(view: LeaguePolicyView) -> policies_pb2.LeaguePolicyStatus:
    """The league's policy as a region has it."""
    return policies_pb2.LeaguePolicyStatus(
        region=view.region,
        document=b"" if view.signed is None else encode_league_policy(view.signed),
        news=None if view.news is None else encode_policy_news(view.news),
        version=view.version,
        unfit=view.unfit,
        known=[
            policies_pb2.KnownPolicy(region=region, news=None if news is None else encode_policy_news(news))
            for region, news in view.known
        ],
    )


POLICY_KINDS: tuple[Kind, ...] = (
    Kind(
        m.PolicyRequest,
        "policy_requests",
        lambda x: peers_pb2.PolicyRequest(number=x.number, sha256=x.sha256),
        lambda _, x: m.PolicyRequest(stored(x.number), word(x.sha256)),
    ),
    Kind(
        m.PolicyNotice,
        "policy_notices",
        lambda x: peers_pb2.PolicyNotice(document=encode_league_policy(x.signed)),
        lambda _, x: m.PolicyNotice(_decode_document(x.document)),
    ),
)
