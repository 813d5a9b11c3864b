"""Rights of regions that are drained, and of regions that were declared lost."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hanse.core.events import ApplyQuotas, SetDrain
from hanse.core.messages import RightsCommit
from hanse.core.model.lifecycle import JobState
from hanse.core.model.quota import Quota, QuotaDocument, SignedQuotas, quotas_sha256
from hanse.core.model.regions import RunningJobs
from hanse.core.model.roster import key_id
from hanse.core.model.time import SECOND_US
from hanse.core.replies import Answer, Done
from hanse.sim.keys import public_key_of
from hanse.sim.quotas import signed_quotas
from tests.core.protocol.league import League
from tests.core.protocol.station import SLOT, shape_of
from tests.core.roster.test_lost import REST, Bereft, declare

OPERATOR = "operator"
KEY = public_key_of(OPERATOR)
TEAM = ("team", "gpu")


def _document(limit: int, before: SignedQuotas | None = None, written_off: int = 0) -> SignedQuotas:
    document = QuotaDocument(
        cluster_id="test",
        number=1 if before is None else before.document.number + 1,
        previous_sha256="" if before is None else quotas_sha256(before.document),
        keeper="north",
        issuer=key_id(KEY),
        issued_wall_us=0,
        quotas=(Quota(tenant="team", resource="gpu", limit=limit, written_off=written_off),),
    )
    return signed_quotas(OPERATOR, document)


def _apply(league: League, signed: SignedQuotas) -> Answer:
    league.step("north", ApplyQuotas(request_id=77, signed=signed, cause="operator"))
    return league.stations["north"].answers[77]


def _drain(league: League, region: str, running: RunningJobs = RunningJobs.FINISH) -> None:
    league.step(region, SetDrain(request_id=88, draining=True, cause="operator", running=running))


def _held(league: League, region: str) -> int:
    return league[region].books.account.held(TEAM)


# --- drained ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def one_right() -> League:
    """South runs a job with the only right there is; another one waits for it there."""
    league = League(connect=False, north=4, south=4)
    for station in league.stations.values():
        station.config = msgspec.structs.replace(station.config, operator_keys=(KEY,))
        league.crash(station.name)
        league.restart(station.name)
    league.connect()
    league.advance(10 * SECOND_US)
    assert isinstance(_apply(league, _document(SLOT)), Done)
    league.run_until(lambda: league["south"].escrow.chain.number == 1)
    league.submit("south", "south-1", shape_of(restartable=True))
    league.run_until(lambda: league.running("south-1") == ["south"])
    league.submit("south", "south-2")
    league.advance(SECOND_US)
    assert len(league["south"].escrow.room) == 1
    return league


def test_what_waits_for_rights_leaves_a_drained_region_and_waits_elsewhere(one_right: League) -> None:
    league = one_right
    _drain(league, "south")
    league.run_until(lambda: league.state("south", "south-2") is JobState.MOVED)
    assert "south-2" in league["north"].escrow.room
    league.end("south", "south-1")
    league.run_until(lambda: league.running("south-2") == ["north"])


def test_rights_of_a_job_that_moves_come_after_it_to_whoever_waits_first(one_right: League) -> None:
    league = one_right
    league.cancel("south", "south-2")
    _drain(league, "south", RunningJobs.MOVE)
    league.run_until(lambda: league.running("south-1") == ["north"])
    assert (_held(league, "north"), _held(league, "south")) == (SLOT, 0)


def test_the_rights_of_a_job_that_is_under_way_serve_another_one_meanwhile(one_right: League) -> None:
    league = one_right
    league.submit("south", "south-3")
    _drain(league, "south", RunningJobs.MOVE)
    league.run_until(lambda: league.running("south-2") == ["north"])
    league.run_until(lambda: "south-1" in league["north"].escrow.room)
    league.end("north", "south-2")
    league.run_until(lambda: league.running("south-1") == ["north"])
    assert league.running("south-3") == []


# --- declared lost ---------------------------------------------------------------------------------------------------


class BereftOfRights(Bereft):
    """West has got some rights and uses them; more are on their way there when it goes."""

    def __init__(self) -> None:
        super().__init__()
        self.heal()
        self.advance(10 * SECOND_US)
        self.first = _document(2 * SLOT)
        assert isinstance(_apply(self, self.first), Done)
        self.run_until(lambda: all(self[name].escrow.chain.number == 1 for name in self.stations))

    def under_way_to_west(self) -> Any:
        return [to for to, _, _ in self["north"].books.account.undecided() if to[0] == "west"]


@pytest.fixture
def league() -> BereftOfRights:
    return BereftOfRights()


def test_rights_on_their_way_to_a_lost_region_are_nobodys(league: BereftOfRights) -> None:
    league.hold(RightsCommit, to="west")
    league.submit("west", "west-1")
    league.run_until(lambda: bool(league.under_way_to_west()))
    league.lose_region("west")
    league.advance(60 * SECOND_US)
    assert league.under_way_to_west(), "silence alone concludes nothing"
    declare(league)
    league.run_until(lambda: not league.under_way_to_west())
    balance = league["north"].books.account.balances[TEAM]
    assert (balance.held, balance.lost) == (SLOT, SLOT)
    league.crash("north")
    league.restart("north")
    assert not league.under_way_to_west()
    assert league["north"].books.account.balances[TEAM].lost == SLOT


def test_the_rights_of_a_lost_region_are_minted_anew_only_by_a_document(league: BereftOfRights) -> None:
    league.submit("west", "west-1")
    league.run_until(lambda: league.runs_in("west-1") == ["west"])
    league.lose_region("west")
    declare(league)
    for number in (1, 2):
        league.submit("north", f"north-{number}")
    league.advance(60 * SECOND_US)
    assert sum(_held(league, name) for name in REST) == SLOT
    assert isinstance(_apply(league, _document(2 * SLOT, league.first, written_off=SLOT)), Done)
    league.run_until(lambda: sum(len(league.runs_in(f"north-{number}")) for number in (1, 2)) == 2)
