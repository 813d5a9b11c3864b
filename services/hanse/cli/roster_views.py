"""Rosters for people, and as documents for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from rich.text import Text

from hanse.cli.tables import Column, make_table
from hanse.core.model.roster import Roster, SignedRoster, decode_signed, key_id, sha256_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hanse.client.messages import RosterProgress, RosterStatus

_REMARK = "bright_black"


def founding_document(signed: SignedRoster) -> dict[str, Any]:
    """Of a roster that was just founded."""
    roster = signed.roster
    return {
        "cluster_id": roster.cluster_id,
        "epoch": roster.epoch,
        "sha256": sha256_of(roster),
        "operator_key_id": key_id(roster.operator_key),
        "signed": bool(signed.operator_signature),
        "members": list(roster.names),
        "guardian_sets": [
            {"home": each.home, "members": list(each.members)} for each in roster.guardian_sets
        ],
    }


def change_document(status: RosterStatus) -> dict[str, Any]:
    """Of a roster that came into force."""
    head = decode_signed(status.document)
    have = [each.member for each in head.countersignatures]
    return {
        "epoch": status.epoch,
        "sha256": status.sha256,
        "in_force": True,
        "countersigned": have,
        "missing": [],
        "refusals": [],
        "members": list(head.roster.names),
    }


def roster_document(status: RosterStatus) -> dict[str, Any]:
    """Everything that a region says of its roster."""
    head = decode_signed(status.document) if status.document else None
    return {
        "region": status.region,
        "ledger_id": status.ledger_id,
        "static": head is None,
        "removed": status.removed,
        "epoch": status.epoch,
        "sha256": status.sha256,
        "operator_key_id": "" if head is None else key_id(head.roster.operator_key),
        "countersigned": [] if head is None else [each.member for each in head.countersignatures],
        "unable": status.unable,
        "roster": None if head is None else msgspec.to_builtins(head.roster),
        "known": [{"region": each.region, "epoch": each.epoch} for each in status.known],
        "conflicts": [{"region": each.region, "reason": each.reason} for each in status.conflicts],
        "pending": _pending(status.proposal) if status.HasField("proposal") else None,
    }


def _pending(proposal: RosterProgress) -> dict[str, Any]:
    return {
        "epoch": proposal.epoch,
        "sha256": proposal.sha256,
        "countersigned": list(proposal.countersigned),
        "missing": list(proposal.missing),
        "is_asking": proposal.is_asking,
        "has_failed": proposal.has_failed,
        "refusals": [{"region": each.region, "reason": each.reason} for each in proposal.refusals],
        "roster": msgspec.to_builtins(decode_signed(proposal.document).roster),
    }


def roster_details(status: RosterStatus, width: int) -> list[RenderableType]:
    """The members with what each has, and below it what is under way or wrong."""
    if not status.document:
        return [
            Text(f"{status.region}'s roster is static: the [[members]] of its configuration", style=_REMARK)
        ]
    signed = decode_signed(status.document)
    shown: list[RenderableType] = [_heading(status, signed), _members(status, signed.roster, width)]
    if status.removed:
        shown.append(Text(f"{status.region} is not in it: REMOVED", style="bold red"))
    if lost := signed.roster.lost_regions:
        shown.append(Text(f"declared lost: {', '.join(each.name for each in lost)}", style=_REMARK))
    if status.HasField("proposal"):
        shown += _progress(status.proposal)
    shown += [Text(f"{each.region}: {each.reason}", style="bold red") for each in status.conflicts]
    if status.unable:
        shown.append(Text(status.unable, style="yellow"))
    return shown


def _heading(status: RosterStatus, signed: SignedRoster) -> Text:
    roster = signed.roster
    have = ", ".join(each.member for each in signed.countersignatures)
    how = f"countersigned by {have}" if have else "founding"
    return Text(
        f"{roster.cluster_id}, epoch {roster.epoch} ({status.sha256[:16]}) as {status.region} has it; {how}; "
        f"operator {key_id(roster.operator_key)}",
        style=_REMARK,
    )


def _members(status: RosterStatus, roster: Roster, width: int) -> RenderableType:
    columns = (
        Column("REGION"),
        Column("HAS EPOCH", justify="right"),
        Column("GUARDED BY"),
        Column("LABELS", drop=2),
        Column("PEERS", drop=1),
        Column("PUBLIC", drop=4),
        Column("PROTOCOL", drop=5),
        Column("KEY", drop=3),
    )
    known = {each.region: each.epoch for each in status.known} | {status.region: status.epoch}
    rows = []
    for member in roster.members:
        guardians = roster.guardians_of(member.name)
        rows.append(
            (
                member.name,
                str(known.get(member.name, "?")),
                " ".join(guardians.members[1:]) if guardians is not None else "",
                " ".join(f"{name}={value}" for name, value in sorted(member.labels.items())),
                member.peer_address,
                member.public_address,
                f"{member.protocol_min}-{member.protocol_max}",
                key_id(member.public_key),
            )
        )
    return make_table(columns, rows, width)


def _progress(proposal: RosterProgress) -> list[RenderableType]:
    roster = decode_signed(proposal.document).roster
    what = "under way"
    how = f"countersigned by {', '.join(proposal.countersigned)}; not yet by {', '.join(proposal.missing)}"
    if proposal.is_asking:
        what = "failed" if proposal.has_failed else "under way, nobody is asked to countersign yet"
        how = f"not said by {', '.join(proposal.missing)} what they have countersigned before"
    lines = [
        f"{what}: epoch {proposal.epoch} ({proposal.sha256[:16]}), {', '.join(roster.names)}",
        f"  {how}",
        *(f"  {each.region}: {each.reason}" for each in proposal.refusals),
    ]
    return [Text(line) for line in lines]
