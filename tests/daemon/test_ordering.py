"""Orders on real daemons: about jobs, wherever they are, about nodes, and to read the configuration again."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import grpc
import pytest

from hanse.daemon.config import make_config
from hanse.daemon.reload import changes
from hanse.decisions.files import IMAGE
from hanse.decisions.reading import chapters
from hanse.decisions.replay import Replay
from hanse.wire.gen.hanse.v1 import common_pb2, jobs_pb2, regions_pb2
from tests.daemon.league import DEADLINE_S, Place, eventually, league, shell, submission, until_exists
from tests.daemon.test_plans import filled
from tests.daemon.test_regions_together import acquainted, submitted

QUEUED, RUNNING = common_pb2.JOB_STATE_QUEUED, common_pb2.JOB_STATE_RUNNING
SUCCEEDED, FAILED = common_pb2.JOB_STATE_SUCCEEDED, common_pb2.JOB_STATE_FAILED
CANCELLED = common_pb2.JOB_STATE_CANCELLED


async def ordered(place: Place, *job_ids: str, **order: Any) -> list[jobs_pb2.ControlResult]:
    request = jobs_pb2.ControlJobsRequest(job_ids=job_ids, why="by hand", **order)
    return list((await place.jobs.ControlJobs(request, timeout=DEADLINE_S)).results)


async def nodes(place: Place, order: int, *names: str) -> None:
    request = regions_pb2.ControlNodesRequest(nodes=names, order=order, why="disk")  # type: ignore[arg-type]
    await place.regions.ControlNodes(request, timeout=DEADLINE_S)


async def test_jobs_are_held_released_requeued_and_moved_from_any_region(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with league(tmp_path, "north", "east", executor="local") as regions:
        north, east = regions["north"], regions["east"]
        await acquainted(regions)
        job_id = await submitted(north, shell("runs", until_exists(gate)))
        await north.state(job_id, RUNNING)
        [result] = await ordered(east, job_id, hold=jobs_pb2.HoldOrder())
        assert (result.region, result.state) == ("north", RUNNING)

        async def held() -> jobs_pb2.Job | None:
            job = await north.get(job_id)
            return job if job.state == QUEUED and job.reason.code == "HELD" else None

        assert (await eventually(held)).reason.detail == "by hand"
        # It survives a restart of the region.
        await regions.stop("north")
        north = await regions.start("north")
        assert (await eventually(held)).reason.code == "HELD"
        # Until it has heard east, which may know that its disk is an old one, it takes no orders.
        await acquainted(regions)
        [result] = await ordered(north, job_id, release=jobs_pb2.ReleaseOrder())
        assert not result.HasField("refusal")
        await north.state(job_id, RUNNING)

        [result] = await ordered(east, job_id, move=jobs_pb2.MoveOrder(region="east"))
        assert not result.HasField("refusal"), result

        async def there() -> jobs_pb2.Job | None:
            job = await north.get(job_id)
            return job if (job.region, job.state) == ("east", RUNNING) else None

        moved = await eventually(there)
        assert moved.attempt == 1
        [result] = await ordered(north, job_id, requeue=jobs_pb2.RequeueOrder())
        assert result.region == "east", "whoever has it takes the order"
        gate.touch()
        ended = await north.state(job_id, SUCCEEDED)
        assert ended.region == "east"
        [result] = await ordered(north, job_id, hold=jobs_pb2.HoldOrder())
        assert result.refusal.code == common_pb2.REFUSAL_CODE_TERMINAL
        [result] = await ordered(north, "north-nobody", hold=jobs_pb2.HoldOrder())
        assert result.HasField("refusal")


async def test_a_wrong_order_is_refused_with_its_field(tmp_path: Path) -> None:
    async with league(tmp_path, "north") as regions:
        north = regions["north"]
        job_id = await submitted(north, submission("job"))
        for order, field in (
            ({"set_priority": jobs_pb2.PriorityOrder(priority=1001)}, "set_priority.priority"),
            ({"move": jobs_pb2.MoveOrder(region="NO")}, "move.region"),
            ({}, "order"),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await ordered(north, job_id, **order)
            assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert field in (raised.value.details() or "")


async def test_jobs_wait_for_jobs_and_retries_follow_rules(tmp_path: Path) -> None:
    async with league(tmp_path, "north", executor="local") as regions:
        north = regions["north"]
        first = await submitted(north, shell("first", "exit 3"))
        assert (await north.state(first, FAILED)).exit_code == 3

        def after(job_id: str, when: int) -> dict[str, Any]:
            return {"after": [jobs_pb2.JobDependency(job_id=job_id, when=when)]}  # type: ignore[arg-type]

        # What has ended long ago is found in the ledger.
        await regions.stop("north")
        north = await regions.start("north")
        cleanup = await submitted(north, submission("cleanup", **after(first, jobs_pb2.AFTER_FAILED)))
        await north.state(cleanup, SUCCEEDED)
        [refused] = await north.submit(submission("never", **after(first, jobs_pb2.AFTER_OK)))
        assert "could never start" in refused.refusal.message

        gate = tmp_path / "gate"
        parent = await submitted(north, shell("parent", f"{until_exists(gate)}; exit 1"))
        child = await submitted(north, submission("child", **after(parent, jobs_pb2.AFTER_OK)))
        grandchild = await submitted(
            north, submission("grandchild", **after(child, jobs_pb2.AFTER_UNSPECIFIED))
        )
        job = await north.get(child)
        assert (job.state, job.reason.code) == (QUEUED, "WAITS_FOR_JOBS")
        gate.touch()
        for job_id in (child, grandchild):
            assert (await north.state(job_id, CANCELLED)).reason.code == "NEVER_AFTER"

        retry = jobs_pb2.RetryPolicy(retries_max=2, exit_codes=["75"], final_exit_codes=["64-74"])
        once = tmp_path / "once"
        script = f"[ -e {once} ] && exit 65; touch {once}; exit 75"
        job_id = await submitted(north, shell("picky", script, retry=retry))
        ended = await north.state(job_id, FAILED)
        assert (ended.attempt, ended.exit_code) == (2, 65), "75 was worth another attempt, 65 was not"


async def test_nodes_are_cordoned_and_drained_and_stay_so(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with league(tmp_path, "north", executor="local") as regions:
        north = regions["north"]
        await nodes(north, regions_pb2.NODE_ORDER_CORDON, "north1")
        jobs = [
            await submitted(north, shell(f"j{number}", until_exists(gate), cpu=4000)) for number in range(2)
        ]
        running = await north.state(jobs[0], RUNNING)
        assert running.nodes == ["north2"]
        assert (await north.get(jobs[1])).state == QUEUED
        await regions.stop("north")
        north = await regions.start("north")
        listed = await north.regions.ListNodes(regions_pb2.ListNodesRequest(), timeout=DEADLINE_S)
        assert {node.name: (node.cordoned, node.cordoned_why) for node in listed.nodes} == {
            "north1": (True, "disk"),
            "north2": (False, ""),
        }
        await nodes(north, regions_pb2.NODE_ORDER_UNCORDON, "north1")
        await north.state(jobs[1], RUNNING)
        await nodes(north, regions_pb2.NODE_ORDER_DRAIN, "north2")

        async def left() -> bool:
            listed = await north.regions.ListNodes(regions_pb2.ListNodesRequest(), timeout=DEADLINE_S)
            return not next(node for node in listed.nodes if node.name == "north2").jobs

        await eventually(left)
        assert (await north.get(jobs[0])).reason.code == "NODE_DRAINED"
        gate.touch()
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await nodes(north, regions_pb2.NODE_ORDER_CORDON, "north9")
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND


_CONFIG = """
[region]
name = "north"
cluster_id = "test"
data_dir = "data-north"
price = {price}

[listen]
public = "127.0.0.1:0"
peers = "{peers}"

[[members]]
name = "north"
peer_address = "{peers}"

[[nodes]]
name = "north[1-{nodes}]"
class = "standard"
resources = {{ cpu = 4000 }}

[executor]
kind = "local"

[retention]
age_s = {age}
"""


def config_text(regions: Any, *, nodes: int = 2, price: int = 1000, age: int = 1000, peers: str = "") -> str:
    address = peers or regions.configs["north"]["listen"]["peers"]
    return _CONFIG.format(nodes=nodes, price=price, age=age, peers=address)


async def imaged(decisions: Path, lives: int) -> bool:
    """Whether the children have written as many images: they are in no hurry, and end with the daemon."""
    return len(list(decisions.glob(f"*{IMAGE}"))) >= lives  # noqa: ASYNC240 - a look at one small directory


async def test_a_configuration_is_read_again_while_tasks_go_on(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    file = tmp_path / "north.toml"
    async with league(tmp_path, "north", start=False, executor="local") as regions:
        file.write_text(config_text(regions))
        regions.configs["north"] = tomllib.loads(file.read_text())
        north = await regions.start("north")
        jobs = await filled(north, gate)
        more = await submitted(north, submission("more", cpu=4000))
        pids = [(await north.get(job_id)).attempt for job_id in jobs]

        file.write_text(config_text(regions, nodes=3, price=1200, age=2000))
        reload = regions_pb2.ReloadConfigRequest()
        answer = await north.regions.ReloadConfig(reload, timeout=DEADLINE_S)
        assert list(answer.changed) == ["nodes", "region.price", "retention.age_s"]
        assert (await north.state(more, SUCCEEDED)).nodes == ["north3"]
        assert [(await north.get(job_id)).attempt for job_id in jobs] == pids, "what runs goes on"
        assert not (await north.regions.ReloadConfig(reload, timeout=DEADLINE_S)).changed

        # What can't change while it runs is refused, with all that goes with it.
        file.write_text(config_text(regions, nodes=4, peers="127.0.0.1:1"))
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await north.regions.ReloadConfig(reload, timeout=DEADLINE_S)
        assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert "listen.peers, members can only change with a restart" in (raised.value.details() or "")
        file.write_text("[region")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await north.regions.ReloadConfig(reload, timeout=DEADLINE_S)
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        listed = await north.regions.ListNodes(regions_pb2.ListNodesRequest(), timeout=DEADLINE_S)
        assert len(listed.nodes) == 3
        gate.touch()
        for job_id in jobs:
            await north.state(job_id, SUCCEEDED)
        decisions = tmp_path / "data-north" / "decisions"
        await eventually(lambda: imaged(decisions, lives=2))
    # Everything that happened, in several lives, is decided again as it was.
    work = Replay(chapters(tmp_path / "data-north" / "decisions"), 0, 1 << 62, lambda: None)
    steps = list(work.steps())
    assert steps
    assert all(each.same for each in steps)
    assert not work.gaps
    ended = {change.job_id for each in steps for change in each.changes if change.state == "SUCCEEDED"}
    assert ended == {*jobs, more}


def test_which_keys_may_change_while_a_region_runs(tmp_path: Path) -> None:
    def settings(text: str) -> Any:
        return make_config(tmp_path / "north.toml", tomllib.loads(text)).settings

    plain = _CONFIG.format(nodes=1, price=1000, age=1, peers="127.0.0.1:7")
    other = plain.replace("test", "other").replace("price = 1000", "price = 900")
    assert changes(settings(plain), settings(plain)) == changes(settings(other), settings(other))
    found = changes(settings(plain), settings(other))
    assert (found.live, found.fixed) == (("region.price",), ("region.cluster_id",))
