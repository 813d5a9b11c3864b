"""The policy of the whole league on real daemons: signed once, told by gossip, judged and obeyed everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest

from hanse.core.model import limits
from hanse.core.model.league_policy import (
    LeaguePolicy,
    SignedPolicy,
    decode_league_policy,
    encode_league_policy,
    league_policy_message,
    league_policy_sha256,
)
from hanse.core.model.roster import key_id
from hanse.daemon.keys import PrivateKey, generate
from hanse.wire.gen.hanse.v1 import policies_pb2 as pb
from hanse.wire.gen.hanse.v1 import regions_pb2
from tests.daemon.league import DEADLINE_S, Place, eventually, league, submission

SMALL_ONLY = """
[[rules]]
name = "small only"
when = 'job.cpus > 2'
then = { refuse = "ask the operators first" }
"""
OTHER = '[fair_share]\norder = "off"\n'
IN_FORCE = regions_pb2.POLICY_STANDING_IN_FORCE


class Operator:
    """Signs what follows on what a region has."""

    def __init__(self, key: PrivateKey) -> None:
        self.key = key

    async def sign(self, place: Place, text: str, **changes: Any) -> bytes:
        before = await status(place)
        fields: dict[str, Any] = {
            "cluster_id": "test",
            "number": before.news.number + 1,
            "previous_sha256": before.news.sha256,
            "issuer": key_id(self.key.public_key),
            "issued_wall_us": 1,
            "text": text,
            "author": "ada",
            "why": "a test",
        }
        document = LeaguePolicy(**(fields | changes))
        signature = self.key.sign(league_policy_message(document))
        return encode_league_policy(SignedPolicy(document=document, operator_signature=signature))

    async def apply(self, place: Place, text: str, **changes: Any) -> pb.ApplyLeaguePolicyResponse:
        request = pb.ApplyLeaguePolicyRequest(document=await self.sign(place, text, **changes))
        response: pb.ApplyLeaguePolicyResponse = await place.policies.ApplyLeaguePolicy(
            request, timeout=DEADLINE_S
        )
        return response


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(generate(tmp_path / "operator.key"))


async def status(place: Place, region: str = "") -> pb.LeaguePolicyStatus:
    request = pb.GetLeaguePolicyRequest(region=region)
    response: pb.GetLeaguePolicyResponse = await place.policies.GetLeaguePolicy(request, timeout=DEADLINE_S)
    return response.status


async def is_ready(place: Place) -> bool:
    """Whether it believes its disk: before that it takes no document."""
    return not (await place.status()).impairments


async def goes_by(place: Place, number: int) -> bool:
    news = (await status(place)).news
    return (news.number, news.standing) == (number, IN_FORCE)


def keys(operator: Operator) -> dict[str, Any]:
    return {"operator_keys": [operator.key.public_key]}


async def refused(place: Place, cpu: int) -> str:
    (result,) = await place.submit(submission(f"{place.name}-{cpu}", cpu=cpu))
    return str(result.refusal.message)


async def test_what_one_region_is_handed_all_obey_and_one_that_was_down_when_it_is_back(
    tmp_path: Path, operator: Operator
) -> None:
    async with league(tmp_path, "north", "south", "west", federation=keys(operator)) as regions:
        assert (await status(regions["north"])).news.number == 0
        await eventually(lambda: is_ready(regions["north"]))
        await regions.stop("west")
        answer = await operator.apply(regions["north"], SMALL_ONLY)
        assert (answer.number, list(answer.problems)) == (1, [])
        for name in ("north", "south"):
            await eventually(lambda place=regions[name]: goes_by(place, 1))
            assert await refused(regions[name], 3000) == (
                "ask the operators first (rule 'small only' of policy 2)"
            )
        await regions.start("west")
        await eventually(lambda: goes_by(regions["west"], 1))
        assert "small only" in await refused(regions["west"], 3000)

        listed = await regions["west"].policies.ListPolicies(pb.ListPoliciesRequest(), timeout=DEADLINE_S)
        assert [(each.version, each.author, each.why) for each in listed.policies] == [
            (2, "ada", "a test"),
            (1, "", "what the region was started with"),
        ]

        async def told_by_all() -> bool:
            known = (await status(regions["south"], "north")).known
            return {(each.region, each.news.number, each.news.standing) for each in known} == {
                ("south", 1, IN_FORCE),
                ("west", 1, IN_FORCE),
            }

        await eventually(told_by_all)


async def test_it_outlives_the_daemon_and_a_local_policy_deviates_until_the_next_one(
    tmp_path: Path, operator: Operator
) -> None:
    async with league(tmp_path, "north", "south", federation=keys(operator)) as regions:
        await eventually(lambda: is_ready(regions["north"]))
        await operator.apply(regions["north"], SMALL_ONLY)
        await eventually(lambda: goes_by(regions["south"], 1))
        local = pb.ApplyPolicyRequest(document=OTHER, why="a night of its own")
        assert (await regions["south"].policies.ApplyPolicy(local, timeout=DEADLINE_S)).version == 3
        await regions.stop("south")
        south = await regions.start("south")
        found = await status(south)
        assert found.news.standing == regions_pb2.POLICY_STANDING_DEVIATES
        assert (found.news.number, found.version) == (1, 3)
        assert await refused(south, 3000) == ""
        await eventually(lambda: is_ready(south))

        # The text of the first again: it is in force in the north already.
        await operator.apply(regions["north"], SMALL_ONLY + "# again\n")
        await eventually(lambda: goes_by(south, 2))
        assert "of policy 4" in await refused(south, 3001)


async def test_what_is_wrong_is_told_with_its_place_and_nothing_is_taken(
    tmp_path: Path, operator: Operator
) -> None:
    async with league(tmp_path, "north", federation=keys(operator)) as regions:
        north = regions["north"]
        answer = await operator.apply(north, 'tiers = 1\n[[rules]]\nname = "x"\nwhen = "job.named == 1"\n')
        assert answer.number == 0
        assert (answer.problems[0].path, answer.problems[0].line) == ("tiers", 1)
        assert (await status(north)).news.number == 0

        with pytest.raises(grpc.aio.AioRpcError) as late:
            await operator.apply(north, OTHER, number=2, previous_sha256="a" * 64)
        assert late.value.code() is grpc.StatusCode.ABORTED
        assert "the league has no policy yet, so that the next one is 1, not 2" in str(late.value.details())

        stranger = Operator(generate(tmp_path / "stranger.key"))
        with pytest.raises(grpc.aio.AioRpcError) as forged:
            await stranger.apply(north, OTHER)
        assert "is no operator's key here today" in str(forged.value.details())

        for wrong in (b"", b"{}", b" " * (limits.SIGNED_POLICY_BYTES_MAX + 1)):
            request = pb.ApplyLeaguePolicyRequest(document=wrong)
            with pytest.raises(grpc.aio.AioRpcError) as malformed:
                await north.policies.ApplyLeaguePolicy(request, timeout=DEADLINE_S)
            assert malformed.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_region_for_which_it_is_no_policy_keeps_its_own_and_says_why(
    tmp_path: Path, operator: Operator
) -> None:
    """South knows no licences."""
    licences = """
    [[queues]]
    name = "all"
    tenants = ["org"]
    quotas = [{ kind = "licence", nominal = 3 }]
    """
    async with league(tmp_path, "north", "south", start=False, federation=keys(operator)) as regions:
        regions.configs["north"]["region"]["resource_kinds"] = ["licence"]
        north, south = await regions.start("north"), await regions.start("south")
        await eventually(lambda: is_ready(north))
        assert (await operator.apply(north, licences)).number == 1
        await eventually(lambda: goes_by(north, 1))

        async def unfit() -> bool:
            return (await status(south)).news.standing == regions_pb2.POLICY_STANDING_UNFIT

        await eventually(unfit)
        assert (await status(south)).version == 1
        (impairment,) = (await south.status()).impairments
        assert impairment.code == "POLICY_REFUSED"
        assert "the league's policy 1 is not in force here: line 5" in impairment.detail
        assert "licence" in impairment.detail
        held = decode_league_policy((await status(south)).document).document
        assert league_policy_sha256(held) == (await status(north)).news.sha256
