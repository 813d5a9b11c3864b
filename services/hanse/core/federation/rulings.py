"""What becomes of one job after an inquest: a pure function of what this disk says and what the members have said.

M is the newest epoch that anybody knows; R is the region whose disk is an old one.

    the home says that it has ended             MOVED to the home: closed, never run here
    M is not newer than R's                     R's row stands
        XFER(M), the target has it or had it    MOVED
        XFER(M), burned, or resolved and gone   QUEUED(M)
    M newer, a member has it or passed it on    MOVED to that member
    M newer, a member burned it from R          QUEUED(M)
    M newer, a member burned it from another    MOVED to that other
    M newer, a member gave it to R              QUEUED(M), from its spec
    M newer, a member is giving it to R         MOVED, so that its COMMIT is admitted when it comes
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

import msgspec

from hanse.core.messages import Commit, Standing, Terminal, Testimony
from hanse.core.model.jobs import Job
from hanse.core.model.lifecycle import JobState

# (member, what it said).
Said = tuple[str, Testimony]

_ELSEWHERE = (JobState.XFER, JobState.MOVED)
# Of two that know the same epoch, who has the job knows more than who gave it, and who only heard of it knows least.
_RANKS = {
    standing: rank
    for rank, standing in enumerate(
        (
            Standing.HELD,
            Standing.BURNED,
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
    """The fate of one job; `epoch` and `to` as the new state has them, `attempt` the newest that is known there.

    `commit` brings the spec of a job that these books do not know (or whose spec they let go of), `terminal` the
    outcome of a job of this home, `cancel_id` the caller's wish to end it.
    """

    job_id: str
    fate: Fate
    epoch: int = 0
    to: str = ""
    attempt: int = 0
    commit: Commit | None = None
    terminal: Terminal | None = None
    cancel_id: str = ""


def rule(region: str, job_id: str, job: Job | None, said: Sequence[Said], *, is_resolved: bool) -> Ruling:
    """The fate of a job, from all that was `said` of it. `is_resolved`: the target of the transfer that this disk has
    in doubt says that it is below the STABLE mark."""
    ranked = sorted(said, key=lambda each: (-each[1].epoch, _RANKS[each[1].standing], each[0]))
    ruling = _fate(region, job, ranked, is_resolved=is_resolved)
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
    )


def _would_go_on(ruling: Ruling, job: Job | None) -> bool:
    """Whether the ruling leaves the job to be run here."""
    owned = job is not None and job.state not in _ELSEWHERE
    return ruling.fate is Fate.QUEUED or (ruling.fate is Fate.STANDS and owned)


def newest_epoch(job: Job | None) -> int:
    """The newest epoch that the books know of a job."""
    if job is None:
        return 0
    return job.transfer_epoch if job.state in _ELSEWHERE else job.epoch


def _fate(region: str, job: Job | None, ranked: Sequence[Said], *, is_resolved: bool) -> Ruling:
    ours = newest_epoch(job)
    for member, testimony in ranked:
        if testimony.standing is Standing.CLOSED:
            return _moved(_after(job, ranked[0][1].epoch), member)
    if not ranked or ranked[0][1].epoch <= ours:
        return _rule_ours(region, job, ours, ranked, is_resolved=is_resolved)
    member, newest = ranked[0]
    match newest.standing:
        case Standing.HELD | Standing.PASSED | Standing.CLOSED:
            return _moved(newest.epoch, member)
        case Standing.BURNED:
            return (
                _queued(newest.epoch, ranked)
                if newest.giver == region
                else _moved(newest.epoch, newest.giver)
            )
        case Standing.GAVE:
            return _queued(newest.epoch, ranked)
        case Standing.IN_TRANSFER if job is not None:
            return _moved(newest.epoch - 1, member)
        case Standing.IN_TRANSFER:
            return Ruling(job_id="", fate=Fate.STANDS)


def _rule_ours(
    region: str, job: Job | None, ours: int, ranked: Sequence[Said], *, is_resolved: bool
) -> Ruling:
    """Nobody knows a newer epoch than this disk; only a transfer in doubt may be decided already."""
    stands = Ruling(job_id="", fate=Fate.STANDS, epoch=ours, attempt=_attempt(ours, ranked))
    if job is None or job.state is not JobState.XFER:
        return stands
    by_target = [each.standing for member, each in ranked if member == job.transfer_to and each.epoch == ours]
    if Standing.HELD in by_target or Standing.PASSED in by_target:
        return _moved(ours, job.transfer_to)
    # Resolved, and forgotten by its target: so it was burned, and the job ran or waited here in the life that is lost.
    owned = is_resolved or Standing.BURNED in by_target
    return _queued(ours, ranked) if owned else stands


def _after(job: Job | None, epoch: int) -> int:
    """The epoch at which a job is said to have moved to where it has ended: none that can come is below it, and no
    epoch of ours falls for it."""
    return max(newest_epoch(job) + 1, epoch)


def _moved(epoch: int, to: str) -> Ruling:
    return Ruling(job_id="", fate=Fate.MOVED, epoch=epoch, to=to)


def _queued(epoch: int, ranked: Sequence[Said]) -> Ruling:
    return Ruling(job_id="", fate=Fate.QUEUED, epoch=epoch, attempt=_attempt(epoch, ranked))


def _attempt(epoch: int, ranked: Sequence[Said]) -> int:
    """The newest attempt of ours that anybody knows at this epoch."""
    return max((each.attempt for _, each in ranked if each.epoch == epoch), default=0)
