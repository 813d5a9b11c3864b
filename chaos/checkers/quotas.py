"""P5: what the jobs of a tenant use in all regions together is never more than the largest limit of its quota that is
not revoked everywhere; and the books balance: what all accounts hold, and what is on its way between them, is the limit
and what is still owed, whenever anything becomes durable.

A quota binds a region from the step on in which it has heard of it: what ran before runs on, and is not counted here.
Where logs of shards hold rights, the newest of their copies counts, and that is known for certain only at the end.
Rights that went with a disk are gone: with an older disk the sum may be smaller, never larger. (What a region has in
doubt does not count: it acts on none of it.)
"""

from __future__ import annotations

import msgspec

from chaos.checkers.base import Checker, Handlers, violated
from chaos.checkers.disks import Disks
from chaos.checkers.rows import Row, decoded
from hanse.core.messages import RightsVerdict
from hanse.core.model.arrays import element_id
from hanse.core.model.jobs import RunId
from hanse.core.model.lifecycle import JobState
from hanse.core.model.quota import QuotaDocument, QuotaKey, Rights, applies, decode_quotas, shard_of_account
from hanse.core.rows import AccountRow, BalanceRow, RightsSentRow, RightsTakenRow, ShardRow, Writes
from hanse.sim.record import Committed, DiskReplaced, Finished, ImageTaken, TaskBegan, TaskFinished

_RIGHTS = msgspec.msgpack.Decoder(Rights)
_UNLIMITED = 1 << 62


class _Tables:
    """The rows of one account."""

    def __init__(self) -> None:
        self.account: AccountRow | None = None
        self.balances: dict[QuotaKey, BalanceRow] = {}
        self.sent: dict[tuple[int, str, int], RightsSentRow] = {}
        self.taken: dict[tuple[int, str, int], RightsTakenRow] = {}

    def copy(self) -> _Tables:
        """The same rows, to be changed apart."""
        image = _Tables()
        image.account = self.account
        image.balances, image.sent, image.taken = dict(self.balances), dict(self.sent), dict(self.taken)
        return image

    def forget(self, account_id: int) -> None:
        """A life of it is over."""
        self.sent = {key: row for key, row in self.sent.items() if key[0] != account_id}
        self.taken = {key: row for key, row in self.taken.items() if key[0] != account_id}

    def take(self, row: msgspec.Struct) -> None:
        match row:
            case AccountRow():
                self.account = row
            case BalanceRow():
                self.balances[(row.tenant, row.resource)] = row
            case RightsSentRow():
                self.sent[(row.giver_id, row.to, row.to_id)] = row
            case RightsTakenRow():
                self.taken[(row.taker_id, row.giver, row.giver_id)] = row
            case _:
                raise AssertionError(f"no row of an account: {row}")


_OF_LOG: dict[str, type[msgspec.Struct]] = {
    "a": AccountRow,
    "b": BalanceRow,
    "g": RightsSentRow,
    "t": RightsTakenRow,
}


class QuotasHeld(Checker):
    """Adds up processes, and rows."""

    def __init__(self, disks: Disks) -> None:
        super().__init__(disks)
        # What each region goes by, and under which limits it started each run.
        self._known: dict[str, QuotaDocument] = {}
        self._started: dict[tuple[str, RunId], QuotaDocument] = {}
        self._living: dict[tuple[str, RunId, int], list[tuple[QuotaKey, int]]] = {}
        self._used: dict[QuotaKey, int] = {}
        # The largest limit that is not revoked everywhere yet.
        self._most: dict[QuotaKey, int] = {}
        # What the keeper has minted by its newest document, and what it owed when it lost its disk.
        self._minted: dict[QuotaKey, int] = {}
        self._forgotten: dict[QuotaKey, int] = {}
        self._accounts: dict[str, _Tables] = {}
        # Copies of shards' logs: (region, shard) -> how far it goes, and its records of accounts.
        self._ends: dict[tuple[str, str], tuple[int, int]] = {}
        self._copies: dict[tuple[str, str], dict[str, ShardRow]] = {}
        self._images: dict[int, tuple[_Tables, QuotaDocument | None]] = {}
        # Regions whose disks were replaced.
        self._replaced: dict[str, None] = {}
        # Whether the account of any shard has ever had anything.
        self._shards_hold = False

    def handlers(self) -> Handlers:
        return {
            Committed: self._on_committed,
            TaskBegan: self._on_began,
            TaskFinished: self._on_ended,
            ImageTaken: self._on_image,
            DiskReplaced: self._on_replaced,
            Finished: self._on_finished,
        }

    # --- what runs ---------------------------------------------------------------------------------------------------

    def _on_began(self, entry: TaskBegan) -> None:
        document = self._started.get((entry.region, entry.run))
        if document is None:
            return
        uses = [
            (quota.key, amount)
            for quota in document.quotas
            if quota.limit is not None
            and (
                amount := sum(
                    each for kind, each in entry.resources if applies(quota.key, entry.tenant, kind)
                )
            )
        ]
        self._living[(entry.region, entry.run, entry.task)] = uses
        for key, amount in uses:
            self._used[key] = self._used.get(key, 0) + amount
            if self._used[key] > self._most.get(key, 0):
                raise violated(
                    f"quota {key[0]} {key[1]}: {self._used[key]} in use, and at most {self._most.get(key, 0)} may be",
                    entry.at_us,
                    entry.run.job_id,
                )

    def _on_ended(self, entry: TaskFinished) -> None:
        for key, amount in self._living.pop((entry.region, entry.run, entry.task), ()):
            self._used[key] -= amount

    # --- rows --------------------------------------------------------------------------------------------------------

    def _on_image(self, entry: ImageTaken) -> None:
        tables = self._accounts.get(entry.region, _Tables())
        self._images[entry.image] = (tables.copy(), self._known.get(entry.region))

    def _on_replaced(self, entry: DiskReplaced) -> None:
        lost = self._accounts.get(entry.region, _Tables())
        for key, balance in lost.balances.items():
            self._forgotten[key] = self._forgotten.get(key, 0) + balance.debt
        tables, known = self._images.get(entry.image, (_Tables(), None))
        self._replaced[entry.region] = None
        self._accounts[entry.region] = tables.copy()
        self._known.pop(entry.region, None)
        # A run may begin once more under its name, and under what the region knows then.
        self._started = {place: each for place, each in self._started.items() if place[0] != entry.region}
        if known is not None:
            self._known[entry.region] = known
        for copies in (self._ends, self._copies):
            for place in [place for place in copies if place[0] == entry.region]:
                del copies[place]

    def _on_committed(self, entry: Committed) -> None:
        touched = False
        for writes in entry.writes:
            touched |= self._take(entry.region, writes)
            self._note_starts(entry.region, writes)
        if touched and not self._shards_hold:
            self._balance(self._accounts, entry.at_us)

    def _take(self, region: str, writes: Writes) -> bool:
        for document in writes.quota_documents:
            self._known[region] = decode_quotas(document.document).document
            self._let_run(region, self._known[region])
        for state in writes.shard_states:
            self._ends[(region, state.shard)] = (state.log_term, state.log_sequence)
        for record in writes.shard_rows:
            self._take_record(region, record)
        # What a copy takes back as nobody else's (swarm seed 5023).
        for shard, key in writes.shard_rows_delete:
            self._copies.get((region, shard), {}).pop(key, None)
        rows: list[msgspec.Struct] = [
            *writes.accounts,
            *writes.balances,
            *writes.rights_sent,
            *writes.rights_taken,
        ]
        own = self._accounts.setdefault(region, _Tables())
        for row in rows:
            own.take(row)
        for account_id in writes.accounts_delete:
            own.forget(account_id)
        for account in writes.accounts:
            self._note_limits(account)
        if rows:
            self._note_paid(own)
        return bool(rows)

    def _let_run(self, region: str, document: QuotaDocument) -> None:
        """Where a quota is lifted, what runs needs no rights any more: these may be others' when it is set again."""
        lifted = {quota.key for quota in document.quotas if quota.limit is None}
        for place, uses in self._living.items():
            if place[0] == region:
                for key, amount in uses:
                    self._used[key] -= amount if key in lifted else 0
                self._living[place] = [(key, amount) for key, amount in uses if key not in lifted]

    def _take_record(self, region: str, record: ShardRow) -> None:
        kind, _, _ = record.key.partition("/")
        if kind not in _OF_LOG:
            return
        self._copies.setdefault((region, record.shard), {})[record.key] = record
        self._shards_hold |= kind != "a"
        if kind == "a" and record.value:
            self._note_limits(msgspec.msgpack.decode(record.value, type=AccountRow))

    def _note_starts(self, region: str, writes: Writes) -> None:
        document = self._known.get(region)
        if document is None:
            return
        rows: list[Row] = [*writes.jobs, *writes.job_states]
        for record in writes.shard_rows:
            in_log = decoded(record)
            if in_log is not None:
                rows.append(in_log)
        runs = [RunId(row.id, row.epoch, row.attempt) for row in rows if row.state == JobState.RUNNING]
        for element in writes.elements:
            if element.state == JobState.RUNNING:
                name = element_id(element.job_id, element.element)
                runs.append(RunId(name, element.epoch, element.attempt))
        for run in runs:
            self._started.setdefault((region, run), document)

    def _note_limits(self, account: AccountRow) -> None:
        if account.document:
            for quota in decode_quotas(account.document).document.quotas:
                # What a keeper owed when it lost its disk is never burned.
                beyond = quota.written_off + self._forgotten.get(quota.key, 0)
                limit = _UNLIMITED if quota.limit is None else quota.limit + beyond
                self._most[quota.key] = max(self._most.get(quota.key, 0), limit)
                if quota.limit is not None:
                    self._minted[quota.key] = quota.limit + quota.written_off

    def _note_paid(self, own: _Tables) -> None:
        """What a lower limit took away has been burned. (Of a keeper in a log it is not known when that is certain.)"""
        if own.account is None or not own.account.document or self._replaced:
            return
        head = decode_quotas(own.account.document).document
        for quota in head.quotas:
            balance = own.balances.get(quota.key)
            if balance is not None and not balance.debt and quota.limit is not None and self._all_know(head):
                self._most[quota.key] = quota.limit + quota.written_off

    def _all_know(self, head: QuotaDocument) -> bool:
        """While somebody goes by a document that sets no limit, there is none."""
        return all(
            known.number == head.number or all(quota.limit is not None for quota in known.quotas)
            for known in self._known.values()
        )

    # --- the sum -----------------------------------------------------------------------------------------------------

    def _balance(self, accounts: dict[str, _Tables], at_us: int) -> None:
        accounts = {name: each for name, each in accounts.items() if name not in self.disks.doubtful}
        keys = {key for tables in accounts.values() for key in tables.balances}
        for key in sorted(keys):
            rows = [tables.balances[key] for tables in accounts.values() if key in tables.balances]
            whole = sum(row.held for row in rows) + self._under_way(accounts, key)
            debt = sum(row.debt for row in rows) + self._forgotten.get(key, 0)
            due = self._minted.get(key, 0) + debt
            if whole > due or (whole < due and not self._replaced):
                raise violated(
                    f"quota {key[0]} {key[1]}: {whole} rights held or under way, {due} minted or owed",
                    at_us,
                )

    def _under_way(self, accounts: dict[str, _Tables], key: QuotaKey) -> int:
        total = 0
        for name, tables in accounts.items():
            for sent in tables.sent.values():
                if sent.rights and not self._is_taken(accounts, name, sent):
                    total += dict(_RIGHTS.decode(sent.rights)).get(key, 0)
        return total

    @staticmethod
    def _is_taken(accounts: dict[str, _Tables], giver: str, sent: RightsSentRow) -> bool:
        taker = accounts.get(sent.to)
        if taker is None and shard_of_account(sent.to):
            return False  # It is added up only while no log has taken anything, or with all logs.
        if taker is None or taker.account is None or taker.account.id != sent.to_id:
            return True  # By a life that is over, perhaps: what became of it nobody knows.
        row = taker.taken.get((sent.to_id, giver, sent.giver_id))
        return row is not None and row.sequence == sent.sequence and row.verdict == RightsVerdict.TAKEN

    def _on_finished(self, entry: Finished) -> None:
        if self._replaced or entry.waits_for:
            return
        accounts = dict(self._accounts)
        for shard in {shard for _, shard in self._ends}:
            copies = [(end, region) for (region, name), end in self._ends.items() if name == shard]
            _, region = max(copies)
            accounts[f"@{shard}"] = _of_log(self._copies.get((region, shard), {}))
        for tables in accounts.values():
            # What a leader wrote and no majority ever held does not count.
            if tables.account is not None and tables.account.document:
                self._minted = {key: row.minted + row.written_off for key, row in tables.balances.items()}
        self._balance(accounts, entry.at_us)


def _of_log(records: dict[str, ShardRow]) -> _Tables:
    tables = _Tables()
    for record in records.values():
        if record.value:
            tables.take(msgspec.msgpack.decode(record.value, type=_OF_LOG[record.key[0]]))
    return tables
