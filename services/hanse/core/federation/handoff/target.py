"""The receiving end: what an offer is answered with, and the one decision on each epoch.

    has                          event              writes                          replies
    nothing                      OFFER              nothing: a hold in memory       ACCEPT or DECLINE
    epoch undecided              COMMIT, admitted   QUEUED(e) and "accepted e"      COMMITTED, after the write
    epoch undecided              COMMIT, not        "burned e"                      BURNED
    epoch undecided              WITHDRAW           "burned e"                      BURNED
    accepted e                   COMMIT, WITHDRAW   nothing                         COMMITTED: never taken back
    burned e                     COMMIT, WITHDRAW   nothing                         BURNED
    sequence below the mark      COMMIT, WITHDRAW   nothing                         nothing
    the job at e or later        COMMIT, WITHDRAW   "accepted e"                    COMMITTED: superseded (an old disk)

A decision is keyed by (giver's ledger id, sequence), written once, and repeated to every duplicate until the giver's
STABLE says that it will not ask again. A hold that expired does not void a COMMIT: the job waits in the queue here.
"""

from __future__ import annotations

import msgspec

from hanse.core.books import Books
from hanse.core.effects import DecisionRow, Effects, Send
from hanse.core.federation.handoff.giver import WITHDRAWN, Giver, PeerCounts
from hanse.core.federation.ports import LocalWork
from hanse.core.messages import (
    Commit,
    Decision,
    Offer,
    OfferAnswer,
    Release,
    Stable,
    Verdict,
    Withdraw,
)
from hanse.core.model.deadlines import Alarm, Deadlines
from hanse.core.model.jobs import Job, Reason, ReasonCode, Shape
from hanse.core.model.lifecycle import JobState
from hanse.core.model.limits import HOLDS_MAX, HOPS_MAX, OFFER_COUNT_MAX
from hanse.core.model.regions import RegionConfig
from hanse.core.model.time import Now

# What a COMMIT may require of this region; grows with the features that are built.
KNOWN_FEATURES: frozenset[str] = frozenset()


class _Hold(msgspec.Struct):
    """Slots promised to an offer, in memory only."""

    shape: Shape
    slots: int


class Target:
    """Holds, admission and decisions. `closed` says why nothing is taken from peers at present; None: it is."""

    def __init__(self, config: RegionConfig, books: Books, local: LocalWork, giver: Giver) -> None:
        self._config = config
        self._books = books
        self._local = local
        self._giver = giver
        self._holds: dict[tuple[str, int], _Hold] = {}
        self._deadlines: Deadlines[tuple[str, int]] = Deadlines()
        self.alarm: Alarm = self._deadlines
        self._held: dict[bytes, int] = {}
        # Grows with every hold that ends.
        self.ended_holds = 0
        self.closed: Reason | None = None

    @property
    def holds(self) -> int:
        """Offers that slots are held for."""
        return len(self._holds)

    # --- offers: soft ---------------------------------------------------------------------------------------------

    def held(self, shape_key: bytes) -> int:
        """Slots of this shape that are promised to offers."""
        return self._held.get(shape_key, 0)

    def on_offer(self, now: Now, peer: str, offer: Offer, out: Effects) -> bool:
        """ACCEPT what could start here soon, less what is held already. Returns whether there was no capacity: any
        other refusal still stands when capacity comes free."""
        refusal = self._refusal(offer.shape, tuple(dict.fromkeys((*offer.path, peer))))
        if refusal is not None:
            out.sends.append(self._decline(peer, offer, refusal))
            return False
        # A duplicate is one offer: what was held for it is not held beside it.
        self._drop_hold((peer, offer.id))
        held = self.held(offer.shape.key)
        wanted = min(offer.count, OFFER_COUNT_MAX)
        slots = min(wanted, self._local.slots(offer.shape, wanted + held, offer.tenant) - held)
        if slots <= 0 or len(self._holds) >= HOLDS_MAX:
            out.sends.append(self._decline(peer, offer, Reason(ReasonCode.NO_CAPACITY, "nothing free soon")))
            return slots <= 0
        self._holds[(peer, offer.id)] = _Hold(offer.shape, slots)
        self._held[offer.shape.key] = held + slots
        ttl_us = self._config.timings.hold_ttl_us
        self._deadlines.set((peer, offer.id), now.mono_us + ttl_us)
        out.sends.append(Send(peer, OfferAnswer(offer.id, slots, ttl_us)))
        return False

    def on_release(self, peer: str, release: Release) -> None:
        """The rest of the hold is not needed."""
        self._drop_hold((peer, release.offer_id))

    def on_deadline(self, now: Now) -> None:
        """Holds that nobody used."""
        for key in self._deadlines.pop_due(now.mono_us):
            self._drop_hold(key)

    # --- transfers: durable ---------------------------------------------------------------------------------------

    def on_commit(self, peer: str, ledger_id: str, commit: Commit, out: Effects) -> Job | None:
        """Decide this epoch once; answer duplicates from the decision. Returns the job if it was accepted just now."""
        if commit.sequence < self._books.channels.get(ledger_id, 0):
            return None
        decided = self._books.decisions.get((ledger_id, commit.sequence))
        if decided is not None:
            out.sends.append(_answer(peer, decided))
            return None
        if self._is_superseded(commit):
            out.sends.append(_answer(peer, self._books.supersede(commit, peer, ledger_id)))
            return None
        self._use_hold(peer, commit.offer_id)
        refusal = self._commit_refusal(commit)
        if refusal is not None or commit.shape is None:
            reason = refusal or _UNREADABLE
            row = self._books.burn(commit.job_id, commit.epoch, commit.sequence, peer, ledger_id, reason)
            out.sends.append(_answer(peer, row))
            return None
        return self._accept(peer, ledger_id, commit, out)

    def _is_superseded(self, transfer: Commit | Withdraw) -> bool:
        """Whether the job has passed this epoch: then it was accepted, though this disk does not know by whom."""
        known = self._books.jobs.get(transfer.job_id)
        return known is not None and transfer.epoch <= max(known.epoch, known.transfer_epoch)

    def on_withdraw(self, peer: str, ledger_id: str, withdraw: Withdraw, out: Effects) -> None:
        """An undecided epoch is burned; a decided one keeps its decision: an acceptance is never taken back."""
        if withdraw.sequence < self._books.channels.get(ledger_id, 0):
            return
        row = self._books.decisions.get((ledger_id, withdraw.sequence))
        if row is None and self._is_superseded(withdraw):
            row = self._books.supersede(withdraw, peer, ledger_id)
        elif row is None:
            row = self._books.burn(
                withdraw.job_id, withdraw.epoch, withdraw.sequence, peer, ledger_id, WITHDRAWN
            )
        out.sends.append(_answer(peer, row))

    def on_stable(self, peer: str, ledger_id: str, stable: Stable) -> None:
        """The giver will not ask about smaller sequences again."""
        self._books.make_stable(ledger_id, peer, stable.sequence)

    def _accept(self, peer: str, ledger_id: str, commit: Commit, out: Effects) -> Job:
        known = self._books.jobs.get(commit.job_id)
        if known is not None and known.state is JobState.XFER:
            self._giver.imply_committed(known)
        job = self._books.accept(commit, peer, ledger_id)
        self._books.skip_attempts(job, self._local.found_attempt(job.id, job.epoch))
        self._giver.counts.setdefault(peer, PeerCounts()).taken += 1
        out.sends.append(_answer(peer, self._books.decisions[(ledger_id, commit.sequence)]))
        if job.cancel_id:
            self._books.cancel_queued(job)
        else:
            self._local.enqueue(job)
        return job

    def _commit_refusal(self, commit: Commit) -> Reason | None:
        """Why this epoch must be burned; None: it is admitted."""
        if commit.shape is None:
            return _UNREADABLE
        known = self._books.jobs.get(commit.job_id)
        if known is not None and not _admissible(known, commit.epoch):
            return Reason(ReasonCode.BURNED_NO_ROOM, f"this region has the job at epoch {known.epoch}")
        unknown = [each for each in commit.shape.body.required_features if each not in KNOWN_FEATURES]
        if unknown:
            return Reason(ReasonCode.BURNED_FEATURE, f"unknown feature {unknown[0]!r}")
        return self._refusal(commit.shape, commit.path)

    def _refusal(self, shape: Shape, path: tuple[str, ...]) -> Reason | None:
        """Why nothing of this shape is taken, whoever asks."""
        body = shape.body
        name = self._config.name
        if self.closed is not None:
            return self.closed
        if len(path) > HOPS_MAX:
            return Reason(ReasonCode.BURNED_HOPS, f"handed on {len(path)} times already")
        if name in body.regions_deny or (body.regions_allow and name not in body.regions_allow):
            return Reason(ReasonCode.BURNED_NO_ROOM, "the job does not allow this region")
        if body.tier not in self._config.tiers:
            return Reason(ReasonCode.BURNED_BAD_SPEC, f"no tier {body.tier!r} here")
        if self._books.counts[JobState.QUEUED] >= self._config.queue_depth_max:
            return Reason(ReasonCode.BURNED_NO_ROOM, "the queue is full")
        never = self._local.never_fits(shape)
        return None if never is None else Reason(ReasonCode.BURNED_NO_ROOM, never)

    def _decline(self, peer: str, offer: Offer, reason: Reason) -> Send:
        return Send(peer, OfferAnswer(offer.id, 0, 0, reason, self._config.timings.decline_memory_us))

    def _use_hold(self, peer: str, offer_id: int) -> None:
        hold = self._holds.get((peer, offer_id))
        if hold is None:
            return
        hold.slots -= 1
        self._held[hold.shape.key] -= 1
        if hold.slots == 0:
            self._drop_hold((peer, offer_id))

    def _drop_hold(self, key: tuple[str, int]) -> None:
        hold = self._holds.pop(key, None)
        if hold is None:
            return
        self._deadlines.cancel(key)
        self.ended_holds += 1
        left = self._held[hold.shape.key] - hold.slots
        if left:
            self._held[hold.shape.key] = left
        else:
            del self._held[hold.shape.key]


_UNREADABLE = Reason(ReasonCode.BURNED_BAD_SPEC, "the spec can't be read here")


def _admissible(known: Job, epoch: int) -> bool:
    """Whether a job that this region has had may come back at this epoch."""
    if known.state is JobState.MOVED:
        return epoch > known.transfer_epoch
    return known.state is JobState.XFER and epoch > known.transfer_epoch


def _answer(peer: str, row: DecisionRow) -> Send:
    reason = Reason(ReasonCode(row.reason), row.reason_detail)
    return Send(
        peer, Decision(row.job_id, row.epoch, row.giver_ledger_id, row.sequence, Verdict(row.verdict), reason)
    )
