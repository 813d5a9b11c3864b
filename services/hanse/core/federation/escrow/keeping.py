"""The keeper: takes an operator's document, with what it mints or owes, in one transaction.

The account may be in the log of a shard. Then the answer, and the news that the document is in force, wait until a
majority holds it; and whoever leads the shard next tells of it again.
"""

from __future__ import annotations

from collections.abc import Callable

from hanse.core.effects import Effects, Send
from hanse.core.events import ApplyQuotas
from hanse.core.federation.escrow.documents import Documents
from hanse.core.federation.escrow.holders import Holder, Holders
from hanse.core.federation.roster.faults import FaultKind, RosterFault, refused
from hanse.core.messages import QuotaNotice
from hanse.core.model.quota import SignedQuotas, quotas_sha256, region_account
from hanse.core.model.regions import Timings
from hanse.core.replies import Done, Refused, Reply


class Keeping:
    """`unheard` names the members that have not been heard in this life of the region."""

    def __init__(
        self, holders: Holders, documents: Documents, unheard: Callable[[], list[str]], timings: Timings
    ) -> None:
        self._holders = holders
        self._documents = documents
        self._unheard = unheard
        self._timings = timings

    def apply(self, event: ApplyQuotas, out: Effects) -> None:
        """Taken if this region keeps the quotas; answered when that is durable."""
        holder = self._holders.get(event.signed.document.keeper)
        refusal = self._take(event.signed, holder, out)
        reply = Reply(event.request_id, refusal or Done())
        if refusal is not None or holder is None or holder.leading is None:
            out.replies.append(reply)
        else:
            holder.leading.out.replies.append(reply)

    def _take(self, signed: SignedQuotas, holder: Holder | None, out: Effects) -> Refused | None:
        chain = self._documents.chain
        if quotas_sha256(signed.document) == chain.sha256:
            return None
        if holder is not None and holder.account.head is not None and holder.account.taken > chain.number:
            if holder.account.head == signed:
                return None
            return refused(RosterFault(FaultKind.EARLY, "", "another document is just coming into force"))
        faults = self._documents.faults(signed)
        if faults:
            return refused(faults[0])
        if holder is None:
            return self._not_here(signed.document.keeper)
        fault = self._beginning_fault() if holder.account.head is None else None
        if fault is not None:
            return refused(fault)
        self._holders.open(holder)
        holder.account.take_document(signed, chain.minted())
        if holder.leading is None:
            self._documents.put_in_force(signed)
        self.announce(holder)
        return None

    def _not_here(self, keeper: str) -> Refused:
        region = self._holders.region_of(keeper)
        known = region if region != self._holders.region else ""
        message = f"{keeper} keeps the quotas, and {self._holders.region} does not speak for it at present"
        message += f"; ask {known}" if known else ""
        return Refused("NOT_LEADER", "keeper", message, self._timings.rights_retry_us // 1000, known)

    def _beginning_fault(self) -> RosterFault | None:
        """Quotas are founded once: by a region that has heard of all others that they have none. And a keeper whose
        disk was lost may have forgotten documents: whoever holds rights that they have minted knows of them."""
        unheard, ahead = self._documents.who_is_ahead(self._holders.peers)
        missing = sorted({*unheard, *self._unheard()})
        if ahead:
            why = f"{', '.join(ahead)}: newer quotas are in force there"
            return RosterFault(FaultKind.FORK, "number", why)
        if missing:
            why = f"the keeper waits until {', '.join(missing)} can be heard, who may have newer quotas"
            return RosterFault(FaultKind.EARLY, "", why)
        return None

    def announce(self, holder: Holder) -> None:
        """Tell this region what the account in a shard has taken, as soon as a majority holds it. (What came before
        that, others know: whoever takes the next one goes by the one before.)"""
        head, taken = holder.account.head, holder.account.taken
        is_next = taken == self._documents.chain.number + 1
        if head is None or holder.leading is None or not is_next or holder.announced == taken:
            return
        holder.announced = taken
        holder.leading.out.sends.append(Send(region_account(self._holders.region), QuotaNotice(head)))
