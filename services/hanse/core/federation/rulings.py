"""What becomes of one job after an inquest: a pure function of what this disk says and what the members have said.

M is the newest epoch that anybody knows; R is the region whose disk is an old one.

    the home says that it has ended             MOVED to the home: closed, never run here
    QUEUED(M) here, not at home, and the hop    it ended here, in the life that is lost: MOVED to the home, whatever
    that brought it is over                     that still knows of it
    M is not newer than R's                     R's row stands
        XFER, and R has heard who had it since  as MOVED to that one
        XFER(M), the target has it or had it    MOVED
        XFER(M), burned, or resolved and gone   QUEUED(M)
    M newer, a member has it or passed it on    MOVED to that member
    M newer, a member burned it from R          QUEUED(M)
    M newer, a member burned it from another    MOVED to that other
    M newer, a member gave it to R              QUEUED(M), from its spec
    M newer, a member is giving it to R         MOVED, so that its COMMIT is admitted when it comes
    M newer, a hop that is over passed it on    R is home, which has forgotten the outcome that it had: QUEUED(M+1);
                                                R is not: MOVED to that hop
    MOVED(M) here, and who had it last, whose   it ended there, in a life that all have forgotten: QUEUED(M+1)
    disk is sound, has never had it

The last two run a job again of which nobody can say any more how it ended.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

import msgspec

from hanse.core.messages import Commit, Standing, Terminal, Testimony
from hanse.core.model.arrays import ArrayProgress
from hanse.core.model.jobs import Job
from hanse.core.model.lifecycle import JobState

# (member, what it said).
Said = tuple[str, Testimony]

_ELSEWHERE = (JobState.XFER, JobState.MOVED)
# Standings of a transfer to the region that asks. (One that was only heard of has no sequence.)
_GIVEN = (Standing.GAVE, Standing.IN_TRANSFER)
# Of two that know the same epoch, who has the job knows more than who gave it, and who only heard of it knows least. A
# hop is over because the job has ended: who still says that he gave it has an old disk himself.
_RANKS = {
    standing: rank
    for rank, standing in enumerate(
        (
            Standing.HELD,
            Standing.BURNED,
            Standing.OVER,
            Standing.GAVE,
            Standing.IN_TRANSFER,
            Standing.PASSED,
            Standing.CLOSED,
        )
    )
}


class Fate(enum.Enum):
    """What becomes of a job after the inquest."""

    STANDS = enum.auto()
    MOVED = enum.auto()
    QUEUED = enum.auto()


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """The fate of one job; `epoch` and `to` as the new state has them, `attempt` the newest that is known there, and
    `state` that in which the region that has the job said that it is.

    `told` is what others knew of the elements of an array when they had it. `commit` brings the spec of a job that
    these books do not know (or whose spec they let go of), `terminal` the outcome of a job of this home, `cancel_id`
    the caller's wish to end it. `undecided` are the transfers to this region that their givers, by name, still ask
    about.
    """

    job_id: str
    fate: Fate
    epoch: int = 0
    to: str = ""
    attempt: int = 0
    state: JobState | None = None
    commit: Commit | None = None
    terminal: Terminal | None = None
    cancel_id: str = ""
    told: tuple[ArrayProgress, ...] = ()
    undecided: tuple[tuple[str, Commit], ...] = ()


class Target(enum.Enum):
    """What can be made of the silence of the region that had the job last, as far as these books have heard."""

    # It may have forgotten what it does not speak of; or there is no such region.
    UNCERTAIN = enum.auto()
    # Its disk is sound.
    SOUND = enum.auto()
    # And it says that the transfer to it is below the STABLE mark.
    RESOLVED = enum.auto()


def rule(region: str, job_id: str, job: Job | None, said: Sequence[Said], target: Target) -> Ruling:
    """The fate of a job, from all that was `said` of it. `target` is about the transfer that this disk knows last."""
    ranked = sorted(said, key=lambda each: (-each[1].epoch, _RANKS[each[1].standing], each[0]))
    is_home = job_id.rsplit("-", 1)[0] == region
    ruling = _fate(region, job, ranked, target, is_home=is_home)
    words = [word for _, word in ranked]
    ended = next(((member, word) for member, word in ranked if word.terminal is not None), None)
    if ended is not None and _would_go_on(ruling, job):
        # An outcome is the last that can be known of a job.
        ruling = _moved(_after(job, ended[1].epoch), ended[0])
    return msgspec.structs.replace(
        ruling,
        job_id=job_id,
        commit=next((word.commit for word in words if word.commit is not None), None),
        terminal=ended[1].terminal if ended is not None else None,
        cancel_id=next((word.cancel_id for word in words if word.cancel_id), ""),
        told=tuple(word.progress for word in words if word.progress is not None),
        undecided=tuple(
            (member, word.commit)
            for member, word in ranked
            if word.standing in _GIVEN and word.commit is not None and word.commit.sequence
        ),
    )


def _would_go_on(ruling: Ruling, job: Job | None) -> bool:
    """Whether the ruling leaves the job to be run here."""
    owned = job is not None and job.state not in _ELSEWHERE
    return ruling.fate is Fate.QUEUED or (ruling.fate is Fate.STANDS and owned)


def is_in_transfer(job: Job) -> bool:
    """Whether the transfer may be undecided: nobody has been heard of who had the job at its epoch, or a later one."""
    view = job.remote
    return job.state is JobState.XFER and (view is None or view.epoch < job.transfer_epoch)


def holder_of(job: Job) -> tuple[str, int]:
    """Who had a job that is not here, and at which epoch, by the newest that these books have heard."""
    view = job.remote
    if view is not None and view.epoch >= job.transfer_epoch:
        return view.region, view.epoch
    return job.transfer_to, job.transfer_epoch


def newest_epoch(job: Job | None) -> int:
    """The newest epoch that the books know of a job."""
    if job is None:
        return 0
    return job.transfer_epoch if job.state in _ELSEWHERE else job.epoch


def _fate(region: str, job: Job | None, ranked: Sequence[Said], target: Target, *, is_home: bool) -> Ruling:
    ours = newest_epoch(job)
    for member, testimony in ranked:
        if testimony.standing is Standing.CLOSED:
            return _moved(_after(job, ranked[0][1].epoch + 1), member)
    if job is not None and not is_home and _has_ended_here(job, ranked):
        return _moved(_after(job, ranked[0][1].epoch + 1), job.home)
    if not ranked or ranked[0][1].epoch <= ours:
        return _rule_ours(job, ours, ranked, target)
    member, newest = ranked[0]
    match newest.standing:
        case Standing.HELD | Standing.PASSED | Standing.CLOSED:
            moved = _moved(newest.epoch, newest.to or member)
            return msgspec.structs.replace(moved, state=newest.state, attempt=newest.attempt)
        case Standing.BURNED if newest.giver == region:
            return _queued(newest.epoch, ranked)
        case Standing.BURNED:
            return _moved(newest.epoch, newest.giver)
        case Standing.GAVE:
            return _queued(newest.epoch, ranked)
        case Standing.IN_TRANSFER if job is not None or is_home:
            # A home without the row would say that the job is closed, whatever becomes of the transfer.
            return _moved(newest.epoch - 1, member)
        case Standing.IN_TRANSFER:
            return Ruling(job_id="", fate=Fate.STANDS)
        case Standing.OVER:
            return _queued(newest.epoch + 1, ranked) if is_home else _moved(newest.epoch, member)


def _has_ended_here(job: Job, ranked: Sequence[Said]) -> bool:
    """Whether this disk has the job, and the one that gave it was told by the home that it has ended. (If the home runs
    it again because its disk is an old one, too, it does so at a newer epoch, and perhaps at this moment.)"""
    is_ours = job.state not in _ELSEWHERE
    return is_ours and any(each.standing is Standing.OVER and each.epoch == job.epoch for _, each in ranked)


def _rule_ours(job: Job | None, ours: int, ranked: Sequence[Said], target: Target) -> Ruling:
    """Nobody knows a newer epoch than this disk; only what this region's newest transfer has come to may be known."""
    stands = Ruling(job_id="", fate=Fate.STANDS, epoch=ours, attempt=_attempt(ours, ranked))
    if job is None or job.state not in _ELSEWHERE:
        return stands
    if not is_in_transfer(job):
        holder, epoch = holder_of(job)
        has_had = any(_has_had(each, epoch) for member, each in ranked if member == holder)
        if target is not Target.UNCERTAIN and not has_had:
            return _queued(epoch + 1, ranked)
        return stands if job.state is JobState.MOVED else _moved(epoch, holder)
    standings = [each.standing for member, each in ranked if member == job.transfer_to and each.epoch == ours]
    if Standing.HELD in standings or Standing.PASSED in standings:
        return _moved(ours, job.transfer_to)
    # Resolved, and forgotten by its target: so it was burned, and the job ran or waited here in the life that is lost.
    owned = target is Target.RESOLVED or Standing.BURNED in standings
    return _queued(ours, ranked) if owned else stands


def _has_had(word: Testimony, epoch: int) -> bool:
    """Whether what a member says leaves it possible that it had the job at this epoch once."""
    return word.standing is Standing.HELD or word.epoch >= epoch


def _after(job: Job | None, epoch: int) -> int:
    """The epoch at which a job is said to have moved to where it has ended: at least the newest that is known, and
    such that no epoch of ours falls for it."""
    return max(epoch, job.epoch + 1 if job is not None else 1)


def _moved(epoch: int, to: str) -> Ruling:
    return Ruling(job_id="", fate=Fate.MOVED, epoch=epoch, to=to)


def _queued(epoch: int, ranked: Sequence[Said]) -> Ruling:
    return Ruling(job_id="", fate=Fate.QUEUED, epoch=epoch, attempt=_attempt(epoch, ranked))


def _attempt(epoch: int, ranked: Sequence[Said]) -> int:
    """The newest attempt of ours that anybody knows at this epoch."""
    told = [each.attempt for _, each in ranked if each.epoch == epoch and each.standing is Standing.GAVE]
    return max(told, default=0)
