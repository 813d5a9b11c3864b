"""The policy of the whole league: signed here, handed to one region, and followed until the others go by it."""

from __future__ import annotations

import asyncio
import getpass
import time
from typing import TYPE_CHECKING

from hanse.cli.errors import CommandError
from hanse.core.model.league_policy import (
    LeaguePolicy,
    SignedPolicy,
    decode_league_policy,
    encode_league_policy,
    league_policy_message,
    league_policy_sha256,
)

if TYPE_CHECKING:
    from hanse.client import AsyncClient
    from hanse.client.messages import ApplyLeaguePolicyResponse, LeaguePolicyStatus
    from hanse.daemon.keys import PrivateKey

_POLL_S = 0.1


async def applied(
    client: AsyncClient,
    text: str,
    key: PrivateKey,
    region: str,
    why: str,
    author: str,
    expect: int,
    timeout_s: float,
) -> tuple[ApplyLeaguePolicyResponse, LeaguePolicyStatus]:
    """The answer (number 0: refused for its problems), and how it stands in all regions once each has judged it, or
    time is up. Raises CommandError if another one than `expect` is the league's (0: whichever)."""
    before = await client.league_policy(region)
    if expect and expect != before.news.number:
        raise CommandError(
            f"the league's policy is number {before.news.number}, not {expect}",
            hint="look at it with `hanse policy status`, and plan anew",
        )
    cluster_id = (await client.status(before.region)).cluster_id
    document = next_document(before, text, cluster_id, key.public_key, why, author)
    signed = SignedPolicy(document=document, operator_signature=key.sign(league_policy_message(document)))
    answer = await client.apply_league_policy(encode_league_policy(signed), before.region)
    if not answer.number:
        return answer, before
    return answer, await _followed(client, before.region, league_policy_sha256(document), timeout_s)


def next_document(
    before: LeaguePolicyStatus, text: str, cluster_id: str, public_key: str, why: str, author: str
) -> LeaguePolicy:
    """What follows on the document that a region has."""
    from hanse.core.model.roster import key_id
    from hanse.policies.document import canonical

    return LeaguePolicy(
        cluster_id=cluster_id,
        number=before.news.number + 1,
        previous_sha256=before.news.sha256,
        issuer=key_id(public_key),
        issued_wall_us=time.time_ns() // 1_000,
        # What is not UTF-8 is for the region to refuse, with its place.
        text=canonical(text).decode(),
        author=author or getpass.getuser(),
        why=why,
    )


async def _followed(client: AsyncClient, region: str, sha256: str, timeout_s: float) -> LeaguePolicyStatus:
    from hanse.client.messages import PolicyStanding

    deadline_s = time.monotonic() + timeout_s
    while True:
        status = await client.league_policy(region)
        told = [status.news, *(each.news for each in status.known)]
        judged = [
            news.sha256 == sha256 and news.standing != PolicyStanding.POLICY_STANDING_PENDING for news in told
        ]
        if all(judged) or status.news.sha256 != sha256 or time.monotonic() > deadline_s:
            return status
        await asyncio.sleep(_POLL_S)


def document_of(status: LeaguePolicyStatus) -> LeaguePolicy | None:
    """The league's policy that a region has."""
    return decode_league_policy(status.document).document if status.document else None
