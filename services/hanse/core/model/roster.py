"""The roster's documents: who belongs to the league, who guards whom, and who has signed that.

A document's bytes are its JSON with sorted keys, without blanks, in UTF-8 (`canonical`). They are what is hashed and
signed, so that `jq -cjS .roster FILE | sha256sum` gives the same hash on any machine. Keys and signatures are Ed25519
(RFC 8032), hashes SHA-256, all in lower-case hexadecimal.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

import msgspec

from hanse.core.model.limits import ROSTER_EPOCH_MAX

# Of the documents. A region refuses a format that it does not know, so all are upgraded before it is used.
ROSTER_FORMAT = 1

# What stands before the bytes that are signed: a signature of one kind never passes for one of another kind.
_OPERATOR_SIGNS = b"hanse roster\n"
_MEMBER_COUNTERSIGNS = b"hanse roster countersignature\n"


# Bounded where they are read, so that whatever is read can be written and answered.
Number = Annotated[int, msgspec.Meta(ge=0, le=ROSTER_EPOCH_MAX)]


class RosterMember(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A region of the league. Addresses are "host:port", as the others reach it; `public_key` is its Ed25519 key.
    `ledger_id` names the life of its disk: only with that ledger it may countersign what follows.
    `labels` name its failure domains: regions with an equal one may be lost together."""

    name: str
    peer_address: str
    public_key: str
    ledger_id: str
    protocol_min: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
    protocol_max: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
    public_address: str = ""
    labels: dict[str, str] = {}


class GuardianSet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who keeps the log of `home`'s adoptable jobs, in rank order, the home first. `version` is the epoch of the roster
    that first had it so: it grows with every change, also if a region leaves and comes back."""

    home: str
    members: tuple[str, ...]
    version: Number


class LostRegion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The operator's word that nothing of this region runs any more, nor ever will. `ledger_id` is the one that its
    ledger had, as the last roster that named it says. `declared_wall_us` is for people."""

    name: str
    ledger_id: str
    declared_wall_us: Number = 0


class Roster(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One epoch of the league.

    `guardians` is how many regions a guardian set is to have, where there are so many; 0: nothing is adoptable.
    `previous_sha256` is the hash of the epoch before; empty: a founding roster, which is believed only where an
    operator has put it. `operator_key` is the public key that must sign the next epoch, `issuer` the id of the key that
    signed this one. `domains` says whether two of a guardian set may share a failure domain: "strict", they may not, or
    "spread", where it can't be helped. `issued_wall_us` is for people. `lost` are regions that were declared lost, ever
    since; it is left out of a document of a league that has none, whose hash is what it was before there were any.
    """

    cluster_id: str
    epoch: Number
    previous_sha256: str
    operator_key: str
    issuer: str
    issued_wall_us: Number
    members: tuple[RosterMember, ...]
    guardians: Number = 0
    guardian_sets: tuple[GuardianSet, ...] = ()
    domains: Literal["strict", "spread"] = "strict"
    format: Number = ROSTER_FORMAT
    lost: tuple[LostRegion, ...] | msgspec.UnsetType = msgspec.UNSET

    @property
    def lost_regions(self) -> tuple[LostRegion, ...]:
        """Regions that were declared lost by this epoch."""
        return () if isinstance(self.lost, msgspec.UnsetType) else self.lost

    @property
    def is_founding(self) -> bool:
        """Whether it follows on nothing."""
        return not self.previous_sha256

    @property
    def names(self) -> tuple[str, ...]:
        """Its members, in its order."""
        return tuple(member.name for member in self.members)

    @property
    def majority(self) -> int:
        """How many of its members must countersign the next epoch."""
        return len(self.members) // 2 + 1

    def member(self, name: str) -> RosterMember | None:
        """The member of this name."""
        return next((member for member in self.members if member.name == name), None)

    def guardians_of(self, home: str) -> GuardianSet | None:
        """The guardian set of this home."""
        return next((each for each in self.guardian_sets if each.home == home), None)


class Round(msgspec.Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """One attempt to have a successor countersigned. Of two the later one has the larger number, or else the larger
    name of the region that gathers. `number` 0: none yet."""

    number: Number = 0
    region: str = ""


class Countersignature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A member of the epoch before agrees, in one round, and will agree to no other roster in that round."""

    member: str
    signature: str


class SignedRoster(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A roster with its operator's signature and the countersignatures of one round that are known. Those are not
    hashed: a majority of them, whichever and of whichever round, puts the same roster in force."""

    roster: Roster
    operator_signature: str = ""
    round: Round = Round()
    countersignatures: tuple[Countersignature, ...] = ()


_CANONICAL = msgspec.json.Encoder(order="sorted")
_SIGNED = msgspec.json.Decoder(SignedRoster)


def canonical(roster: Roster) -> bytes:
    """The bytes that stand for this roster."""
    return _CANONICAL.encode(roster)


def sha256_of(roster: Roster) -> str:
    """The hash that names this roster."""
    return hashlib.sha256(canonical(roster)).hexdigest()


def key_id(public_key: str) -> str:
    """A public key's short name: the first half of its SHA-256. Raises ValueError if it is not hexadecimal."""
    return hashlib.sha256(bytes.fromhex(public_key)).hexdigest()[:32]


def operator_message(roster: Roster) -> bytes:
    """What the operator signs."""
    return _OPERATOR_SIGNS + canonical(roster)


def countersign_message(roster: Roster, in_round: Round) -> bytes:
    """What a member of the epoch before signs."""
    heading = f"{in_round.number} {in_round.region}\n".encode()
    return _MEMBER_COUNTERSIGNS + heading + canonical(roster)


def encode_signed(signed: SignedRoster) -> bytes:
    """For the wire, the ledger and files."""
    return _CANONICAL.encode(signed)


def decode_signed(packed: bytes) -> SignedRoster:
    """Raises msgspec.DecodeError (msgspec.ValidationError is one) if these bytes are no signed roster."""
    return _SIGNED.decode(packed)
