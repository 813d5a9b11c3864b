"""Shortcuts of a region whose disk is an old one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from unittest import mock

from chaos.mutants.mutant import Mutant, replace
from chaos.mutants.profiles import (
    ANCHORED,
    DESTROYED,
    FORGOTTEN_ANSWERS,
    LATE_ANSWERS,
    LONG_INQUESTS,
    OLD_DISKS,
)
from chaos.mutants.target import take_every_session
from hanse.core import doubt
from hanse.core.doubt import Doubt
from hanse.core.effects import Effects
from hanse.core.federation.desk import Desk
from hanse.core.federation.handoff.target import Target
from hanse.core.federation.history import History
from hanse.core.federation.old_disk import OldDisk
from hanse.core.messages import Envelope
from hanse.core.model.jobs import Job
from hanse.core.model.regions import Position
from hanse.core.model.time import Now
from hanse.core.rows import Snapshot
from hanse.core.scheduling.runs import Runs
from hanse.sim.ledger import SimLedger


def _notice_nothing(patches: ExitStack) -> None:
    replace(patches, OldDisk, "contradicts", lambda self, envelope: False)
    replace(patches, Runs, "is_forgotten", lambda self, run: False)


def _take_an_empty_disk_for_a_new_one(patches: ExitStack) -> None:
    contradicts = OldDisk.contradicts

    def shortcut(self: OldDisk, envelope: Envelope) -> bool:
        return envelope.receiver_seen_ledger_id == self._ledger_id and contradicts(self, envelope)

    replace(patches, OldDisk, "contradicts", shortcut)


def _ask_about_the_newest_jobs_only(patches: ExitStack) -> None:
    def shortcut(self: History) -> str:
        return (*self._before, self._present)[:2][-1].newest_job_id

    patches.enter_context(mock.patch.object(History, "newest_job_id", property(shortcut)))


def _ignore_the_anchor(patches: ExitStack) -> None:
    recover = SimLedger.recover

    def shortcut(self: SimLedger, anchor: Position | None = None) -> Snapshot:
        return recover(self)

    replace(patches, SimLedger, "recover", shortcut)


def _go_on_when(is_enough: Callable[[int, int], bool]) -> Callable[[ExitStack], None]:
    """`is_enough` is asked with how many other members there are, and how many of them have answered."""

    def install(patches: ExitStack) -> None:
        missing = OldDisk.missing

        def shortcut(self: OldDisk) -> list[str]:
            silent = missing(self)
            others = len(self._members)
            return [] if is_enough(others, others - len(silent)) else silent

        replace(patches, OldDisk, "missing", shortcut)

    return install


def _believe_at_once(patches: ExitStack) -> None:
    replace(patches, Doubt, "unheard", lambda self: [])


def _forget_the_floor(patches: ExitStack) -> None:
    replace(patches, Target, "_is_superseded", lambda self, transfer: False)
    patches.enter_context(mock.patch.object(doubt, "decide_what_is_passed"))


def _ask_once(patches: ExitStack) -> None:
    replace(patches, OldDisk, "is_complete", lambda self, now, out: not self.missing())


def _keep_answers(patches: ExitStack) -> None:
    on_session = OldDisk.on_session

    def shortcut(self: OldDisk, now: Now, peer: str) -> None:
        answers = self._answers.get(peer)
        on_session(self, now, peer)
        if answers is not None:
            self._answers[peer] = answers

    replace(patches, OldDisk, "on_session", shortcut)


def _cancel_in_doubt(patches: ExitStack) -> None:
    def shortcut(self: Desk, now: Now, job: Job, cancel_id: str, out: Effects) -> None:
        if not job.cancel_id:
            self.books.want_cancel(job, cancel_id)
            self.carry_out_wish(now, job, out)

    replace(patches, Desk, "_end", shortcut)


MUTANTS = (
    Mutant(
        name="no quarantine",
        shortcut="a region takes no notice of what its peers have seen of it",
        profile=OLD_DISKS,
        install=_notice_nothing,
    ),
    Mutant(
        name="an empty disk is a new one",
        shortcut="a region on an empty disk takes no notice of a peer that has seen another ledger of it",
        profile=DESTROYED,
        install=_take_an_empty_disk_for_a_new_one,
    ),
    Mutant(
        name="an inquest from the second life on",
        shortcut="of a disk that was never trusted, jobs are asked about that are newer than those of its second start",
        profile=DESTROYED,
        install=_ask_about_the_newest_jobs_only,
    ),
    Mutant(
        name="the anchor is ignored",
        shortcut="a region takes no notice of an anchor file that is ahead of its ledger",
        profile=ANCHORED,
        install=_ignore_the_anchor,
    ),
    Mutant(
        name="no barrier: a majority has answered",
        shortcut="a region leaves quarantine when a majority of the roster, itself included, has answered",
        profile=OLD_DISKS,
        install=_go_on_when(lambda others, answered: 2 * (1 + answered) > 1 + others),
    ),
    Mutant(
        name="one member's answer is enough",
        shortcut="a region leaves quarantine when any member has answered",
        profile=OLD_DISKS,
        install=_go_on_when(lambda others, answered: answered > 0),
    ),
    Mutant(
        name="no new sessions",
        shortcut="what the lost life said, and what was said to it, is taken in as if it were of this one",
        profile=LATE_ANSWERS,
        install=take_every_session,
    ),
    Mutant(
        name="no epoch floor",
        shortcut="a COMMIT or WITHDRAW of an epoch that the job has passed is decided like any other",
        profile=FORGOTTEN_ANSWERS,
        install=_forget_the_floor,
    ),
    Mutant(
        name="a disk is believed before all were heard",
        shortcut="a region launches and hands over at once after a start, and stops when somebody objects",
        profile=OLD_DISKS,
        install=_believe_at_once,
    ),
    Mutant(
        name="only the jobs of one's own books are asked about",
        shortcut="of a job that only comes up in an answer nobody is asked in his turn",
        profile=FORGOTTEN_ANSWERS,
        install=_ask_once,
    ),
    Mutant(
        name="an answer outlives its session",
        shortcut="what a member said before it came back, perhaps with an old disk of its own, still counts",
        profile=FORGOTTEN_ANSWERS,
        install=_keep_answers,
    ),
    Mutant(
        name="a cancel is settled in quarantine",
        shortcut="a job that waits here by an old disk's word is CANCELLED at once",
        profile=LONG_INQUESTS,
        install=_cancel_in_doubt,
    ),
)
