"""The checker of the league's policy: a sound story passes, each violation is caught; and the simulated operators."""

from __future__ import annotations

import pytest

from chaos.checkers import check
from chaos.checkers.league_policy import LeaguePolicies
from chaos.mutants.profiles import LEAGUE_POLICIES
from hanse.core.messages import PolicyNotice
from hanse.core.model.league_policy import (
    LeaguePolicy,
    SignedPolicy,
    encode_league_policy,
    league_policy_sha256,
)
from hanse.core.model.roster import key_id
from hanse.core.rows import LeaguePolicyRow, PolicyRow
from hanse.sim.errors import SafetyViolation
from hanse.sim.keys import public_key_of
from hanse.sim.league_policy import BROKEN, OPERATOR, signed_policy
from hanse.sim.record import (
    EMPTY_IMAGE,
    Committed,
    DiskReplaced,
    Entry,
    Finished,
    ImageTaken,
    Record,
    Sent,
)
from hanse.sim.run import run_plan
from tests.sim.records import committed, joined

TEXT = "a policy"


def signed(number: int, text: str = TEXT, why: str = "", owner: str = OPERATOR) -> SignedPolicy:
    document = LeaguePolicy(
        cluster_id="league",
        number=number,
        previous_sha256="",
        issuer=key_id(public_key_of(OPERATOR)),
        issued_wall_us=0,
        text=text,
        why=why,
    )
    return signed_policy(owner, document)


def kept(
    at_us: int, region: str, document: SignedPolicy, *, digest: str = "", text: str | None = None
) -> Entry:
    """A region has this document; `digest`: and goes by it, with the policy of that text."""
    sha256 = league_policy_sha256(document.document)
    row = LeaguePolicyRow("league", document.document.number, sha256, encode_league_policy(document), digest)
    policies = [] if text is None else [PolicyRow(at_us, digest, text, "", "", 0)]
    return committed(at_us, region, league_policies=[row], policies=policies)


def judge(*entries: Entry) -> None:
    check((joined("a"), joined("b"), *entries), (LeaguePolicies,))


def test_a_league_that_ends_with_one_policy_is_sound() -> None:
    first, second = signed(1), signed(2)
    judge(
        kept(1, "a", first),
        Sent(2, "a", "b", PolicyNotice(first)),
        kept(3, "b", first, digest="d", text=TEXT),
        kept(4, "a", second),
        kept(5, "a", second, digest="d", text=TEXT),
        kept(6, "b", second, digest="d"),
        committed(7, "b", policies=[PolicyRow(9, "", "another one", "", "", 0)]),
        Finished(9),
    )


def test_a_document_that_no_operator_has_signed_is_caught() -> None:
    with pytest.raises(SafetyViolation, match="which no operator has signed"):
        judge(kept(1, "a", signed(1, owner="stranger")))


def test_what_is_told_before_it_is_durable_is_caught() -> None:
    with pytest.raises(SafetyViolation, match="before that is durable"):
        judge(kept(1, "a", signed(1)), Sent(2, "a", "b", PolicyNotice(signed(2))))


def test_a_disk_that_goes_back_is_caught_unless_it_was_replaced() -> None:
    with pytest.raises(SafetyViolation, match="goes back from"):
        judge(kept(1, "a", signed(2)), kept(2, "a", signed(1)))
    image = (kept(1, "a", signed(1)), ImageTaken(2, "a", 1), kept(3, "a", signed(3)))
    judge(*image, DiskReplaced(4, "a", 1, True, False), kept(5, "a", signed(2)))
    judge(*image, DiskReplaced(4, "a", EMPTY_IMAGE, True, False), kept(5, "a", signed(1)))
    with pytest.raises(SafetyViolation, match="goes back from"):
        judge(*image, DiskReplaced(4, "a", 1, True, False), kept(5, "a", signed(2)), kept(6, "a", signed(1)))


def test_a_region_that_only_says_that_it_goes_by_it_is_caught() -> None:
    with pytest.raises(SafetyViolation, match="and does not"):
        judge(kept(1, "a", signed(1), digest="d", text="another one"))


def test_regions_that_end_apart_are_caught() -> None:
    both = (kept(1, "a", signed(1), digest="d", text=TEXT), kept(1, "b", signed(1), digest="d", text=TEXT))
    judge(*both, Finished(9))
    with pytest.raises(SafetyViolation, match="end with different policies"):
        judge(*both, kept(2, "a", signed(2), digest="d"), Finished(9))
    judge(
        *both,
        kept(2, "a", signed(2), digest="d"),
        DiskReplaced(3, "b", EMPTY_IMAGE, True, False, True),
        Finished(9),
    )
    with pytest.raises(SafetyViolation, match="has never gone by"):
        judge(both[0], kept(1, "b", signed(1)), Finished(9))
    broken = signed(1, why=BROKEN)
    judge(kept(1, "a", broken), kept(1, "b", broken), Finished(9))
    with pytest.raises(SafetyViolation, match="has gone by"):
        judge(kept(1, "a", broken, digest="d", text=TEXT), kept(1, "b", broken), Finished(9))


def test_simulated_operators_get_documents_into_all_regions() -> None:
    """So that the checker has something to judge."""
    seen = {"kept": 0, "in force": 0, "told": 0}

    def look(record: Record) -> None:
        for entry in record:
            if isinstance(entry, Sent) and isinstance(entry.message, PolicyNotice):
                seen["told"] += 1
            elif isinstance(entry, Committed):
                for row in (each for writes in entry.writes for each in writes.league_policies):
                    seen["in force" if row.digest else "kept"] += 1
        check(record)

    for seed in range(3):
        run_plan(LEAGUE_POLICIES.plan(seed), look)
    assert min(seen.values()) >= 5, seen
