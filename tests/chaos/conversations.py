"""Handoffs word by word: each a league and what is done to it, until the job has ended or is sure to."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hanse.core.events import LedgerPressure
from hanse.core.messages import Commit, Decision, Offer, Stable, Status, Withdraw
from hanse.core.model.lifecycle import JobState
from tests.chaos.power import PowerLeague

JOB = "job-1"


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """`regions` by their slots. `submits` are callers' jobs, `cancels` says that a caller wants JOB to end; both are
    repeated after a cut until they are answered. `talk` does the rest."""

    name: str
    regions: dict[str, int]
    talk: Callable[[PowerLeague], None]
    submits: tuple[tuple[str, str], ...] = (("north", JOB),)
    cancels: bool = False


def _run_and_end(league: PowerLeague, region: str) -> None:
    league.run_until(lambda: league.running(JOB) == [region])
    league.end(region, JOB)
    league.run_until(lambda: league.state("north", JOB) is JobState.SUCCEEDED)
    league.settle()


def _plain(league: PowerLeague) -> None:
    league.submit("north", JOB)
    _run_and_end(league, "south")


def _retry(league: PowerLeague) -> None:
    league.submit("north", JOB, retries_max=1)
    league.run_until(lambda: league.running(JOB) == ["south"])
    league.end("south", JOB, exit_code=1)
    _run_and_end(league, "south")


def _chain(league: PowerLeague) -> None:
    league.submit("south", "filler")
    league.hold(Offer, sender="north")
    league.submit("north", JOB)
    league.hand_over("north", JOB, "south")
    _run_and_end(league, "west")


def _burn(league: PowerLeague) -> None:
    league.hold(Commit)
    league.hold(Offer, to="west")
    league.submit("north", JOB)
    league.run_until(lambda: bool(league.under_way(Commit)))
    league.step("south", LedgerPressure(nearly_full=True))
    league.let_go()
    _run_and_end(league, "west")


def _withdraw(league: PowerLeague) -> None:
    league.hold(Commit, to="south")
    league.hold(Offer, to="west")
    league.submit("north", JOB)
    league.run_until(lambda: bool(league.messages(Decision, sender="south")))
    league.let_go()
    league.settle()
    league.run_until(lambda: bool(league.running(JOB)))
    _run_and_end(league, league.running(JOB)[0])


def _withdraw_too_late(league: PowerLeague) -> None:
    league.hold(Decision)
    league.hold(Status)
    league.hold(Stable)
    league.submit("north", JOB)
    league.run_until(lambda: bool(league.messages(Withdraw)))
    league.settle()
    league.let_go()
    _run_and_end(league, "south")


def _cancel_in_transfer(league: PowerLeague) -> None:
    league.hold(Commit)
    league.submit("north", JOB)
    league.run_until(lambda: bool(league.under_way(Commit)))
    league.cancel("north", JOB)
    league.run_until(league.is_over)
    league.let_go()
    league.settle()


def _cancel_in_doubt(league: PowerLeague) -> None:
    league.hold(Decision)
    league.submit("north", JOB)
    league.run_until(lambda: league.running(JOB) == ["south"])
    league.cancel("north", JOB)
    league.settle()
    league.let_go()
    league.run_until(league.is_over)


def _cancel_abroad(league: PowerLeague) -> None:
    league.submit("north", JOB)
    league.run_until(lambda: league.state("north", JOB) is JobState.MOVED)
    league.cancel("north", JOB)
    league.run_until(league.is_over)


_TWO = {"north": 0, "south": 1}
_THREE = {"north": 0, "south": 1, "west": 1}

CONVERSATIONS = (
    Conversation(name="plain", regions=_TWO, talk=_plain),
    Conversation(name="retry", regions=_TWO, talk=_retry),
    Conversation(name="chain", regions=_THREE, talk=_chain, submits=(("south", "filler"), ("north", JOB))),
    Conversation(name="burn", regions=_THREE, talk=_burn),
    Conversation(name="withdraw", regions=_THREE, talk=_withdraw),
    Conversation(name="withdraw-too-late", regions=_TWO, talk=_withdraw_too_late),
    Conversation(name="cancel-in-transfer", regions=_TWO, talk=_cancel_in_transfer, cancels=True),
    Conversation(name="cancel-in-doubt", regions=_TWO, talk=_cancel_in_doubt, cancels=True),
    Conversation(name="cancel-abroad", regions=_TWO, talk=_cancel_abroad, cancels=True),
)
