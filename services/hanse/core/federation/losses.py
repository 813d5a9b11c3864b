"""What becomes of `wait` jobs that were with a region which an operator has declared lost.

    has                                   event                                       does
    XFER or MOVED to a lost region        the roster that declares it is in force     Inquest of all members
    the same, and all have answered       home says that the job has ended            lets go of it
    the same                              a member had it at a later epoch            MOVED to that member
    the same                              nobody had it later                         QUEUED, above every epoch heard of
    MOVED to a lost region that was       the roster is in force                      lets go of it: what was promised
    its home                                                                          of it is lost with its home
    owns a job whose home is lost         it ends                                     settled: there is nobody to tell
    (itself declared lost)                it hears of it                              starts nothing, stops what runs

Theory of operation. A roster that declares a region lost does not name it among the members. Members hear nothing of
who is not in their roster, and nothing at all of an older roster; so whoever answers an inquest under this one takes
nothing from the lost region any more, and what it says stays true. Every region that had the job after the lost one got
it, over however many hops, from one that took it from there, and says so for as long as the job is open. So if nobody
has had it at a later epoch than that of our transfer, it was there, and ended with it. Who gave it last takes it back:
there is one such region for each job, and nobody else does.

A member that began a new session while it was asked may have come back with an old disk: then others may have taken
something from the life that it has forgotten, after they had answered. So an inquest counts only if no session began
since it was begun, and an answer only if it is not that of an old disk.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hanse.core.books import Books
from hanse.core.effects import Effects, Send
from hanse.core.federation.rulings import Said
from hanse.core.messages import Inquest, InquestAnswer, Standing, Verdict
from hanse.core.model.deadlines import Alarm, Deadlines, backoff_us
from hanse.core.model.jobs import Job
from hanse.core.model.lifecycle import JobState
from hanse.core.model.limits import INQUEST_JOBS_MAX, LOST_EPOCHS_SKIPPED
from hanse.core.model.regions import RegionConfig
from hanse.core.model.time import Now

_ELSEWHERE = (JobState.XFER, JobState.MOVED)
# Above the ids of all inquests about an old disk (old_disk.py): an answer shows by its id to which kind it belongs.
FIRST_ID = 1 << 62
# Standings in which a member has had the job itself.
_OWN = (Standing.HELD, Standing.GAVE, Standing.IN_TRANSFER, Standing.OVER, Standing.PASSED)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one job. `to` empty: it is ours again, at `epoch`. Else that region had it at `epoch`, and if
    `ended` is set, is its home and says that it has ended."""

    job_id: str
    epoch: int
    to: str = ""
    ended: bool = False


def conclude(job: Job, said: Sequence[Said], burned_here: int = 0) -> Outcome:
    """From all that the members said of a job that this region gave to one that is lost. `burned_here` is the newest
    epoch of it that this region burned itself: the lost one ran it at that epoch perhaps."""
    ours = job.transfer_epoch
    heard = [ours, burned_here, *(word.epoch for _, word in said)]
    if job.remote is not None:
        heard.append(job.remote.epoch)
    later = [
        (word.epoch - 1 if word.standing is Standing.IN_TRANSFER else word.epoch, member)
        for member, word in said
        if word.standing in _OWN and not word.to and word.epoch > ours
    ]
    closed = next((member for member, word in said if word.standing is Standing.CLOSED), "")
    if closed:
        return Outcome(job_id=job.id, epoch=max(heard), to=closed, ended=True)
    if later:
        epoch, member = max(later)
        return Outcome(job_id=job.id, epoch=epoch, to=member)
    return Outcome(job_id=job.id, epoch=max(heard) + LOST_EPOCHS_SKIPPED)


class Losses:
    """The inquest about jobs that this region's own books say are with a region that is lost."""

    def __init__(self, config: RegionConfig, books: Books) -> None:
        self._config = config
        self._books = books
        self._lost = frozenset(config.lost)
        self._members = [member.name for member in config.members if member.name != config.name]
        self._id = FIRST_ID
        self._parts: list[tuple[str, ...]] = []
        # Whether a session began since this inquest did.
        self._disturbed = False
        # Member -> (part, piece) -> answer; and how many pieces a part of its answer has.
        self._answers: dict[str, dict[tuple[int, int], InquestAnswer]] = {}
        self._expected: dict[str, dict[int, int]] = {}
        self._asked: dict[str, int] = {}
        self._deadlines: Deadlines[str] = Deadlines()
        self.alarm: Alarm = self._deadlines

    @property
    def active(self) -> bool:
        """Whether jobs wait for what the members know."""
        return bool(self._parts)

    @property
    def waiting(self) -> int:
        """How many jobs do."""
        return sum(map(len, self._parts))

    def missing(self) -> list[str]:
        """Members that have not answered in full."""
        return [member for member in self._members if not self._has_answered(member)]

    def asks_about(self, job: Job) -> bool:
        """Whether this job's fate is being asked for."""
        return self.active and self._is_concerned(job)

    def begin(self, now: Now) -> None:
        """Look for jobs that are with lost regions, and ask about them. The books are known to be right."""
        if not self._lost:
            return
        job_ids = sorted(job.id for job in self._books.jobs.values() if self._is_concerned(job))
        self._parts = [
            tuple(job_ids[start : start + INQUEST_JOBS_MAX])
            for start in range(0, len(job_ids), INQUEST_JOBS_MAX)
        ]
        self._ask_anew(now)

    def forsaken(self) -> list[Job]:
        """Jobs that went back to a home that is lost: nobody is left to whom anything was promised."""
        return [job for job in self._books.jobs.values() if self._is_forsaken(job)]

    def on_session(self, now: Now, peer: str) -> None:
        """A session began: what this member and others have said may be true no more."""
        if self.active:
            self._disturbed = True
            self._forget_answer(peer)
            self._ask_at_once(now, peer)

    def on_answer(self, peer: str, answer: InquestAnswer) -> None:
        """One piece of one member's answer; repeated pieces change nothing."""
        if answer.id != self._id or not 0 <= answer.of_part < len(self._parts) or peer not in self._members:
            return
        if answer.is_old:
            # It speaks again when it has learnt what it forgot.
            self._forget_answer(peer)
            self._disturbed = True
            return
        expected = self._expected.setdefault(peer, {})
        pieces = self._answers.setdefault(peer, {})
        if expected.setdefault(answer.of_part, answer.parts) != answer.parts:
            expected[answer.of_part] = answer.parts
            for key in [key for key in pieces if key[0] == answer.of_part]:
                del pieces[key]
        pieces[(answer.of_part, answer.part)] = answer

    def on_deadline(self, now: Now, out: Effects) -> None:
        """Ask whoever has not answered in full."""
        timings = self._config.timings
        for member in self._deadlines.pop_due(now.mono_us):
            if not self.active or self._has_answered(member):
                continue
            for number, job_ids in enumerate(self._parts):
                if not self._has(member, number):
                    inquest = Inquest(self._id, number, len(self._parts), job_ids, of_lost=True)
                    out.sends.append(Send(member, inquest))
            asked = self._asked.get(member, 0)
            self._asked[member] = asked + 1
            delay_us = backoff_us(timings.report_retry_us * 5, asked, timings.report_retry_max_us)
            self._deadlines.set(member, now.mono_us + delay_us)

    def outcomes(self, now: Now) -> list[Outcome]:
        """What becomes of the jobs, once all have answered; empty until then. Each is told once."""
        if not self.active or self.missing():
            return []
        if self._disturbed:
            self._ask_anew(now)
            if self.missing():
                return []
        said: dict[str, list[Said]] = {}
        for member, pieces in sorted(self._answers.items()):
            for _, piece in sorted(pieces.items()):
                for word in piece.testimonies:
                    said.setdefault(word.job_id, []).append((member, word))
        jobs = [self._books.jobs.get(job_id) for part in self._parts for job_id in part]
        self._parts = []
        burned: dict[str, int] = {}
        for row in self._books.decisions.values():
            if row.verdict == Verdict.BURNED:
                burned[row.job_id] = max(row.epoch, burned.get(row.job_id, 0))
        # One may have come back while the others were asked.
        return [
            conclude(job, said.get(job.id, []), burned.get(job.id, 0))
            for job in jobs
            if job is not None and self._is_concerned(job)
        ]

    def _is_concerned(self, job: Job) -> bool:
        return job.state in _ELSEWHERE and job.transfer_to in self._lost and not self._is_forsaken(job)

    def _is_forsaken(self, job: Job) -> bool:
        """It was given by its home, or for it, to where nothing is left of it, and nobody waits for its end."""
        return job.state is JobState.MOVED and job.home in self._lost and job.transfer_to in self._lost

    def _ask_anew(self, now: Now) -> None:
        self._id += 1
        self._disturbed = False
        self._answers, self._expected = {}, {}
        if self.active:
            for member in self._members:
                self._ask_at_once(now, member)

    def _ask_at_once(self, now: Now, member: str) -> None:
        self._asked[member] = 0
        self._deadlines.set(member, now.mono_us)

    def _forget_answer(self, member: str) -> None:
        self._answers.pop(member, None)
        self._expected.pop(member, None)

    def _has(self, member: str, part: int) -> bool:
        pieces = self._answers.get(member, {})
        expected = self._expected.get(member, {})
        return part in expected and all((part, number) in pieces for number in range(expected[part]))

    def _has_answered(self, member: str) -> bool:
        return all(self._has(member, part) for part in range(len(self._parts)))
