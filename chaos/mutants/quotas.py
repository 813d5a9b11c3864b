"""Shortcuts of global quotas: rights that come back, that count twice, or that are minted twice (each was found by
chaos/models/escrow.pml, too). SCHEDULED are those that tests/core/federation/escrow/test_shortcuts.py finds among
accounts alone: regions seldom refuse rights."""

from __future__ import annotations

from contextlib import ExitStack

from chaos.mutants.mutant import Mutant, replace
from chaos.mutants.profiles import LOST_RIGHTS, QUOTAS, QUOTAS_AND_DISKS
from chaos.mutants.shell import leaking_sends
from hanse.core.account import Account, Balance, Party
from hanse.core.effects import Effects
from hanse.core.federation.escrow.chain import QuotaChain
from hanse.core.federation.escrow.documents import Documents
from hanse.core.federation.escrow.escrow import Escrow
from hanse.core.federation.escrow.holders import Holder
from hanse.core.federation.escrow.keeping import Keeping
from hanse.core.federation.escrow.lending import Lending
from hanse.core.messages import RightsCommit, RightsDecision, RightsVerdict
from hanse.core.model.quota import NO_RIGHTS, Quota, QuotaKey, Rights, SignedQuotas
from hanse.core.model.time import Now
from hanse.core.replies import Refused

# Sent so often without an answer, a transfer is taken back.
_PATIENCE = 2


def _take_back(patches: ExitStack) -> None:
    send = Lending.send_commit

    def shortcut(self: Lending, now: Now, holder: Holder, to: Party, out: Effects) -> None:
        if self.resent.get((holder.name, to), 0) < _PATIENCE:
            send(self, now, holder, to, out)
            return
        account = holder.account
        sequence, rights = account.sent[to]
        account.sent[to] = (sequence, NO_RIGHTS)
        account._owed_sent[to] = None
        account._conclude(rights, RightsVerdict.BURNED)

    replace(patches, Lending, "send_commit", shortcut)


def _credit_again(patches: ExitStack) -> None:
    on_commit = Account.on_commit

    def shortcut(self: Account, commit: RightsCommit, *, wanted: bool = True) -> RightsDecision | None:
        known = self.decided.get((commit.giver, commit.giver_id))
        decision = on_commit(self, commit, wanted=wanted)
        if decision is not None and known == (commit.sequence, RightsVerdict.TAKEN):
            for key, amount in commit.rights:
                self._credit(key, amount)
        return decision

    replace(patches, Account, "on_commit", shortcut)


def _refuse_in_memory(patches: ExitStack) -> None:
    decide = Account._decide

    def shortcut(self: Account, commit: RightsCommit, giver: Party, verdict: RightsVerdict) -> RightsVerdict:
        decide(self, commit, giver, verdict)
        if verdict is RightsVerdict.BURNED:
            del self._owed_taken[giver]
        return verdict

    replace(patches, Account, "_decide", shortcut)


def _debit_late(patches: ExitStack) -> None:
    give, on_decision = Account.give, Account.on_decision

    def late(self: Account, to: Party, rights: Rights) -> None:
        give(self, to, rights)
        for key, amount in rights:
            self._credit(key, amount)

    def then(self: Account, decision: RightsDecision) -> bool:
        _, rights = self.sent.get((decision.to, decision.to_id), (0, NO_RIGHTS))
        news = on_decision(self, decision)
        if news:
            for key, amount in rights:
                # What is in use by then, it cannot pay.
                self._debit(key, min(amount, self.held(key)))
        return news

    replace(patches, Account, "give", late)
    replace(patches, Account, "on_decision", then)


def _mint_first(patches: ExitStack) -> None:
    """The rights in one transaction, the document's number in the one after the next."""
    settle = Escrow.settle
    waiting: dict[int, tuple[int, SignedQuotas]] = {}

    def mint(self: Keeping, signed: SignedQuotas, holder: Holder | None, out: Effects) -> Refused | None:
        chain = self._documents.chain
        if holder is None or self._documents.faults(signed):
            return None
        if not chain.number and self._beginning_fault() is not None:
            return None
        self._holders.open(holder)
        for quota in signed.document.quotas:
            balance = holder.account._balance(quota.key)
            holder.account._change(quota.key, (quota.limit or 0) - balance.minted)
        waiting[id(self)] = (2, signed)
        return None

    def number(self: Escrow, now: Now, out: Effects) -> None:
        steps, signed = waiting.pop(id(self.keeping), (0, None))
        settle(self, now, out)
        if signed is not None and steps > 1:
            waiting[id(self.keeping)] = (steps - 1, signed)
        elif signed is not None:
            holder = self.holders.get(signed.document.keeper)
            assert holder is not None
            holder.account.head = signed
            holder.account._owes_account = True
            for quota in signed.document.quotas:
                holder.account._balance(quota.key).minted = quota.limit or 0
            if self.chain.number + 1 == signed.document.number:
                self.documents.put_in_force(signed)

    replace(patches, Keeping, "_take", mint)
    replace(patches, Escrow, "settle", number)


def _mint_everywhere(patches: ExitStack) -> None:
    put_in_force = Documents.put_in_force

    def shortcut(self: Documents, signed: SignedQuotas) -> None:
        before = self.chain.minted()
        put_in_force(self, signed)
        account = self._books.account
        if account.id and account.name != signed.document.keeper and before:
            account.take_document(signed, before)

    replace(patches, Documents, "put_in_force", shortcut)


def _lifted_was_never_minted(patches: ExitStack) -> None:
    def shortcut(self: QuotaChain) -> dict[QuotaKey, Quota]:
        return {} if self.head is None else {quota.key: quota for quota in self.head.quotas}

    replace(patches, QuotaChain, "minted", shortcut)


def _lower_at_once(patches: ExitStack) -> None:
    def shortcut(self: Account) -> bool:
        for key, balance in self.balances.items():
            amount = min(balance.debt, balance.held)
            if amount > 0:
                balance.debt -= amount
                self._debit(key, amount)
        return True

    replace(patches, Account, "pay_debts", shortcut)


def _believe_the_disk(patches: ExitStack) -> None:
    begin_anew = Account.begin_anew

    def shortcut(self: Account, account_id: int) -> None:
        before = {key: (each.held, each.minted) for key, each in self.balances.items()}
        begin_anew(self, account_id)
        for key, (held, _) in before.items():
            self.balances[key] = Balance(held=max(held, self.used.get(key, 0)))

    replace(patches, Account, "begin_anew", shortcut)


def _lost_comes_back(patches: ExitStack) -> None:
    def shortcut(self: Account, to: Party) -> None:
        sequence, rights = self.sent[to]
        self.sent[to] = (sequence, NO_RIGHTS)
        self._owed_sent[to] = None
        self._conclude(rights, RightsVerdict.BURNED)
        self.version += 1

    replace(patches, Account, "give_up", shortcut)


def _gone_comes_back(patches: ExitStack) -> None:
    conclude = Account._conclude

    def shortcut(self: Account, rights: Rights, verdict: RightsVerdict) -> None:
        conclude(self, rights, RightsVerdict.BURNED if verdict is RightsVerdict.GONE else verdict)

    replace(patches, Account, "_conclude", shortcut)


def _any_life(patches: ExitStack) -> None:
    on_commit = Account.on_commit

    def shortcut(self: Account, commit: RightsCommit, *, wanted: bool = True) -> RightsDecision | None:
        account_id, self.id = self.id, commit.to_id
        try:
            return on_commit(self, commit, wanted=wanted)
        finally:
            self.id = account_id

    replace(patches, Account, "on_commit", shortcut)


MUTANTS = (
    Mutant(
        name="rights back on timeout",
        shortcut="rights that nobody has acknowledged for a while come back to their giver",
        profile=QUOTAS,
        install=_take_back,
    ),
    Mutant(
        name="rights leave before the write",
        shortcut="the COMMIT of rights leaves before the giver's smaller balance is durable",
        profile=QUOTAS,
        install=leaking_sends(lambda send: isinstance(send.message, RightsCommit)),
    ),
    Mutant(
        name="rights are credited again",
        shortcut="a COMMIT of rights that comes again is credited again",
        profile=QUOTAS,
        install=_credit_again,
    ),
    Mutant(
        name="rights are debited late",
        shortcut="rights leave their giver's balance when the taker has acknowledged them",
        profile=QUOTAS,
        install=_debit_late,
    ),
    Mutant(
        name="minted first, numbered then",
        shortcut="what a document mints and the document's number are two transactions",
        profile=QUOTAS,
        install=_mint_first,
    ),
    Mutant(
        name="every region mints",
        shortcut="each region that goes by a document mints what it adds",
        profile=QUOTAS,
        install=_mint_everywhere,
    ),
    Mutant(
        name="a lower limit takes what is in use",
        shortcut="the keeper burns rights that its running jobs use",
        profile=QUOTAS,
        install=_lower_at_once,
    ),
    Mutant(
        name="rights of an old disk",
        shortcut="a region whose disk is an old one holds the rights that are on it",
        profile=QUOTAS_AND_DISKS,
        install=_believe_the_disk,
    ),
    Mutant(
        name="rights back from a lost disk",
        shortcut="rights that were sent to an account whose disk was lost come back to their giver",
        profile=QUOTAS_AND_DISKS,
        install=_gone_comes_back,
    ),
    Mutant(
        name="rights back from a lost region",
        shortcut="rights that are on their way to a region that was declared lost come back to their giver",
        profile=LOST_RIGHTS,
        install=_lost_comes_back,
    ),
    Mutant(
        name="rights for an earlier life",
        shortcut="an account takes rights that were sent to the one before its disk was lost",
        profile=QUOTAS_AND_DISKS,
        install=_any_life,
    ),
)


SCHEDULED = (
    Mutant(
        name="a lifted quota was never minted",
        shortcut="a keeper that lost its disk goes by the newest document alone, also where that sets no limit",
        profile=QUOTAS_AND_DISKS,
        install=_lifted_was_never_minted,
    ),
    Mutant(
        name="rights are refused in memory",
        shortcut="a taker that has no use for rights says so and does not write it down",
        profile=QUOTAS,
        install=_refuse_in_memory,
    ),
)
