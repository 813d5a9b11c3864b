"""Testifying: what this region knows of the jobs of a peer whose disk is an old one.

    has                                     event     testimony
    the job, or its end unacknowledged      INQUEST   HELD at its epoch
    XFER to the one that asks               INQUEST   IN_TRANSFER, with the COMMIT
    MOVED to the one that asks              INQUEST   GAVE, with the spec
    XFER or MOVED to a third region         INQUEST   PASSED at that epoch
    heard who has it (home only)            INQUEST   GAVE or PASSED, at the epoch and attempt that it was told
    "burned e", and knows nothing newer     INQUEST   BURNED, and whose transfer that was
    a settled end                           INQUEST   HELD, with outcome and spec if home is the asker
    a settled hop                           INQUEST   OVER at the epoch that it passed on
    nothing open; home is here              INQUEST   CLOSED: an open job is never forgotten at home

Of a job that the asker passed on to a region that was declared lost (losses.py), each of these is told by itself.

What memory let go of is looked up in the ledger (Lookup): the jobs that the inquest names, and those that ended after
the last one that the asker's disk knows. A region in quarantine testifies as well, or two old disks would wait for each
other for ever. It has no processes of a forgotten life then, and it is silent about jobs of its home that it lacks:
they may have been forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from hanse.core.books import Books
from hanse.core.effects import Effects, Lookup, Send
from hanse.core.events import LookedUp
from hanse.core.federation.handoff.giver import commit_of
from hanse.core.messages import Commit, Inquest, InquestAnswer, Standing, Terminal, Testimony, Verdict
from hanse.core.model.arrays import ArrayProgress
from hanse.core.model.jobs import Job
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.core.model.limits import (
    INQUEST_ANSWER_BYTES_MAX,
    INQUEST_ANSWER_JOBS_MAX,
    INQUEST_ENDED_JOBS_MAX,
)

# What a testimony without a spec takes on the wire, roughly.
_TESTIMONY_BYTES = 200
_encode = msgspec.msgpack.Encoder().encode
_ELSEWHERE = (JobState.XFER, JobState.MOVED)


class Witness:
    """Answers inquests from the books and, for what they let go of, from the ledger."""

    def __init__(self, region: str, books: Books) -> None:
        self._region = region
        self._books = books

    def on_inquest(self, peer: str, inquest: Inquest, out: Effects) -> None:
        """Look up what memory does not have; the answer follows when that has come."""
        job_ids = tuple(job_id for job_id in inquest.job_ids if job_id not in self._books.jobs)
        if inquest.wants_unnamed:
            lookup = Lookup(
                peer=peer,
                inquest=inquest,
                job_ids=job_ids,
                home=peer,
                after=inquest.after,
                limit=INQUEST_ENDED_JOBS_MAX,
            )
        else:
            lookup = Lookup(peer=peer, inquest=inquest, job_ids=job_ids)
        out.lookups.append(lookup)

    def on_looked_up(self, event: LookedUp, ledger_id: str, out: Effects, *, is_old: bool) -> None:
        """Answer, in as many messages as its size needs. `ledger_id` is the asking region's; `is_old`: this region's
        own disk is an old one."""
        peer, inquest = event.peer, event.inquest
        asked = frozenset(event.asked)
        if any(job_id not in self._books.jobs and job_id not in asked for job_id in inquest.job_ids):
            self.on_inquest(peer, inquest, out)  # memory let go of one in the meantime
            return
        settled = {job.id: job for job in event.jobs}
        burned = self._burned()
        if inquest.of_lost:
            words = [
                word
                for job_id in inquest.job_ids
                for word in self._all_of(peer, job_id, settled, burned, is_old=is_old)
            ]
            self._answer(peer, ledger_id, inquest, words, "", out, is_old=is_old)
            return
        testimonies = [
            testimony
            for job_id in inquest.job_ids
            if (testimony := self._testify(peer, job_id, settled, burned, is_old=is_old)) is not None
        ]
        more_after = ""
        if inquest.wants_unnamed:
            testimonies += self._unnamed(peer, inquest, event.beyond, burned)
            more_after = event.beyond[-1].id if len(event.beyond) >= INQUEST_ENDED_JOBS_MAX else ""
        self._answer(peer, ledger_id, inquest, testimonies, more_after, out, is_old=is_old)

    def _all_of(
        self,
        peer: str,
        job_id: str,
        settled: dict[str, Job],
        burned: dict[str, tuple[int, str]],
        *,
        is_old: bool,
    ) -> Iterator[Testimony]:
        """Of a job that was with a region that is lost: what this one has had itself, whom it has heard of, and what it
        burned, each apart. Who gave it last must be seen behind what came after."""
        job = self._books.jobs.get(job_id)
        if job is not None:
            yield self._own(peer, job)
            if job.remote is not None:
                view = job.remote
                yield Testimony(job_id=job_id, epoch=view.epoch, standing=Standing.PASSED, to=view.region)
        elif job_id.rsplit("-", 1)[0] == self._region:
            if job_id in settled:
                yield self._closed(settled[job_id])
            elif not is_old:
                yield Testimony(job_id=job_id, epoch=0, standing=Standing.CLOSED)
        elif job_id in settled:
            yield self._of_settled(peer, settled[job_id])
        epoch, giver = burned.get(job_id, (0, ""))
        if epoch:
            yield Testimony(job_id=job_id, epoch=epoch, standing=Standing.BURNED, giver=giver)

    def _own(self, peer: str, job: Job) -> Testimony:
        if job.state not in _ELSEWHERE:
            terminal = _terminal(job, self._region) if job.state in TERMINAL_STATES else None
            return Testimony(
                job_id=job.id, epoch=job.epoch, standing=Standing.HELD, terminal=terminal, state=job.state
            )
        standing = Standing.PASSED
        if job.transfer_to == peer:
            standing = Standing.GAVE if job.state is JobState.MOVED else Standing.IN_TRANSFER
        return Testimony(job_id=job.id, epoch=job.transfer_epoch, standing=standing)

    def _testify(
        self,
        peer: str,
        job_id: str,
        settled: dict[str, Job],
        burned: dict[str, tuple[int, str]],
        *,
        is_old: bool,
    ) -> Testimony | None:
        job = self._books.jobs.get(job_id)
        said: Testimony | None = None
        if job is not None:
            said = self._of_open(peer, job)
        elif job_id.rsplit("-", 1)[0] == self._region:
            if job_id in settled:
                return self._closed(settled[job_id])
            if not is_old:
                return Testimony(job_id=job_id, epoch=0, standing=Standing.CLOSED)
        elif job_id in settled:
            said = self._of_settled(peer, settled[job_id])
        return _or_burned(said, job_id, burned)

    def _of_open(self, peer: str, job: Job) -> Testimony:
        elsewhere = job.state in _ELSEWHERE
        view, to = job.remote, ""
        epoch = job.transfer_epoch if elsewhere else job.epoch
        attempt = 0 if elsewhere else job.attempt
        if not elsewhere:
            standing = Standing.HELD
        elif job.transfer_to != peer:
            standing = Standing.PASSED
        else:
            standing = Standing.GAVE if job.state is JobState.MOVED else Standing.IN_TRANSFER
        if elsewhere and view is not None and view.epoch >= epoch:
            # The home has heard from whoever has the job.
            epoch, attempt = view.epoch, view.attempt
            to = view.region if view.region != peer else ""
            standing = Standing.PASSED if to else Standing.GAVE
        if standing is Standing.GAVE and view is not None:
            self._books.hear_anew(job)
        needs_spec = peer in (job.home, job.transfer_to) or standing is Standing.GAVE
        return Testimony(
            job_id=job.id,
            epoch=epoch,
            standing=standing,
            commit=self._commit_of(job, peer) if needs_spec else None,
            terminal=_terminal(job, self._region) if job.state in TERMINAL_STATES else None,
            to=to,
            attempt=attempt if standing is not Standing.PASSED else 0,
            cancel_id=job.cancel_id,
            state=None if elsewhere else job.state,
            progress=_progress(job) if elsewhere else None,
        )

    @staticmethod
    def _closed(job: Job) -> Testimony:
        told = job.remote.epoch if job.remote is not None else 0
        epoch = max(job.epoch, job.transfer_epoch, told)
        return Testimony(job_id=job.id, epoch=epoch, standing=Standing.CLOSED)

    def _of_settled(self, peer: str, job: Job) -> Testimony:
        """Where it has ended, or a hop that is over: the home has told that one that the job has ended."""
        # The home needs the spec of a job that its old disk does not know.
        commit = self._commit_of(job, peer) if job.home == peer else None
        if job.state is JobState.MOVED:
            return Testimony(
                job_id=job.id,
                epoch=job.transfer_epoch,
                standing=Standing.OVER,
                commit=commit,
                progress=_progress(job),
            )
        terminal = _terminal(job, self._region) if job.home == peer else None
        return Testimony(
            job_id=job.id, epoch=job.epoch, standing=Standing.HELD, commit=commit, terminal=terminal
        )

    def _commit_of(self, job: Job, peer: str) -> Commit | None:
        """The COMMIT that this peer was sent; else one that only brings the spec, and has no sequence."""
        if not job.spec:
            return None
        commit = commit_of(job, self._region, 0)
        return commit if job.transfer_to == peer else msgspec.structs.replace(commit, sequence=0)

    def _unnamed(
        self, peer: str, inquest: Inquest, ended: tuple[Job, ...], burned: dict[str, tuple[int, str]]
    ) -> list[Testimony]:
        """Jobs that the old disk may never have heard of, although its region had to do with them."""
        named = frozenset(inquest.job_ids)
        said = [
            self._of_open(peer, job)
            for job in self._books.jobs.values()
            if job.id not in named and _concerns(job, peer)
        ]
        said += [self._of_settled(peer, job) for job in ended if job.id not in named]
        return [found for each in said if (found := _or_burned(each, each.job_id, burned)) is not None]

    def _burned(self) -> dict[str, tuple[int, str]]:
        """The newest epoch of each job that was burned here, and who had given it."""
        newest: dict[str, tuple[int, str]] = {}
        for row in self._books.decisions.values():
            if row.verdict == Verdict.BURNED:
                newest[row.job_id] = max((row.epoch, row.giver), newest.get(row.job_id, (0, "")))
        return newest

    def _answer(
        self,
        peer: str,
        ledger_id: str,
        inquest: Inquest,
        testimonies: list[Testimony],
        more_after: str,
        out: Effects,
        *,
        is_old: bool,
    ) -> None:
        seen = [row.sequence for row in self._books.decisions.values() if row.giver_ledger_id == ledger_id]
        stable = self._books.channels.get(ledger_id, 0)
        pieces = _split(testimonies)
        for number, piece in enumerate(pieces):
            answer = InquestAnswer(
                id=inquest.id,
                of_part=inquest.part,
                part=number,
                parts=len(pieces),
                testimonies=tuple(piece),
                seen_sequence=max([*seen, stable - 1, 0]),
                stable_sequence=stable,
                more_after=more_after,
                is_old=is_old,
            )
            out.sends.append(Send(peer, answer))


def _concerns(job: Job, peer: str) -> bool:
    heard_of = job.remote.region if job.remote is not None else ""
    return peer in (job.home, job.transfer_to, heard_of) or peer in job.path


def _or_burned(said: Testimony | None, job_id: str, burned: dict[str, tuple[int, str]]) -> Testimony | None:
    """What is burned here is newer than what this region has of the job, or says more than nothing."""
    epoch, giver = burned.get(job_id, (0, ""))
    if said is None:
        return Testimony(job_id=job_id, epoch=epoch, standing=Standing.BURNED, giver=giver) if epoch else None
    if epoch <= said.epoch:
        return said
    return msgspec.structs.replace(
        said, epoch=epoch, standing=Standing.BURNED, giver=giver, attempt=0, state=None
    )


def _split(testimonies: list[Testimony]) -> list[list[Testimony]]:
    """At least one piece, each within the bounds of a message."""
    pieces: list[list[Testimony]] = [[]]
    room = INQUEST_ANSWER_BYTES_MAX
    for testimony in testimonies:
        size = _TESTIMONY_BYTES + (len(testimony.commit.spec) if testimony.commit is not None else 0)
        size += len(_encode(testimony.progress)) if testimony.progress is not None else 0
        if pieces[-1] and (size > room or len(pieces[-1]) >= INQUEST_ANSWER_JOBS_MAX):
            pieces.append([])
            room = INQUEST_ANSWER_BYTES_MAX
        pieces[-1].append(testimony)
        room -= size
    return pieces


def _terminal(job: Job, region: str) -> Terminal:
    return Terminal(
        job_id=job.id,
        epoch=job.epoch,
        attempt=job.attempt,
        outcome=job.state,
        reason=job.reason,
        exit_code=job.exit_code,
        started_wall_us=job.started_wall_us,
        ended_wall_us=job.ended_wall_us,
        region=region,
        progress=_progress(job),
    )


def _progress(job: Job) -> ArrayProgress | None:
    return None if job.array is None else job.array.progress()
