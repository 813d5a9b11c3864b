"""P1, P2: nothing leaves a region before the row that it rests on is durable there."""

from __future__ import annotations

from chaos.checkers.base import (
    FINAL,
    Checker,
    Handlers,
    Row,
    decision_rows,
    decode_record,
    ended_here,
    job_rows,
    violated,
)
from hanse.core.effects import ShardRow
from hanse.core.messages import (
    CancelAck,
    Commit,
    Decision,
    Message,
    Stable,
    Terminal,
    TerminalAck,
    Verdict,
    Withdraw,
)
from hanse.core.model.lifecycle import JobState
from hanse.sim.record import Acknowledged, Committed, Launched, Sent


class WriteAhead(Checker):
    """Keeps what is durable, and compares what leaves with it."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Row] = {}
        self._transfers: set[tuple[str, str, str, int]] = set()
        self._open_transfers: dict[tuple[str, str], dict[str, int]] = {}
        self._running: set[tuple[str, str, int, int]] = set()
        self._decisions: dict[tuple[str, str, int], int] = {}
        self._wishes: set[tuple[str, str]] = set()

    def handlers(self) -> Handlers:
        return {
            Committed: self._on_committed,
            Sent: self._on_sent,
            Acknowledged: self._on_acknowledged,
            Launched: self._on_launched,
        }

    # --- what is durable --------------------------------------------------------------------------------------------

    def _on_committed(self, entry: Committed) -> None:
        for row in job_rows(entry):
            self._on_row(entry.region, row)
        for decision in decision_rows(entry):
            self._decisions[(entry.region, decision.giver_ledger_id, decision.sequence)] = decision.verdict
        for writes in entry.writes:
            for intent in writes.intents:
                self._wishes.add((entry.region, intent.job_id))
            for record in writes.shard_rows:
                self._on_record(entry.region, record)

    def _on_record(self, region: str, record: ShardRow) -> None:
        """Of shards' jobs what callers may read comes later; a launch rests on the log's record."""
        if record.value and record.key[:2] in ("j/", "s/"):
            row = decode_record(record)
            if row.state == JobState.RUNNING:
                self._running.add((region, row.id, row.epoch, row.attempt))

    def _on_row(self, region: str, row: Row) -> None:
        # A shard is called as its home, but its transfers are others than that region's.
        place = f"@{row.shard}" if row.shard else region
        before = self._rows.get((place, row.id))
        if before is not None and before.state == JobState.XFER:
            self._open_transfers[(place, before.transfer_to)].pop(row.id, None)
        self._rows[(place, row.id)] = row
        if row.state == JobState.XFER:
            self._transfers.add((place, row.transfer_to, row.id, row.transfer_epoch))
            self._open_transfers.setdefault((place, row.transfer_to), {})[row.id] = row.transfer_sequence
        elif row.state == JobState.RUNNING and not row.shard:
            self._running.add((region, row.id, row.epoch, row.attempt))
        if row.cancel_id or row.state in FINAL:
            self._wishes.add((region, row.id))

    # --- what leaves ------------------------------------------------------------------------------------------------

    def _on_acknowledged(self, entry: Acknowledged) -> None:
        if not entry.federated and (entry.region, entry.job_id) not in self._rows:
            raise violated(f"{entry.region} acknowledged a submit before its row", entry.at_us, entry.job_id)

    def _on_launched(self, entry: Launched) -> None:
        run = entry.run
        if (entry.region, run.job_id, run.epoch, run.attempt) not in self._running:
            raise violated(f"{entry.region} launched {run} before its row", entry.at_us, run.job_id)

    def _on_sent(self, entry: Sent) -> None:
        fault = self._fault(entry.region, entry.to, entry.message)
        if fault:
            job_id = getattr(entry.message, "job_id", "")
            what = type(entry.message).__name__.upper()
            raise violated(f"{entry.region} sent {what} to {entry.to} {fault}", entry.at_us, job_id)

    def _fault(self, region: str, to: str, message: Message) -> str:
        match message:
            case Commit() | Withdraw():
                known = (region, to, message.job_id, message.epoch) in self._transfers
                return "" if known else f"of epoch {message.epoch} before XFER was durable"
            case Decision():
                durable = self._decisions.get((region, message.ledger_id, message.sequence))
                return "" if durable == message.verdict else self._decision_fault(message, durable)
            case Terminal():
                row = self._rows.get((region, message.job_id))
                good = row is not None and ended_here(row) and row.state == message.outcome
                return "" if good else f"{message.outcome.name} before its row was durable"
            case TerminalAck():
                row = self._rows.get((region, message.job_id))
                return "" if row is None or row.state in FINAL else "before the outcome was durable at home"
            case CancelAck():
                return "" if (region, message.job_id) in self._wishes else "before the wish was durable"
            case Stable():
                open_ = self._open_transfers.get((region, to), {})
                late = [job for job, sequence in open_.items() if sequence < message.sequence]
                return f"below {message.sequence} while {late} were undecided" if late else ""
            case _:
                return ""

    def _decision_fault(self, decision: Decision, durable: int | None) -> str:
        what = "nothing" if durable is None else Verdict(durable).name
        return f"{decision.verdict.name} on epoch {decision.epoch}, while its disk says {what}"
