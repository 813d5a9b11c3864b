"""A region whose disk is an old one: it is told so, does nothing that could double a job, asks all, then goes on.

Theory of operation. A disk that was restored, or lost its newest writes, makes a region forget jobs that it gave away
and promises that it made. It shows in three ways: a peer has seen a position of this region that its history does not
hold (history.py), or of another ledger in the place of one that not all have heard of yet (an empty disk is an old one,
too); the ledger was restored from a copy, or its anchor file is ahead; or the engine knows a run that the ledger does
not.

Then the region is in quarantine, durably: nothing is launched, what was launched in this life is stopped, and no
message of the handoff is sent or taken, until every member of the roster has answered an INQUEST in a new session that
both ends hold (so that nothing that was said to or by the lost life counts any more). The inquest has parts: the jobs
of these books first, and what else the members know of that this region had to do with; then those that came up and
that neither these books nor this ledger has, because somebody who did not speak of one may still know how it ended.
What becomes of each job then is rulings.py; carrying it out, overtaking.py.

While a member does not answer, everything waits, visibly; an operator may go on without it.
"""

from __future__ import annotations

import msgspec

from hanse.core.books import Books
from hanse.core.effects import Effects, Lookup, Send
from hanse.core.events import LookedUp
from hanse.core.federation.history import History
from hanse.core.federation.rulings import Ruling, Said, Target, holder_of, is_in_transfer, rule
from hanse.core.messages import Envelope, Inquest, InquestAnswer
from hanse.core.model.deadlines import Alarm, Deadlines, backoff_us
from hanse.core.model.jobs import Job
from hanse.core.model.lifecycle import JobState
from hanse.core.model.limits import INQUEST_JOBS_MAX, SEQUENCES_SKIPPED
from hanse.core.model.regions import RegionConfig
from hanse.core.model.time import Now
from hanse.core.rows import (
    META_INCARNATION_FLOOR,
    META_QUARANTINE,
    META_QUARANTINE_SINCE,
    META_QUARANTINE_WHY,
    META_QUARANTINE_WITHOUT,
    META_TRUSTED_FROM,
    Snapshot,
)

# States in which a job waits here for what the others know.
_SUSPECT = (JobState.QUEUED, JobState.XFER)
_ELSEWHERE = (JobState.XFER, JobState.MOVED)
# Ids of inquests grow with the rounds of one, and with the incarnations that hold one.
_ROUNDS_MAX = 1 << 20


class _Part(msgspec.Struct, frozen=True):
    """One part of the inquest, as every member is asked it."""

    job_ids: tuple[str, ...] = ()
    wants_unnamed: bool = False
    after: str = ""


class _Answers(msgspec.Struct):
    """What one member has answered. `pieces` is keyed by (part of the inquest, piece of its answer), `expected` says
    how many pieces the answer to a part has."""

    pieces: dict[tuple[int, int], InquestAnswer]
    expected: dict[int, int]

    def has(self, part: int) -> bool:
        """Whether every piece of the answer to this part is here."""
        return part in self.expected and all(
            (part, number) in self.pieces for number in range(self.expected[part])
        )


class OldDisk:
    """Detection, quarantine and inquest. `active`: this region is in quarantine, for the reason `why`."""

    def __init__(self, config: RegionConfig, books: Books, snapshot: Snapshot, life: int, now: Now) -> None:
        self._config = config
        self._books = books
        self._ledger_id = snapshot.ledger_id
        self._members = [member.name for member in config.members if member.name != config.name]
        self._history = History(books, snapshot, life)
        self.incarnation = snapshot.incarnation
        self.life = life
        # Whether all members were ever heard since this ledger was begun. Before that, it may be a new one in the place
        # of one that is lost: whoever has seen another ledger of this region knows.
        self._was_trusted = META_TRUSTED_FROM in snapshot.meta
        self.active = snapshot.meta.get(META_QUARANTINE) == "1"
        # Whether an inquest was ever held for this ledger.
        self.was_in_quarantine = META_QUARANTINE in snapshot.meta
        self.why = snapshot.meta.get(META_QUARANTINE_WHY, "") if self.active else ""
        self.since_wall_us = int(snapshot.meta.get(META_QUARANTINE_SINCE, "0")) if self.active else 0
        without = snapshot.meta.get(META_QUARANTINE_WITHOUT, "") if self.active else ""
        self._excused: dict[str, None] = dict.fromkeys(filter(None, without.split(",")))
        # The newest incarnation of this region that anybody has seen, whatever its life.
        self._seen_incarnation = 0
        # The inquest under way, by its id.
        self._id = 0
        # Jobs of these books when it began; those that came up since; those that this ledger knows the end of.
        self._own: dict[str, None] = {}
        self._named: dict[str, None] = {}
        self._ended: dict[str, None] = {}
        self._looking_up: list[str] = []
        self._parts: list[_Part] = []
        self._answers: dict[str, _Answers] = {}
        # Members that have said, in their present sessions and an earlier round, that their own disks are old ones.
        self._known_old: dict[str, None] = {}
        # How often each member was asked since it last had something to answer.
        self._asked: dict[str, int] = {}
        self._deadlines: Deadlines[str] = Deadlines()
        self.alarm: Alarm = self._deadlines
        if self.active:
            self._open(now)
        elif snapshot.disk_is_old:
            self.enter(now, "the ledger was restored from a copy, or its anchor file is ahead")

    # --- detection --------------------------------------------------------------------------------------------------

    def contradicts(self, envelope: Envelope) -> bool:
        """Whether the sender has seen a position of this region that is not in its history."""
        if not envelope.receiver_seen_ledger_id:
            return False
        seen = envelope.receiver_seen
        if envelope.receiver_seen_ledger_id != self._ledger_id:
            if self._was_trusted:
                return False  # the sender has not heard of this ledger yet
            self._seen_incarnation = max(self._seen_incarnation, seen.incarnation)
            return not self.active
        self._seen_incarnation = max(self._seen_incarnation, seen.incarnation)
        return not self.active and not self._history.holds(seen)

    def trust(self) -> None:
        """Every member was heard, and none contradicts."""
        self._was_trusted = True
        self._history.trust(self.incarnation)

    def enter(self, now: Now, why: str) -> None:
        """Quarantine, durably."""
        self.active, self.was_in_quarantine = True, True
        self.why, self.since_wall_us = why, now.wall_us
        self._books.set_meta(META_QUARANTINE, "1")
        self._books.set_meta(META_QUARANTINE_WHY, why)
        self._books.set_meta(META_QUARANTINE_SINCE, str(now.wall_us))
        self._books.set_meta(META_QUARANTINE_WITHOUT, ",".join(self._excused))
        self._open(now)

    def leave(self) -> None:
        """Every ruling is carried out: trust this disk again, under an incarnation that nobody has seen yet."""
        self.active, self.why, self.since_wall_us = False, "", 0
        if self._seen_incarnation >= self.incarnation:
            self.incarnation = self._seen_incarnation + 1
            self._books.set_meta(META_INCARNATION_FLOOR, str(self.incarnation))
        self.trust()
        self._books.set_meta(META_QUARANTINE, "0")
        self._excused = {}
        self._forget_inquest()

    # --- who has answered -------------------------------------------------------------------------------------------

    def missing(self) -> list[str]:
        """Members that have not answered in full."""
        return [member for member in self._members if not self._answered(member)]

    def excuse(self, members: tuple[str, ...]) -> None:
        """An operator decides to go on without these members, durably."""
        self._excused.update(dict.fromkeys(members))
        self._books.set_meta(META_QUARANTINE_WITHOUT, ",".join(self._excused))

    @property
    def excused(self) -> tuple[str, ...]:
        """Members that it goes on without."""
        return tuple(self._excused)

    def is_excused(self, member: str) -> bool:
        """Whether this member need not be heard."""
        return member in self._excused

    def suspects(self) -> int:
        """How many jobs wait here for what the others know of them."""
        return sum(1 for job_id in self._own if self.is_suspect(job_id))

    def is_suspect(self, job_id: str) -> bool:
        """Whether this disk may have forgotten what became of this job."""
        job = self._books.jobs.get(job_id)
        return self.active and job_id in self._own and job is not None and job.state in _SUSPECT

    def _answered(self, member: str) -> bool:
        return member in self._excused or self._has_told_all(member)

    def _has_told_all(self, member: str) -> bool:
        answers = self._answers.get(member)
        return answers is not None and all(answers.has(part) for part in range(len(self._parts)))

    # --- the inquest ------------------------------------------------------------------------------------------------

    def on_session(self, now: Now, peer: str) -> None:
        """A session began: ask at once, and anew. The member may have come back with an old disk of its own, and what
        it said before counts for nothing then."""
        self._known_old.pop(peer, None)
        if self.active:
            self._answers.pop(peer, None)
            self._ask_at_once(now, peer)

    def on_answer(self, peer: str, answer: InquestAnswer) -> None:
        """One piece of one member's answer; repeated pieces change nothing."""
        if not self.active or answer.id != self._id or not 0 <= answer.of_part < len(self._parts):
            return
        answers = self._answers.setdefault(peer, _Answers({}, {}))
        if answers.has(answer.of_part):
            return
        if answers.expected.get(answer.of_part) != answer.parts:
            # Another answer to the same question: the pieces of an earlier one do not go with it.
            answers.expected[answer.of_part] = answer.parts
            answers.pieces = {key: each for key, each in answers.pieces.items() if key[0] != answer.of_part}
        answers.pieces[(answer.of_part, answer.part)] = answer

    def on_looked_up(self, now: Now, event: LookedUp) -> None:
        """What this ledger has of jobs that came up: those need no ruling, unless one that was passed on here has come
        back since. Of the others all are asked."""
        if not self.active or event.inquest.id != self._id:
            return
        asked = frozenset(event.asked)
        answered = [job_id for job_id in self._looking_up if job_id in asked]
        self._looking_up = [job_id for job_id in self._looking_up if job_id not in asked]
        newest = self._newest_epochs()
        self._ended.update(
            dict.fromkeys(
                job.id
                for job in event.jobs
                if job.state is not JobState.MOVED or newest.get(job.id, 0) <= job.transfer_epoch
            )
        )
        unknown = [job_id for job_id in answered if job_id not in self._ended]
        if unknown:
            self._named.update(dict.fromkeys(unknown))
            self._ask(now, _Part(tuple(unknown)))

    def is_complete(self, now: Now, out: Effects) -> bool:
        """Whether all have said all that they know; goes on asking if there is more to be asked."""
        if self._looking_up or self.missing():
            return False
        last = len(self._parts) - 1
        more = [each.more_after for each in self._pieces(last) if each.more_after]
        if more:
            self._ask(now, _Part(wants_unnamed=True, after=min(more)))
            return False
        came_up = {
            testimony.job_id: None
            for part in range(len(self._parts))
            for piece in self._pieces(part)
            for testimony in piece.testimonies
        }
        self._looking_up = [
            job_id
            for job_id in came_up
            if job_id not in self._own and job_id not in self._named and job_id not in self._ended
        ]
        if self._looking_up:
            self._look_up(now, out)
            return False
        return self._is_confirmed(now)

    def _is_confirmed(self, now: Now) -> bool:
        """Whether no member has an old disk of its own, but for those of which that was known when this round began.
        When such a one says so, its lost life is cut off from everybody; but others may have spoken before that, and
        have taken something from that life since. So all are asked once more."""
        found_old = [
            member
            for member, answers in self._answers.items()
            if member not in self._known_old and any(piece.is_old for piece in answers.pieces.values())
        ]
        if not found_old:
            return True
        self._known_old.update(dict.fromkeys(found_old))
        self._answers = {}
        self._id += 1
        for member in self._members:
            self._ask_at_once(now, member)
        return False

    def on_deadline(self, now: Now, out: Effects) -> None:
        """Ask again whoever has not answered in full."""
        timings = self._config.timings
        for member in self._deadlines.pop_due(now.mono_us):
            if not self.active:
                continue
            if member == self._config.name:
                self._look_up(now, out)
                continue
            if self._answered(member):
                continue
            answers = self._answers.get(member)
            for number, part in enumerate(self._parts):
                if answers is None or not answers.has(number):
                    out.sends.append(Send(member, self._inquest(number, part)))
            asked = self._asked.get(member, 0)
            self._asked[member] = asked + 1
            delay_us = backoff_us(timings.report_retry_us * 5, asked, timings.report_retry_max_us)
            self._deadlines.set(member, now.mono_us + delay_us)

    def _open(self, now: Now) -> None:
        self._forget_inquest()
        self._id = self.incarnation * _ROUNDS_MAX
        self._own = dict.fromkeys(sorted(self._books.jobs))
        job_ids = list(self._own)
        for start in range(0, len(job_ids), INQUEST_JOBS_MAX):
            self._ask(now, _Part(tuple(job_ids[start : start + INQUEST_JOBS_MAX])))
        # The last one, so that it is seen at once whether somebody has more of these to tell.
        self._ask(now, _Part(wants_unnamed=True, after=self._history.newest_job_id))

    def _forget_inquest(self) -> None:
        self._id = 0
        self._own, self._named, self._ended = {}, {}, {}
        self._looking_up, self._parts = [], []
        self._answers, self._asked, self._known_old = {}, {}, {}
        self._deadlines.clear()

    def _ask(self, now: Now, part: _Part) -> None:
        self._parts.append(part)
        for member in self._members:
            self._ask_at_once(now, member)

    def _ask_at_once(self, now: Now, member: str) -> None:
        self._asked[member] = 0
        self._deadlines.set(member, now.mono_us)

    def _inquest(self, number: int, part: _Part) -> Inquest:
        return Inquest(
            id=self._id,
            part=number,
            parts=len(self._parts),
            job_ids=part.job_ids,
            wants_unnamed=part.wants_unnamed,
            after=part.after,
        )

    def _look_up(self, now: Now, out: Effects) -> None:
        """In this region's own ledger, what it has of jobs that came up; again, should the shell have dropped it."""
        if not self._looking_up:
            return
        for start in range(0, len(self._looking_up), INQUEST_JOBS_MAX):
            job_ids = tuple(self._looking_up[start : start + INQUEST_JOBS_MAX])
            inquest = Inquest(id=self._id, part=0, parts=len(self._parts))
            out.lookups.append(Lookup(peer=self._config.name, inquest=inquest, job_ids=job_ids))
        self._deadlines.set(self._config.name, now.mono_us + self._config.timings.report_retry_max_us)

    def _pieces(self, part: int) -> list[InquestAnswer]:
        return [
            piece
            for answers in self._answers.values()
            for (of_part, _), piece in answers.pieces.items()
            if of_part == part
        ]

    # --- what follows -----------------------------------------------------------------------------------------------

    def rulings(self) -> list[Ruling]:
        """What becomes of every job of these books, and of every other that came up, once all is known."""
        said: dict[str, list[Said]] = {}
        for member, answers in self._answers.items():
            for piece in answers.pieces.values():
                for testimony in piece.testimonies:
                    said.setdefault(testimony.job_id, []).append((member, testimony))
        # What was in these books and is no longer has ended meanwhile.
        job_ids = [job_id for job_id in self._own if job_id in self._books.jobs] + list(self._named)
        return [self._rule(job_id, said.get(job_id, [])) for job_id in sorted(job_ids)]

    def _newest_epochs(self) -> dict[str, int]:
        """Of every job that any member has spoken of."""
        newest: dict[str, int] = {}
        for answers in self._answers.values():
            for piece in answers.pieces.values():
                for testimony in piece.testimonies:
                    newest[testimony.job_id] = max(testimony.epoch, newest.get(testimony.job_id, 0))
        return newest

    def first_free_sequence(self, member: str) -> int:
        """A transfer sequence towards this member such that neither it nor any later one was ever used."""
        if not self._has_told_all(member):
            return self._books.outbound.get(member, 1) + SEQUENCES_SKIPPED
        return 1 + max(piece.seen_sequence for piece in self._answers[member].pieces.values())

    def _rule(self, job_id: str, said: list[Said]) -> Ruling:
        job = self._books.jobs.get(job_id)
        return rule(self._config.name, job_id, job, said, self._target_of(job))

    def _target_of(self, job: Job | None) -> Target:
        if job is None or job.state not in _ELSEWHERE:
            return Target.UNCERTAIN
        in_transfer = is_in_transfer(job)
        member = job.transfer_to if in_transfer else holder_of(job)[0]
        if not self._has_told_all(member):
            return Target.UNCERTAIN
        pieces = self._answers[member].pieces.values()
        if in_transfer and any(piece.stable_sequence > job.transfer_sequence for piece in pieces):
            return Target.RESOLVED
        return Target.UNCERTAIN if any(piece.is_old for piece in pieces) else Target.SOUND
