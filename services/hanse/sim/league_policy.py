"""Operators of the league's policy: now and then one signs a policy for all regions, from what he has seen at one of
them; sometimes two of them do so at once, or a stranger signs, or the policy is broken.

The text of a document is the policy's JSON, as everywhere in simulated leagues (policies.py).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from hanse.core.events import ApplyLeaguePolicy
from hanse.core.model.league_policy import (
    LeaguePolicy,
    LeagueStanding,
    Rank,
    SignedPolicy,
    league_policy_message,
)
from hanse.core.model.roster import key_id
from hanse.core.model.time import SECOND_US
from hanse.sim.host import Host
from hanse.sim.keys import SimKeys, public_key_of
from hanse.sim.policies import broken_policy, document_of, draw_policy
from hanse.sim.timeline import Timeline

OPERATOR = "operator"
_CLUSTER = "league"
# Of the changes of policies, how many are of the whole league's; and of those, how many are broken (half of them so
# that their text is no policy at all), signed by a stranger, or signed twice with different texts.
_LEAGUE_SHARE = 0.4
_BROKEN_SHARE = 0.15
_FORGED_SHARE = 0.15
_FORKED_SHARE = 0.25
_THINKS_MAX_US = 5 * SECOND_US
# What the author of a broken document says of it, for checkers.
BROKEN = "broken"


class LeagueRulers:
    """`change` is called with every change of a policy; whether it is one of the league's is drawn here, so that
    nothing else draws differently."""

    def __init__(
        self,
        timeline: Timeline,
        randomness: random.Random,
        hosts: Sequence[Host],
        tenants: tuple[str, ...],
        count: Callable[[str], None],
    ) -> None:
        self._timeline = timeline
        self._random = randomness
        self._hosts = hosts
        self._tenants = tenants
        self._count = count
        self._issued = 0

    @property
    def idle(self) -> bool:
        """Every region has the same document, and has judged it."""
        parts = [host.core.league_policy for host in self._hosts if host.core is not None]
        if len(parts) < sum(not host.gone for host in self._hosts):
            return False
        return len({each.rank for each in parts}) <= 1 and not any(
            each.standing is LeagueStanding.PENDING for each in parts
        )

    def change(self) -> None:
        """Perhaps somebody looks at the league's policy somewhere, thinks, and hands in what follows on it."""
        if self._random.random() >= _LEAGUE_SHARE:
            return
        host = self._random.choice(self._hosts)
        if host.core is None:
            return
        seen = host.core.league_policy.rank
        self._hand_in_later(host, seen)
        if self._random.random() < _FORKED_SHARE:
            self._count("league_policy_fork")
            self._hand_in_later(self._random.choice(self._hosts), seen)

    def _hand_in_later(self, host: Host, seen: Rank) -> None:
        signed = self._draw(seen)
        self._count("league_policy")
        event = ApplyLeaguePolicy(request_id=-1, signed=signed, cause="operator")
        self._timeline.after(int(self._random.random() ** 2 * _THINKS_MAX_US), self._hand_in, host, event)

    def _hand_in(self, host: Host, event: ApplyLeaguePolicy) -> None:
        """Nobody waits for the answer: what becomes of it shows in the regions."""
        host.post(event)

    def _draw(self, seen: Rank) -> SignedPolicy:
        policy = draw_policy(self._random, self._tenants)
        broken = self._random.random() < _BROKEN_SHARE
        if broken:
            self._count("broken_league_policy")
            policy = broken_policy(self._random, policy)
        text = document_of(policy).document
        if broken and self._random.random() < 0.5:
            text = text[: len(text) // 2]
        self._issued += 1
        document = LeaguePolicy(
            cluster_id=_CLUSTER,
            number=seen[0] + 1,
            previous_sha256=seen[1],
            issuer=key_id(public_key_of(OPERATOR)),
            issued_wall_us=self._issued,
            text=text,
            author=OPERATOR,
            why=BROKEN if broken else "",
        )
        if self._random.random() < _FORGED_SHARE:
            self._count("league_policy_forged")
            return signed_policy("stranger", document)
        return signed_policy(OPERATOR, document)


def signed_policy(owner: str, document: LeaguePolicy) -> SignedPolicy:
    """The document with this owner's signature as its operator's."""
    signature = SimKeys(owner).sign(public_key_of(owner), league_policy_message(document))
    return SignedPolicy(document=document, operator_signature=signature)
