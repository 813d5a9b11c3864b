"""Rosters of small leagues, signed with the simulator's keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from hanse.core.federation.roster import drafts
from hanse.core.model.roster import (
    Countersignature,
    Roster,
    RosterMember,
    Round,
    SignedRoster,
    countersign_message,
)
from hanse.sim.keys import SimKeys, public_key_of, signed_by

OPERATOR = "operator"
FIRST_ROUND = Round(1, "north")


def member(name: str, **changes: Any) -> RosterMember:
    """A region in a zone of its own."""
    fields: dict[str, Any] = {
        "name": name,
        "peer_address": f"{name}:1",
        "public_address": f"{name}:2",
        "public_key": public_key_of(name),
        "ledger_id": f"ledger-{name}",
        "protocol_min": 1,
        "protocol_max": 1,
        "labels": {"zone": name},
    }
    return RosterMember(**(fields | changes))


def members(*names: str) -> tuple[RosterMember, ...]:
    return tuple(map(member, names))


def founded(*names: str, guardians: int = 3, **fields: Any) -> Roster:
    """Epoch 1 of a league of these."""
    made = drafts.founding(
        "test", members(*names), public_key_of(OPERATOR), guardians=guardians, issued_wall_us=1
    )
    return msgspec.structs.replace(made, **fields)


def following(previous: Roster, *names: str, **fields: Any) -> Roster:
    """Its successor with these members; `fields` replace what comes out."""
    known = {each.name: each for each in previous.members}
    kept = [known.get(name) or member(name) for name in names or previous.names]
    return msgspec.structs.replace(drafts.successor(previous, issued_wall_us=2, members=kept), **fields)


def signed(roster: Roster, owner: str = OPERATOR) -> SignedRoster:
    """With the operator's signature."""
    return signed_by(owner, roster)


def countersigned(
    document: SignedRoster, names: Sequence[str], in_round: Round = FIRST_ROUND
) -> SignedRoster:
    """With the countersignatures of these regions, all of one round."""
    message = countersign_message(document.roster, in_round)
    made = [Countersignature(name, SimKeys(name).sign(public_key_of(name), message)) for name in names]
    return msgspec.structs.replace(
        document, round=in_round, countersignatures=(*document.countersignatures, *made)
    )


def in_force(previous: Roster, roster: Roster) -> SignedRoster:
    """Countersigned by just enough members of the epoch before."""
    return countersigned(signed(roster), previous.names[: previous.majority])


def chain(*rosters: Roster) -> tuple[SignedRoster, ...]:
    """A founding roster and what followed, all in force."""
    first, *rest = rosters
    made = [signed(first)]
    for roster in rest:
        made.append(in_force(made[-1].roster, roster))
    return tuple(made)
