"""The league's policy between whole regions: handed to one, told by gossip, judged in each, kept through crashes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanse.core.effects import Effects
from hanse.core.events import ApplyLeaguePolicy, Ask, PolicyChanged, PolicyText, PolicyUnfit, Question
from hanse.core.federation.league_policy import document_faults
from hanse.core.messages import PolicyNotice, PolicyRequest
from hanse.core.model import limits
from hanse.core.model.jobs import ReasonCode
from hanse.core.model.league_policy import (
    LeaguePolicy,
    LeagueStanding,
    SignedPolicy,
    decode_league_policy,
    encode_league_policy,
    league_policy_message,
    league_policy_sha256,
)
from hanse.core.model.roster import key_id
from hanse.core.model.time import SECOND_US
from hanse.core.policy.model import DEFAULT_POLICY, FairShare, Policy
from hanse.core.replies import Answer, Done, LeaguePolicyView, PolicyAdopted, Refused, Reply, StatusView
from hanse.sim.keys import SimKeys, public_key_of
from hanse.sim.league_policy import signed_policy
from hanse.sim.policies import document_of, judged
from tests.core.protocol.league import League
from tests.core.protocol.station import Station

OPERATOR = "operator"
KEY = public_key_of(OPERATOR)
BY_AGE = Policy(fair_share=FairShare(order="off"))
LATE = Policy(fair_share=FairShare(order="after_priority"))
IN_FORCE, PENDING = LeagueStanding.IN_FORCE, LeagueStanding.PENDING
UNFIT, DEVIATES = LeagueStanding.UNFIT, LeagueStanding.DEVIATES


def document(policy: Policy = BY_AGE, before: SignedPolicy | None = None, **changes: Any) -> LeaguePolicy:
    made = LeaguePolicy(
        cluster_id="test",
        number=1 if before is None else before.document.number + 1,
        previous_sha256="" if before is None else league_policy_sha256(before.document),
        issuer=key_id(KEY),
        issued_wall_us=0,
        text=document_of(policy).document,
        author="ada",
        why="a test",
    )
    return msgspec.structs.replace(made, **changes)


def signed(policy: Policy = BY_AGE, before: SignedPolicy | None = None, **changes: Any) -> SignedPolicy:
    return signed_policy(OPERATOR, document(policy, before, **changes))


class Ruled(League):
    """Regions whose operator may sign policies. Their shells judge at once, unless they `judge` not."""

    def __init__(self, *names: str) -> None:
        super().__init__(connect=False, **dict.fromkeys(names, 4))
        self.handed_out: list[tuple[str, SignedPolicy]] = []
        self.judges = True
        for station in self.stations.values():
            station.config = msgspec.structs.replace(station.config, operator_keys=(KEY,))
            self.crash(station.name)
            self.restart(station.name)
        self.connect()
        self.advance(10 * SECOND_US)

    def _release(self, station: Station, effects: Effects) -> None:
        super()._release(station, effects)
        if effects.judge is not None:
            self.handed_out.append((station.name, effects.judge))
            if self.judges:
                station.reports.append(judged(effects.judge, DEFAULT_POLICY))

    def apply(self, region: str, document: SignedPolicy) -> Answer:
        """An operator hands a document in."""
        self._requests += 1
        self.step(region, ApplyLeaguePolicy(request_id=self._requests, signed=document, cause="operator"))
        return self.stations[region].answers[self._requests]

    def apply_here(self, region: str, policy: Policy, digest: str) -> Answer:
        """An operator wants another policy for one region."""
        self._requests += 1
        text = PolicyText(document=document_of(policy).document, digest=digest)
        event = PolicyChanged(request_id=self._requests, policy=policy, cause="operator", text=text)
        self.step(region, event)
        return self.stations[region].answers[self._requests]

    def standing(self, region: str) -> LeagueStanding | None:
        return self[region].league_policy.standing

    def rank(self, region: str) -> tuple[int, str]:
        return self[region].league_policy.rank

    def order(self, region: str) -> str:
        """What tells the policies of these tests apart, of the one in force."""
        return self[region].local.standing.policy.fair_share.order

    def impairments(self, region: str) -> list[str]:
        self._requests += 1
        self.step(region, Ask(request_id=self._requests, question=Question.STATUS))
        answer = self.stations[region].answers[self._requests]
        assert isinstance(answer, StatusView)
        return [each.detail for each in answer.impairments if each.code is ReasonCode.POLICY_REFUSED]

    def view(self, region: str) -> LeaguePolicyView:
        self._requests += 1
        self.step(region, Ask(request_id=self._requests, question=Question.LEAGUE_POLICY))
        answer = self.stations[region].answers[self._requests]
        assert isinstance(answer, LeaguePolicyView)
        return answer


def refused(answer: Answer) -> Refused:
    assert isinstance(answer, Refused), answer
    return answer


def test_what_one_region_is_handed_all_go_by() -> None:
    league = Ruled("north", "south", "west")
    first = signed()
    assert isinstance(league.apply("north", first), Done)
    league.run_until(lambda: all(league.standing(name) is IN_FORCE for name in league.stations))
    assert {league.order(name) for name in league.stations} == {"off"}
    row = league.stations["west"].ledger.policies[2]
    assert (row.author, row.why, row.document) == ("ada", "a test", first.document.text)
    league.run_until(
        lambda: all(news is not None and news.standing is IN_FORCE for _, news in league.view("south").known)
    )
    view = league.view("south")
    assert view.signed == first
    assert [(name, news.number) for name, news in view.known if news] == [("north", 1), ("west", 1)]
    assert view.version == 2


def test_only_what_follows_on_the_document_in_force_is_taken() -> None:
    league = Ruled("north", "south")
    first = signed()
    assert isinstance(league.apply("north", first), Done)
    league.run_until(lambda: league.standing("south") is IN_FORCE)
    assert isinstance(league.apply("south", first), Done), "whose answer was lost asks again"
    again = refused(league.apply("south", signed(LATE)))
    assert again.code == "VERSION_CONFLICT"
    assert "number 1, so that the next one is 2, not 1" in again.message
    early = refused(league.apply("south", signed(LATE, first, number=3)))
    assert "number 1, so that the next one is 2, not 3" in early.message
    other = refused(league.apply("south", signed(LATE, signed(LATE))))
    assert (other.code, other.field) == ("VERSION_CONFLICT", "previous_sha256")
    assert isinstance(league.apply("south", signed(LATE, first)), Done)


def test_of_two_successors_the_larger_wins_everywhere_whatever_came_first() -> None:
    league = Ruled("north", "south", "west")
    league.cut("north", "south")
    first, second = signed(BY_AGE), signed(LATE)
    assert isinstance(league.apply("north", first), Done)
    assert isinstance(league.apply("south", second), Done)
    league.advance(5 * SECOND_US)
    league.heal()
    larger = max(first, second, key=lambda each: league_policy_sha256(each.document))
    wanted = (1, league_policy_sha256(larger.document))
    league.run_until(
        lambda: all(
            league.rank(name) == wanted and league.standing(name) is IN_FORCE for name in league.stations
        )
    )
    assert len({league.order(name) for name in league.stations}) == 1


@given(st.permutations(range(4)))
def test_documents_form_a_join(order: list[int]) -> None:
    first = signed()
    documents = [first, signed(LATE), signed(LATE, first), signed(BY_AGE, first, why="another")]
    league = Ruled("north", "south")
    for index in order:
        league["south"].league_policy.on_message("north", PolicyNotice(documents[index]), Effects())
    largest = max(documents, key=lambda each: (each.document.number, league_policy_sha256(each.document)))
    assert league["south"].league_policy.head == largest


def test_a_region_that_was_away_gets_it_when_it_is_back() -> None:
    league = Ruled("north", "south")
    league.crash("south")
    first = signed()
    league.apply("north", first)
    second = signed(LATE, first)
    league.advance(2 * SECOND_US)
    league.apply("north", second)
    league.advance(2 * SECOND_US)
    league.restart("south")
    league.run_until(lambda: league.standing("south") is IN_FORCE)
    assert league.rank("south")[0] == 2
    assert league.order("south") == "after_priority"


def test_who_dies_before_it_has_judged_judges_in_its_next_life() -> None:
    league = Ruled("north")
    league.judges = False
    league.apply("north", signed())
    assert league.standing("north") is PENDING
    assert league.order("north") != "off"
    league.crash("north")
    league.judges = True
    league.restart("north")
    league.run_until(lambda: league.standing("north") is IN_FORCE)
    assert league.order("north") == "off"
    handed_out = len(league.handed_out)
    league.crash("north")
    league.restart("north")
    league.advance(SECOND_US)
    assert league.standing("north") is IN_FORCE
    assert len(league.handed_out) == handed_out, "what is in force is not judged again"


def test_a_document_is_told_and_judged_only_once_it_is_on_disk() -> None:
    league = Ruled("north", "south")
    league.crash_before_write("north", Reply)
    with pytest.raises(KeyError):
        league.apply("north", signed())
    assert not league.handed_out
    assert not league.stations["north"].ledger.league_policies
    league.restart("north")
    assert league.standing("north") is None
    assert not league.messages(PolicyNotice)


def test_a_forged_document_is_refused_by_operators_and_peers_alike() -> None:
    league = Ruled("north", "south")
    forged = signed_policy("stranger", document())
    told = refused(league.apply("north", forged))
    assert (told.code, told.field) == ("UNAUTHORISED", "operator_signature")
    stranger = public_key_of("stranger")
    theirs = document(issuer=key_id(stranger))
    signature = SimKeys("stranger").sign(stranger, league_policy_message(theirs))
    told = refused(league.apply("north", SignedPolicy(document=theirs, operator_signature=signature)))
    assert (told.code, told.field) == ("UNAUTHORISED", "issuer")
    league["south"].league_policy.on_message("north", PolicyNotice(forged), Effects())
    assert league.standing("south") is None


def test_what_was_refused_is_not_asked_for_again_and_shows_as_an_impairment() -> None:
    """South has an operator's key that the others do not know, so it takes what they refuse."""
    league = Ruled("north", "south")
    stranger = public_key_of("stranger")
    south = league.stations["south"]
    south.config = msgspec.structs.replace(south.config, operator_keys=(KEY, stranger))
    league.crash("south")
    league.restart("south")
    league.advance(10 * SECOND_US)
    theirs = document(issuer=key_id(stranger))
    signature = SimKeys("stranger").sign(stranger, league_policy_message(theirs))
    assert isinstance(
        league.apply("south", SignedPolicy(document=theirs, operator_signature=signature)), Done
    )
    league.run_until(lambda: bool(league.impairments("north")))
    asked = len(league.messages(PolicyRequest, sender="north"))
    assert asked == 1
    league.advance(30 * SECOND_US)
    assert len(league.messages(PolicyRequest, sender="north")) == asked
    (told,) = league.impairments("north")
    assert told.startswith("south: their policy 1 (")
    assert "is no operator's key here today" in told
    # The next one that counts ends it.
    assert isinstance(league.apply("north", signed(number=1)), Done)
    follows = signed(LATE, SignedPolicy(document=league["north"].league_policy.head.document))
    assert isinstance(league.apply("north", follows), Done)
    league.run_until(lambda: league.rank("south")[0] == 2)
    assert league.impairments("north") == []


def test_a_bad_copy_does_not_keep_the_good_one_out() -> None:
    """The hash names the document without its signature."""
    league = Ruled("north", "south")
    part, good = league["south"].league_policy, signed()
    bad = SignedPolicy(document=good.document, operator_signature="0" * 64)
    part.on_message("north", PolicyNotice(bad), Effects())
    assert league.standing("south") is None
    part.on_message("north", PolicyNotice(good), Effects())
    assert league.standing("south") is None, "north is not believed again"
    assert isinstance(league.apply("north", good), Done)
    league.advance(5 * SECOND_US)
    assert league.messages(PolicyRequest, sender="south") == [], "nor asked"
    part.on_message("west", PolicyNotice(good), Effects())
    assert league.standing("south") is PENDING
    assert league.impairments("south") == []


def test_refused_documents_are_remembered_up_to_a_bound() -> None:
    league = Ruled("north", "south")
    part = league["south"].league_policy
    for number in range(1, 3 * limits.LEAGUE_POLICIES_REFUSED_MAX):
        part.on_message(
            "north", PolicyNotice(signed_policy("stranger", document(why=str(number)))), Effects()
        )
    assert len(part._refused) == limits.LEAGUE_POLICIES_REFUSED_MAX


def test_a_policy_that_is_unfit_leaves_the_one_in_force_and_says_why() -> None:
    league = Ruled("north", "south")
    broken = signed(text="not a policy")
    assert isinstance(league.apply("north", broken), Done)
    league.run_until(lambda: league.standing("south") is UNFIT)
    assert league.order("south") == DEFAULT_POLICY.fair_share.order
    (told,) = league.impairments("south")
    assert told.startswith("the league's policy 1 is not in force here: ")
    assert isinstance(league.apply("south", signed(BY_AGE, broken)), Done)
    league.run_until(lambda: league.standing("north") is IN_FORCE and league.standing("south") is IN_FORCE)
    assert league.impairments("south") == []


def test_one_that_contradicts_itself_is_unfit_too() -> None:
    league = Ruled("north")
    double = msgspec.structs.replace(DEFAULT_POLICY, tiers=DEFAULT_POLICY.tiers * 2)
    league.apply("north", signed(double))
    league.run_until(lambda: league.standing("north") is UNFIT)
    assert league.impairments("north")


def test_one_region_may_deviate_until_the_next_document() -> None:
    league = Ruled("north", "south")
    first = signed()
    league.apply("north", first)
    league.run_until(lambda: league.standing("south") is IN_FORCE)
    assert isinstance(league.apply_here("south", LATE, "digest of late"), PolicyAdopted)
    assert league.standing("south") is DEVIATES
    league.crash("south")
    league.restart("south")
    assert league.standing("south") is DEVIATES, "also in its next life"
    league.run_until(
        lambda: any(
            news is not None and (news.standing, news.version) == (DEVIATES, 3)
            for _, news in league.view("north").known
        )
    )
    assert isinstance(league.apply("north", signed(BY_AGE, first)), Done)
    league.run_until(lambda: league.standing("south") is IN_FORCE)
    assert league.order("south") == "off"
    assert league.rank("south")[0] == 2


def test_a_verdict_on_a_document_that_was_overtaken_counts_for_nothing() -> None:
    league = Ruled("north")
    league.judges = False
    first = signed()
    league.apply("north", first)
    league.apply("north", signed(LATE, first))
    late = judged(first, DEFAULT_POLICY)
    league.step("north", late)
    league.step("north", PolicyUnfit(league=league_policy_sha256(first.document), why="no", cause="judge"))
    assert league.standing("north") is PENDING
    assert league.order("north") == DEFAULT_POLICY.fair_share.order


def test_a_text_that_is_in_force_anyway_makes_no_new_version() -> None:
    league = Ruled("north")
    first = signed()
    league.apply("north", first)
    league.run_until(lambda: league.standing("north") is IN_FORCE)
    league.apply("north", signed(BY_AGE, first, why="once more"))
    league.run_until(lambda: league.rank("north")[0] == 2 and league.standing("north") is IN_FORCE)
    assert sorted(league.stations["north"].ledger.policies) == [1, 2]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"cluster_id": "other"}, "cluster_id"),
        ({"number": 0}, "number"),
        ({"number": 2}, "previous_sha256"),
        ({"previous_sha256": "a" * 64}, "previous_sha256"),
        ({"number": 2, "previous_sha256": "A" * 64}, "previous_sha256"),
        ({"why": "two\nlines"}, "why"),
        ({"author": "a" * 257}, "author"),
        ({"text": "a" * (limits.POLICY_BYTES_MAX + 1)}, "text"),
        ({"text": "\1" * limits.POLICY_BYTES_MAX}, ""),
        ({"format": 2}, "format"),
    ],
)
def test_what_breaks_a_bound_is_named(changes: dict[str, Any], field: str) -> None:
    assert not list(document_faults(document(), "test"))
    assert [each.field for each in document_faults(document(**changes), "test")] == [field]


def test_a_signature_covers_every_field_and_a_document_comes_back_as_it_was() -> None:
    made = signed()
    assert decode_league_policy(encode_league_policy(made)) == made
    for name, value in (("why", "x"), ("text", "x"), ("number", 7), ("author", "x"), ("issued_wall_us", 5)):
        other = msgspec.structs.replace(made.document, **{name: value})
        assert league_policy_message(other) != league_policy_message(made.document)
        assert league_policy_sha256(other) != league_policy_sha256(made.document)
