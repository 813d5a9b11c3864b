"""What the commands that change the roster have in common: fetch what is in force, hand in what follows, wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hanse.cli.errors import CommandError, UsageOrConfigError
from hanse.cli.exits import ExitCode
from hanse.cli.roster_files import told
from hanse.client.errors import RequestError, UnreachableError
from hanse.core.model.roster import Roster, SignedRoster, decode_signed, encode_signed, sha256_of

if TYPE_CHECKING:
    from hanse.client import AsyncClient
    from hanse.client.messages import RosterStatus

_POLL_S = 0.2
# A region that has just started countersigns nothing for some seconds.
_SETTLE_S = 15.0


async def fetch_head(client: AsyncClient, region: str = "") -> SignedRoster:
    """The roster in force. Raises UsageOrConfigError if it is a static one."""
    status = await client.roster(region)
    if not status.document:
        raise UsageOrConfigError(
            f"{status.region}'s roster is static: the [[members]] of its configuration",
            hint="found a league with a signed roster: `hanse federation init`",
        )
    return decode_signed(status.document)


async def fetch_chain(client: AsyncClient, region: str = "") -> tuple[SignedRoster, ...]:
    """The roster in force with all that came before it, as a new region needs them."""
    chain: list[SignedRoster] = []
    while True:
        status = await client.roster(region, after_epoch=chain[-1].roster.epoch if chain else 0)
        chain += [decode_signed(each) for each in status.following]
        if not status.following or chain[-1].roster.epoch >= status.epoch:
            return tuple(chain)


async def save_chain(client: AsyncClient, path: Path) -> None:
    """Write the chain to a file."""
    from hanse.daemon.rosters import write_roster_file

    chain = await fetch_chain(client)
    with told():
        write_roster_file(path, chain)


class OvertakenError(CommandError):
    """Another roster of that epoch came into force first."""


async def hand_in(
    client: AsyncClient, signed: SignedRoster, timeout_s: float, tell: Callable[[str], None]
) -> RosterStatus:
    """Propose it, and wait until it is in force, with news to `tell`. Raises OvertakenError if another one is, and
    CommandError if the time is up."""
    deadline_s = time.monotonic() + timeout_s
    status = await _proposed_or_overtaken(client, signed, min(timeout_s, _SETTLE_S))
    told_of = ""
    while not _is_in_force(status, signed.roster):
        _insist_not_overtaken(status, signed.roster)
        if time.monotonic() > deadline_s:
            asking = not status.HasField("proposal") or status.proposal.is_asking
            hint = _NOTHING_HINT if asking else _LATE_HINT
            raise CommandError(_standing(status), hint=hint, exit_code=ExitCode.TIMEOUT)
        if status.HasField("proposal") and (standing := _standing(status)) != told_of:
            told_of = standing
            tell(standing)
        await asyncio.sleep(_POLL_S)
        status = await client.roster(after_epoch=signed.roster.epoch - 1)
        if status.epoch < signed.roster.epoch and not _is_under_way(status):
            # Another region answers now, or too few have answered so far.
            status = await _proposed_or_overtaken(client, signed, _SETTLE_S)
    return status


async def _proposed_or_overtaken(
    client: AsyncClient, signed: SignedRoster, patience_s: float
) -> RosterStatus:
    """It is refused if another one of its epoch came into force since its author looked; the answer tells which."""
    try:
        return await _proposed(client, signed, patience_s)
    except RequestError:
        status = await client.roster(after_epoch=signed.roster.epoch - 1)
        if status.epoch < signed.roster.epoch:
            raise
        return status


async def _proposed(client: AsyncClient, signed: SignedRoster, patience_s: float) -> RosterStatus:
    """A region that has just started is asked again: it is ready within seconds."""
    deadline_s = time.monotonic() + patience_s
    while True:
        try:
            return await client.propose_roster(encode_signed(signed))
        except UnreachableError as error:
            if time.monotonic() > deadline_s or not error.retry_after_s:
                raise
            await asyncio.sleep(error.retry_after_s)


_LATE_HINT = (
    "the members that have countersigned go on asking; see `hanse federation show`. "
    "`hanse federation apply` waits again"
)
_NOTHING_HINT = (
    "this attempt has had nothing countersigned, and has none once `hanse federation show` says that it has failed; "
    "make the change again when a majority can be reached"
)


def _is_under_way(status: RosterStatus) -> bool:
    """Also if it is another one: that was countersigned before, and comes first."""
    return status.HasField("proposal") and not status.proposal.has_failed


def _is_in_force(status: RosterStatus, roster: Roster) -> bool:
    wanted = sha256_of(roster)
    if status.epoch == roster.epoch:
        return status.sha256 == wanted
    return any(sha256_of(decode_signed(each).roster) == wanted for each in status.following)


def _insist_not_overtaken(status: RosterStatus, roster: Roster) -> None:
    if status.epoch >= roster.epoch:
        raise OvertakenError(
            f"another roster of epoch {roster.epoch} came into force first",
            hint="look at it (`hanse federation show`), and make the change again on top of it",
        )


def _standing(status: RosterStatus) -> str:
    """How far it is, and why no further."""
    if not status.HasField("proposal"):
        return f"{status.region} is at epoch {status.epoch}, and no roster is under way there"
    proposal = status.proposal
    missing = ", ".join(proposal.missing)
    why = "; ".join(each.reason for each in proposal.refusals)
    if proposal.is_asking:
        text = f"members are asked what they have countersigned of epoch {proposal.epoch}; no answer yet of {missing}"
    else:
        have = ", ".join(proposal.countersigned)
        text = f"epoch {proposal.epoch} is countersigned by {have}, not yet by {missing}"
    return f"{text} ({why})" if why else text
