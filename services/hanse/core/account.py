"""An account of rights: how much of each global quota one set of books holds, and its transfers with other accounts.

Theory of operation. A quota is a number of rights. They lie in accounts: one in each region's own ledger, for its
`wait` jobs, and one in the log of each shard, for the adoptable jobs that are in it. A job may run while its account
has the rights that it needs; they are in use until its processes are known to be dead. Rights move between accounts as
jobs do:

    giver     event                        writes (one transaction)                    sends
              gives; so much is free       sent(seq, to, rights), held -= rights       COMMIT
    sent      timer, for ever              nothing                                     COMMIT again
    sent      TAKEN                        sent is over                                nothing
    sent      BURNED                       sent is over, held += rights                nothing
    sent      GONE: the taker lost its     sent is over, lost += rights: they may      nothing
              disk                         have been taken, and passed on
    sent      the taker was declared lost  the same                                    nothing
    sent      time alone                   nothing                                     never reverts

    taker     event                        writes (one transaction)                    sends
              COMMIT(seq), undecided       taken(seq), held += rights                  TAKEN
              the same, of other quotas    burned(seq)                                 BURNED
    decided   COMMIT(seq) again            nothing                                     the same
    decided   COMMIT, a smaller seq        nothing                                     nothing
              COMMIT to a life before      nothing                                     GONE

There is one transfer at a time from one account to another, so that the taker remembers one decision for each giver.
Only the account that the documents name as their keeper mints and burns, once for each document, in the transaction
that writes the document's number:

    keeper    document, limit raised       held += difference
              document, limit lowered      debt += difference
    debt      rights are free              held -= 1, debt -= 1: before anything is started or given

So, over all accounts, held + undecided transfers + lost = limit + debt + written off, always, and the rights in use are
never more than the largest limit that is not revoked everywhere (chaos/models/escrow.pml).

An account has a life, named by a number. Where a disk was lost the next life begins with what is proved to be in use
and nothing else: what the lost one had may be anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from hanse.core.messages import RightsCommit, RightsDecision, RightsVerdict
from hanse.core.model.limits import RIGHTS_GIVERS_MAX
from hanse.core.model.quota import (
    NO_RIGHTS,
    Quota,
    QuotaDocument,
    QuotaKey,
    Rights,
    SignedQuotas,
    decode_quotas,
    encode_quotas,
)
from hanse.core.rows import AccountRow, BalanceRow, RightsSentRow, RightsTakenRow, Snapshot, Writes

_RIGHTS = msgspec.msgpack.Decoder(Rights)
# (account, its id)
Party = tuple[str, int]


class Balance(msgspec.Struct):
    """Of one quota. `held` counts what is in use and what is free; the rest is for the keeper, but `lost`."""

    held: int = 0
    debt: int = 0
    minted: int = 0
    written_off: int = 0
    lost: int = 0


class Account:
    """See the module's docstring. `version` grows with everything that may let a job start that could not before."""

    def __init__(self, name: str, snapshot: Snapshot) -> None:
        self.name = name
        self.id = 0
        self.head: SignedQuotas | None = None
        self.balances: dict[QuotaKey, Balance] = {
            (row.tenant, row.resource): Balance(row.held, row.debt, row.minted, row.written_off, row.lost)
            for row in snapshot.balances
        }
        for account in snapshot.accounts:
            self.id = account.id
            self.head = decode_quotas(account.document) if account.document else None
        # By taker: the newest transfer's sequence, and what it carries while it is undecided.
        self.sent: dict[Party, tuple[int, Rights]] = {
            (row.to, row.to_id): (row.sequence, _RIGHTS.decode(row.rights) if row.rights else NO_RIGHTS)
            for row in snapshot.rights_sent
            if row.giver_id == self.id
        }
        # By giver: the newest transfer that was decided.
        self.decided: dict[Party, tuple[int, RightsVerdict]] = {
            (row.giver, row.giver_id): (row.sequence, RightsVerdict(row.verdict))
            for row in snapshot.rights_taken
            if row.taker_id == self.id
        }
        # What running jobs use.
        self.charges: dict[str, Rights] = {}
        self.used: dict[QuotaKey, int] = {}
        # The least that was free of a quota since `sweep` was called.
        self._least_free: dict[QuotaKey, int] = {}
        self.version = 0
        # What this step owes the ledger, in order.
        self._owes_account = False
        self._owed_balances: dict[QuotaKey, None] = {}
        self._owed_sent: dict[Party, None] = {}
        self._owed_taken: dict[Party, None] = {}
        self._owed_deletes: list[int] = []

    # --- questions ---------------------------------------------------------------------------------------------------

    @property
    def document(self) -> QuotaDocument | None:
        """Of the keeper's account: the newest document that it has minted and burned by."""
        return None if self.head is None else self.head.document

    @property
    def taken(self) -> int:
        """The number of that document; 0: none."""
        return 0 if self.head is None else self.head.document.number

    def held(self, key: QuotaKey) -> int:
        """Rights in use and free."""
        balance = self.balances.get(key)
        return 0 if balance is None else balance.held

    def free(self, key: QuotaKey) -> int:
        """Rights that nothing uses. None while the keeper owes some: these are burned first."""
        balance = self.balances.get(key)
        if balance is None or balance.debt:
            return 0
        return max(0, balance.held - self.used.get(key, 0))

    def may_use(self, needs: Rights) -> bool:
        """Whether so much is free of each of these."""
        return all(self.free(key) >= amount for key, amount in needs)

    def is_sending(self, to: Party) -> bool:
        """Whether a transfer to this account waits for its answer."""
        return bool(self.sent.get(to, (0, NO_RIGHTS))[1])

    def undecided(self) -> list[tuple[Party, int, Rights]]:
        """Transfers that wait for an answer: (to, sequence, rights)."""
        return [(to, sequence, rights) for to, (sequence, rights) in self.sent.items() if rights]

    # --- jobs --------------------------------------------------------------------------------------------------------

    def charge(self, job_id: str, needs: Rights) -> None:
        """This job uses so much from now on."""
        assert job_id not in self.charges, f"{job_id} is charged already"
        self.charges[job_id] = needs
        self._use(needs, 1)

    def discharge(self, job_id: str) -> None:
        """Its processes are known to be dead."""
        needs = self.charges.pop(job_id, NO_RIGHTS)
        if needs:
            self._use(needs, -1)
            self.version += 1

    def charge_anew(self, charges: dict[str, Rights]) -> None:
        """What runs, as other documents have it, or as it was found at the start."""
        self.charges, self.used = {}, {}
        for job_id, needs in charges.items():
            self.charge(job_id, needs)
        self.version += 1

    def _use(self, needs: Rights, sign: int) -> None:
        for key, amount in needs:
            self.used[key] = self.used.get(key, 0) + sign * amount
            self._note_free(key)

    def sweep(self) -> Rights:
        """What was never needed since the last call, of each quota."""
        unneeded = {key: min(self.free(key), self._least_free.get(key, 0)) for key in self.balances}
        self._least_free = {key: self.free(key) for key in self.balances}
        return tuple(sorted((key, amount) for key, amount in unneeded.items() if amount > 0))

    def _note_free(self, key: QuotaKey) -> None:
        if key in self._least_free:
            self._least_free[key] = min(self._least_free[key], self.free(key))

    # --- its life ----------------------------------------------------------------------------------------------------

    def open(self, account_id: int) -> None:
        """It begins, with nothing."""
        assert not self.id, "an account is opened once"
        self.id = account_id
        self._owes_account = True

    def begin_anew(self, account_id: int) -> None:
        """The disk was an old one: what is in use is held, since it was never given away; the rest is gone."""
        if self.id:
            self._owed_deletes.append(self.id)
        self.id = account_id
        self.head = None
        self.sent, self.decided = {}, {}
        for key in {**self.balances, **self.used}:
            self.balances[key] = Balance(held=self.used.get(key, 0))
            self._owed_balances[key] = None
        self._owes_account = True
        self.version += 1

    # --- giving ------------------------------------------------------------------------------------------------------

    def give(self, to: Party, rights: Rights) -> None:
        """The balance becomes smaller now; COMMIT follows when that is durable."""
        assert rights, "a transfer carries something"
        assert not self.is_sending(to), "one transfer at a time"
        assert to[0] != self.name, "to another account"
        for key, amount in rights:
            assert 0 < amount <= self.free(key), f"{amount} of {key} are not free"
            self._debit(key, amount)
        sequence, _ = self.sent.get(to, (0, NO_RIGHTS))
        self.sent[to] = (sequence + 1, rights)
        self._owed_sent[to] = None

    def commit_to(self, league: str, to: Party, number: int = 0) -> RightsCommit:
        """The message of the transfer to this account that is undecided; `number` as in RightsCommit."""
        sequence, rights = self.sent[to]
        assert rights, "nothing is under way"
        return RightsCommit(
            league=league,
            number=max(number, self.taken),
            giver=self.name,
            giver_id=self.id,
            to=to[0],
            to_id=to[1],
            sequence=sequence,
            rights=rights,
        )

    def on_decision(self, decision: RightsDecision) -> bool:
        """The taker's answer. Returns whether it was news."""
        to = (decision.to, decision.to_id)
        sequence, rights = self.sent.get(to, (0, NO_RIGHTS))
        is_ours = (decision.giver, decision.giver_id) == (self.name, self.id)
        if not is_ours or not rights or decision.sequence != sequence:
            return False
        self.sent[to] = (sequence, NO_RIGHTS)
        self._owed_sent[to] = None
        self._conclude(rights, decision.verdict)
        self.version += 1
        return True

    def give_up(self, to: Party) -> None:
        """What is under way to this account will never be answered, and may have been taken."""
        sequence, rights = self.sent[to]
        assert rights, "nothing is under way"
        self.sent[to] = (sequence, NO_RIGHTS)
        self._owed_sent[to] = None
        self._conclude(rights, RightsVerdict.GONE)
        self.version += 1

    def _conclude(self, rights: Rights, verdict: RightsVerdict) -> None:
        for key, amount in rights:
            if verdict is RightsVerdict.BURNED:
                self._credit(key, amount)
            elif verdict is RightsVerdict.GONE:
                self._balance(key).lost += amount

    # --- taking ------------------------------------------------------------------------------------------------------

    def on_commit(self, commit: RightsCommit, *, wanted: bool = True) -> RightsDecision | None:
        """Decide each transfer once, and repeat that to every duplicate; None: nothing is to be said."""
        giver = (commit.giver, commit.giver_id)
        if commit.to_id != self.id:
            return self._answer(commit, RightsVerdict.GONE)
        sequence, verdict = self.decided.get(giver, (0, RightsVerdict.TAKEN))
        if commit.sequence < sequence or not self._knows(giver):
            return None
        if commit.sequence > sequence:
            verdict = self._decide(commit, giver, RightsVerdict.TAKEN if wanted else RightsVerdict.BURNED)
        return self._answer(commit, verdict)

    def _knows(self, giver: Party) -> bool:
        return giver in self.decided or len(self.decided) < RIGHTS_GIVERS_MAX

    def _decide(self, commit: RightsCommit, giver: Party, verdict: RightsVerdict) -> RightsVerdict:
        self.decided[giver] = (commit.sequence, verdict)
        self._owed_taken[giver] = None
        if verdict is RightsVerdict.TAKEN:
            for key, amount in commit.rights:
                self._credit(key, amount)
            self.version += 1
        return verdict

    @staticmethod
    def _answer(commit: RightsCommit, verdict: RightsVerdict) -> RightsDecision:
        return RightsDecision(
            giver=commit.giver,
            giver_id=commit.giver_id,
            to=commit.to,
            to_id=commit.to_id,
            sequence=commit.sequence,
            verdict=verdict,
        )

    # --- the keeper --------------------------------------------------------------------------------------------------

    def take_document(self, signed: SignedQuotas, minted: Mapping[QuotaKey, Quota]) -> None:
        """Mint and owe what this document changes. `minted` has what the documents before it have minted of each quota:
        to an account that lost what it knew it still counts, since others hold the rights."""
        if self.document is None:
            self._presume(minted)
        self.head = signed
        self._owes_account = True
        for quota in signed.document.quotas:
            balance = self._balance(quota.key)
            if quota.limit is not None:
                self._change(quota.key, quota.limit - balance.minted)
                balance.minted = quota.limit
            anew = quota.written_off - balance.written_off
            if anew > 0:
                balance.written_off = quota.written_off
                self._change(quota.key, anew)
        self.version += 1

    def pay_debts(self) -> bool:
        """Burn free rights while some are owed. Returns whether any were."""
        paid = False
        for key, balance in self.balances.items():
            amount = min(balance.debt, max(0, balance.held - self.used.get(key, 0)))
            if amount > 0:
                balance.debt -= amount
                self._debit(key, amount)
                paid = True
        return paid

    def debts(self) -> Rights:
        """What is owed."""
        return tuple(sorted((key, each.debt) for key, each in self.balances.items() if each.debt))

    def _presume(self, minted: Mapping[QuotaKey, Quota]) -> None:
        for quota in minted.values():
            balance = self._balance(quota.key)
            balance.minted = quota.limit or 0
            balance.written_off = quota.written_off

    def _change(self, key: QuotaKey, difference: int) -> None:
        if difference > 0:
            self._credit(key, difference)
        elif difference < 0:
            self._balance(key).debt -= difference

    # --- balances and rows -------------------------------------------------------------------------------------------

    def _balance(self, key: QuotaKey) -> Balance:
        """To be changed: its row is owed."""
        self._owed_balances[key] = None
        return self.balances.setdefault(key, Balance())

    def _credit(self, key: QuotaKey, amount: int) -> None:
        self._balance(key).held += amount

    def _debit(self, key: QuotaKey, amount: int) -> None:
        self._balance(key).held -= amount
        self._note_free(key)

    @property
    def owes_rows(self) -> bool:
        """Whether this step has changed what is durable."""
        return bool(self._owes_account or self._owed_balances or self._owed_sent or self._owed_taken)

    def collect(self, writes: Writes) -> None:
        """Add the rows that are owed to the step's transaction."""
        if self._owes_account:
            taken, packed = (0, b"") if self.head is None else _packed_head(self.head)
            writes.accounts.append(AccountRow(self.name, self.id, taken, packed))
        writes.balances.extend(balance_row(key, self.balances[key]) for key in self._owed_balances)
        writes.rights_sent.extend(self._sent_rows(self._owed_sent))
        writes.rights_taken.extend(self._taken_rows(self._owed_taken))
        writes.accounts_delete.extend(self._owed_deletes)
        self._owes_account = False
        self._owed_balances, self._owed_sent, self._owed_taken = {}, {}, {}
        self._owed_deletes = []

    def _sent_rows(self, parties: Iterable[Party]) -> Iterable[RightsSentRow]:
        for to in parties:
            sequence, rights = self.sent[to]
            packed = msgspec.msgpack.encode(rights) if rights else b""
            yield RightsSentRow(self.id, *to, sequence, packed)

    def _taken_rows(self, parties: Iterable[Party]) -> Iterable[RightsTakenRow]:
        for giver in parties:
            sequence, verdict = self.decided[giver]
            yield RightsTakenRow(self.id, *giver, sequence, int(verdict))


def _packed_head(head: SignedQuotas) -> tuple[int, bytes]:
    return head.document.number, encode_quotas(head)


def balance_row(key: QuotaKey, balance: Balance) -> BalanceRow:
    """As the ledger keeps it."""
    return BalanceRow(*key, balance.held, balance.debt, balance.minted, balance.written_off, balance.lost)
