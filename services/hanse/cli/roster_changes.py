"""`hanse federation show`, and what leads from one roster to the next: `add`, `remove`, `change`, `rotate`, ..."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hanse.cli.connect import WRITE_RETRY, client_of, run
from hanse.cli.errors import CommandError, UsageOrConfigError
from hanse.cli.output import Printer, note
from hanse.cli.roster_founding import DRAFT_HELP, KEY_HELP

if TYPE_CHECKING:
    from hanse.client import AsyncClient
    from hanse.client.messages import RosterStatus
    from hanse.core.model.roster import Roster, RosterMember, SignedRoster

    Change = Callable[[Roster], Roster]

_TIMEOUT_S = 60.0
# Operators who change the roster at the same time: each that comes first costs the others an attempt.
_ATTEMPTS_MAX = 4

NameArgument = Annotated[str, typer.Argument(metavar="REGION", help="The region's name.")]
PeerOption = Annotated[str, typer.Option(help="Where the other regions reach it.", metavar="HOST:PORT")]
PublicOption = Annotated[str, typer.Option(help="Where callers reach it.", metavar="HOST:PORT")]
RegionKeyOption = Annotated[
    str,
    typer.Option(help="Its public key, as `hanse federation keygen --data-dir` prints it.", metavar="HEX"),
]
LedgerOption = Annotated[
    str,
    typer.Option(
        help="The id of its ledger, as `hanse federation keygen --data-dir` or `show REGION` prints it.",
        metavar="ID",
    ),
]
LabelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--label", help="A failure domain of it, such as zone=a; may be repeated.", metavar="NAME=VALUE"
    ),
]
KeyOption = Annotated[Path | None, typer.Option(help=KEY_HELP, metavar="FILE")]
DraftOption = Annotated[Path | None, typer.Option(help=DRAFT_HELP, metavar="FILE")]
TimeoutOption = Annotated[float, typer.Option(help="Seconds to wait until the roster is in force.", min=0)]
SaveOption = Annotated[
    Path | None, typer.Option(help="Write the league's rosters, as a new region needs them.", metavar="FILE")
]


def add(
    ctx: typer.Context,
    name: NameArgument,
    peer_address: PeerOption,
    public_key: RegionKeyOption,
    ledger_id: LedgerOption,
    public_address: PublicOption = "",
    label: LabelOption = None,
    operator_key: KeyOption = None,
    draft: DraftOption = None,
    save: SaveOption = None,
    timeout: TimeoutOption = _TIMEOUT_S,
) -> None:
    """Let a region join: sign the next roster, hand it in, and wait until a majority has countersigned it.

    Start the new region with the file that --save writes. Guardians of the others stay as they are.

    JSON keys: epoch, sha256, in_force, countersigned[], missing[], refusals[].{region, reason}, members[].
    """

    def change(roster: Roster) -> Roster:
        from hanse.cli.roster_files import MemberSettings, parse_labels, roster_member

        if roster.member(name) is not None:
            raise UsageOrConfigError(f"{name} is a member already", hint="hanse federation change, or rotate")
        settings = MemberSettings(
            name=name,
            peer_address=peer_address,
            public_address=public_address,
            public_key=public_key,
            ledger_id=ledger_id,
            labels=parse_labels(label or []),
        )
        return _successor(roster, [*roster.members, roster_member(settings)])

    _make(ctx, change, operator_key, draft, save, timeout)


def remove(
    ctx: typer.Context,
    name: NameArgument,
    lost: Annotated[
        bool, typer.Option("--lost", help="It is gone for good, and nothing of it runs any more.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also if it has open jobs; they stay where they are.")
    ] = False,
    operator_key: KeyOption = None,
    draft: DraftOption = None,
    save: SaveOption = None,
    timeout: TimeoutOption = _TIMEOUT_S,
) -> None:
    """Let a region leave: the others do not hear it any more, and it says REMOVED.

    Drain it first, and let its jobs end or move: `hanse region drain REGION`. Where it was a guardian, another region
    takes its place.

    JSON keys: epoch, sha256, in_force, countersigned[], missing[], refusals[].{region, reason}, members[].
    """

    def change(roster: Roster) -> Roster:
        _insist_member(roster, name)
        rest = [member for member in roster.members if member.name != name]
        if not rest:
            raise UsageOrConfigError(f"{name} is the only member", hint="a league has one region at least")
        return _successor(roster, rest)

    async def check(client: AsyncClient) -> None:
        if not force:
            await _insist_idle(client, name, lost=lost)

    _make(ctx, change, operator_key, draft, save, timeout, check)


def declare_lost(
    ctx: typer.Context,
    name: NameArgument,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes-nothing-of-it-runs", help="It is certain that nothing of it runs, nor ever will."
        ),
    ] = False,
    operator_key: KeyOption = None,
    draft: DraftOption = None,
    save: SaveOption = None,
    timeout: TimeoutOption = _TIMEOUT_S,
) -> None:
    """Declare a region lost, for good: it leaves the league, and the others take back the `wait` jobs that it had of
    theirs.

    Adoptable jobs go on by themselves; this is for the others, which wait for their region otherwise. THE RISK: nobody
    can check your word. If the region is only cut off, what runs there goes on, and the same jobs are run a second
    time elsewhere, at the same time. So be certain that its machines are off, or its processes dead, for ever. What
    that region's own callers gave it, and it alone knew, is lost. Its name can never be used again.

    The region's name must be typed, or --yes-nothing-of-it-runs be given. A region that was removed already may be
    declared lost as well.

    JSON keys: epoch, sha256, in_force, countersigned[], missing[], refusals[].{region, reason}, members[].
    """
    if not yes:
        _insist_on_name(name)

    def change(roster: Roster) -> Roster:
        if any(each.name == name for each in roster.lost_regions):
            raise UsageOrConfigError(f"{name} was declared lost already", hint="hanse federation show")
        rest = [member for member in roster.members if member.name != name]
        if not rest:
            raise UsageOrConfigError(f"{name} is the only member", hint="a league has one region at least")
        return _successor(roster, rest, lost=name)

    async def check(client: AsyncClient) -> None:
        await _insist_was_member(client, name)
        await _insist_silent(client, name)

    _make(ctx, change, operator_key, draft, save, timeout, check)


def change(
    ctx: typer.Context,
    name: NameArgument,
    peer_address: PeerOption = "",
    public_address: PublicOption = "",
    label: LabelOption = None,
    operator_key: KeyOption = None,
    draft: DraftOption = None,
    save: SaveOption = None,
    timeout: TimeoutOption = _TIMEOUT_S,
) -> None:
    """Give a region other addresses or labels. What is not named stays; labels are replaced as a whole.

    JSON keys: epoch, sha256, in_force, countersigned[], missing[], refusals[].{region, reason}, members[].
    """
    if not (peer_address or public_address or label):
        raise UsageOrConfigError("nothing to change", hint="--peer-address, --public-address or --label")

    def changed(roster: Roster) -> Roster:
        from hanse.cli.roster_files import parse_labels

        member = _insist_member(roster, name)
        return _replaced(
            roster,
            member,
            peer_address=peer_address or member.peer_address,
            public_address=public_address or member.public_address,
            labels=parse_labels(label) if label else member.labels,
        )

    _make(ctx, changed, operator_key, draft, save, timeout)


def rotate(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="[REGION]", help="The region; without it: the operator.", show_default=False),
    ] = "",
    public_key: RegionKeyOption = "",
    ledger_id: LedgerOption = "",
    new_operator_key: Annotated[
        Path | None,
        typer.Option(help="The operator's next private key (`keygen --operator --out`).", metavar="FILE"),
    ] = None,
    operator_key: KeyOption = None,
    draft: DraftOption = None,
    save: SaveOption = None,
    timeout: TimeoutOption = _TIMEOUT_S,
) -> None:
    """Exchange the key of a region, or the operator's own; or name the ledger of a region whose disk was lost.

    A region's: `hanse federation keygen --data-dir DIR` on its machine makes the next one; it counts as soon as the
    roster names it. The operator's: the old key signs this roster for the last time. A region whose ledger is another
    one than the roster names does not countersign, since it may have forgotten what it countersigned.

    JSON keys: epoch, sha256, in_force, countersigned[], missing[], refusals[].{region, reason}, members[].
    """
    if bool(name) == (new_operator_key is not None) or bool(name) != bool(public_key or ledger_id):
        raise UsageOrConfigError(
            "whose key?", hint="REGION --public-key HEX, REGION --ledger-id ID, or --new-operator-key FILE"
        )

    def changed(roster: Roster) -> Roster:
        from hanse.cli.roster_files import operator_key as loaded

        if name:
            member = _insist_member(roster, name)
            return _replaced(
                roster,
                member,
                public_key=public_key or member.public_key,
                ledger_id=ledger_id or member.ledger_id,
            )
        return _successor(roster, operator_key=loaded(new_operator_key).public_key)

    _make(ctx, changed, operator_key, draft, save, timeout)


def draft(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where it goes.")],
) -> None:
    """Write the next roster without any change, to be edited by hand (guardian sets, domains), then signed and applied.

    JSON keys: file, epoch, previous_sha256.
    """
    _make(ctx, _successor, None, file, None, 0)


def sign(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A roster's file; its last roster is signed.")],
    operator_key: KeyOption = None,
) -> None:
    """Sign a draft with the operator's key. Needs no region: the machine with the key may be on no network.

    JSON keys: file, epoch, sha256, key_id.
    """
    from hanse.cli import roster_files as files
    from hanse.core.federation.roster.checks import document_faults
    from hanse.core.model.roster import sha256_of
    from hanse.daemon.rosters import write_roster_file

    before, last = files.last_of(file)
    files.insist(document_faults(last.roster))
    document = files.signed(last.roster, files.operator_key(operator_key))
    with files.told():
        write_roster_file(file, (*before, document))
    printer = Printer.of(ctx)
    if printer.is_table:
        members = ", ".join(last.roster.names)
        print(f"{file}: epoch {last.roster.epoch} is signed ({members}): hanse federation apply {file}")
    else:
        printer.document(
            {
                "file": str(file),
                "epoch": last.roster.epoch,
                "sha256": sha256_of(last.roster),
                "key_id": last.roster.issuer,
            }
        )


def apply(
    ctx: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]", help="A signed roster; without it: the one that is under way already."
        ),
    ] = None,
    save: SaveOption = None,
    timeout: TimeoutOption = _TIMEOUT_S,
) -> None:
    """Hand in a roster that was signed, and wait until a majority has countersigned it.

    JSON keys: epoch, sha256, in_force, countersigned[], missing[], refusals[].{region, reason}, members[].
    """
    from hanse.cli import roster_files as files

    async def applied() -> RosterStatus:
        async with client_of(ctx, retry=WRITE_RETRY) as client:
            signed = files.last_of(file)[1] if file is not None else await _under_way(client)
            if not signed.operator_signature:
                raise UsageOrConfigError(f"{file} is not signed", hint=f"hanse federation sign {file}")
            return await _handed_in(ctx, client, signed, save, timeout)

    _tell(ctx, run(applied()))


def show(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="[REGION]", help="Region; default: the one that is asked.", show_default=False
        ),
    ] = "",
    save: SaveOption = None,
) -> None:
    """Show the roster that is in force, who has which epoch, and how far the next one is.

    JSON keys: region, ledger_id, static, removed, epoch, sha256, operator_key_id, countersigned[], unable, roster (as
    in the file; null: static), known[].{region, epoch}, conflicts[].{region, reason}, pending (null: none).{epoch,
    sha256, is_asking, has_failed, countersigned[], missing[], refusals[].{region, reason}, roster}.
    """
    from hanse.cli.roster_work import save_chain

    async def fetched() -> RosterStatus:
        async with client_of(ctx) as client:
            status = await client.roster(name)
            if save is not None and status.document:
                await save_chain(client, save)
            return status

    found = run(fetched())
    from hanse.cli.roster_views import roster_details, roster_document

    printer = Printer.of(ctx)
    if printer.is_table:
        printer.show(*roster_details(found, printer.width))
    else:
        printer.document(roster_document(found))


# --- what they share -------------------------------------------------------------------------------------------------


def _make(
    ctx: typer.Context,
    change: Change,
    key_file: Path | None,
    draft_file: Path | None,
    save: Path | None,
    timeout_s: float,
    check: Callable[[AsyncClient], Awaitable[None]] | None = None,
) -> None:
    """Fetch, change, judge, sign, hand in, wait; or stop before the signature. Made again on top of what came first."""
    from hanse.cli import roster_files as files
    from hanse.cli.roster_work import OvertakenError, fetch_head

    async def attempt(client: AsyncClient) -> RosterStatus | Roster:
        head = (await fetch_head(client)).roster
        roster = change(head)
        _judge(head, roster)
        if check is not None:
            await check(client)
        if draft_file is not None:
            return roster
        signed = files.signed(roster, files.operator_key(key_file))
        return await _handed_in(ctx, client, signed, save, timeout_s)

    async def made() -> RosterStatus | Roster:
        async with client_of(ctx, retry=WRITE_RETRY) as client:
            for _ in range(_ATTEMPTS_MAX - 1):
                try:
                    return await attempt(client)
                except OvertakenError as overtaken:
                    note(f"{overtaken.message}; making the change again on top of it")
            return await attempt(client)

    found = run(made())
    from hanse.core.model.roster import Roster

    if isinstance(found, Roster):
        assert draft_file is not None
        _write_draft(ctx, draft_file, found)
    else:
        _tell(ctx, found)


async def _handed_in(
    ctx: typer.Context, client: AsyncClient, signed: SignedRoster, save: Path | None, timeout_s: float
) -> RosterStatus:
    from hanse.cli.roster_work import hand_in, save_chain

    # What programs read has no remarks in between.
    tell = note if Printer.of(ctx).is_table else lambda _: None
    status = await hand_in(client, signed, timeout_s, tell)
    if save is not None:
        await save_chain(client, save)
    return status


async def _under_way(client: AsyncClient) -> SignedRoster:
    from hanse.core.model.roster import decode_signed

    status = await client.roster()
    if not status.HasField("proposal"):
        raise UsageOrConfigError(
            f"no roster is under way at {status.region}", hint="name the file of a signed one"
        )
    return decode_signed(status.proposal.document)


def _judge(head: Roster, roster: Roster) -> None:
    from hanse.cli.roster_files import insist
    from hanse.core.federation.roster.checks import document_faults, succession_faults

    faults = [*document_faults(roster), *succession_faults(head, roster)]
    insist(faults, hint="nothing was tried; the roster is as it was")


def _write_draft(ctx: typer.Context, file: Path, roster: Roster) -> None:
    from hanse.cli.roster_files import refuse_to_overwrite, told
    from hanse.core.model.roster import SignedRoster
    from hanse.daemon.rosters import write_roster_file

    refuse_to_overwrite(file)
    with told():
        write_roster_file(file, (SignedRoster(roster=roster),))
    printer = Printer.of(ctx)
    if printer.is_table:
        print(f"{file}: epoch {roster.epoch}, not signed yet: hanse federation sign {file}")
    else:
        printer.document(
            {"file": str(file), "epoch": roster.epoch, "previous_sha256": roster.previous_sha256}
        )


def _tell(ctx: typer.Context, status: RosterStatus) -> None:
    from hanse.cli.roster_views import change_document

    printer = Printer.of(ctx)
    document = change_document(status)
    if printer.is_table:
        print(
            f"epoch {document['epoch']} is in force: {', '.join(document['members'])}; "
            f"countersigned by {', '.join(document['countersigned'])}"
        )
    else:
        printer.document(document)


def _insist_member(roster: Roster, name: str) -> RosterMember:
    member = roster.member(name)
    if member is None:
        raise UsageOrConfigError(
            f"{name} is no member of epoch {roster.epoch}", hint=f"there are {', '.join(roster.names)}"
        )
    return member


def _successor(
    roster: Roster, members: list[RosterMember] | None = None, operator_key: str = "", lost: str = ""
) -> Roster:
    from hanse.core.federation.roster import drafts
    from hanse.core.model.roster import LostRegion

    now_us = time.time_ns() // 1_000
    known = roster.member(lost)
    ledger_id = known.ledger_id if known is not None else ""
    declared = [LostRegion(name=lost, ledger_id=ledger_id, declared_wall_us=now_us)] if lost else []
    return drafts.successor(
        roster, issued_wall_us=now_us, members=members, operator_key=operator_key, lost=declared
    )


def _replaced(roster: Roster, member: RosterMember, **changes: object) -> Roster:
    import msgspec

    other = msgspec.structs.replace(member, **changes)
    return _successor(roster, [other if each is member else each for each in roster.members])


def _insist_on_name(name: str) -> None:
    """Whoever declares a region lost has to think of which."""
    asked = f"nothing of {name} runs any more, nor ever will? Type its name"
    if not sys.stdin.isatty():
        raise UsageOrConfigError(
            f"jobs of {name} would run a second time, at the same time, if any of it still ran",
            hint="--yes-nothing-of-it-runs, once that is certain",
        )
    if typer.prompt(asked) != name:
        raise UsageOrConfigError("that is another name", hint="nothing was done")


async def _insist_was_member(client: AsyncClient, name: str) -> None:
    """A slip of the pen must not become a loss that is never taken back."""
    from hanse.cli.roster_work import fetch_chain

    chain = await fetch_chain(client)
    if all(signed.roster.member(name) is None for signed in chain):
        raise UsageOrConfigError(f"{name} never was a member", hint="hanse federation show")


async def _insist_silent(client: AsyncClient, name: str) -> None:
    """A region that answers is not lost. (That one does not answer shows nothing.)"""
    from hanse.client.errors import InvalidArgumentError, NotFoundError, UnreachableError

    try:
        await client.status(name)
    except (UnreachableError, NotFoundError, InvalidArgumentError):
        return  # the latter two: it was removed before
    raise CommandError(f"{name} is not lost: it answers", hint="drain it, and remove it")


async def _insist_idle(client: AsyncClient, name: str, *, lost: bool) -> None:
    """A region that leaves with open jobs takes them along: nobody hears of them again."""
    from hanse.client.errors import UnreachableError

    try:
        status = await client.status(name)
    except UnreachableError as error:
        if lost:
            note(f"warning: jobs that {name} owned are not known to anybody else, unless they were adoptable")
            return
        raise CommandError(
            f"{name} does not answer, so it is not known what it has: {error.message}",
            hint="if it is gone for good and nothing of it runs any more: --lost",
        ) from error
    open_ = ", ".join(f"{count} {state}" for state, count in sorted(status.jobs_by_state.items()) if count)
    if lost:
        raise CommandError(f"{name} is not lost: it answers", hint="drain it, and remove it without --lost")
    if open_ or not status.draining:
        what = f"has open jobs ({open_})" if open_ else "is not drained"
        raise CommandError(f"{name} {what}", hint=f"hanse region drain {name}, and wait; or --force")
