"""P2: every hop has a higher epoch than all before it, and what a target decides about an epoch stands for ever."""

from __future__ import annotations

from chaos.checkers.base import Checker, Handlers, Row, decision_rows, job_rows, violated
from hanse.core.effects import DecisionRow
from hanse.core.messages import Verdict
from hanse.core.model.lifecycle import JobState
from hanse.sim.record import Committed, place_of


class Epochs(Checker):
    """Transfers by (job, epoch), decisions by (giver's ledger, sequence) and by (target, job, epoch)."""

    def __init__(self) -> None:
        self._givers: dict[tuple[str, int], tuple[str, str, int]] = {}
        self._newest: dict[str, int] = {}
        self._own_epoch: dict[tuple[str, str], int] = {}
        self._by_transfer: dict[tuple[str, str, int], DecisionRow] = {}
        self._by_epoch: dict[tuple[str, int], tuple[str, DecisionRow]] = {}

    def handlers(self) -> Handlers:
        return {Committed: self._on_committed}

    def _on_committed(self, entry: Committed) -> None:
        for row in job_rows(entry):
            self._on_row(entry, row)
        for decision in decision_rows(entry):
            self._on_decision(entry, decision)

    def _on_row(self, entry: Committed, row: Row) -> None:
        place = place_of(entry.region, row)
        key = (place, row.id)
        if row.epoch < self._own_epoch.get(key, 0):
            raise violated(f"{place}: epoch fell to {row.epoch}", entry.at_us, row.id)
        self._own_epoch[key] = row.epoch
        if row.state != JobState.XFER:
            return
        transfer = (place, row.transfer_to, row.transfer_sequence)
        known = self._givers.get((row.id, row.transfer_epoch))
        if known == transfer:
            return  # the row was written again, for another column
        if known is not None:
            raise violated(
                f"epoch {row.transfer_epoch} given twice: {known} and {transfer}", entry.at_us, row.id
            )
        self._givers[(row.id, row.transfer_epoch)] = transfer
        if row.transfer_epoch <= self._newest.get(row.id, 0) or row.transfer_epoch <= row.epoch:
            raise violated(
                f"{place} gave epoch {row.transfer_epoch}, own {row.epoch}, "
                f"after {self._newest.get(row.id, 0)} had been given",
                entry.at_us,
                row.id,
            )
        self._newest[row.id] = row.transfer_epoch

    def _on_decision(self, entry: Committed, decision: DecisionRow) -> None:
        transfer = (entry.region, decision.giver_ledger_id, decision.sequence)
        if transfer in self._by_transfer:
            raise violated(f"{entry.region} decided {transfer} twice", entry.at_us, decision.job_id)
        self._by_transfer[transfer] = decision
        epoch = (decision.job_id, decision.epoch)
        if epoch in self._by_epoch:
            raise violated(f"epoch {decision.epoch} decided twice", entry.at_us, decision.job_id)
        self._by_epoch[epoch] = (entry.region, decision)
        giver = self._givers.get(epoch)
        if giver is None or giver[:2] != (decision.giver, entry.region):
            raise violated(
                f"{entry.region} decided {Verdict(decision.verdict).name} on epoch {decision.epoch} of "
                f"{decision.giver}, "
                f"which has no such durable transfer ({giver})",
                entry.at_us,
                decision.job_id,
            )
