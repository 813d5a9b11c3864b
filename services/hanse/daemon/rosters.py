"""The roster's file: a founding roster and what followed on it, as an operator gives it to a region.

    { "rosters": [ {"roster": {...}, "operator_signature": "...", "countersignatures": [...]}, ... ] }

It is JSON for people: how it is indented changes nothing, since what is signed is made anew from what it says.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from hanse.core.federation.roster.checks import chain_faults
from hanse.core.model import limits
from hanse.core.model.errors import CallerFault
from hanse.core.model.roster import SignedRoster, key_id
from hanse.daemon.keys import Keyring


class RosterFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    rosters: tuple[SignedRoster, ...]


class RosterFileFault(CallerFault):
    """The file cannot be read or written, or what it says cannot be right."""


def read_roster_file(path: Path) -> tuple[SignedRoster, ...]:
    """The chain, unchecked. Raises RosterFileFault."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=RosterFile).rosters
    except OSError as error:
        raise RosterFileFault(f"{path}: {error.strerror or error}") from error
    except msgspec.DecodeError as error:
        raise RosterFileFault(f"{path} is no roster file: {error}") from error


def write_roster_file(path: Path, chain: tuple[SignedRoster, ...]) -> None:
    """Replace the file, all at once. Raises RosterFileFault."""
    packed = msgspec.json.format(msgspec.json.encode(RosterFile(rosters=chain)), indent=2) + b"\n"
    scratch = path.with_name(f"{path.name}.new")
    try:
        with scratch.open("wb") as file:
            file.write(packed)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except OSError as error:
        raise RosterFileFault(f"{path}: {error.strerror or error}") from error


def chain_problems(chain: tuple[SignedRoster, ...], operator: str, cluster_id: str, region: str) -> list[str]:
    """Why a region must not go by this chain. `operator` is the id of the key that it believes in."""
    if not chain:
        return ["no roster in it"]
    if len(chain) > limits.ROSTER_CHAIN_MAX:
        return [f"{len(chain)} rosters; at most {limits.ROSTER_CHAIN_MAX}"]
    faults = chain_faults(chain, Keyring())
    if faults:
        return [str(fault) for fault in faults]
    problems = []
    first, head = chain[0].roster, chain[-1].roster
    if key_id(first.operator_key) != operator:
        problems.append(f"founded by the operator's key {key_id(first.operator_key)}, not by {operator}")
    if head.cluster_id != cluster_id:
        problems.append(f"of cluster {head.cluster_id!r}, not {cluster_id!r}")
    if head.member(region) is None:
        problems.append(f"{region!r} is not among the members of epoch {head.epoch}")
    return problems
