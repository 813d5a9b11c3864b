"""A region whose disk is an old one: it is told so, does nothing that could double a job, asks all, then goes on.

Theory of operation. A disk that was restored, or lost its newest writes, makes a region forget jobs that it gave away
and promises that it made. It shows in two ways: a peer has seen a position of this region that its history does not
contain (each life draws a nonce, so that a second history can't be taken for the first), or the anchor file is ahead.

Then the region is in quarantine, durably: nothing is launched, what was launched in this life is stopped, and no
message of the handoff is sent or taken, until every member of the roster has answered an INQUEST in a new session (all
sessions are new after a boot, and messages of old ones are dropped). Per job, M being the newest epoch that is known:

    the home says that it has ended             closed: never run here
    M is not newer than ours                    ours stands (a transfer of ours to a member that holds it: MOVED)
    M newer, a member holds it or passed it on  MOVED to that member
    M newer, a member burned it from us         QUEUED(M)
    M newer, a member gave it to us             QUEUED(M), from its spec
    M newer, a member is giving it to us        MOVED, so that its COMMIT is admitted when it comes

What COMMITs with an epoch that the job has passed are answered with then follows from the job's row (target.py): they
are superseded. While a member does not answer, everything waits, visibly; an operator may go on without it.
"""

from __future__ import annotations

import enum

import msgspec

from hanse.core.books import Books
from hanse.core.effects import META_INCARNATION_FLOOR, META_QUARANTINE, Effects, Send, Snapshot
from hanse.core.messages import Commit, Envelope, Inquest, InquestAnswer, Standing, Terminal, Testimony
from hanse.core.model.deadlines import Alarm, Deadlines, backoff_us
from hanse.core.model.jobs import Job
from hanse.core.model.lifecycle import JobState
from hanse.core.model.limits import INQUEST_JOBS_MAX
from hanse.core.model.regions import Position, RegionConfig
from hanse.core.model.time import Now

_TRUSTED_FROM = "trusted_from"
_LIFE = "life"
_ELSEWHERE = (JobState.XFER, JobState.MOVED)


class Fate(enum.Enum):
    """What becomes of a job after the inquest."""

    STANDS = enum.auto()
    MOVED = enum.auto()
    QUEUED = enum.auto()


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """The fate of one job; `epoch` and `to` as the new state has them. `commit` brings the spec of a job that these
    books do not know (or whose spec they let go of), `terminal` the outcome of a job of this home."""

    job_id: str
    fate: Fate
    epoch: int = 0
    to: str = ""
    commit: Commit | None = None
    terminal: Terminal | None = None


class _Answers(msgspec.Struct):
    """What one member has answered. `pieces` is keyed by (part of the inquest, piece of its answer)."""

    pieces: dict[tuple[int, int], InquestAnswer]
    expected: dict[int, int]

    def complete(self, parts: int) -> bool:
        """Whether every piece of the answer to every part is here."""
        return len(self.expected) == parts and len(self.pieces) == sum(self.expected.values())


class OldDisk:
    """Detection, quarantine and inquest. `active`: this region is in quarantine."""

    def __init__(self, config: RegionConfig, books: Books, snapshot: Snapshot, life: int, now: Now) -> None:
        self._config = config
        self._books = books
        self._ledger_id = snapshot.ledger_id
        self._members = [member.name for member in config.members if member.name != config.name]
        self.incarnation = snapshot.incarnation
        self.life = life
        self.active = snapshot.meta.get(META_QUARANTINE) == "1"
        # Whether an inquest was ever held for this ledger.
        self.was_in_quarantine = META_QUARANTINE in snapshot.meta
        self.why = "an inquest was under way before the restart" if self.active else ""
        self._trusted_from = int(snapshot.meta.get(_TRUSTED_FROM, "0"))
        before, _, nonce = snapshot.meta.get(_LIFE, "0:0").partition(":")
        # The end of the history that this disk holds.
        self._before = Position(int(before), snapshot.write_sequence, int(nonce))
        self._answers: dict[str, _Answers] = {}
        self._excused: dict[str, None] = {}
        self._parts: list[tuple[str, ...]] = []
        self._deadlines: Deadlines[str] = Deadlines()
        self.alarm: Alarm = self._deadlines
        self._asked: dict[str, int] = {}
        books.set_meta(_LIFE, f"{self.incarnation}:{life}")
        if snapshot.disk_is_old and not self.active:
            self.enter(now, self._before, "the anchor file is ahead of the ledger")
        elif self.active:
            self._open(now)

    # --- detection --------------------------------------------------------------------------------------------------

    def contradicts(self, envelope: Envelope) -> bool:
        """Whether the sender has seen a position of this region that is not in its history."""
        if self.active or envelope.receiver_seen_ledger_id != self._ledger_id:
            return False
        seen = envelope.receiver_seen
        if seen.incarnation < self._trusted_from:
            return False
        if seen.incarnation == self.incarnation:
            return seen.life != self.life
        if seen.incarnation == self._before.incarnation:
            return seen.life != self._before.life or seen.write_sequence > self._before.write_sequence
        return seen.incarnation > self._before.incarnation

    def enter(self, now: Now, seen: Position, why: str) -> None:
        """Quarantine, durably, under an incarnation that nobody has seen yet."""
        self.active, self.was_in_quarantine, self.why = True, True, why
        self.incarnation = max(self.incarnation, seen.incarnation + 1)
        self._books.set_meta(META_QUARANTINE, "1")
        self._books.set_meta(META_INCARNATION_FLOOR, str(self.incarnation))
        self._books.set_meta(_LIFE, f"{self.incarnation}:{self.life}")
        self._open(now)

    # --- the inquest ------------------------------------------------------------------------------------------------

    def missing(self) -> list[str]:
        """Members that have not answered in full."""
        return [member for member in self._members if not self._answered(member)]

    def on_session(self, now: Now, peer: str) -> None:
        """A session began: ask at once."""
        if self.active and not self._answered(peer):
            self._asked[peer] = 0
            self._deadlines.set(peer, now.mono_us)

    def on_answer(self, peer: str, answer: InquestAnswer) -> None:
        """One piece of one member's answer; repeated pieces change nothing."""
        if not self.active or answer.id != self.incarnation or not 0 <= answer.of_part < len(self._parts):
            return
        answers = self._answers.setdefault(peer, _Answers({}, {}))
        answers.expected[answer.of_part] = answer.parts
        answers.pieces[(answer.of_part, answer.part)] = answer

    def excuse(self, members: tuple[str, ...]) -> None:
        """An operator decides to go on without these members' answers."""
        self._excused.update(dict.fromkeys(members))

    def on_deadline(self, now: Now, out: Effects) -> None:
        """Ask again whoever has not answered in full."""
        timings = self._config.timings
        for peer in self._deadlines.pop_due(now.mono_us):
            if not self.active or self._answered(peer):
                continue
            for number, job_ids in enumerate(self._parts):
                out.sends.append(Send(peer, Inquest(self.incarnation, number, len(self._parts), job_ids)))
            asked = self._asked.get(peer, 0)
            self._asked[peer] = asked + 1
            delay_us = backoff_us(timings.report_retry_us * 5, asked, timings.report_retry_max_us)
            self._deadlines.set(peer, now.mono_us + delay_us)

    def _open(self, now: Now) -> None:
        job_ids = sorted(self._books.jobs)
        self._parts = [
            tuple(job_ids[start : start + INQUEST_JOBS_MAX])
            for start in range(0, max(1, len(job_ids)), INQUEST_JOBS_MAX)
        ]
        for member in self._members:
            self._deadlines.set(member, now.mono_us)

    def _answered(self, member: str) -> bool:
        if member in self._excused:
            return True
        answers = self._answers.get(member)
        return answers is not None and answers.complete(len(self._parts))

    # --- the rulings ------------------------------------------------------------------------------------------------

    def rulings(self) -> list[Ruling]:
        """What becomes of every job that anybody spoke of, once all have answered."""
        assert not self.missing()
        spoken: dict[str, list[tuple[str, Testimony]]] = {job_id: [] for job_id in sorted(self._books.jobs)}
        for member, answers in self._answers.items():
            for piece in answers.pieces.values():
                for testimony in piece.testimonies:
                    spoken.setdefault(testimony.job_id, []).append((member, testimony))
        return [self._rule(job_id, spoken[job_id]) for job_id in sorted(spoken)]

    def marks(self, member: str) -> tuple[int, int]:
        """(largest transfer sequence, STABLE mark) that this member has seen of this region's ledger."""
        answers = self._answers.get(member)
        pieces = list(answers.pieces.values()) if answers is not None else []
        return (
            max((piece.seen_sequence for piece in pieces), default=0),
            max((piece.stable_sequence for piece in pieces), default=0),
        )

    def leave(self) -> None:
        """Every ruling is carried out: trust this disk again."""
        self.active, self.why = False, ""
        self._trusted_from = self.incarnation
        self._before = Position(self.incarnation, 0, self.life)
        self._books.set_meta(META_QUARANTINE, "0")
        self._books.set_meta(_TRUSTED_FROM, str(self.incarnation))
        self._answers, self._excused, self._asked = {}, {}, {}
        self._deadlines.clear()

    def _rule(self, job_id: str, spoken: list[tuple[str, Testimony]]) -> Ruling:
        job = self._books.jobs.get(job_id)
        ours = _newest(job)
        # Of two that know the same epoch, the one that holds the job knows more than the one that gave it.
        ranked = sorted(spoken, key=lambda each: (-each[1].epoch, each[1].standing, each[0]))
        newest = max(ours, ranked[0][1].epoch) if ranked else ours
        commit = next((each.commit for _, each in ranked if each.commit is not None), None)
        for member, testimony in ranked:
            if testimony.standing is Standing.CLOSED:
                return Ruling(job_id=job_id, fate=Fate.MOVED, epoch=newest, to=member, commit=commit)
        if not ranked or newest == ours:
            return self._rule_ours(job, job_id, ours, ranked)
        member, testimony = ranked[0]
        match testimony.standing:
            case Standing.HELD | Standing.CLOSED:
                return Ruling(
                    job_id=job_id,
                    fate=Fate.MOVED,
                    epoch=newest,
                    to=member,
                    commit=commit,
                    terminal=testimony.terminal,
                )
            case Standing.BURNED | Standing.GAVE:
                return Ruling(job_id=job_id, fate=Fate.QUEUED, epoch=newest, commit=commit)
            case Standing.IN_TRANSFER:
                return Ruling(job_id=job_id, fate=Fate.MOVED, epoch=newest - 1, to=member, commit=commit)

    def _rule_ours(
        self, job: Job | None, job_id: str, ours: int, ranked: list[tuple[str, Testimony]]
    ) -> Ruling:
        """Nobody knows more than this disk; only a transfer in doubt may be decided already."""
        if job is None or job.state is not JobState.XFER:
            return Ruling(job_id=job_id, fate=Fate.STANDS)
        of_target = [each for member, each in ranked if member == job.transfer_to and each.epoch == ours]
        standings = [each.standing for each in of_target]
        if Standing.HELD in standings:
            terminal = next((each.terminal for each in of_target if each.terminal is not None), None)
            return Ruling(job_id=job_id, fate=Fate.MOVED, epoch=ours, to=job.transfer_to, terminal=terminal)
        if Standing.BURNED in standings:
            return Ruling(job_id=job_id, fate=Fate.QUEUED, epoch=ours)
        if job.transfer_sequence < self.marks(job.transfer_to)[1]:
            # Resolved, and forgotten by all: so it was burned here and ran, or waited, in the life that was lost.
            return Ruling(job_id=job_id, fate=Fate.QUEUED, epoch=ours)
        return Ruling(job_id=job_id, fate=Fate.STANDS)


def _newest(job: Job | None) -> int:
    """The newest epoch that the books know of a job."""
    if job is None:
        return 0
    return job.transfer_epoch if job.state in _ELSEWHERE else job.epoch
