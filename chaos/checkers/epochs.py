"""P2: every hop has a higher epoch than all before it, and what a target decides about an epoch stands for ever."""

from __future__ import annotations

from chaos.checkers.base import Checker, Handlers, violated
from chaos.checkers.disks import Disks
from chaos.checkers.rows import Row, decision_rows, job_rows
from hanse.core.messages import Verdict
from hanse.core.model.lifecycle import JobState
from hanse.core.rows import DecisionRow
from hanse.sim.record import EMPTY_IMAGE, Committed, DiskReplaced, ImageTaken

# (giver, target, sequence)
_Transfer = tuple[str, str, int]


class _Memory:
    """What one region has given and decided, as its own disk remembers it."""

    def __init__(self) -> None:
        self.own_epoch: dict[str, int] = {}
        # job -> epoch -> transfer.
        self.given: dict[str, dict[int, _Transfer]] = {}
        # (giver's ledger, sequence) -> decision.
        self.decided: dict[tuple[str, int], DecisionRow] = {}

    def copy(self) -> _Memory:
        """For an image of the disk."""
        image = _Memory()
        image.own_epoch, image.decided = dict(self.own_epoch), dict(self.decided)
        image.given = {job_id: dict(by_epoch) for job_id, by_epoch in self.given.items()}
        return image


class Epochs(Checker):
    """Transfers by (job, epoch), decisions by (giver's ledger, sequence) and by (target, job, epoch).

    A transfer that only its giver's replaced disk remembered may be given anew, but not once another disk speaks of the
    job at that epoch or a later one. A decision that its target's disk has forgotten may be taken anew while the giver
    is still in doubt about it; the same decision may always be repeated.
    """

    def __init__(self, disks: Disks) -> None:
        super().__init__(disks)
        self._memories: dict[str, _Memory] = {}
        self._images: dict[int, _Memory] = {EMPTY_IMAGE: _Memory()}
        # (job, epoch) -> who decided, and what; and what of this was forgotten.
        self._by_epoch: dict[tuple[str, int], tuple[str, DecisionRow]] = {}
        self._forgotten: dict[tuple[str, int], tuple[str, DecisionRow]] = {}
        # (job, epoch) -> transfers that their giver's disk has forgotten.
        self._forgotten_transfers: dict[tuple[str, int], list[_Transfer]] = {}

    def handlers(self) -> Handlers:
        return {
            Committed: self._on_committed,
            ImageTaken: self._on_image,
            DiskReplaced: self._on_replaced,
        }

    # --- disks that are replaced ------------------------------------------------------------------------------------

    def _on_image(self, entry: ImageTaken) -> None:
        self._images[entry.image] = self._memories.setdefault(entry.region, _Memory()).copy()

    def _on_replaced(self, entry: DiskReplaced) -> None:
        before, image = self._memories.setdefault(entry.region, _Memory()), self._images[entry.image].copy()
        self._memories[entry.region] = image
        for job_id, by_epoch in before.given.items():
            kept = image.given.get(job_id, {})
            for epoch in by_epoch.keys() - kept.keys():
                self._forgotten_transfers.setdefault((job_id, epoch), []).append(by_epoch[epoch])
                self._forget_resolved((job_id, epoch))
        for key in before.decided.keys() - image.decided.keys():
            decision = before.decided[key]
            place = (decision.job_id, decision.epoch)
            if place in self._by_epoch:
                self._forgotten[place] = self._by_epoch.pop(place)

    def _forget_resolved(self, place: tuple[str, int]) -> None:
        """Once STABLE had let go of a refusal, only its giver's disk knew of that epoch."""
        if place not in self._by_epoch:
            return
        region, decision = self._by_epoch[place]
        is_kept = self.disks.decided(region, decision.giver_ledger_id, decision.sequence) is not None
        if not is_kept and decision.verdict == Verdict.BURNED:
            self._forgotten[place] = self._by_epoch.pop(place)

    # --- rows -------------------------------------------------------------------------------------------------------

    def _on_committed(self, entry: Committed) -> None:
        memory = self._memories.setdefault(entry.region, _Memory())
        for row in job_rows(entry):
            self._on_row(entry, row, memory)
        for decision in decision_rows(entry):
            self._on_decision(entry, decision, memory)

    def _on_row(self, entry: Committed, row: Row, memory: _Memory) -> None:
        if row.epoch < memory.own_epoch.get(row.id, 0):
            raise violated(f"{entry.region}: epoch fell to {row.epoch}", entry.at_us, row.id)
        memory.own_epoch[row.id] = row.epoch
        if row.state != JobState.XFER:
            return
        transfer = (entry.region, row.transfer_to, row.transfer_sequence)
        given = self._given(row.id)
        known = given.get(row.transfer_epoch)
        if known == transfer:
            return  # the row was written again, for another column
        if known is not None:
            raise violated(
                f"epoch {row.transfer_epoch} given twice: {known} and {transfer}", entry.at_us, row.id
            )
        newest = max(given, default=0)
        if self.disks.generation(entry.region):
            newest = max(newest, self.disks.newest_known(row.id, besides=entry.region))
        if row.transfer_epoch <= newest or row.transfer_epoch <= row.epoch:
            raise violated(
                f"{entry.region} gave epoch {row.transfer_epoch}, own {row.epoch}, "
                f"after {newest} had been given",
                entry.at_us,
                row.id,
            )
        memory.given.setdefault(row.id, {})[row.transfer_epoch] = transfer

    def _given(self, job_id: str) -> dict[int, _Transfer]:
        """Every transfer of a job that its giver's disk remembers."""
        given: dict[int, _Transfer] = {}
        for memory in self._memories.values():
            given.update(memory.given.get(job_id, {}))
        return given

    # --- decisions --------------------------------------------------------------------------------------------------

    def _on_decision(self, entry: Committed, decision: DecisionRow, memory: _Memory) -> None:
        key = (decision.giver_ledger_id, decision.sequence)
        if key in memory.decided:
            raise violated(
                f"{entry.region} decided {(entry.region, *key)} twice", entry.at_us, decision.job_id
            )
        memory.decided[key] = decision
        place = (decision.job_id, decision.epoch)
        if place in self._by_epoch:
            raise violated(f"epoch {decision.epoch} decided twice", entry.at_us, decision.job_id)
        if place in self._forgotten:
            self._decide_anew(entry, decision, *self._forgotten.pop(place))
        self._by_epoch[place] = (entry.region, decision)
        self._check_transfer(entry, decision)

    def _decide_anew(self, entry: Committed, decision: DecisionRow, region: str, before: DecisionRow) -> None:
        giver = self.disks.row(decision.giver, decision.job_id)
        in_doubt = (
            giver is not None and giver.state == JobState.XFER and giver.transfer_epoch == decision.epoch
        )
        if (region, before.verdict) != (entry.region, decision.verdict) and not in_doubt:
            raise violated(
                f"{entry.region} forgot that it had decided {Verdict(before.verdict).name} on epoch "
                f"{decision.epoch}, which {decision.giver} knows, and decided {Verdict(decision.verdict).name}",
                entry.at_us,
                decision.job_id,
            )

    def _check_transfer(self, entry: Committed, decision: DecisionRow) -> None:
        job_id, epoch = decision.job_id, decision.epoch
        known = self._given(job_id).get(epoch)
        candidates = [
            *([known] if known is not None else []),
            *self._forgotten_transfers.get((job_id, epoch), []),
        ]
        if not any(each[:2] == (decision.giver, entry.region) for each in candidates):
            raise violated(
                f"{entry.region} decided {Verdict(decision.verdict).name} on epoch {epoch} of "
                f"{decision.giver}, "
                f"which has no such durable transfer ({known})",
                entry.at_us,
                job_id,
            )
