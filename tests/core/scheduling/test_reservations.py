"""Reservations: what is set aside, for whom, when; what may cross a window; who leaves for it; what is refused."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanse.core.events import Ask, CancelReservation, PolicyChanged, Question, Reserve
from hanse.core.invariants import check
from hanse.core.model.jobs import GroupShape, ReasonCode, ShapeBody, make_shape
from hanse.core.model.lifecycle import JobState
from hanse.core.model.reservations import Before, WantedReservation, WindowState
from hanse.core.model.resources import Resources, added, fits
from hanse.core.policy.model import Backfill, BackfillMode, FairShare, Policy, Preemption
from hanse.core.replies import Answer, Done, Refused, Reserved
from hanse.policies.virtual import VirtualJob, VirtualRegion
from tests.core.scheduling.regions import MS, one, reason, started_at, virtual
from tests.core.scheduling.worlds import group

SECOND = 1_000
_EPOCH_US = 1_700_000_000_000_000
PLAIN = Policy(
    fair_share=FairShare(order="before_priority"),
    backfill=Backfill(mode="easy"),
    preemption=Preemption(enabled=False),
)


def wanted(
    name: str = "night",
    *,
    tenant: str = "mill",
    cpu: int = 4,
    count: int = 1,
    starts: tuple[int, ...] = (100,),
    lasts: int = 100,
    before: Before = Before.FINISH,
    idle: int = 0,
    where: tuple[str, ...] = (),
) -> WantedReservation:
    """Times in seconds from the beginning."""
    return WantedReservation(
        name=name,
        tenant=tenant,
        groups=(group(count, where=where, cpu=cpu),),
        starts_wall_us=tuple(_EPOCH_US + at * SECOND * MS for at in starts),
        duration_us=lasts * SECOND * MS,
        before=before,
        idle_release_us=idle * SECOND * MS,
    )


def reserve(region: VirtualRegion, asked: WantedReservation) -> Answer:
    out = region.step(Reserve(request_id=1, wanted=asked, id=f"r-{asked.name}", cause="test"))
    answer: Answer = out.replies[0].answer
    assert isinstance(answer, Refused) != bool(out.writes.reservations or getattr(answer, "existed", False))
    return answer


def state_of(region: VirtualRegion, name: str = "night") -> WindowState:
    windows = region.region.local.windows.view()
    return next(each.state for each in windows if each.reservation.name == name)


def job(name: str, cpu: int, at: int, run: int, tenant: str = "yard", **more: int) -> VirtualJob:
    """Times in seconds."""
    more = {key: value * SECOND for key, value in more.items()}
    return one(name, cpu, at=at * SECOND, run=run * SECOND, tenant=tenant, **more)


def starts(region: VirtualRegion) -> dict[str, int]:
    return {name: at // SECOND for name, at in started_at(region).items()}


def test_in_its_window_a_tenant_starts_at_once_and_nobody_else_does() -> None:
    jobs = [
        job("early", 4, 10, 60),
        job("theirs", 4, 120, 20),
        job("ours", 4, 150, 10, tenant="mill/weavers"),
        job("more", 4, 151, 10, tenant="mill"),
    ]
    region = virtual(PLAIN, jobs)
    assert isinstance(reserve(region, wanted()), Reserved)
    region.run(400 * SECOND * MS)
    assert starts(region) == {"early": 10, "ours": 150, "more": 160, "theirs": 200}


def test_what_would_cross_the_start_of_a_window_waits_or_goes_elsewhere() -> None:
    jobs = [job("long", 4, 10, 95), job("short", 4, 20, 75), job("second", 4, 21, 500)]
    region = virtual(PLAIN, jobs, nodes=2)
    assert isinstance(reserve(region, wanted()), Reserved)
    region.run(1_000 * SECOND * MS)
    begun = starts(region)
    assert begun["long"] == 10
    assert begun["short"] == 20
    # Both nodes are busy until 95; by then it would cross on the window's.
    assert begun["second"] == 105


def test_a_job_may_cross_beside_what_the_window_needs() -> None:
    region = virtual(PLAIN, [job("beside", 2, 10, 500), job("third", 1, 11, 500)])
    assert isinstance(reserve(region, wanted(cpu=2)), Reserved)
    region.run(1_000 * SECOND * MS)
    assert starts(region) == {"beside": 10, "third": 200}


@pytest.mark.parametrize("before", list(Before))
def test_what_becomes_of_running_work(before: Before) -> None:
    """One may be restarted, one not; both overlap the window, since they began before it was made."""
    restartable = one("kept", 2, at=0, run=300 * SECOND, grace=5 * SECOND, tenant="yard")
    body = msgspec.structs.replace(restartable.shape.body, restartable=True)
    restartable = VirtualJob(
        id="kept",
        shape=make_shape(body),
        at_us=0,
        run_us=300 * SECOND * MS,
        tenant="yard",
        grace_us=5 * SECOND * MS,
    )
    stubborn = job("stubborn", 2, 0, 300, grace=7)
    region = virtual(PLAIN, [restartable, stubborn, job("ours", 2, 100, 10, tenant="mill")])
    region.run(1 * SECOND * MS)
    assert isinstance(reserve(region, wanted(cpu=4, lasts=400, before=before)), Reserved)
    region.run(99 * SECOND * MS)
    states = {name: region.region.books.jobs[name].state for name in ("kept", "stubborn")}
    stopped = [name for name, state in states.items() if state is not JobState.RUNNING]
    region.run(101 * SECOND * MS)
    check(region.region, full=True)
    match before:
        case Before.FINISH:
            assert stopped == []
            assert "ours" not in starts(region)
        case Before.CHECKPOINT:
            # The node is needed whole, and one of the two stays: nobody is stopped for nothing.
            assert stopped == []
        case Before.PREEMPT:
            assert stopped == ["kept", "stubborn"]
            assert starts(region)["ours"] == 100
            assert reason(region, "kept").code is ReasonCode.PREEMPTED
            assert "reservation night of mill" in reason(region, "kept").detail


def test_checkpoint_stops_only_what_may_be_restarted() -> None:
    body = msgspec.structs.replace(one("x", 2, run=300 * SECOND).shape.body, restartable=True)
    kept = VirtualJob(
        id="kept", shape=make_shape(body), at_us=0, run_us=300 * SECOND * MS, grace_us=5 * SECOND * MS
    )
    region = virtual(PLAIN, [kept, job("stubborn", 2, 0, 300)])
    region.run(1 * SECOND * MS)
    assert isinstance(reserve(region, wanted(cpu=2, before=Before.CHECKPOINT)), Reserved)
    region.run(94 * SECOND * MS)
    assert region.region.books.jobs["kept"].state is JobState.RUNNING
    region.run(98 * SECOND * MS)
    assert region.region.books.jobs["kept"].state is JobState.STOPPING
    assert region.region.books.jobs["stubborn"].state is JobState.RUNNING


def test_an_unused_window_is_given_up_and_the_next_one_is_not() -> None:
    region = virtual(
        PLAIN, [job("theirs", 4, 110, 30), job("next", 4, 310, 30), job("ours", 4, 311, 5, tenant="mill")]
    )
    assert isinstance(reserve(region, wanted(starts=(100, 300), idle=20)), Reserved)
    region.run(119 * SECOND * MS)
    assert state_of(region) is WindowState.OPEN
    region.run(121 * SECOND * MS)
    assert state_of(region) is WindowState.RELEASED
    region.run(600 * SECOND * MS)
    begun = starts(region)
    assert begun == {"theirs": 120, "ours": 311, "next": 336}
    assert state_of(region) is WindowState.OVER


def test_what_is_refused_names_its_field_and_changes_nothing() -> None:
    region = virtual(PLAIN, nodes=2)
    region.run(50 * SECOND * MS)
    cases = [
        (wanted(starts=(49,)), "INVALID", "start"),
        (wanted(starts=()), "INVALID", "recurrence"),
        (wanted(starts=(100, 150)), "INVALID", "duration"),
        (wanted(lasts=0), "INVALID", "duration"),
        (wanted(lasts=500 * 86_400), "INVALID", "until"),
        (wanted(cpu=5), "NEVER_FITS", "groups"),
        (wanted(count=3), "NEVER_FITS", "groups"),
        (wanted(where=("zone in",)), "INVALID", "groups[0].constraints[0]"),
        (msgspec.structs.replace(wanted(), groups=()), "INVALID", "groups"),
        (
            msgspec.structs.replace(wanted(), groups=(GroupShape(1, 1, (("gpu", 500),)),)),
            "INVALID",
            "groups[0].resources[gpu]",
        ),
    ]
    for asked, code, field in cases:
        answer = reserve(region, asked)
        assert isinstance(answer, Refused), asked
        assert (answer.code, answer.field) == (code, field), answer
    assert region.region.local.windows.view() == ()


def test_an_overlap_that_does_not_fit_is_refused_and_names_the_other() -> None:
    region = virtual(PLAIN, nodes=2)
    assert isinstance(reserve(region, wanted("first", count=1)), Reserved)
    assert isinstance(reserve(region, wanted("second", count=1, starts=(150,))), Reserved)
    answer = reserve(region, wanted("third", starts=(50,), lasts=110))
    assert isinstance(answer, Refused)
    assert (answer.code, answer.field) == ("CONFLICT", "groups")
    assert "first of mill, from 2023-11-14 22:15:00 UTC" in answer.message
    assert isinstance(reserve(region, wanted("fourth", starts=(250,), count=2)), Reserved)
    assert isinstance(reserve(region, wanted("fifth", starts=(50,), lasts=50, count=2)), Reserved)


def test_cordoned_nodes_do_not_count() -> None:
    region = virtual(PLAIN, nodes=2)
    region.region.local.capacity.cordon("n0", "drained")
    answer = reserve(region, wanted(count=2))
    assert isinstance(answer, Refused)
    assert "1 cordoned" in answer.message
    answer = reserve(region, wanted())
    assert isinstance(answer, Reserved)
    assert [task.node for task in answer.reservation.allocation.tasks] == ["n1"]


def test_asked_again_it_answers_the_same_and_cancelled_it_is_gone() -> None:
    region = virtual(PLAIN, [job("theirs", 4, 120, 10)])
    first = reserve(region, wanted())
    again = region.step(Reserve(request_id=1, wanted=wanted(), id="another", cause="test")).replies[0].answer
    assert isinstance(first, Reserved)
    assert again == Reserved(first.reservation, existed=True)
    other = reserve(region, wanted(cpu=3))
    assert isinstance(other, Refused)
    assert (other.code, other.field) == ("KEY_CONFLICT", "name")
    region.run(150 * SECOND * MS)
    assert starts(region) == {}
    out = region.step(CancelReservation(request_id=2, name="night", cause="test"))
    assert out.replies[0].answer == Done()
    assert out.writes.reservations_delete == ["r-night"]
    assert starts(region) == {"theirs": 150}
    out = region.step(CancelReservation(request_id=3, name="night", cause="test"))
    assert isinstance(out.replies[0].answer, Refused)


def test_explain_names_the_reservation_and_when_it_is_over() -> None:
    region = virtual(PLAIN, [job("crosses", 4, 10, 95), job("waits", 4, 120, 10)])
    assert isinstance(reserve(region, wanted()), Reserved)
    region.run(20 * SECOND * MS)
    out = region.step(Ask(request_id=1, question=Question.EXPLAIN, job_id="crosses"))
    answer = out.replies[0].answer
    blocker = answer.regions[0].blockers[0]  # type: ignore[union-attr]
    assert blocker.code == "RESERVATION"
    assert "reservation night of mill begins at 2023-11-14 22:15:00 UTC" in blocker.message
    assert "after 2023-11-14 22:16:40 UTC, when reservation night ends" in answer.unblock  # type: ignore[union-attr]
    region.run(130 * SECOND * MS)
    out = region.step(Ask(request_id=1, question=Question.EXPLAIN, job_id="waits"))
    answer = out.replies[0].answer
    codes = [blocker.code for blocker in answer.regions[0].blockers]  # type: ignore[union-attr]
    assert "RESERVATION" in codes
    assert "after 2023-11-14 22:16:40 UTC, when reservation night ends" in answer.unblock  # type: ignore[union-attr]


MODES: tuple[BackfillMode, ...] = ("none", "easy", "conservative")


@st.composite
def crowds(draw: st.DrawFn) -> list[VirtualJob]:
    """Jobs of a tenant with reservations and of one without, whose estimates are right or too short."""
    found = []
    for number in range(draw(st.integers(1, 12))):
        run = draw(st.integers(1, 60))
        found.append(
            one(
                f"j{number}",
                draw(st.integers(1, 4)),
                at=draw(st.integers(0, 150)) * SECOND,
                run=run * SECOND,
                estimate=max(1, run - draw(st.sampled_from([0, 0, 0, 5]))) * SECOND,
                tenant=draw(st.sampled_from(["mill", "mill/weavers", "yard", "yard"])),
                grace=draw(st.sampled_from([0, 2])) * SECOND,
                count=draw(st.sampled_from([1, 1, 1, 2])),
            )
        )
    return found


@st.composite
def bookings(draw: st.DrawFn) -> list[WantedReservation]:
    lasts = draw(st.integers(5, 40))
    first = draw(st.integers(0, 60))
    return [
        wanted(
            f"r{number}",
            tenant=draw(st.sampled_from(["mill", "port"])),
            cpu=draw(st.integers(1, 4)),
            count=draw(st.integers(1, 2)),
            starts=tuple(
                first + number * draw(st.integers(0, 20)) + at * (lasts + 30)
                for at in range(draw(st.integers(1, 3)))
            ),
            lasts=lasts,
            before=draw(st.sampled_from(list(Before))),
            idle=draw(st.sampled_from([0, 0, 7])),
        )
        for number in range(draw(st.integers(1, 3)))
    ]


@settings(max_examples=60, deadline=None)
@given(crowds(), bookings(), st.sampled_from(MODES), st.integers(0, 60))
def test_no_reservation_is_violated(
    jobs: list[VirtualJob], asked: list[WantedReservation], mode: BackfillMode, change_at: int
) -> None:
    policy = msgspec.structs.replace(PLAIN, backfill=Backfill(mode=mode))
    region = virtual(policy, jobs, nodes=2)
    for each in asked:
        reserve(region, each)
    _no_capacity_is_reserved_twice(region)
    changed = False
    for _ in range(2_000):
        if not region.busy or region.now_us > 400 * SECOND * MS:
            break
        region.advance()
        if not changed and region.now_us >= change_at * SECOND * MS:
            changed = True
            region.step(
                PolicyChanged(request_id=9, policy=msgspec.structs.replace(policy, version=2), cause="test")
            )
        check(region.region, full=True)
        _fitting_jobs_of_the_tenant_run(region)
        _unused_windows_are_given_up(region)
    queued = [each for each in region.region.books.jobs.values() if each.state is JobState.QUEUED]
    assert not queued or region.busy, "somebody waits for ever"


def _no_capacity_is_reserved_twice(region: VirtualRegion) -> None:
    reservations = [view.reservation for view in region.region.local.windows.view()]
    instants = {start for each in reservations for start in each.starts_wall_us}
    for at in instants:
        by_node: dict[str, Resources] = {}
        for each in reservations:
            begins = each.window_at(at)
            if begins is not None and begins <= at:
                for task in each.allocation.tasks:
                    there = by_node.get(task.node, ())
                    by_node[task.node] = added(there, each.groups[task.group].resources)
        for node in region.nodes:
            assert fits(by_node.get(node.name, ()), node.capacity), f"{node.name} is reserved twice"


def _fitting_jobs_of_the_tenant_run(region: VirtualRegion) -> None:
    """Nobody waits who would fit into what is held for him (and cross no other window)."""
    local = region.region.local
    for window in local.windows.open():
        for waiting in list(local.queue._jobs.values()):
            if not window.reservation.is_for(waiting.tenant):
                continue
            until_us = region.now_us + local.predictor.predict_us(waiting)
            if local.scheduler.crossings.crossed(waiting.tenant, region.now_us, until_us):
                continue
            ways = local.standing.ways_of(waiting)
            assert local.scheduler.reserved.place(window, waiting, ways) is None, f"{waiting.id} waits"


def _unused_windows_are_given_up(region: VirtualRegion) -> None:
    for window in region.region.local.windows.open():
        idle_us = window.reservation.idle_release_us
        if idle_us and not window.used:
            assert region.now_us - window.idle_since_us < idle_us, "it is held for nobody"


def test_a_shape_has_no_estimate_of_its_own() -> None:
    """Two reservations of the same places are placed alike, whatever else jobs say."""
    assert (
        make_shape(ShapeBody(groups=wanted().groups)).key
        == make_shape(ShapeBody(groups=wanted("b").groups)).key
    )
