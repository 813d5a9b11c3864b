"""The league's policy: one document for all regions, signed by an operator.

Its hash is that of its JSON with sorted keys, without blanks, in UTF-8 (as rosters', model/roster.py). Of two documents
the one with the larger (number, hash) wins, so that whoever has seen the same documents, in whatever order, goes by the
same one.
"""

from __future__ import annotations

import enum
import hashlib

import msgspec

from hanse.core.model.quota import Number

# Of the documents. A region refuses a format that it does not know, so all are upgraded before it is used.
LEAGUE_POLICY_FORMAT = 1

# What stands before the bytes that are signed: a signature of one kind never passes for one of another kind.
_OPERATOR_SIGNS = b"hanse policy\n"

# (number, hash): the larger one wins. (0, ""): there is none.
Rank = tuple[int, str]
NO_RANK: Rank = (0, "")


class LeaguePolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`text` is a policy document (policies/document.py: canonical). `number` counts the documents of the league from
    1; `previous_sha256`, empty in the first, is of the one that its author saw in force. `issuer` is the id of the key
    that signed (model/roster.py: key_id); who and why are what the author says, `issued_wall_us` is for people."""

    cluster_id: str
    number: Number
    previous_sha256: str
    issuer: str
    issued_wall_us: Number
    text: str
    author: str = ""
    why: str = ""
    format: Number = LEAGUE_POLICY_FORMAT


class SignedPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A document with its operator's signature."""

    document: LeaguePolicy
    operator_signature: str = ""


class LeagueStanding(enum.IntEnum):
    """What became of the league's policy in one region. The numbers are on the wire."""

    # It is on the region's disk, and not judged yet.
    PENDING = 1
    IN_FORCE = 2
    # It is no policy for this region: the one before stays.
    UNFIT = 3
    # It was in force, and somebody has replaced it there.
    DEVIATES = 4


_CANONICAL = msgspec.json.Encoder(order="sorted")
_SIGNED = msgspec.json.Decoder(SignedPolicy)


def canonical_league_policy(document: LeaguePolicy) -> bytes:
    """The bytes that stand for this document."""
    return _CANONICAL.encode(document)


def league_policy_sha256(document: LeaguePolicy) -> str:
    """The hash that names this document."""
    return hashlib.sha256(canonical_league_policy(document)).hexdigest()


def league_policy_message(document: LeaguePolicy) -> bytes:
    """What the operator signs."""
    return _OPERATOR_SIGNS + canonical_league_policy(document)


def encode_league_policy(signed: SignedPolicy) -> bytes:
    """For the wire and the ledger."""
    return _CANONICAL.encode(signed)


def decode_league_policy(packed: bytes) -> SignedPolicy:
    """Raises msgspec.DecodeError (msgspec.ValidationError is one) if these bytes are no signed document."""
    return _SIGNED.decode(packed)
