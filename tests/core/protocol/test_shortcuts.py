"""One test for each shortcut of the protocol that looks reasonable and breaks it.

Each drives the exact schedule in which the shortcut does harm. The real core must come through it, and a core that
takes the shortcut must fail the invariant (owners + undecided transfers + terminals = 1), so that no test passes
because its schedule is harmless.
"""

from __future__ import annotations

import pytest

from hanse.core.books import Books
from hanse.core.effects import Effects, Send
from hanse.core.events import LedgerPressure
from hanse.core.federation.desk import Desk
from hanse.core.federation.handoff.giver import WITHDRAWN, Giver
from hanse.core.federation.handoff.target import Target
from hanse.core.federation.sessions import Sessions
from hanse.core.messages import Commit, Decision, Envelope, Offer, Stable, Status, Verdict, Withdraw
from hanse.core.model.jobs import Job, Reason, ReasonCode
from hanse.core.model.lifecycle import TRANSITIONS, JobInput, JobState
from hanse.core.model.regions import Timings
from hanse.core.model.time import SECOND_US, Now
from hanse.core.rows import DecisionRow
from tests.core.protocol.league import League
from tests.core.protocol.station import Parcel, TokenError

SHORTCUT = pytest.mark.parametrize("shortcut", [False, True], ids=["protocol", "shortcut"])


def in_doubt(*, busy: bool = False) -> League:
    """south has accepted job-1 and north does not know: the answers are held back, and what else shows it."""
    league = League(north=0, south=1)
    league.hold(Decision)
    league.hold(Status)
    league.hold(Offer, sender="south")
    if busy:
        league.submit("south", "filler")
    league.submit("north", "job-1")
    if busy:
        league.hand_over("north", "job-1", "south")
    league.run_until(lambda: league.state("south", "job-1") is not None)
    return league


# --- revert on timeout ----------------------------------------------------


def reverts_on_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    send_again = Giver._send_again

    def mutant(self: Giver, now: Now, job: Job, out: Effects) -> None:
        if now.mono_us - self._transfers[job.id].doubt_since_us < Timings().withdraw_after_us:
            send_again(self, now, job, out)
            return
        self._resolve(job)
        self._books.burned(job, Reason(ReasonCode.BURNED_WITHDRAWN, "no answer in time"))
        self._local.enqueue(job)

    monkeypatch.setattr(Giver, "_send_again", mutant)


@SHORTCUT
def test_revert_on_timeout(shortcut: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if shortcut:
        reverts_on_timeout(monkeypatch)
    league = in_doubt()
    if shortcut:
        with pytest.raises(TokenError):
            league.advance(2 * Timings().withdraw_after_us)
        return
    league.advance(2 * Timings().withdraw_after_us)
    assert league.states("job-1") == {"north": "XFER", "south": "RUNNING"}
    league.let_go()
    league.settle()
    assert league.states("job-1") == {"north": "MOVED", "south": "RUNNING"}


# --- sending before writing ----------------------------------------------------


@SHORTCUT
def test_commit_before_the_write(shortcut: bool) -> None:
    league = League(north=0, south=1)
    league.stations["north"].leaks = Commit if shortcut else None
    league.crash_before_write("north", Commit)
    league.hold(Commit)
    league.submit("north", "job-1")
    league.run_until(lambda: league.stations["north"].core is None)
    league.let_go()
    if shortcut:
        with pytest.raises(TokenError):
            league.settle()
        return
    league.settle()
    assert league.messages(Commit) == []
    assert league.states("job-1") == {"north": "QUEUED"}
    league.restart("north")
    league.run_until(lambda: league.states("job-1") == {"north": "MOVED", "south": "RUNNING"})


@SHORTCUT
def test_committed_before_the_write(shortcut: bool) -> None:
    league = League(north=0, south=1)
    league.stations["south"].leaks = Decision if shortcut else None
    league.crash_before_write("south", Decision)
    league.hold(Decision)
    league.submit("north", "job-1")
    league.run_until(lambda: league.stations["south"].core is None)
    league.let_go()
    if shortcut:
        with pytest.raises(TokenError):
            league.settle()
        return
    league.settle()
    assert league.messages(Decision) == []
    assert league.states("job-1") == {"north": "XFER"}
    league.restart("south")
    league.run_until(lambda: league.states("job-1") == {"north": "MOVED", "south": "RUNNING"})


# --- a refusal kept in memory only ----------------------------------------------------


def refuses_in_memory_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def mutant(
        self: Books, job_id: str, epoch: int, sequence: int, giver: str, ledger_id: str, reason: Reason
    ) -> DecisionRow:
        row = DecisionRow(
            ledger_id, sequence, giver, job_id, epoch, int(Verdict.BURNED), reason.code, reason.detail
        )
        self.decisions[(ledger_id, sequence)] = row
        return row

    monkeypatch.setattr(Books, "burn", mutant)


def takes_every_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the fence of sessions, as in the model, which has none: decisions alone must hold."""

    def accepts(self: Sessions, now: Now, envelope: Envelope) -> bool:
        return True

    monkeypatch.setattr(Sessions, "accepts", accepts)


def burned_in_south_and_run_in_west() -> tuple[League, Parcel]:
    """The COMMIT that south burned, of which a copy is still under way when south starts again."""
    league = League(north=0, south=1, west=1)
    league.hold(Commit)
    league.hold(Stable)
    league.hold(Offer, to="west")
    league.submit("north", "job-1")
    league.run_until(lambda: bool(league.under_way(Commit)))
    copy = league.under_way(Commit)[0]
    league.step("south", LedgerPressure(nearly_full=True))
    league.let_go()
    league.hold(Stable)
    league.run_until(lambda: league.running("job-1") == ["west"])
    league.crash("south")
    league.restart("south")
    league.connect()
    return league, copy


@SHORTCUT
def test_a_refusal_kept_in_memory_only(shortcut: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    takes_every_session(monkeypatch)
    if shortcut:
        refuses_in_memory_only(monkeypatch)
    league, copy = burned_in_south_and_run_in_west()
    if shortcut:
        with pytest.raises(TokenError):
            league.deliver(copy)
        return
    league.deliver(copy)
    answer = league.messages(Decision, sender="south")[-1]
    assert isinstance(answer, Decision)
    assert answer.verdict is Verdict.BURNED
    assert league.states("job-1") == {"north": "MOVED", "west": "RUNNING"}


def test_a_refusal_is_also_guarded_by_the_session_of_the_life_that_refused() -> None:
    league, copy = burned_in_south_and_run_in_west()
    dropped = league["south"].sessions.dropped
    league.deliver(copy)
    assert league["south"].sessions.dropped == dropped + 1


# --- un-accepting on WITHDRAW ----------------------------------------------------


def unaccepts_on_withdraw(league: League, monkeypatch: pytest.MonkeyPatch) -> None:
    on_withdraw = Target.on_withdraw

    def mutant(self: Target, peer: str, ledger_id: str, withdraw: Withdraw, out: Effects) -> None:
        job = self._books.jobs.get(withdraw.job_id)
        if job is None or job.state is not JobState.QUEUED:
            on_withdraw(self, peer, ledger_id, withdraw, out)
            return
        self._local.dequeue(job)
        self._books.counts[job.state] -= 1
        job.state, job.transfer_to, job.transfer_epoch = JobState.MOVED, peer, job.epoch + 1
        self._books.counts[job.state] += 1
        self._books._owe(job)
        del self._books.decisions[(ledger_id, withdraw.sequence)]
        del league.stations["south"].ledger.decisions[ledger_id][withdraw.sequence]
        self._books.burn(job.id, withdraw.epoch, withdraw.sequence, peer, ledger_id, WITHDRAWN)
        answer = Decision(job.id, withdraw.epoch, ledger_id, withdraw.sequence, Verdict.BURNED, WITHDRAWN)
        out.sends.append(Send(peer, answer))

    monkeypatch.setattr(Target, "on_withdraw", mutant)


@SHORTCUT
def test_unaccepting_on_withdraw(shortcut: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    league = in_doubt(busy=True)
    assert league.states("job-1") == {"north": "XFER", "south": "QUEUED"}
    if shortcut:
        unaccepts_on_withdraw(league, monkeypatch)
    league.hold(Withdraw)
    league.run_until(lambda: bool(league.under_way(Withdraw)))
    league.deliver(Withdraw)
    # The first COMMITTED was only slow, and overtakes what WITHDRAW was answered with.
    if shortcut:
        with pytest.raises(TokenError):
            league.deliver(Decision)
        return
    verdicts = [
        each.message.verdict for each in league.under_way(Decision) if isinstance(each.message, Decision)
    ]
    assert set(verdicts) == {Verdict.COMMITTED}
    league.deliver(Decision)
    assert league.states("job-1") == {"north": "MOVED", "south": "QUEUED"}


# --- dropping a tombstone early ----------------------------------------------------


def forgets_decisions_of_what_moved_on(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = Books.moved

    def mutant(self: Books, job: Job) -> None:
        moved(self, job)
        for key in [key for key, row in self.decisions.items() if row.job_id == job.id]:
            ledger_id, sequence = key
            del self.decisions[key]
            del self._decided_by_ledger[ledger_id][sequence]
            self._writes.decisions_delete_below.append((ledger_id, sequence + 1))

    monkeypatch.setattr(Books, "moved", mutant)


def accepted_and_moved_on() -> League:
    """south accepted job-1 and gave it to west; north has not been answered and asks again."""
    league = League(north=0, south=1, west=1)
    league.submit("south", "filler")
    league.hold(Offer, sender="north")
    league.hold(Decision, sender="south")
    league.hold(Status)
    league.submit("north", "job-1")
    league.hand_over("north", "job-1", "south")
    league.run_until(lambda: league.running("job-1") == ["west"])
    league.advance(SECOND_US)
    return league


@SHORTCUT
def test_dropping_a_tombstone_early(shortcut: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if shortcut:
        forgets_decisions_of_what_moved_on(monkeypatch)
        with pytest.raises(TokenError):
            accepted_and_moved_on()
        return
    league = accepted_and_moved_on()
    assert league.states("job-1") == {"north": "XFER", "south": "MOVED", "west": "RUNNING"}
    league.let_go()
    league.settle()
    assert league.states("job-1") == {"north": "MOVED", "south": "MOVED", "west": "RUNNING"}


def test_dropping_a_tombstone_early_makes_two_owners(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same schedule, judged by owners alone: the repeated COMMIT is burned, and north has the job again. (Only if
    the job's own row is not asked either: it has passed this epoch, which is what an old disk is saved by.)"""
    forgets_decisions_of_what_moved_on(monkeypatch)
    monkeypatch.setattr(Target, "_is_superseded", lambda self, commit: False)
    check = League.check_tokens
    monkeypatch.setattr(League, "check_tokens", lambda self: None)
    league = accepted_and_moved_on()
    league.lose(Decision)
    league.lose(Status)
    league.let_go()
    league.settle()
    assert league.states("job-1") == {"north": "QUEUED", "south": "MOVED", "west": "RUNNING"}
    with pytest.raises(TokenError):
        check(league)


# --- settling a cancel locally during XFER ----------------------------------------------------


def cancels_locally(monkeypatch: pytest.MonkeyPatch) -> None:
    end = Desk._end
    monkeypatch.setitem(TRANSITIONS[JobState.XFER], JobInput.CANCEL, JobState.CANCELLED)

    def mutant(self: Desk, now: Now, job: Job, cancel_id: str, out: Effects) -> None:
        if job.state is not JobState.XFER:
            end(self, now, job, cancel_id, out)
            return
        self.books.want_cancel(job, cancel_id)
        self.giver._resolve(job)
        self.books.cancel_queued(job)

    monkeypatch.setattr(Desk, "_end", mutant)


@SHORTCUT
def test_settling_a_cancel_locally_during_xfer(shortcut: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if shortcut:
        cancels_locally(monkeypatch)
    league = in_doubt()
    assert league.states("job-1") == {"north": "XFER", "south": "RUNNING"}
    if shortcut:
        with pytest.raises(TokenError):
            league.cancel("north", "job-1")
        return
    league.cancel("north", "job-1")
    league.settle()
    assert league.states("job-1") == {"north": "XFER", "south": "RUNNING"}
    league.let_go()
    league.run_until(lambda: league.states("job-1") == {"north": "CANCELLED", "south": "CANCELLED"})
