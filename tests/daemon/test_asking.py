"""Whom a region asks for jobs whose home is gone, or does not lead its shard: against regions that answer as told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from hanse.core.model.regions import RegionRecord
from hanse.core.replies import Refused
from hanse.daemon.errors import RegionUnreachable, RequestRefused, not_found
from hanse.daemon.servers.asking import Asking, is_not_found
from hanse.daemon.servers.leaders import Leaders, claims
from hanse.daemon.servers.listing import merged
from hanse.daemon.servers.submitting import Submitting
from hanse.wire.gen.hanse.v1 import common_pb2, jobs_pb2
from hanse.wire.jobs import encode_refusal

JOB = "north-01k9z3v6q2w8x4m5n7p0r1s2t3"
FEDERATED = common_pb2.DURABILITY_FEDERATED
ADOPT, ADOPT_OR_WAIT = jobs_pb2.ON_REGION_LOSS_ADOPT, jobs_pb2.ON_REGION_LOSS_ADOPT_OR_WAIT
Answer = Callable[[Any], Any]


class Elsewhere:
    """Regions by name; each answers what it was told, or does not answer."""

    home = "south"
    names = ("east", "north", "south", "west")

    def __init__(self, **answers: Answer) -> None:
        self.answers = answers
        self.asked: list[tuple[str, Any]] = []

    def knows(self, region: str) -> bool:
        return region in self.names

    async def call(self, region: str, method: Any, request: Any, context: Any, timeout_s: float) -> Any:
        return self.answer(region, request)

    def answer(self, region: str, request: Any) -> Any:
        self.asked.append((region, request))
        if region not in self.answers:
            raise RegionUnreachable(region, "it is told to be")
        return self.answers[region](request)

    async def GetJob(self, request: Any, context: Any) -> Any:
        return self.answer("south", request)

    async def SubmitJobs(self, request: Any, context: Any) -> Any:
        return self.answer("south", request)


class Known:
    """What gossip has told of leaders. North is guarded by east and west."""

    exist = True

    def __init__(self, *, lost: tuple[str, ...] = (), **leaders: str) -> None:
        self.leaders = leaders
        self.lost = lost

    def is_lost(self, home: str) -> bool:
        return home in self.lost

    def keep(self, home: str) -> bool:
        return home == "north"

    async def other_than(self, home: str) -> str:
        leader = self.leaders.get(home, "")
        return leader if leader != home else ""

    async def leads_itself(self, home: str) -> bool:
        return not self.guardians(home) or self.leaders.get(home) == home

    def guardians(self, home: str) -> tuple[str, ...]:
        return ("east", "west") if home == "north" else ()


def asking(regions: Elsewhere, leaders: Known) -> Asking:
    return Asking(cast("Any", regions), cast("Any", regions), cast("Leaders", leaders))


def has(*, as_of_s: int = 0, **fields: Any) -> Answer:
    """A region that has the job."""
    job = jobs_pb2.Job(id=JOB, home="north", **fields)
    if as_of_s:
        job.as_of.CopyFrom(Timestamp(seconds=as_of_s))
    return lambda _: jobs_pb2.GetJobResponse(job=job)


def unknown(_: Any) -> Any:
    raise not_found("no such job")


async def told(regions: Elsewhere, leaders: Known) -> jobs_pb2.Job:
    return await asking(regions, leaders).job(jobs_pb2.GetJobRequest(job_id=JOB), None)


async def test_a_home_that_leads_is_asked_alone() -> None:
    regions = Elsewhere(north=has(region="north", durability=FEDERATED))

    assert (await told(regions, Known(north="north"))).region == "north"
    assert [region for region, _ in regions.asked] == ["north"]


async def test_what_the_home_does_not_know_nobody_knows_while_it_leads() -> None:
    regions = Elsewhere(north=unknown, east=has(as_of_s=5))

    with pytest.raises(RequestRefused):
        await told(regions, Known(north="north"))
    assert [region for region, _ in regions.asked] == ["north"]


@pytest.mark.parametrize("home", [None, unknown, has(region="north", durability=FEDERATED), has(as_of_s=9)])
async def test_whoever_leads_the_shard_speaks_for_a_home_that_does_not(home: Answer | None) -> None:
    """The home is gone; or back, and asked of what it does not lead; or cut off, and takes itself for the leader."""
    answers = {"west": has(region="west", durability=FEDERATED)} | ({"north": home} if home else {})
    regions = Elsewhere(**answers)

    job = await told(regions, Known(north="west"))

    assert job.region == "west"
    assert not job.HasField("as_of")
    assert [region for region, _ in regions.asked] == ["north", "west"]


async def test_a_wait_job_of_a_home_that_is_there_is_the_homes_whoever_leads() -> None:
    regions = Elsewhere(north=has(region="north", durability=common_pb2.DURABILITY_REGIONAL))

    assert (await told(regions, Known(north="west"))).region == "north"


async def test_where_nobody_leads_the_newest_copy_counts() -> None:
    regions = Elsewhere(south=unknown, east=has(region="a", as_of_s=5), west=has(region="b", as_of_s=7))

    job = await told(regions, Known())

    assert (job.region, job.as_of.seconds) == ("b", 7)
    assert [region for region, _ in regions.asked] == ["north", "south", "east", "west"]


async def test_what_a_superseded_home_says_is_as_old_as_its_newest_news() -> None:
    moments = {"submitted_at": Timestamp(seconds=3), "started_at": Timestamp(seconds=4)}
    regions = Elsewhere(north=has(durability=FEDERATED, **moments), south=unknown)

    job = await told(regions, Known(north="west"))

    assert job.as_of.seconds == 4


ELSEWHERE = "east-01k9z3v6q2w8x4m5n7p0r1s2t3"


async def found(regions: Elsewhere) -> jobs_pb2.Job:
    """A job of a home that nobody guards."""
    return await asking(regions, Known()).job(jobs_pb2.GetJobRequest(job_id=ELSEWHERE), None)


async def test_while_its_home_is_silent_whoever_has_a_job_answers_for_it() -> None:
    regions = Elsewhere(south=unknown, north=unknown, west=has(region="west"))
    job = await found(regions)
    assert (job.region, job.HasField("as_of")) == ("west", False)
    assert [region for region, _ in regions.asked][:2] == ["east", "south"]


async def test_the_trail_of_a_job_that_was_passed_on_is_followed_first() -> None:
    regions = Elsewhere(
        south=has(as_of_s=5, region="west", epoch=2),
        north=has(region="north"),
        west=has(region="west", epoch=3),
    )
    job = await found(regions)
    assert (job.region, job.epoch, job.HasField("as_of")) == ("west", 3, False)
    assert [region for region, _ in regions.asked] == ["east", "south", "west"]


async def test_where_the_trail_is_lost_who_passed_it_on_last_says_since_when() -> None:
    regions = Elsewhere(
        south=has(as_of_s=9, region="west", epoch=2), north=has(as_of_s=5, region="west", epoch=4)
    )
    job = await found(regions)
    assert (job.region, job.epoch, job.as_of.seconds) == ("west", 4, 5)


async def test_a_home_that_says_that_it_has_no_such_job_is_believed() -> None:
    regions = Elsewhere(east=unknown, south=unknown, west=has(region="west"))
    with pytest.raises(RequestRefused):
        await found(regions)


async def found_of_lost(regions: Elsewhere) -> jobs_pb2.Job:
    """A job whose home was declared lost."""
    return await asking(regions, Known(lost=("east",))).job(jobs_pb2.GetJobRequest(job_id=ELSEWHERE), None)


async def test_of_a_home_that_was_declared_lost_whoever_got_the_job_last_answers() -> None:
    regions = Elsewhere(
        north=has(as_of_s=9, region="west", epoch=2, answered_by="north"),
        south=unknown,
        west=has(region="west", epoch=3, answered_by="west"),
    )
    job = await found_of_lost(regions)
    assert (job.region, job.epoch, job.HasField("as_of")) == ("west", 3, False)


async def test_of_a_home_that_was_declared_lost_a_silent_member_may_have_what_nobody_knows() -> None:
    with pytest.raises(RegionUnreachable, match="west"):
        await found_of_lost(Elsewhere(north=unknown, south=unknown))


async def test_nobody_who_would_know_can_be_asked() -> None:
    with pytest.raises(RegionUnreachable, match="north"):
        await told(Elsewhere(south=unknown, east=unknown), Known(north="east"))
    with pytest.raises(RegionUnreachable, match="west"):
        await told(Elsewhere(north=unknown, south=unknown, east=unknown), Known(north="west"))
    with pytest.raises(RequestRefused):
        await told(Elsewhere(north=unknown, south=unknown, east=unknown, west=unknown), Known(north="west"))


# --- submissions -----------------------------------------------------------------------------------------------------


def takes(request: jobs_pb2.SubmitJobsRequest) -> jobs_pb2.SubmitJobsResponse:
    """A region that takes everything."""
    return jobs_pb2.SubmitJobsResponse(
        results=[
            jobs_pb2.SubmitResult(job=jobs_pb2.SubmittedJob(job_id=f"{request.home}-{job.client_key}"))
            for job in request.jobs
        ]
    )


def leaves(leader: str, *keys: str) -> Answer:
    """A region that takes all but jobs of these keys, which another one leads."""

    def answer(request: jobs_pb2.SubmitJobsRequest) -> jobs_pb2.SubmitJobsResponse:
        response = takes(request)
        for index, job in enumerate(request.jobs):
            if job.client_key in keys:
                refused = Refused("NOT_LEADER", "spec.on_region_loss", "ask another", 1_000, leader)
                response.results[index].CopyFrom(
                    jobs_pb2.SubmitResult(refusal=encode_refusal(refused, f"jobs[{index}]"))
                )
        return response

    return answer


def refuses(code: str) -> Answer:
    def answer(request: jobs_pb2.SubmitJobsRequest) -> jobs_pb2.SubmitJobsResponse:
        refused = Refused(code, "spec.tier", "no")
        refusals = [encode_refusal(refused, f"jobs[{index}]") for index in range(len(request.jobs))]
        return jobs_pb2.SubmitJobsResponse(results=[jobs_pb2.SubmitResult(refusal=each) for each in refusals])

    return answer


def wanted(*keys: str, loss: int = 0) -> jobs_pb2.SubmitJobsRequest:
    spec = jobs_pb2.JobSpec(on_region_loss=cast("Any", loss))
    jobs = [jobs_pb2.JobSubmission(client_key=key, spec=spec) for key in keys]
    return jobs_pb2.SubmitJobsRequest(home="north", jobs=jobs)


async def submitted(
    regions: Elsewhere, leaders: Known, request: jobs_pb2.SubmitJobsRequest
) -> list[jobs_pb2.SubmitResult]:
    submitting = Submitting(asking(regions, leaders), cast("Any", regions), cast("Leaders", leaders))
    return list((await submitting.submit("north", request, None)).results)


async def test_what_the_home_leaves_to_another_goes_there_once_for_the_same_home() -> None:
    regions = Elsewhere(north=leaves("east", "b", "d"), east=takes)

    results = await submitted(regions, Known(), wanted("a", "b", "c", "d"))

    assert [result.job.job_id for result in results] == ["north-a", "north-b", "north-c", "north-d"]
    _, passed_on = regions.asked[1]
    assert [job.client_key for job in passed_on.jobs] == ["b", "d"]
    assert passed_on.home == "north"
    assert len(regions.asked) == 2


async def test_this_region_may_be_the_one_that_leads() -> None:
    regions = Elsewhere(north=leaves("south", "a"), south=takes)

    assert (await submitted(regions, Known(), wanted("a")))[0].job.job_id == "north-a"


async def test_a_refusal_of_the_other_counts_by_the_callers_numbers() -> None:
    regions = Elsewhere(north=leaves("east", "b"), east=refuses("INVALID"))

    results = await submitted(regions, Known(), wanted("a", "b"))

    assert (results[1].refusal.code, results[1].refusal.field) == (
        common_pb2.REFUSAL_CODE_INVALID,
        "jobs[1].spec.tier",
    )


@pytest.mark.parametrize("leader", ["", "north", "mars", "west"])
async def test_where_nobody_else_can_be_asked_the_homes_refusal_stands(leader: str) -> None:
    """Nobody is known; or itself; or no member; or one that does not answer."""
    regions = Elsewhere(north=leaves(leader, "a"))

    (result,) = await submitted(regions, Known(), wanted("a"))

    assert result.refusal.code == common_pb2.REFUSAL_CODE_NOT_LEADER
    assert (result.refusal.leader, result.refusal.retry_after_ms) == (leader, 1_000)


async def test_nobody_is_sent_on_twice() -> None:
    regions = Elsewhere(north=leaves("east", "a"), east=leaves("west", "a"), west=takes)

    (result,) = await submitted(regions, Known(), wanted("a"))

    assert result.refusal.leader == "west"
    assert [region for region, _ in regions.asked] == ["north", "east"]


async def test_without_its_home_only_a_job_that_must_be_adoptable_goes_to_whoever_leads() -> None:
    """The home may have taken any other for itself alone, and nobody else would know."""
    regions = Elsewhere(east=takes)
    request = wanted("a", loss=ADOPT)
    request.jobs.extend(
        [*wanted("b", loss=ADOPT_OR_WAIT).jobs, *wanted("c").jobs, *wanted("d", loss=ADOPT).jobs]
    )

    results = await submitted(regions, Known(north="east"), request)

    assert [result.job.job_id for result in results] == ["north-a", "", "", "north-d"]
    assert [(each.refusal.code, each.refusal.field) for each in results[1:3]] == [
        (common_pb2.REFUSAL_CODE_UNREACHABLE, "jobs[1]"),
        (common_pb2.REFUSAL_CODE_UNREACHABLE, "jobs[2]"),
    ]


@pytest.mark.parametrize(
    ("leaders", "loss"),
    [(Known(), ADOPT), (Known(north="north"), ADOPT), (Known(north="east"), ADOPT_OR_WAIT)],
)
async def test_without_its_home_nobody_else_takes_a_job(leaders: Known, loss: int) -> None:
    regions = Elsewhere(east=takes)

    with pytest.raises(RegionUnreachable):
        await submitted(regions, leaders, wanted("a", loss=loss))
    assert [region for region, _ in regions.asked] == ["north"]


# --- who leads, and pages of two -------------------------------------------------------------------------------------


def test_of_two_that_say_that_they_lead_the_larger_term_is_right() -> None:
    def record(region: str, *leads: tuple[str, int]) -> RegionRecord:
        return RegionRecord(region=region, incarnation=1, version=1, observed_wall_us=1, leads=leads)

    found = claims((record("north", ("north", 1), ("east", 5)), record("east", ("north", 2)), record("west")))

    assert {shard: (claim.region, claim.term) for shard, claim in found.items()} == {
        "north": ("east", 2),
        "east": ("north", 5),
    }


def page(token: str, *ids: str, region: str = "north") -> jobs_pb2.ListJobsResponse:
    return jobs_pb2.ListJobsResponse(
        jobs=[jobs_pb2.Job(id=each, region=region) for each in ids], next_page_token=token
    )


def test_pages_of_two_regions_become_one_that_leaves_nothing_out() -> None:
    whole = merged([page("", "a", "c"), page("", "b", "c", region="east")])
    assert [(job.id, job.region) for job in whole.jobs] == [("a", "north"), ("b", "east"), ("c", "east")]
    assert not whole.next_page_token

    # The first goes on after c; the second had nothing more after b.
    cut = merged([page("c", "a", "c"), page("", "b", "e")])
    assert [job.id for job in cut.jobs] == ["a", "b", "c"]
    assert cut.next_page_token == "c"
    # One looked no further than b and found nothing that matches.
    assert [job.id for job in merged([page("b"), page("d", "a", "d")]).jobs] == ["a"]


def test_a_region_that_does_not_know_a_job_is_told_from_one_that_fails() -> None:
    assert is_not_found(not_found("x"))
    assert not is_not_found(RequestRefused(grpc.StatusCode.INTERNAL, "x"))
