"""Keys of a simulated league: as good as real ones against everything that the simulator does, and a thousand times as
quick. Who knows a name has its key, so nothing here keeps a secret."""

from __future__ import annotations

import hashlib

from hanse.core.model.roster import Roster, SignedRoster, operator_message


def public_key_of(owner: str) -> str:
    """The public key of a region or operator."""
    return hashlib.sha256(f"key of {owner}".encode()).hexdigest()


class SimKeys:
    """The keys of these owners. As federation/roster/ballot.py: Authority."""

    def __init__(self, *owners: str) -> None:
        self._own = {public_key_of(owner) for owner in owners}

    def sign(self, public_key: str, message: bytes) -> str:
        """Empty: not one of these owners' keys."""
        return _signature(public_key, message) if public_key in self._own else ""

    def has(self, public_key: str) -> bool:
        """Whether it is one of these owners' keys."""
        return public_key in self._own

    def verify(self, public_key: str, message: bytes, signature: str) -> bool:
        """Whether that key made this signature of this message."""
        return signature == _signature(public_key, message)


def signed_by(owner: str, roster: Roster) -> SignedRoster:
    """The roster with this owner's signature as its operator's."""
    signature = SimKeys(owner).sign(public_key_of(owner), operator_message(roster))
    return SignedRoster(roster=roster, operator_signature=signature)


def _signature(public_key: str, message: bytes) -> str:
    return hashlib.sha256(public_key.encode() + message).hexdigest()
