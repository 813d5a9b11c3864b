"""How quota documents come into force in a region, and spread.

event                                       does
an operator's document, at the keeper       written together with what it mints or owes; then it is told
gossip names a newer one                    QuotaRequest
QuotaRequest                                QuotaNotice for each that followed, as many as one answer holds
QuotaNotice, the next document              written
QuotaNotice, another of a number we have    refused, and shown as a conflict
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hanse.core.books import Books
from hanse.core.effects import Effects, Send
from hanse.core.federation.escrow.chain import QuotaChain, document_faults, order_fault, signature_fault
from hanse.core.federation.inventory import Inventory
from hanse.core.federation.roster.checks import Verifier
from hanse.core.federation.roster.faults import FaultKind, RosterFault
from hanse.core.messages import QuotaNotice, QuotaRequest
from hanse.core.model.jobs import Reason, ReasonCode
from hanse.core.model.limits import QUOTA_DOCUMENTS_PER_ANSWER_MAX
from hanse.core.model.quota import SignedQuotas, quotas_sha256
from hanse.core.model.regions import QuotaNews, RegionConfig
from hanse.core.model.time import Now


class Documents:
    """The documents of this region. `keys` are operators' public keys by their ids, also of those whose time is over:
    what they signed then is still theirs. A new one must be signed by a `current` one. `version` grows with each."""

    def __init__(
        self,
        config: RegionConfig,
        chain: QuotaChain,
        books: Books,
        inventory: Inventory,
        keys: Mapping[str, str],
        current: Mapping[str, str],
        verifier: Verifier | None,
    ) -> None:
        self.chain = chain
        self.version = 0
        self._config = config
        self._books = books
        self._inventory = inventory
        self._keys = keys
        self._current = current
        self._verifier = verifier
        self._conflicts: dict[str, str] = {}
        # When each peer may be asked again.
        self._quiet_until_us: dict[str, int] = {}

    def faults(self, signed: SignedQuotas) -> list[RosterFault]:
        """Everything that keeps an operator's document from following on what is in force."""
        members = [member.name for member in self._config.members]
        found = list(
            document_faults(signed.document, self._config.cluster_id, members, self._config.resource_kinds)
        )
        for fault in (
            signature_fault(signed, self._current, self._verifier),
            order_fault(self.chain.head, self.chain.sha256, signed.document),
        ):
            if fault is not None:
                found.append(fault)
        if self.chain.is_full:
            found.append(
                RosterFault(FaultKind.UNABLE, "", "this league has had all the documents that it can have")
            )
        return found

    def put_in_force(self, signed: SignedQuotas) -> None:
        """It goes by this one from now on."""
        self._books.remember_quotas(self.chain.append(signed))
        self.version += 1

    # --- peers -------------------------------------------------------------------------------------------------------

    @property
    def may_be_behind(self) -> bool:
        """Whether anybody tells of quotas at all."""
        return bool(self._inventory.quoting)

    def compare(self, now: Now, peers: Sequence[str], out: Effects) -> None:
        """Gossip has brought records: ask whoever has newer documents."""
        for peer in peers:
            news = self._news_of(peer)
            if news is None or self._is_at_odds(peer, news) or news.number <= self.chain.number:
                continue
            self.ask(now, peer, out)

    def ask(self, now: Now, peer: str, out: Effects) -> None:
        """This peer has newer documents. It is asked once in a while only."""
        if peer != self._config.name and now.mono_us >= self._quiet_until_us.get(peer, 0):
            self._quiet_until_us[peer] = now.mono_us + self._config.timings.rights_retry_us
            out.sends.append(Send(peer, QuotaRequest(self.chain.number)))

    def _news_of(self, peer: str) -> QuotaNews | None:
        record = self._inventory.get(peer)
        return None if record is None else record.quotas

    def _is_at_odds(self, peer: str, news: QuotaNews) -> bool:
        """Whether the peer goes by documents of another chain, or by another branch of this one."""
        ours = self.chain.at(news.number)
        if self.chain.league and news.league != self.chain.league:
            self._conflicts[peer] = f"its quotas began with another document ({news.league[:16]})"
        elif ours is not None and quotas_sha256(ours.document) != news.sha256:
            self._conflicts[peer] = f"its quota document {news.number} is another one ({news.sha256[:16]})"
        else:
            self._conflicts.pop(peer, None)
            return False
        return True

    def on_request(self, peer: str, request: QuotaRequest, out: Effects) -> None:
        """A peer lacks documents."""
        following = self.chain.after(request.after_number)[:QUOTA_DOCUMENTS_PER_ANSWER_MAX]
        out.sends.extend(Send(peer, QuotaNotice(signed)) for signed in following)

    def on_notice(self, peer: str, signed: SignedQuotas) -> None:
        """A document that is in force elsewhere, or that the keeper's account here has taken."""
        document = signed.document
        known = self.chain.at(document.number)
        if known is not None:
            if quotas_sha256(known.document) != quotas_sha256(document):
                self._conflicts[peer] = f"its quota document {document.number} is another one"
            return
        if signature_fault(signed, self._keys, self._verifier) or self.chain.is_full:
            return
        fault = order_fault(self.chain.head, self.chain.sha256, document)
        if fault is None:
            self._quiet_until_us.pop(peer, None)
            self.put_in_force(signed)
        elif fault.kind is FaultKind.FORK:
            self._conflicts[peer] = f"its quota document {document.number} follows on another one"

    def impairments(self) -> list[Reason]:
        """What an operator must know."""
        return [Reason(ReasonCode.QUOTA_CONFLICT, f"{peer}: {why}") for peer, why in self._conflicts.items()]

    def known(self, peers: Sequence[str]) -> tuple[tuple[str, int], ...]:
        """(region, number of its newest document), as far as was heard."""
        numbers = [(peer, news.number) for peer in peers if (news := self._news_of(peer)) is not None]
        return tuple(sorted(numbers))

    def who_is_ahead(self, peers: Sequence[str]) -> tuple[list[str], list[str]]:
        """(peers that have not been heard of, peers that go by newer documents)."""
        unheard = [peer for peer in peers if self._inventory.get(peer) is None]
        ahead = [
            peer
            for peer in peers
            if (news := self._news_of(peer)) is not None and news.number > self.chain.number
        ]
        return unheard, ahead
