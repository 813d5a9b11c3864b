"""What must hold of a roster: by itself, after its predecessor, and of who has signed it.

Each function yields every fault that it finds, so that an operator is told of all of them at once. Nothing here changes
anything.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import combinations, pairwise
from typing import Protocol

from hanse.core.federation.roster.faults import FaultKind, RosterFault
from hanse.core.model import limits
from hanse.core.model.roster import (
    ROSTER_FORMAT,
    GuardianSet,
    Roster,
    RosterMember,
    SignedRoster,
    canonical,
    countersign_message,
    key_id,
    operator_message,
    sha256_of,
)

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_WORD = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_LABEL = re.compile(r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")
_PORT_MAX = 65_535
_SET_SIZES = f"{limits.GUARDIANS_MIN} to {limits.GUARDIANS_MAX}, and an odd number"
_KEY = re.compile(r"[0-9a-f]{64}")
_HASH = re.compile(r"[0-9a-f]{64}")


class Verifier(Protocol):
    """Checks Ed25519 signatures; the shell has the arithmetic."""

    def verify(self, public_key: str, message: bytes, signature: str) -> bool:
        """Whether this is the signature of the message by that key; both in hexadecimal, and perhaps no such."""


# --- the document by itself ------------------------------------------------------------------------------------------


def document_faults(roster: Roster) -> Iterator[RosterFault]:
    """Everything in which it contradicts itself or breaks a bound."""
    if roster.format != ROSTER_FORMAT:
        yield _invalid(
            "format", f"{roster.format} is not known here, only {ROSTER_FORMAT}: upgrade this region"
        )
        return
    yield from _heading_faults(roster)
    if not 1 <= len(roster.members) <= limits.ROSTER_MEMBERS_MAX:
        yield _invalid("members", f"{len(roster.members)}; from 1 to {limits.ROSTER_MEMBERS_MAX}")
        return
    for index, member in enumerate(roster.members):
        yield from _member_faults(f"members[{index}]", member)
    yield from _double_faults(roster)
    yield from _protocol_faults(roster)
    yield from _guardian_faults(roster)
    yield from _lost_faults(roster)
    if (size := len(canonical(roster))) > limits.ROSTER_BYTES_MAX:
        yield _invalid("", f"{size} bytes; at most {limits.ROSTER_BYTES_MAX}")


def _heading_faults(roster: Roster) -> Iterator[RosterFault]:
    yield from _word_faults("cluster_id", roster.cluster_id, _WORD, "letters, digits, dots, dashes")
    if not 1 <= roster.epoch <= limits.ROSTER_EPOCH_MAX:
        yield _invalid("epoch", f"{roster.epoch}; from 1 to {limits.ROSTER_EPOCH_MAX}")
    if roster.epoch == 1 and not roster.is_founding:
        yield _invalid("previous_sha256", "epoch 1 follows on nothing")
    if not roster.is_founding and _HASH.fullmatch(roster.previous_sha256) is None:
        yield _invalid("previous_sha256", "must be 64 hexadecimal digits")
    if _KEY.fullmatch(roster.operator_key) is None:
        yield _invalid("operator_key", "must be an Ed25519 public key, 64 hexadecimal digits")
    elif roster.is_founding and roster.issuer != key_id(roster.operator_key):
        yield _invalid("issuer", "a founding roster is signed by the operator's key that it names")


def _member_faults(at: str, member: RosterMember) -> Iterator[RosterFault]:
    if _NAME.fullmatch(member.name) is None or len(member.name) > limits.REGION_NAME_LENGTH_MAX:
        yield _invalid(f"{at}.name", f"{_echo(member.name)!r} is not a region name ([a-z0-9-])")
    for field, address in (("peer_address", member.peer_address), ("public_address", member.public_address)):
        if field == "peer_address" or address:
            yield from _address_faults(f"{at}.{field}", address)
    if _KEY.fullmatch(member.public_key) is None:
        yield _invalid(f"{at}.public_key", "must be an Ed25519 public key, 64 hexadecimal digits")
    yield from _word_faults(
        f"{at}.ledger_id", member.ledger_id, _WORD, "letters, digits, dots, dashes: a ledger's id"
    )
    if not 1 <= member.protocol_min <= member.protocol_max:
        yield _invalid(f"{at}.protocol_min", f"no range: {member.protocol_min} to {member.protocol_max}")
    if len(member.labels) > limits.LABELS_MAX:
        yield _invalid(f"{at}.labels", f"{len(member.labels)}; at most {limits.LABELS_MAX}")
    for label, value in member.labels.items():
        if len(label) > limits.NAME_LENGTH_MAX or _LABEL.fullmatch(label) is None:
            yield _invalid(f"{at}.labels", f"{_echo(label)!r} is not a label name")
        elif value and (len(value) > limits.LABEL_LENGTH_MAX or _WORD.fullmatch(value) is None):
            yield _invalid(f"{at}.labels.{label}", f"{_echo(value)!r} is not a label value")


def _address_faults(at: str, address: str) -> Iterator[RosterFault]:
    matches = len(address) <= limits.PEER_WORD_LENGTH_MAX and _ADDRESS.fullmatch(address) is not None
    if not matches or not 0 < int(address.rsplit(":", 1)[1]) <= _PORT_MAX:
        yield _invalid(at, f"{_echo(address)!r} is not an address such as north.example:7102")


def _double_faults(roster: Roster) -> Iterator[RosterFault]:
    """Two with one name would be one member with two votes or two with one; the same goes for keys."""
    members = roster.members
    yield from _doubled("members.name", "two regions have the name", (each.name for each in members))
    addresses = [each for member in members for each in (member.peer_address, member.public_address) if each]
    yield from _doubled("members.peer_address", "two members, or two doors, have the address", addresses)
    yield from _doubled(
        "members.ledger_id", "two regions have the ledger", (each.ledger_id for each in members)
    )
    keys = [each.public_key for each in members]
    yield from _doubled("members.public_key", "two regions have the key", keys)
    if roster.operator_key in keys:
        yield _invalid("operator_key", "a region has this key: its daemon could change the roster")


def _doubled(field: str, what: str, values: Iterable[str]) -> Iterator[RosterFault]:
    for value, count in Counter(values).items():
        if count > 1:
            yield _invalid(field, f"{what} {_echo(value)!r}")


def _protocol_faults(roster: Roster) -> Iterator[RosterFault]:
    newest_min = max(roster.members, key=lambda each: each.protocol_min)
    oldest_max = min(roster.members, key=lambda each: each.protocol_max)
    if newest_min.protocol_min > oldest_max.protocol_max:
        yield _invalid(
            "members.protocol_min",
            f"no version that all speak: {newest_min.name} from {newest_min.protocol_min} on, "
            f"{oldest_max.name} up to {oldest_max.protocol_max}",
        )


def _lost_faults(roster: Roster) -> Iterator[RosterFault]:
    lost = roster.lost_regions
    if len(lost) > limits.ROSTER_LOST_MAX:
        yield _invalid("lost", f"{len(lost)}; at most {limits.ROSTER_LOST_MAX}")
        return
    for index, each in enumerate(lost):
        yield from _word_faults(f"lost[{index}].name", each.name, _WORD, "letters, digits, dots, dashes")
        if roster.member(each.name) is not None:
            message = (
                f"{_echo(each.name)!r} was declared lost, for good: what takes its place needs another name"
            )
            yield _invalid("members", message)
    yield from _doubled("lost", "names twice", tuple(each.name for each in lost))


def _guardian_faults(roster: Roster) -> Iterator[RosterFault]:
    if roster.guardians and not _is_set_size(roster.guardians):
        yield _invalid("guardians", f"{roster.guardians}; 0, or {_SET_SIZES}")
    homes = Counter(each.home for each in roster.guardian_sets)
    for index, guardians in enumerate(roster.guardian_sets):
        at = f"guardian_sets[{index}]"
        if homes[guardians.home] > 1:
            yield _invalid(f"{at}.home", f"{_echo(guardians.home)} has {homes[guardians.home]} guardian sets")
        if not 1 <= guardians.version <= roster.epoch:
            yield _invalid(
                f"{at}.version", f"{guardians.version}: the epoch at which the set became what it is"
            )
        yield from _set_faults(f"{at}.members", roster, guardians)


def _set_faults(at: str, roster: Roster, guardians: GuardianSet) -> Iterator[RosterFault]:
    members = guardians.members
    if not members or members[0] != guardians.home:
        yield _invalid(f"{at}[0]", f"must be {_echo(guardians.home)!r}: the home has the first rank")
    if not _is_set_size(len(members)):
        yield _invalid(at, f"{len(members)} regions; {_SET_SIZES}")
    yield from _doubled(at, "the set names twice", members)
    strangers = [name for name in members if roster.member(name) is None]
    for name in strangers:
        yield _invalid(at, f"{_echo(name)!r} is not among the members")
    if not strangers:
        yield from _domain_faults(at, roster, members)


def _is_set_size(size: int) -> bool:
    return limits.GUARDIANS_MIN <= size <= limits.GUARDIANS_MAX and size % 2 == 1


def _domain_faults(at: str, roster: Roster, names: tuple[str, ...]) -> Iterator[RosterFault]:
    """A loss of one failure domain must cost a set one member at most."""
    if roster.domains != "strict":
        return
    members = [member for name in names if (member := roster.member(name)) is not None]
    kinds = sorted({label for member in roster.members for label in member.labels})
    for member in members:
        if missing := [label for label in kinds if label not in member.labels]:
            yield _invalid(at, f"{member.name} guards and has no label {missing[0]!r}, which others have")
    for first, second in combinations(members, 2):
        if common := sorted(first.labels.items() & second.labels.items()):
            label, value = common[0]
            yield _invalid(at, f"{first.name} and {second.name} are in one failure domain: {label} = {value}")


# --- after its predecessor -------------------------------------------------------------------------------------------


def succession_faults(previous: Roster, roster: Roster) -> Iterator[RosterFault]:
    """Why it cannot be what follows on `previous`. A document that is `previous` itself is OLDER."""
    if roster.cluster_id != previous.cluster_id:
        yield _invalid("cluster_id", f"{_echo(roster.cluster_id)!r}; this is {previous.cluster_id!r}")
        return
    order = _order_fault(previous, roster)
    if order is not None:
        yield order
        return
    expected = key_id(previous.operator_key)
    if roster.issuer != expected:
        yield RosterFault(
            FaultKind.STRANGER,
            "issuer",
            f"issued by the key {_echo(roster.issuer)}; epoch {previous.epoch} names {expected} as the operator's",
        )
    yield from _guardian_change_faults(previous, roster)
    for each in previous.lost_regions:
        if each not in roster.lost_regions:
            message = f"{_echo(each.name)!r} was declared lost; that is never taken back"
            yield RosterFault(FaultKind.UNSAFE, "lost", message)


def _order_fault(previous: Roster, roster: Roster) -> RosterFault | None:
    epoch = previous.epoch
    if roster.epoch < epoch or (roster.epoch == epoch and sha256_of(roster) == sha256_of(previous)):
        return RosterFault(FaultKind.OLDER, "epoch", f"{roster.epoch}: epoch {epoch} is in force already")
    if roster.epoch == epoch:
        return RosterFault(
            FaultKind.FORK,
            "epoch",
            f"another roster of epoch {epoch} is in force: {sha256_of(previous)[:16]}",
        )
    if roster.epoch > epoch + 1:
        return RosterFault(
            FaultKind.GAP, "epoch", f"{roster.epoch}: epoch {epoch} is in force, so {epoch + 1} is next"
        )
    if roster.previous_sha256 != sha256_of(previous):
        return RosterFault(
            FaultKind.FORK,
            "previous_sha256",
            f"it follows on {_echo(roster.previous_sha256[:16])}, but epoch {epoch} is {sha256_of(previous)[:16]}",
        )
    return None


def _guardian_change_faults(previous: Roster, roster: Roster) -> Iterator[RosterFault]:
    for index, guardians in enumerate(roster.guardian_sets):
        at = f"guardian_sets[{index}]"
        before = previous.guardians_of(guardians.home)
        same = before is not None and before.members == guardians.members
        expected = before.version if before is not None and same else roster.epoch
        if guardians.version != expected:
            yield _invalid(
                f"{at}.version", f"{guardians.version}; {expected} is right, as the set {_changed(same)}"
            )
        if before is not None:
            yield from _unsafe_faults(f"{at}.members", before, guardians)
    for before in previous.guardian_sets:
        lost = roster.member(before.home) is not None and roster.guardians_of(before.home) is None
        if lost and len(roster.members) >= limits.GUARDIANS_MIN:
            yield RosterFault(
                FaultKind.UNSAFE,
                "guardian_sets",
                f"{before.home} had guardians, and would have none any more",
            )


def _changed(same: bool) -> str:
    return "did not change" if same else "changes with this epoch"


def _unsafe_faults(at: str, before: GuardianSet, after: GuardianSet) -> Iterator[RosterFault]:
    """What a majority of the old set holds must be held by a majority of the new one soon: those who stay carry it
    over, and there must be a majority of them on both sides."""
    kept = [name for name in after.members if name in before.members]
    needed = max(_majority(before.members), _majority(after.members))
    if len(kept) < needed:
        yield RosterFault(
            FaultKind.UNSAFE,
            at,
            f"only {', '.join(kept) or 'nobody'} of {', '.join(before.members)} would stay; at least {needed} must: "
            "change one guardian at a time",
        )


def _majority(members: tuple[str, ...]) -> int:
    return len(members) // 2 + 1


# --- who has signed --------------------------------------------------------------------------------------------------


def operator_fault(operator_key: str, signed: SignedRoster, verifier: Verifier) -> RosterFault | None:
    """Whether this operator's key has signed it."""
    message = operator_message(signed.roster)
    if verifier.verify(operator_key, message, signed.operator_signature):
        return None
    problem = "does not fit the document and the operator's key" if signed.operator_signature else "missing"
    return RosterFault(FaultKind.STRANGER, "operator_signature", problem)


def countersigners(previous: Roster, signed: SignedRoster, verifier: Verifier) -> tuple[str, ...]:
    """The members of `previous` whose countersignatures of the document's round fit, each once."""
    message = countersign_message(signed.roster, signed.round)
    found: dict[str, None] = {}
    for each in signed.countersignatures:
        member = previous.member(each.member)
        if member is None or each.member in found:
            continue
        if verifier.verify(member.public_key, message, each.signature):
            found[each.member] = None
    return tuple(found)


def proposal_faults(previous: Roster, signed: SignedRoster, verifier: Verifier) -> list[RosterFault]:
    """Why a member of `previous` must not countersign it; empty: it may."""
    order = [*succession_faults(previous, signed.roster)]
    if any(fault.kind in (FaultKind.OLDER, FaultKind.GAP, FaultKind.FORK) for fault in order):
        return order
    signature = operator_fault(previous.operator_key, signed, verifier)
    # A stranger's document is not judged further: what it says is nobody's business.
    if signature is not None:
        return [*(fault for fault in order if fault.kind is FaultKind.STRANGER), signature]
    return [*document_faults(signed.roster), *order]


def force_faults(previous: Roster, signed: SignedRoster, verifier: Verifier) -> list[RosterFault]:
    """Why it is not in force after `previous`; empty: it is."""
    faults = proposal_faults(previous, signed, verifier)
    return faults or [*_support_faults(previous, signed, verifier)]


def _support_faults(previous: Roster, signed: SignedRoster, verifier: Verifier) -> Iterator[RosterFault]:
    have = countersigners(previous, signed, verifier)
    if len(have) < previous.majority:
        yield RosterFault(
            FaultKind.UNSUPPORTED,
            "countersignatures",
            f"{len(have)} of the {len(previous.members)} members of epoch {previous.epoch} have countersigned it; "
            f"it takes {previous.majority}",
        )


def founding_faults(signed: SignedRoster, verifier: Verifier) -> list[RosterFault]:
    """Why this is not a founding roster that is right in itself. Whether to believe it is the operator's to say."""
    if not signed.roster.is_founding:
        return [_invalid("previous_sha256", "not a founding roster: it follows on another one")]
    faults = [*document_faults(signed.roster)]
    signature = operator_fault(signed.roster.operator_key, signed, verifier)
    return faults if signature is None else [*faults, signature]


def chain_faults(chain: tuple[SignedRoster, ...], verifier: Verifier) -> list[RosterFault]:
    """Why these are not a founding roster and what followed on it, in order."""
    if not chain:
        return [_invalid("", "no roster")]
    faults = founding_faults(chain[0], verifier)
    for previous, signed in pairwise(chain):
        faults = faults or force_faults(previous.roster, signed, verifier)
    return faults


def _word_faults(field: str, text: str, syntax: re.Pattern[str], what: str) -> Iterator[RosterFault]:
    if len(text) > limits.NAME_LENGTH_MAX or syntax.fullmatch(text) is None:
        yield _invalid(field, f"{_echo(text)!r} must be 1 to {limits.NAME_LENGTH_MAX} {what}")


def _invalid(field: str, message: str) -> RosterFault:
    return RosterFault(FaultKind.INVALID, field, message)


def _echo(text: str) -> str:
    return text if len(text) <= limits.ECHO_LENGTH_MAX else text[: limits.ECHO_LENGTH_MAX] + "..."
