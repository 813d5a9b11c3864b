"""Testifying: what this region knows of the jobs of a peer whose disk is an old one.

    has                                event                 testimony
    the job, or its end unacknowledged INQUEST               HELD at its epoch
    XFER to the one that asks          INQUEST               IN_TRANSFER, with the COMMIT
    MOVED to the one that asks         INQUEST               GAVE, with the spec
    XFER or MOVED to a third region    INQUEST               HELD at the epoch that it passed on
    "burned e" from the one that asks  INQUEST               BURNED, if nothing newer is known
    a settled end; home is the asker   INQUEST               HELD, with the outcome
    nothing open; home is here         INQUEST               CLOSED: an open job is never forgotten at home

What memory let go of is looked up in the ledger (Lookup), for the job ids that the inquest names. The first part of an
inquest is also answered with every open job that the asker does not name but had to do with.
"""

from __future__ import annotations

from hanse.core.books import Books
from hanse.core.effects import Effects, Lookup, Send
from hanse.core.events import LookedUp, SettledJob
from hanse.core.federation.handoff.giver import commit_of
from hanse.core.messages import Inquest, InquestAnswer, Standing, Terminal, Testimony, Verdict
from hanse.core.model.jobs import Job
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.core.model.limits import INQUEST_ANSWER_BYTES_MAX, INQUEST_ANSWER_JOBS_MAX

# What a testimony without a spec takes on the wire, roughly.
_TESTIMONY_BYTES = 200


class Witness:
    """Answers inquests from the books and, for what they let go of, from the ledger."""

    def __init__(self, region: str, books: Books) -> None:
        self._region = region
        self._books = books

    def on_inquest(self, peer: str, inquest: Inquest, out: Effects) -> None:
        """Look up what memory does not have; the answer follows when that has come."""
        missing = tuple(job_id for job_id in inquest.job_ids if job_id not in self._books.jobs)
        out.lookups.append(Lookup(peer=peer, inquest=inquest, job_ids=missing))

    def on_looked_up(self, event: LookedUp, ledger_id: str, out: Effects) -> None:
        """Answer, in as many messages as its size needs. `ledger_id` is the asking region's."""
        peer, inquest = event.peer, event.inquest
        settled = {row.job_id: row for row in event.rows}
        burned = self._burned(peer)
        testimonies = [
            testimony
            for job_id in inquest.job_ids
            if (testimony := self._testify(peer, job_id, settled, burned)) is not None
        ]
        if inquest.part == 0:
            testimonies += self._unasked(peer, inquest, burned)
        self._answer(peer, ledger_id, inquest, testimonies, out)

    def _testify(
        self, peer: str, job_id: str, settled: dict[str, SettledJob], burned: dict[str, int]
    ) -> Testimony | None:
        job = self._books.jobs.get(job_id)
        if job is not None:
            return self._of_open(peer, job, burned)
        row = settled.get(job_id)
        if job_id.rsplit("-", 1)[0] == self._region:
            return Testimony(job_id=job_id, epoch=0, standing=Standing.CLOSED)
        if row is not None:
            return self._of_settled(peer, row)
        if job_id in burned:
            return Testimony(job_id=job_id, epoch=burned[job_id], standing=Standing.BURNED)
        return None

    def _of_open(self, peer: str, job: Job, burned: dict[str, int]) -> Testimony:
        elsewhere = job.state in (JobState.XFER, JobState.MOVED)
        epoch = job.transfer_epoch if elsewhere else job.epoch
        if burned.get(job.id, 0) > epoch:
            return Testimony(job_id=job.id, epoch=burned[job.id], standing=Standing.BURNED)
        if elsewhere and job.transfer_to == peer:
            standing = Standing.GAVE if job.state is JobState.MOVED else Standing.IN_TRANSFER
            commit = commit_of(job, self._region, 0) if job.spec else None
            return Testimony(job_id=job.id, epoch=epoch, standing=standing, commit=commit)
        # The home needs the spec of a job that its old disk does not know.
        commit = commit_of(job, self._region, 0) if job.home == peer and job.spec else None
        terminal = _terminal(job, self._region) if job.state in TERMINAL_STATES else None
        return Testimony(job_id=job.id, epoch=epoch, standing=Standing.HELD, commit=commit, terminal=terminal)

    def _of_settled(self, peer: str, row: SettledJob) -> Testimony:
        epoch = max(row.epoch, row.transfer_epoch)
        terminal = None
        if row.home == peer and row.terminal is not None:
            epoch, terminal = row.epoch, row.terminal
        return Testimony(job_id=row.job_id, epoch=epoch, standing=Standing.HELD, terminal=terminal)

    def _unasked(self, peer: str, inquest: Inquest, burned: dict[str, int]) -> list[Testimony]:
        """Jobs that the old disk may never have heard of, although its region had to do with them."""
        asked = frozenset(inquest.job_ids)
        return [
            self._of_open(peer, job, burned)
            for job in self._books.jobs.values()
            if job.id not in asked and (peer in (job.home, job.transfer_to) or peer in job.path)
        ]

    def _burned(self, peer: str) -> dict[str, int]:
        """The newest epoch of each job that was burned here and came from this peer."""
        newest: dict[str, int] = {}
        for row in self._books.decisions.values():
            if row.giver == peer and row.verdict == Verdict.BURNED:
                newest[row.job_id] = max(row.epoch, newest.get(row.job_id, 0))
        return newest

    def _answer(
        self, peer: str, ledger_id: str, inquest: Inquest, testimonies: list[Testimony], out: Effects
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
            )
            out.sends.append(Send(peer, answer))


def _split(testimonies: list[Testimony]) -> list[list[Testimony]]:
    """At least one piece, each within the bounds of a message."""
    pieces: list[list[Testimony]] = [[]]
    room = INQUEST_ANSWER_BYTES_MAX
    for testimony in testimonies:
        size = _TESTIMONY_BYTES + (len(testimony.commit.spec) if testimony.commit is not None else 0)
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
    )
