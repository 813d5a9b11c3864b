"""Shortcuts of the league's policy: whose signature counts, which document wins, and when it is told on."""

from __future__ import annotations

from contextlib import ExitStack

from chaos.mutants.mutant import Mutant, replace
from chaos.mutants.profiles import LEAGUE_POLICIES
from hanse.core.effects import Effects, Send
from hanse.core.federation import league_policy
from hanse.core.federation.league_policy import LeaguePolicies
from hanse.core.messages import PolicyNotice, PolicyRequest
from hanse.core.model.league_policy import SignedPolicy, decode_league_policy
from hanse.core.model.time import Now
from hanse.sim.host import Host


def _believe_anybody(patches: ExitStack) -> None:
    replace(patches, league_policy, "signature_fault", lambda *_: None)


def _smaller_wins(patches: ExitStack) -> None:
    """Whoever has none takes the first that comes; then only smaller ones count."""

    def asks(self: LeaguePolicies, now: Now, out: Effects) -> None:
        for peer in self._inventory.ruling:
            news = self._news_of(peer)
            if (
                news is None
                or peer == self._config.name
                or (self.head is not None and news.rank >= self.rank)
            ):
                continue
            if now.mono_us >= self._quiet_until_us.get(peer, 0):
                self._quiet_until_us[peer] = now.mono_us + self._config.timings.rights_retry_us
                out.sends.append(Send(peer, PolicyRequest(*self.rank)))

    def takes(self: LeaguePolicies, signed: SignedPolicy) -> None:
        if self._fault(signed) is None:
            self._keep(signed)

    def answers(self: LeaguePolicies, peer: str, message: PolicyRequest | PolicyNotice, out: Effects) -> None:
        if isinstance(message, PolicyNotice):
            if self.head is None or message.signed.document.number < self.rank[0]:
                takes(self, message.signed)
        elif self.head is not None:
            out.sends.append(Send(peer, PolicyNotice(self.head)))

    replace(patches, LeaguePolicies, "on_records", asks)
    replace(patches, LeaguePolicies, "on_message", answers)


def _told_early(patches: ExitStack) -> None:
    """All others are told at once, and that before the row is durable."""
    queue = Host._queue

    def shortcut(self: Host, effects: Effects) -> None:
        for row in effects.writes.league_policies:
            assert self.core is not None
            for peer in self.core.peers:
                if self.core.sessions.established(peer):
                    notice = PolicyNotice(decode_league_policy(row.document))
                    self._send(peer, self.core.envelope(peer), (notice,))
        queue(self, effects)

    replace(patches, Host, "_queue", shortcut)


MUTANTS = (
    Mutant(
        name="a policy of the league is believed unsigned",
        shortcut="nobody looks at the signature of a policy of the league",
        profile=LEAGUE_POLICIES,
        install=_believe_anybody,
    ),
    Mutant(
        name="the smaller policy of the league wins",
        shortcut="a region gives up a policy of the league for one with a smaller number",
        profile=LEAGUE_POLICIES,
        install=_smaller_wins,
    ),
    Mutant(
        name="a policy of the league is told on before the write",
        shortcut="a region tells of a policy of the league before that is on its disk",
        profile=LEAGUE_POLICIES,
        install=_told_early,
    ),
)
