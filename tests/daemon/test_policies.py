"""Policies on a real daemon: applied, obeyed, planned, kept, and put back."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest

import hanse as hanse_package
from hanse.core.model.jobs import Ruled, Submission
from hanse.core.replies import Refused
from hanse.ledger import queries
from hanse.policies.rules import Facts, Rulebook
from hanse.wire.gen.hanse.v1 import common_pb2, jobs_pb2
from hanse.wire.gen.hanse.v1 import policies_pb2 as pb
from tests.daemon.league import DEADLINE_S, Place, eventually, league, shell, submission, until_exists

PLAIN = """
[[tiers]]
name = "premium"

[[tiers]]
name = "standard"

[fair_share]
order = "off"
"""
RUSH = (
    PLAIN
    + """
[[rules]]
name = "rush"
when = 'job.tenant.startsWith("vip/") && job.gpus == 0'
then = { tier = "premium" }
"""
)
QUEUED, RUNNING = common_pb2.JOB_STATE_QUEUED, common_pb2.JOB_STATE_RUNNING


async def applied(place: Place, document: str, **fields: Any) -> pb.ApplyPolicyResponse:
    request = pb.ApplyPolicyRequest(document=document, **fields)
    response: pb.ApplyPolicyResponse = await place.policies.ApplyPolicy(request, timeout=DEADLINE_S)
    return response


async def in_force(place: Place, version: int = 0) -> pb.GetPolicyResponse:
    request = pb.GetPolicyRequest(version=version)
    response: pb.GetPolicyResponse = await place.policies.GetPolicy(request, timeout=DEADLINE_S)
    return response


async def order(place: Place, gate: Path, *keys: tuple[str, str]) -> list[str]:
    """In which order jobs of these (key, tenant) start on a region that has room for one at a time."""
    blocker = shell(f"gate-{gate.name}", until_exists(gate), cpu=4000)
    fillers = [blocker, shell(f"gate2-{gate.name}", until_exists(gate), cpu=4000)]
    held = [result.job.job_id for result in await place.submit(*fillers)]
    for job_id in held:
        await place.state(job_id, RUNNING)
    submissions = [submission(f"{key}-{gate.name}", cpu=4000, tenant=tenant) for key, tenant in keys]
    ids: dict[str, str] = {}
    for (key, _), each in zip(keys, submissions, strict=True):
        (result,) = await place.submit(each)
        assert result.HasField("job"), result
        ids[result.job.job_id] = key
    positions = {}
    for job_id, key in ids.items():
        answer = await place.jobs.ExplainJob(jobs_pb2.ExplainJobRequest(job_id=job_id), timeout=DEADLINE_S)
        positions[key] = answer.position
    gate.touch()  # noqa: ASYNC240 - a moment
    for job_id in ids:
        await place.state(job_id, common_pb2.JOB_STATE_SUCCEEDED)
    return sorted(positions, key=lambda key: positions[key])


async def test_apply_changes_the_order_of_the_queue_and_rollback_puts_it_back(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(PLAIN)
    async with league(tmp_path, "north", executor="local", policy={"file": "policy.toml"}) as regions:
        north = regions["north"]
        who = (("first", "org/team"), ("second", "vip/team"))
        assert await order(north, tmp_path / "1", *who) == ["first", "second"]

        answer = await applied(north, RUSH, expected_version=1, author="an operator", why="a deadline")
        assert (answer.version, answer.unchanged, list(answer.problems)) == (2, False, [])
        assert await order(north, tmp_path / "2", *who) == ["second", "first"]

        former = await in_force(north, 1)
        assert former.policy.document == PLAIN.replace("\r", "")
        answer = await applied(north, former.policy.document, expected_version=2, why="back to version 1")
        assert answer.version == 3
        assert await order(north, tmp_path / "3", *who) == ["first", "second"]

        listed = await north.policies.ListPolicies(pb.ListPoliciesRequest(), timeout=DEADLINE_S)
        assert [(each.version, each.why) for each in listed.policies] == [
            (3, "back to version 1"),
            (2, "a deadline"),
            (1, "what the region was started with"),
        ]
        assert listed.policies[1].author == "an operator"
        assert listed.policies[0].digest == listed.policies[2].digest


async def test_a_policy_outlives_the_daemon_and_its_rules_with_it(tmp_path: Path) -> None:
    async with league(tmp_path, "north") as regions:
        rules = """
        [[rules]]
        name = "small only"
        when = 'job.cpus > 2'
        then = { refuse = "ask the operators first" }
        """
        assert (await applied(regions["north"], rules)).version == 2
        await regions.stop("north")
        north = await regions.start("north")
        assert (await in_force(north)).policy.version == 2
        (result,) = await north.submit(submission("before", cpu=1000))
        assert (await applied(north, rules.replace("> 2", "> 0"))).version == 3
        (again,) = await north.submit(submission("before", cpu=1000))
        assert again.job.job_id == result.job.job_id, "what was taken stays taken"
        assert again.job.existed
        assert (await applied(north, rules)).version == 4
        large, small = await north.submit(submission("large", cpu=3000), submission("small", cpu=2000))
        assert large.refusal.field == "jobs[0].spec"
        assert large.refusal.message == "ask the operators first (rule 'small only' of policy 4)"
        assert small.HasField("job")
        assert (await north.status()).impairments == []


async def test_what_a_rule_has_done_is_in_the_jobs_story(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(RUSH)
    async with league(tmp_path, "north", policy={"file": "policy.toml"}) as regions:
        (result,) = await regions["north"].submit(submission("one", tenant="vip/x"))
        job = await regions["north"].get(result.job.job_id, with_timeline=True)
        assert job.timeline[0].reason.detail == "policy 1: rush"
        assert job.spec.tier == ""  # The spec stays as the caller wrote it.


async def test_a_document_with_a_mistake_is_refused_whole_and_the_policy_stays(tmp_path: Path) -> None:
    async with league(tmp_path, "north") as regions:
        north = regions["north"]
        before = await in_force(north)
        wrong = (
            '[[rules]]\nname = "x"\nwhen = "job.named == 1"\nthen = { regions = { allow = ["atlantis"] } }\n'
        )
        answer = await applied(north, wrong)
        assert answer.version == 0
        assert [(each.path, each.line, each.column) for each in answer.problems] == [
            ("rules[0].when", 3, 9),
            ("rules[0].then.regions.allow[0]", 4, 31),
        ]
        assert await in_force(north) == before
        validated = await north.policies.ValidatePolicy(
            pb.ValidatePolicyRequest(document=wrong), timeout=DEADLINE_S
        )
        assert not validated.valid
        assert list(validated.problems) == list(answer.problems)


async def test_apply_is_compare_and_set(tmp_path: Path) -> None:
    async with league(tmp_path, "north") as regions:
        north = regions["north"]
        assert (await applied(north, PLAIN, expected_version=1)).version == 2
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await applied(north, RUSH, expected_version=1)
        assert failed.value.code() is grpc.StatusCode.ABORTED
        assert failed.value.details() == "the policy in force is version 2, not 1"
        again = await applied(north, PLAIN, expected_version=1)
        assert (again.version, again.unchanged) == (2, True)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await in_force(north, 9)
        assert failed.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_submission_that_was_ruled_by_the_former_policy_is_ruled_anew(tmp_path: Path) -> None:
    async with league(tmp_path, "north") as regions:
        north = regions["north"]
        assert (await applied(north, RUSH)).version == 2
        desk = north.daemon.runtime.desk
        present = desk.rulebook

        class Former(Rulebook):
            """The policy changes while it is asked."""

            def rule(self, submission: Submission, facts: Facts, wall_us: int) -> Submission | Refused:
                desk.rulebook = present
                return super().rule(submission, facts, wall_us)

        desk.rulebook = Former(1, present.rules, desk.here)
        (result,) = await north.submit(submission("one", tenant="vip/x"))
        job = await north.get(result.job.job_id, with_timeline=True)
        assert job.timeline[0].reason.detail == "policy 2: rush"

        desk.rulebook = Rulebook(1, present.rules, desk.here)
        (result,) = await north.submit(submission("two", tenant="vip/x"))
        assert result.refusal.code == common_pb2.REFUSAL_CODE_EXHAUSTED
        assert result.refusal.message == "the policy is being changed; try again"
        # A client key that is known needs no ruling.
        (result,) = await north.submit(submission("one", tenant="vip/x"))
        assert result.job.existed


async def test_a_job_keeps_what_its_homes_rules_gave_it_when_it_moves(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(RUSH.replace("job.gpus == 0", "true"))
    async with league(tmp_path, "north", "east", policy={"file": "policy.toml"}) as regions:
        north, east = regions["north"], regions["east"]

        async def sees_the_other() -> bool:
            request = pb.GetPolicyRequest(region="east")
            try:
                return bool((await north.policies.GetPolicy(request, timeout=DEADLINE_S)).region == "east")
            except grpc.aio.AioRpcError:
                return False

        await eventually(sees_the_other)
        # It may run in the other region only.
        preference = jobs_pb2.RegionPreference(allow=["east"])
        (result,) = await north.submit(submission("moves", tenant="vip/x", regions=preference))
        await north.state(result.job.job_id, common_pb2.JOB_STATE_SUCCEEDED)
        (there,) = await east.daemon.runtime.read(queries.recent_jobs, 10)
        assert (there.id, there.shape.body.tier) == (result.job.job_id, "premium")
        assert there.shape.body.ruled == Ruled()


async def test_the_command_line_plans_applies_and_puts_back(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(RUSH)
    (tmp_path / "wrong.toml").write_text(RUSH.replace("job.tenant", "job.tenat"))
    async with league(tmp_path, "north") as regions:
        server = f"127.0.0.1:{regions['north'].daemon.public.port}"

        async def hanse(*arguments: str) -> tuple[int | None, str]:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "hanse.cli", "policy", *arguments, "--server", server),
                cwd=tmp_path,
                env=os.environ | {"PYTHONPATH": str(Path(hanse_package.__file__).parents[1])},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            out, _ = await process.communicate()
            return process.returncode, out.decode()

        code, out = await hanse("plan", "policy.toml")
        assert (code, "there is no job to replay yet" in out) == (0, True), out
        code, out = await hanse("apply", "wrong.toml")
        assert (code, "did you mean `job.tenant`?" in out) == (2, True), out
        code, out = await hanse("apply", "policy.toml", "--expect", "1", "--why", "a deadline")
        assert (code, "policy 2 is in force" in out) == (0, True), out
        code, out = await hanse("apply", "policy.toml", "--expect", "1")
        assert (code, "this is policy 2 already" in out) == (0, True), out
        code, out = await hanse("rollback", "--why", "too strict")
        assert (code, "policy 3 is in force" in out) == (0, True), out
        code, out = await hanse("history")
        assert [line.split()[0] for line in out.splitlines()[1:]] == ["3", "2", "1"], out


async def test_a_plan_replays_what_ran_here_and_changes_nothing(tmp_path: Path) -> None:
    async with league(tmp_path, "north") as regions:
        north = regions["north"]
        results = await north.submit(*(submission(f"job-{n}", tenant=f"org/t{n % 2}") for n in range(20)))
        for result in results:
            await north.state(result.job.job_id, common_pb2.JOB_STATE_SUCCEEDED)
        document = """
        [[rules]]
        name = "t1 is out"
        when = 'job.tenant == "org/t1"'
        then = { refuse = "not today" }
        [[rules]]
        name = "t0 is basic"
        when = 'job.tenant == "org/t0"'
        then = { tier = "basic" }
        """
        before = await in_force(north)
        found = await north.policies.PlanPolicy(pb.PlanPolicyRequest(document=document), timeout=60)
        plan = found.plan
        assert (plan.jobs, plan.version_in_force) == (20, 1)
        every, *tenants = plan.tenants
        assert (every.jobs, every.refused_before, every.refused_after) == (20, 0, 10)
        assert sorted(each.tenant for each in tenants) == ["org/t0", "org/t1"]
        assert [(each.tenant, each.jobs, each.tier_before, each.tier_after) for each in plan.moves] == [
            ("org/t0", 10, "standard", "basic")
        ]
        assert plan.refusals[0].refusal.message == "not today (rule 't1 is out' of policy 2)"
        assert any("begins with an empty region" in each for each in plan.caveats)
        assert await in_force(north) == before
