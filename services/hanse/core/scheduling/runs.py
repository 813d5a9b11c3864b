"""What this region runs now: from the launch of an attempt to its outcome.

Theory of operation. An attempt is a set of tasks that start together. While every task ends with 0 nothing is to be
done; when the last one is gone the job has SUCCEEDED. The first failure stops the rest (a gang with a missing member
only burns capacity), and when the last task is dead the attempt is settled: retried while retries are left, else
FAILED; CANCELLED if that is why it was stopped. What is stopped to move, or for another job, waits again, unless all of
it had ended well by itself. Capacity is given back only when every task is known to be dead.

After a restart nothing is known until the executor has told what it found: tasks that still run are adopted as they
are, ended ones are settled with their true exit code, and the missing ones were never started or died with their
machine: the rest of the attempt is stopped and the job is queued again, which does not count as its failure. What the
engine knows and the books do not is ended first (`has_orphans`), and its attempt numbers are not used again.
"""

from __future__ import annotations

from itertools import islice

import msgspec

from hanse.core.effects import Effects, Launch, Reap, Stop
from hanse.core.events import FoundTask, TaskEnded
from hanse.core.library import Library
from hanse.core.model.arrays import job_of_run
from hanse.core.model.jobs import Allocation, Job, Reason, ReasonCode, RunId
from hanse.core.model.lifecycle import ALLOCATED_STATES, JobInput, JobState
from hanse.core.model.limits import LOSSES_MAX

# Why an attempt is being stopped, if the job may be to blame; any other reason leads back to the queue.
_FAILURES = (ReasonCode.EXIT_CODE, ReasonCode.SIGNAL, ReasonCode.LAUNCH_FAILED, ReasonCode.LOST_TASK)

# What is said of a job that is queued again is why its attempt was stopped, if that is one of these.
_KEPT = (
    ReasonCode.LOST_TASK,
    ReasonCode.PREEMPTED,
    ReasonCode.MOVING,
    ReasonCode.HELD,
    ReasonCode.REQUESTED,
    ReasonCode.NODE_DRAINED,
)
# Why it may have been stopped although nothing was wrong with it, nor with what it ran on.
_WITHOUT_BLAME = (
    ReasonCode.MOVING,
    ReasonCode.PREEMPTED,
    ReasonCode.HELD,
    ReasonCode.REQUESTED,
    ReasonCode.NODE_DRAINED,
)


class Settled(msgspec.Struct, frozen=True):
    """An attempt is over: its capacity is free.

    `requeued`: the job waits again. `run_us`: how long it held capacity. `by_itself`: nobody stopped it.
    """

    job: Job
    requeued: bool
    run_us: int
    by_itself: bool


class Runs:
    """The attempts of this region: job id -> numbers of the tasks that are not known to be dead."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._open: dict[str, dict[int, None]] = {}
        self._jobs: dict[str, Job] = {}
        # Of those that may go on in another region, in the order of their starts.
        self._restartable: dict[str, None] = {}
        # Of these, the attempts of which every task that is dead so far has ended with 0, and by itself.
        self._clean: dict[str, None] = {}
        # Of runs that the books do not know: the tasks that lived when the executor told of them.
        self._orphans: dict[RunId, dict[int, None]] = {}
        # Of which shard these are, where that is known.
        self._orphan_shards: dict[RunId, str] = {}
        self.orphans_ended = 0
        # Jobs whose last abandoned task has died: their capacity is free.
        self.ghosts_gone: list[str] = []
        # (job, epoch) -> the newest attempt that the engine told of at the start.
        self._found_attempts: dict[tuple[str, int], int] = {}
        self.recovered = False
        # While the disk is in doubt (federation/old_disk.py) the books can't say that a job was cancelled here.
        self.in_doubt = False
        # Of these, the attempts that this life of the daemon began.
        self.begun: dict[str, None] = {}
        for job in library.attempts():
            self.resume(job)

    def resume(self, job: Job) -> None:
        """An attempt of an earlier life of the daemon, if the job has one: the executor will tell what became of it."""
        if job.state in ALLOCATED_STATES:
            assert job.allocation is not None, f"{job.id} runs without an allocation"
            self._open_run(job, len(job.allocation.tasks))

    def _open_run(self, job: Job, tasks: int) -> None:
        self._jobs[job.id] = job
        if job.shape.body.restartable and job.index is None:
            self._restartable[job.id] = None
        self._open[job.id] = dict.fromkeys(range(tasks))
        self._clean[job.id] = None

    def living(self, shard: str) -> bool:
        """Whether tasks of this shard may be alive here."""
        if not self.recovered or shard in self._orphan_shards.values():
            return True
        return any(job.shard == shard for job in self._jobs.values())

    def job(self, job_id: str) -> Job | None:
        """The job of this id that has tasks here. (Another shard that is led here may have it too, or think so.)"""
        return self._jobs.get(job_id)

    def has_ghost(self, job_id: str) -> bool:
        """Whether tasks of an attempt that is nobody's any more may be alive."""
        return any(run.job_id == job_id for run in self._orphans)

    def abandon(self, job: Job, out: Effects) -> None:
        """Another region's by now: end the attempt as an orphan's, and tell nobody."""
        tasks = self._open.pop(job.id)
        del self._jobs[job.id]
        self._restartable.pop(job.id, None)
        self._clean.pop(job.id, None)
        self.begun.pop(job.id, None)
        self._orphans[job.run_id] = tasks
        self._orphan_shards[job.run_id] = job.shard
        out.stops.append(Stop(run=job.run_id, grace_us=job.grace_us, cause=self._library.cause))

    def __len__(self) -> int:
        return len(self._open)

    @property
    def has_orphans(self) -> bool:
        """Whether processes live, on capacity that the books call free, of runs that the books do not know."""
        return bool(self._orphans)

    @property
    def orphans(self) -> int:
        """How many such runs there are."""
        return len(self._orphans)

    def found_attempt(self, job_id: str, epoch: int) -> int:
        """The newest attempt of this job at this epoch that the engine told of at the start; 0: none."""
        return self._found_attempts.get((job_id, epoch), 0)

    def is_forgotten(self, run: RunId) -> bool:
        """Whether the books hold this job, and never began this run of it: a launch is never ahead of its row."""
        if job_of_run(run.job_id) != run.job_id:
            return self._library.own.elements.is_forgotten(run.job_id, run.epoch, run.attempt)
        job = self._library.own.jobs.get(run.job_id)
        return job is not None and (run.epoch, run.attempt) > (job.epoch, job.attempt)

    def start(self, job: Job, allocation: Allocation, out: Effects, why: str = "") -> None:
        """Record the next attempt, and why it may start, and launch it once that is durable."""
        self._library.attempts_of(job).start(job, allocation, why)
        self.begun[job.id] = None
        self._open_run(job, len(allocation.tasks))
        out.launches.append(
            Launch(
                run=job.run_id,
                tenant=job.tenant,
                spec=job.spec,
                tasks=tuple(enumerate(allocation.tasks)),
                grace_us=job.grace_us,
                cause=self._library.cause,
                traceparent=job.traceparent,
                lease=self._library.leases[job.shard] if job.shard else None,
            )
        )

    def stop(self, job: Job, reason: Reason, out: Effects) -> None:
        """End the present attempt; a second call changes nothing."""
        if job.state is JobState.RUNNING:
            self._library.attempts_of(job).stop(job, reason)
            out.stops.append(Stop(run=job.run_id, grace_us=job.grace_us, cause=self._library.cause))

    def stop_to_move(self, job: Job, reason: Reason, out: Effects) -> None:
        """End the present attempt of a RUNNING job, which is to go on in another region."""
        self._library.attempts_of(job).stop_to_move(job, reason)
        out.stops.append(Stop(run=job.run_id, grace_us=job.grace_us, cause=self._library.cause))

    def running(self) -> list[Job]:
        """Jobs that run and are not being stopped, in the order of their starts."""
        return [job for job in self._jobs.values() if job.state is JobState.RUNNING]

    @property
    def has_restartable(self) -> bool:
        """Whether anything runs that may go on in another region."""
        return bool(self._restartable)

    def restartable_newest(self, limit: int) -> list[Job]:
        """Of the last so many that may go on in another region those that run and are not being stopped, newest
        first."""
        newest = [self._jobs[job_id] for job_id in islice(reversed(self._restartable), limit)]
        return [job for job in newest if job.state is JobState.RUNNING]

    def on_task_ended(self, event: TaskEnded, out: Effects) -> Settled | None:
        """A task is dead. Returns the settled attempt if it was the last one."""
        job = self._jobs.get(event.run.job_id)
        if job is None or job.run_id != event.run:
            self._bury(event, out)
            return None
        still_open = self._open[job.id]
        if event.task not in still_open:
            return None
        del still_open[event.task]
        if event.exit_code or event.stopped or not event.launched:
            self._clean.pop(job.id, None)
        if event.lease_ended and job.state is JobState.RUNNING:
            return self._lose_lease(job, still_open, out)
        failed = event.exit_code != 0 or not event.launched
        if failed and job.state is JobState.RUNNING:
            if not (event.lost and _is_excused(job)):
                self._library.attempts_of(job).count_failure(job, event.exit_code)
            if still_open:
                self.stop(job, _failure(event), out)
                return None
            return self._settle_failed(job, _failure(event), out)
        return None if still_open else self._settle(job, out)

    def _lose_lease(self, job: Job, still_open: dict[int, None], out: Effects) -> Settled | None:
        """Its supervisors ended it because no guardian could be reached. That is no failure of the job."""
        reason = Reason(ReasonCode.LEASE_ENDED, "no majority of its guardians could be reached in time")
        if still_open:
            self.stop(job, reason, out)
            return None
        self._library.attempts_of(job).requeue(job, reason)
        return self._close(job, out)

    def on_recovered(self, found: tuple[FoundTask, ...], out: Effects) -> list[Settled]:
        """The executor's whole knowledge after a start. Until this has come nothing may be launched."""
        self.recovered = True
        settled: list[Settled] = []
        self._end_orphans(found, out)
        known = {(task.run, task.task): task for task in found}
        for job_id in list(self._open):
            job = self._jobs[job_id]
            settled.extend(self._reconcile(job, known, out))
        self._skip_found_attempts()
        return settled

    def _skip_found_attempts(self) -> None:
        for (job_id, epoch), attempt in self._found_attempts.items():
            job = self._library.own.jobs.get(job_id)
            waits = job is not None and (job.state is JobState.QUEUED or job.array is not None)
            if job is not None and job.epoch == epoch and waits:
                self._library.own.skip_attempts(job, attempt)

    def _reconcile(self, job: Job, known: dict[tuple[RunId, int], FoundTask], out: Effects) -> list[Settled]:
        tasks = {number: known.get((job.run_id, number)) for number in self._open[job.id]}
        missing = [number for number, task in tasks.items() if task is None]
        ended = [task.ended for task in tasks.values() if task is not None and task.ended is not None]
        if missing and job.state is JobState.RUNNING:
            self._library.attempts_of(job).stop(
                job, Reason(ReasonCode.LOST_TASK, f"{len(missing)} tasks were not found after a restart")
            )
        for number in missing:
            del self._open[job.id][number]
            self._clean.pop(job.id, None)
        settled = [self.on_task_ended(event, out) for event in ended]
        if not self._open.get(job.id, True):
            settled.append(self._settle_stopped(job, out))
        elif job.state is JobState.STOPPING:
            out.stops.append(Stop(run=job.run_id, grace_us=job.grace_us, cause=self._library.cause))
        return [each for each in settled if each is not None]

    def _end_orphans(self, found: tuple[FoundTask, ...], out: Effects) -> None:
        """Processes and records of runs that the books do not know any more, one order for each run."""
        self._orphans, self._orphan_shards = {}, {}
        for task in found:
            self._note_found(task.run)
            job = self._jobs.get(task.run.job_id)
            if job is None or job.run_id != task.run:
                living = self._orphans.setdefault(task.run, {})
                if task.shard:
                    self._orphan_shards[task.run] = task.shard
                if task.ended is None:
                    living[task.task] = None
        for run, living in list(self._orphans.items()):
            if living:
                out.stops.append(Stop(run=run, grace_us=0, cause=self._library.cause))
            else:
                self._forget_orphan(run)
                out.reaps.append(Reap(run))

    def _note_found(self, run: RunId) -> None:
        """Of an array, only elements whose run the books have forgotten: all others begin above those by themselves."""
        job_id = job_of_run(run.job_id)
        if job_id != run.job_id and job_id in self._library.own.jobs and not self.is_forgotten(run):
            return
        place = (job_id, run.epoch)
        self._found_attempts[place] = max(run.attempt, self._found_attempts.get(place, 0))

    def _bury(self, event: TaskEnded, out: Effects) -> None:
        """News of a run that is not open: its records may go, unless it is an orphan of which a task still lives."""
        living = self._orphans.get(event.run, {})
        living.pop(event.task, None)
        if not living:
            if event.run in self._orphans:
                self.ghosts_gone.append(event.run.job_id)
            self._forget_orphan(event.run)
            out.reaps.append(Reap(event.run))

    def _forget_orphan(self, run: RunId) -> None:
        if self._orphans.pop(run, None) is not None:
            self.orphans_ended += 1
        self._orphan_shards.pop(run, None)

    def _settle(self, job: Job, out: Effects) -> Settled:
        """Every task is dead, and none failed while the job was RUNNING. A stopped attempt is not a success even if
        its tasks ended with 0: that is how a well-behaved task answers SIGTERM."""
        if job.state is JobState.STOPPING:
            return self._settle_stopped(job, out)
        self._library.attempts_of(job).finish(job, JobInput.SUCCEED, Reason(ReasonCode.SUCCEEDED), 0)
        return self._close(job, out)

    def _settle_failed(self, job: Job, reason: Reason, out: Effects) -> Settled:
        """The only task of a running attempt failed."""
        if not _is_worth_another(job, reason):
            self._library.attempts_of(job).finish(job, JobInput.FAIL, reason, job.exit_code)
        else:
            self._library.attempts_of(job).requeue(job, _again(job, reason))
        return self._close(job, out)

    def _settle_stopped(self, job: Job, out: Effects) -> Settled:
        """Every task of a stopped attempt is dead."""
        reason = job.reason
        if job.cancel_id and not (self.in_doubt and not job.shard):
            self._library.attempts_of(job).finish(
                job, JobInput.STOPPED_CANCEL, Reason(ReasonCode.CANCELLED, "while it ran"), job.exit_code
            )
        elif reason.code in _FAILURES and not _is_worth_another(job, reason):
            self._library.attempts_of(job).finish(job, JobInput.STOPPED_FAIL, reason, job.exit_code)
        elif reason.code in _WITHOUT_BLAME and job.id in self._clean:
            # It was done before the stop reached it: it must not be done a second time.
            self._library.attempts_of(job).finish(
                job, JobInput.STOPPED_SUCCEED, Reason(ReasonCode.SUCCEEDED), 0
            )
        else:
            self._library.attempts_of(job).requeue(job, _again(job, reason))
        return self._close(job, out)

    def _close(self, job: Job, out: Effects) -> Settled:
        del self._open[job.id], self._jobs[job.id]
        self._restartable.pop(job.id, None)
        self._clean.pop(job.id, None)
        self.begun.pop(job.id, None)
        out.reaps.append(Reap(job.run_id))
        run_us = max(0, self._library.now.wall_us - job.started_wall_us)
        return Settled(job, job.state is JobState.QUEUED, run_us, job.state is JobState.SUCCEEDED)


def _is_excused(job: Job) -> bool:
    """Whether the loss of its present attempt is not the job's failure. Counted are the attempts here that did not end
    by a failure of its own; the few of them that were stopped for another reason make it stricter, never endless."""
    return job.attempts_begun - job.failures <= LOSSES_MAX


def _is_worth_another(job: Job, reason: Reason) -> bool:
    """Whether a job whose attempt has failed for this reason is tried again."""
    rules = job.terms.retry
    return job.failures <= job.retries_max and (rules is None or rules.allow(reason.code, job.exit_code))


def _again(job: Job, reason: Reason) -> Reason:
    """Why it is queued again."""
    code = reason.code if reason.code in _KEPT else ReasonCode.RETRY
    if code is ReasonCode.HELD:
        return reason
    return Reason(code, f"attempt {job.attempt}: {reason.detail}")


def _failure(event: TaskEnded) -> Reason:
    task = f"task {event.task}"
    if event.lost:
        return Reason(ReasonCode.LOST_TASK, f"{task} was lost: {event.detail}")
    if not event.launched:
        return Reason(ReasonCode.LAUNCH_FAILED, f"{task} could not be started: {event.detail}")
    if event.signal:
        return Reason(ReasonCode.SIGNAL, f"{task} was ended by signal {event.signal}")
    return Reason(ReasonCode.EXIT_CODE, f"{task} ended with exit code {event.exit_code}")
