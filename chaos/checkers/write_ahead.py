"""P1, P2: nothing leaves a region before the row that it rests on is durable there."""

from __future__ import annotations

from chaos.checkers.base import Checker, Handlers, violated
from chaos.checkers.disks import Disks
from chaos.checkers.rows import FINAL, Row, decision_rows, ended_here, job_rows
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
from hanse.core.model.arrays import element_id
from hanse.core.model.lifecycle import JobState
from hanse.core.rows import ElementRow
from hanse.sim.record import EMPTY_IMAGE, Acknowledged, Committed, DiskReplaced, ImageTaken, Launched, Sent


class _Durable:
    """What one region's disk has, and has had since it was last replaced."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        # (target, job, epoch)
        self.transfers: set[tuple[str, str, int]] = set()
        # target -> job -> sequence
        self.open_transfers: dict[str, dict[str, int]] = {}
        self.running: set[tuple[str, int, int]] = set()
        self.decisions: dict[tuple[str, int], int] = {}
        self.wishes: set[str] = set()

    def copy(self) -> _Durable:
        """For an image of the disk."""
        image = _Durable()
        image.rows, image.transfers = dict(self.rows), set(self.transfers)
        image.open_transfers = {target: dict(open_) for target, open_ in self.open_transfers.items()}
        image.running, image.decisions = set(self.running), dict(self.decisions)
        image.wishes = set(self.wishes)
        return image

    def on_row(self, row: Row) -> None:
        """A row became durable."""
        before = self.rows.get(row.id)
        if before is not None and before.state == JobState.XFER:
            self.open_transfers[before.transfer_to].pop(row.id, None)
        self.rows[row.id] = row
        if row.state == JobState.XFER:
            self.transfers.add((row.transfer_to, row.id, row.transfer_epoch))
            self.open_transfers.setdefault(row.transfer_to, {})[row.id] = row.transfer_sequence
        elif row.state == JobState.RUNNING:
            self.running.add((row.id, row.epoch, row.attempt))
        if row.cancel_id or row.state in FINAL:
            self.wishes.add(row.id)

    def on_element(self, row: ElementRow) -> None:
        """So did that of an element of an array."""
        if row.state == JobState.RUNNING:
            self.running.add((element_id(row.job_id, row.element), row.epoch, row.attempt))


class WriteAhead(Checker):
    """Keeps what is durable, and compares what leaves with it. With an old disk, what it has is all that counts."""

    def __init__(self, disks: Disks) -> None:
        super().__init__(disks)
        self._durable: dict[str, _Durable] = {}
        self._images: dict[int, _Durable] = {EMPTY_IMAGE: _Durable()}

    def handlers(self) -> Handlers:
        return {
            Committed: self._on_committed,
            Sent: self._on_sent,
            Acknowledged: self._on_acknowledged,
            Launched: self._on_launched,
            ImageTaken: self._on_image,
            DiskReplaced: self._on_replaced,
        }

    # --- what is durable --------------------------------------------------------------------------------------------

    def _of(self, region: str) -> _Durable:
        return self._durable.setdefault(region, _Durable())

    def _on_committed(self, entry: Committed) -> None:
        durable = self._of(entry.region)
        for row in job_rows(entry):
            durable.on_row(row)
        for decision in decision_rows(entry):
            durable.decisions[(decision.giver_ledger_id, decision.sequence)] = decision.verdict
        for writes in entry.writes:
            durable.wishes.update(intent.job_id for intent in writes.intents)
            for element in writes.elements:
                durable.on_element(element)

    def _on_image(self, entry: ImageTaken) -> None:
        self._images[entry.image] = self._of(entry.region).copy()

    def _on_replaced(self, entry: DiskReplaced) -> None:
        self._durable[entry.region] = self._images[entry.image].copy()

    # --- what leaves --------------------------------------------------------------------------------------------------

    def _on_acknowledged(self, entry: Acknowledged) -> None:
        if entry.job_id not in self._of(entry.region).rows:
            raise violated(f"{entry.region} acknowledged a submit before its row", entry.at_us, entry.job_id)

    def _on_launched(self, entry: Launched) -> None:
        run = entry.run
        if not entry.shard and (run.job_id, run.epoch, run.attempt) not in self._of(entry.region).running:
            raise violated(f"{entry.region} launched {run} before its row", entry.at_us, run.job_id)

    def _on_sent(self, entry: Sent) -> None:
        fault = self._fault(entry.region, entry.to, entry.message)
        if fault:
            job_id = getattr(entry.message, "job_id", "")
            what = type(entry.message).__name__.upper()
            raise violated(f"{entry.region} sent {what} to {entry.to} {fault}", entry.at_us, job_id)

    def _fault(self, region: str, to: str, message: Message) -> str:
        durable = self._of(region)
        match message:
            case Commit() | Withdraw():
                known = (to, message.job_id, message.epoch) in durable.transfers
                return "" if known else f"of epoch {message.epoch} before XFER was durable"
            case Decision():
                verdict = durable.decisions.get((message.ledger_id, message.sequence))
                return "" if verdict == message.verdict else self._decision_fault(message, verdict)
            case Terminal():
                row = durable.rows.get(message.job_id)
                good = row is not None and ended_here(row) and row.state == message.outcome
                return "" if good else f"{message.outcome.name} before its row was durable"
            case TerminalAck():
                return self._ack_fault(region, durable.rows.get(message.job_id), message.job_id)
            case CancelAck():
                return "" if message.job_id in durable.wishes else "before the wish was durable"
            case Stable():
                open_ = durable.open_transfers.get(to, {})
                late = [job for job, sequence in open_.items() if sequence < message.sequence]
                return f"below {message.sequence} while {late} were undecided" if late else ""
            case _:
                return ""

    def _ack_fault(self, region: str, row: Row | None, job_id: str) -> str:
        """What retention has let go of is acknowledged without a row; what an old disk has forgotten must not be."""
        if row is None:
            return "for a job that its disk has forgotten" if self.disks.has_lost(region, job_id) else ""
        return "" if row.state in FINAL else "before the outcome was durable at home"

    def _decision_fault(self, decision: Decision, durable: int | None) -> str:
        what = "nothing" if durable is None else Verdict(durable).name
        return f"{decision.verdict.name} on epoch {decision.epoch}, while its disk says {what}"
