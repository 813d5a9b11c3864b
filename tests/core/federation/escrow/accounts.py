"""A league of accounts with a network that loses, doubles, delays and reorders, and disks that only have what was
synced. Every message that was ever sent may come at any time."""

from __future__ import annotations

import random

from hanse.core.account import Account
from hanse.core.messages import RightsCommit, RightsDecision
from hanse.core.model.quota import Quota, QuotaDocument, QuotaKey, SignedQuotas
from hanse.core.rows import AccountRow, BalanceRow, RightsSentRow, RightsTakenRow, Snapshot, Writes

GPU: QuotaKey = ("lab", "gpu")
CPU: QuotaKey = ("lab", "cpu")
LEAGUE = "first"


class Disk:
    """The rows of one account."""

    def __init__(self) -> None:
        self.account: AccountRow | None = None
        self.balances: dict[QuotaKey, BalanceRow] = {}
        self.sent: dict[tuple[int, str, int], RightsSentRow] = {}
        self.taken: dict[tuple[int, str, int], RightsTakenRow] = {}

    def write(self, writes: Writes) -> None:
        for account in writes.accounts:
            self.account = account
        for balance in writes.balances:
            self.balances[(balance.tenant, balance.resource)] = balance
        for sent in writes.rights_sent:
            self.sent[(sent.giver_id, sent.to, sent.to_id)] = sent
        for taken in writes.rights_taken:
            self.taken[(taken.taker_id, taken.giver, taken.giver_id)] = taken
        for gone in writes.accounts_delete:
            self.sent = {key: row for key, row in self.sent.items() if key[0] != gone}
            self.taken = {key: row for key, row in self.taken.items() if key[0] != gone}

    def read(self) -> Snapshot:
        return Snapshot(
            ledger_id="disk",
            incarnation=1,
            write_sequence=0,
            accounts=[self.account] if self.account is not None else [],
            balances=list(self.balances.values()),
            rights_sent=list(self.sent.values()),
            rights_taken=list(self.taken.values()),
        )


def document(number: int, limits: dict[QuotaKey, int | None], written_off: int = 0) -> SignedQuotas:
    """A document with these limits, unsigned: signatures are not an account's business."""
    quotas = tuple(
        Quota(tenant=key[0], resource=key[1], limit=limit, written_off=written_off)
        for key, limit in sorted(limits.items())
    )
    return SignedQuotas(
        document=QuotaDocument(
            cluster_id="league",
            number=number,
            previous_sha256="",
            keeper="a0",
            issuer="",
            issued_wall_us=0,
            quotas=quotas,
        )
    )


class Bank:
    """So many accounts, of which a0 is the keeper's. `act` does something at random; `check` adds everything up."""

    def __init__(self, count: int, seed: int) -> None:
        self.random = random.Random(seed)
        self.names = [f"a{number}" for number in range(count)]
        self.disks = {name: Disk() for name in self.names}
        self.accounts = {name: Account(name, self.disks[name].read()) for name in self.names}
        self.ids = 0
        self.jobs = 0
        self.messages: list[RightsCommit | RightsDecision] = []
        self.minted: dict[QuotaKey, Quota] = {}
        # The largest limit that is not revoked everywhere yet.
        self.unpaid: dict[QuotaKey, int] = {}
        for name in self.names:
            self.accounts[name].open(self._next_id())
            self.sync(name)

    def _next_id(self) -> int:
        self.ids += 1
        return self.ids

    def sync(self, name: str) -> None:
        """What the account owes becomes durable, in one transaction."""
        writes = Writes()
        self.accounts[name].collect(writes)
        self.disks[name].write(writes)

    # --- what happens ---

    def act(self, *, disks_lost: bool = False) -> None:
        """One thing."""
        deeds = [
            self.give,
            self.deliver,
            self.deliver,
            self.repeat,
            self.start,
            self.start,
            self.end,
            self.crash,
        ]
        if disks_lost and self.random.random() < 0.05:
            self.lose_disk()
        else:
            self.random.choice(deeds)()

    def apply(self, signed: SignedQuotas) -> None:
        """The keeper takes a document."""
        keeper = self.accounts["a0"]
        keeper.take_document(signed, self.minted)
        self.minted |= {quota.key: quota for quota in signed.document.quotas}
        keeper.pay_debts()
        self.sync("a0")
        for quota in signed.document.quotas:
            if quota.limit is not None:
                self.unpaid[quota.key] = max(quota.limit, self.unpaid.get(quota.key, 0))

    def give(self) -> None:
        giver, taker = self.random.sample(self.names, 2)
        account, other = self.accounts[giver], self.accounts[taker]
        to = (taker, other.id)
        free = [(key, account.free(key)) for key in sorted(account.balances) if account.free(key)]
        if not free or account.is_sending(to):
            return
        rights = tuple((key, self.random.randint(1, amount)) for key, amount in free)
        account.give(to, rights)
        self.sync(giver)
        if self.random.random() < 0.8:
            self.messages.append(account.commit_to(LEAGUE, to))

    def repeat(self) -> None:
        name = self.random.choice(self.names)
        for to, _, _ in self.accounts[name].undecided():
            self.messages.append(self.accounts[name].commit_to(LEAGUE, to))

    def deliver(self) -> None:
        """Any message that was ever sent, to whatever is there by now."""
        if not self.messages:
            return
        message = self.random.choice(self.messages[-40:])
        if isinstance(message, RightsCommit):
            answer = self.accounts[message.to].on_commit(message, wanted=self.random.random() < 0.8)
            self.sync(message.to)
            if answer is not None:
                self.messages.append(answer)
        else:
            self.accounts[message.giver].on_decision(message)
            self._pay(message.giver)
            self.sync(message.giver)

    def start(self) -> None:
        name = self.random.choice(self.names)
        key, amount = self.random.choice((GPU, CPU)), self.random.randint(1, 3)
        if self.accounts[name].may_use(((key, amount),)):
            self.jobs += 1
            self.accounts[name].charge(f"job-{self.jobs}", ((key, amount),))

    def end(self) -> None:
        name = self.random.choice(self.names)
        account = self.accounts[name]
        if account.charges:
            account.discharge(self.random.choice(list(account.charges)))
            self._pay(name)
            self.sync(name)

    def _pay(self, name: str) -> None:
        if name == "a0":
            self.accounts[name].pay_debts()

    def crash(self) -> None:
        """The daemon is back, with what is on its disk and what still runs."""
        name = self.random.choice(self.names)
        running = self.accounts[name].charges
        self.accounts[name] = Account(name, self.disks[name].read())
        self.accounts[name].charge_anew(running)

    def lose_disk(self) -> None:
        """An empty disk, or an older one, is found to be one; what runs goes on."""
        name = self.random.choice(self.names[1:])
        account = self.accounts[name]
        account.begin_anew(self._next_id())
        self.sync(name)

    # --- what must hold ---

    def flying(self, key: QuotaKey) -> int:
        """Transfers that no taker has decided, or that came back and the giver does not know."""
        total = 0
        for name, account in self.accounts.items():
            for to, sequence, rights in account.undecided():
                other = self.accounts[to[0]]
                decided, verdict = other.decided.get((name, account.id), (0, None))
                is_taken = other.id == to[1] and decided == sequence and verdict == 1
                if not is_taken:
                    total += dict(rights).get(key, 0)
        return total

    def check(self) -> None:
        """Every right is somewhere, once; and no more are in use than the largest limit that is not revoked."""
        for key in (GPU, CPU):
            keeper = self.accounts["a0"].balances.get(key)
            minted, debt = (0, 0) if keeper is None else (keeper.minted + keeper.written_off, keeper.debt)
            held = sum(account.held(key) for account in self.accounts.values())
            lost = sum(each.balances[key].lost for each in self.accounts.values() if key in each.balances)
            whole = held + self.flying(key) + lost
            assert whole == minted + debt, f"{key}: {whole} of {minted} + {debt}"
            used = sum(account.used.get(key, 0) for account in self.accounts.values())
            assert used <= self.unpaid.get(key, 0), f"{key}: {used} in use, {self.unpaid.get(key, 0)} at most"
            for account in self.accounts.values():
                assert account.used.get(key, 0) <= account.held(key), f"{account.name}: more in use than held"
            if not debt and keeper is not None:
                self.unpaid[key] = keeper.minted + keeper.written_off

    def settle(self) -> None:
        """Messages arrive: no transfer stays undecided."""
        for _ in range(4 * len(self.names) ** 2):
            self.messages = []
            for name in self.names:
                self.repeat_of(name)
            for message in [each for each in self.messages if isinstance(each, RightsCommit)]:
                answer = self.accounts[message.to].on_commit(message)
                if answer is not None:
                    self.accounts[message.giver].on_decision(answer)
        assert not any(account.undecided() for account in self.accounts.values()), (
            "a transfer stays undecided"
        )

    def repeat_of(self, name: str) -> None:
        for to, _, _ in self.accounts[name].undecided():
            self.messages.append(self.accounts[name].commit_to(LEAGUE, to))
