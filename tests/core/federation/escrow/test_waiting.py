"""Who of the jobs that wait for rights goes first."""

from __future__ import annotations

from hanse.core.federation.escrow.waiting import WaitingRoom
from hanse.core.model.jobs import GroupShape, Job, Reason, ReasonCode, ShapeBody, make_shape
from hanse.core.model.quota import Rights
from hanse.core.model.resources import resources
from tests.core.federation.escrow.accounts import CPU, GPU

TIERS = ("premium", "standard", "basic")


def _job(name: str, order_us: int, tier: str = "standard", priority: int = 0) -> Job:
    body = ShapeBody(groups=(GroupShape(1, 1, resources({"cpu": 1})),), tier=tier, priority=priority)
    return Job(
        id=name,
        home="north",
        tenant="lab",
        name=name,
        client_key=name,
        spec=b"",
        spec_sha256=b"",
        shape=make_shape(body),
        grace_us=0,
        retries_max=0,
        submitted_wall_us=order_us,
        order_us=order_us,
        reason=Reason(ReasonCode.SUBMITTED),
    )


def _room(*jobs: tuple[Job, Rights]) -> WaitingRoom:
    room = WaitingRoom(TIERS)
    for job, needs in jobs:
        room.add("north", job, needs, hopeless=False)
    return room


def _admitted(room: WaitingRoom, free: dict[tuple[str, str], int], limit: int = 100) -> list[str]:
    return [job.id for job in room.admit("north", free, limit)]


ONE: Rights = ((GPU, 1),)
FOUR: Rights = ((GPU, 4),)
CPU_ONE: Rights = ((CPU, 1),)
BOTH: Rights = ((CPU, 1), (GPU, 4))


def test_the_order_is_tier_priority_and_age() -> None:
    room = _room(
        (_job("old", 1), ONE),
        (_job("older-basic", 0, tier="basic"), ONE),
        (_job("urgent", 5, priority=10), ONE),
        (_job("premium", 9, tier="premium"), ONE),
    )
    assert _admitted(room, {GPU: 3}) == ["premium", "urgent", "old"]
    assert "older-basic" in room


def test_tiers_go_in_the_order_of_the_policy_in_force() -> None:
    room = WaitingRoom(TIERS)
    room.rank(("basic", "standard"))
    for job in (_job("first", 1), _job("then", 2, tier="basic"), _job("unknown", 0, tier="premium")):
        room.add("north", job, ONE, hopeless=False)
    assert _admitted(room, {GPU: 3}) == ["then", "first", "unknown"]


def test_what_the_first_one_lacks_is_kept_for_it() -> None:
    room = _room((_job("large", 1), FOUR), (_job("small", 2), ONE))
    assert _admitted(room, {GPU: 3}) == []
    assert room.is_kept("north", _job("later", 3), ONE)
    assert not room.is_kept("north", _job("earlier", 0), ONE)
    assert _admitted(room, {GPU: 5}) == ["large", "small"]


def test_what_the_first_one_has_enough_of_is_not_kept_for_it() -> None:
    room = _room((_job("both", 1), BOTH), (_job("cpu", 2), CPU_ONE))
    assert _admitted(room, {GPU: 3, CPU: 2}) == ["cpu"]


def test_no_more_than_is_free() -> None:
    room = _room(*[(_job(f"job-{number}", number), ONE) for number in range(10)])
    assert _admitted(room, {GPU: 4}) == ["job-0", "job-1", "job-2", "job-3"]
    assert _admitted(room, {GPU: 4}, limit=2) == ["job-4", "job-5"]
    assert room.needed("north") == {GPU: 4}


def test_a_job_that_can_never_have_its_rights_keeps_nothing() -> None:
    room = _room((_job("small", 2), ONE))
    room.add("north", _job("vast", 1), FOUR, hopeless=True)
    assert _admitted(room, {GPU: 1}) == ["small"]
    assert room.needed("north") == {}


def test_accounts_are_apart() -> None:
    room = _room((_job("here", 1), ONE))
    room.add("@north", _job("adoptable", 0), ONE, hopeless=False)
    assert _admitted(room, {GPU: 5}) == ["here"]


def test_who_leaves_is_forgotten() -> None:
    room = _room((_job("first", 1), FOUR), (_job("second", 2), FOUR))
    room.discard("first")
    first = room.first("north", GPU)
    assert first is not None
    assert first[1].id == "second"
    room.discard("second")
    assert room.first("north", GPU) is None
    assert len(room) == 0
