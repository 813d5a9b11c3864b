"""The door of the core: what a step promises, whatever enters."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanse.core import invariants
from hanse.core.events import (
    Ask,
    CancelJobs,
    Event,
    ExecutorRecovered,
    JobsForgotten,
    LedgerPressure,
    PeerUnreachable,
    Question,
    SetDrain,
    Submit,
)
from hanse.core.messages import Commit, Decision, Hello, Offer, OfferAnswer, Solicit
from hanse.core.model.jobs import GroupShape, Submission
from hanse.core.model.lifecycle import JobState
from hanse.core.model.resources import resources
from hanse.core.model.time import SECOND_US, Now
from hanse.core.region import Region
from hanse.core.replies import Done, Explanation, NodeView, Refused, StatusView, Submitted
from hanse.core.rows import Snapshot
from tests.core.protocol.league import League
from tests.core.protocol.station import shape_of

BIG = GroupShape(1, 1, resources({"gpu": 64_000}))


def drain(league: League, region: str, draining: bool = True) -> None:
    """An operator drains a region, or ends that."""
    league.step(region, SetDrain(request_id=77, draining=draining, cause="operator"))
    assert league.stations[region].answers[77] == Done()


def ask(league: League, question: Question, job_id: str = "") -> object:
    """What north's memory says."""
    league.step("north", Ask(request_id=88, question=question, job_id=job_id))
    return league.stations["north"].answers[88]


# --- submitting ----------------------------------------------------


def test_the_same_submission_again_is_the_same_job_and_another_spec_is_a_conflict() -> None:
    league = League(north=0, south=0)
    shape = shape_of(GroupShape(1, 1, resources({"cpu": 1})))
    assert league.submit("north", "job-1", shape) == Submitted("job-1", existed=False)
    assert league.submit("north", "job-1", shape) == Submitted("job-1", existed=True)
    sequence = league.stations["north"].ledger.write_sequence
    north = league["north"]
    other = msgspec.structs.replace(_submission(league, "job-1"), spec_sha256=b"another")
    refused = north.admission.submit(other, north.books, north.local.enqueue)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.field) == ("KEY_CONFLICT", "client_key")
    assert league.stations["north"].ledger.write_sequence == sequence


def _submission(league: League, job_id: str) -> Submission:
    job = league.job("north", job_id)
    return Submission(
        job_id="another-id",
        client_key=job.client_key,
        tenant=job.tenant,
        name=job.name,
        spec=job.spec,
        spec_sha256=job.spec_sha256,
        shape=job.shape,
        grace_us=0,
        retries_max=0,
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"regions_allow": ("atlantis",)}, "spec.regions.allow[0]"),
        ({"regions_deny": ("north", "atlantis")}, "spec.regions.deny[1]"),
        ({"regions_prefer": ("atlantis",)}, "spec.regions.prefer[0]"),
        ({"tier": "gold"}, "spec.tier"),
    ],
)
def test_names_that_mean_nothing_here_are_refused_with_their_field(
    body: dict[str, object], field: str
) -> None:
    league = League(north=1, south=1)
    sequence = league.stations["north"].ledger.write_sequence
    refused = league.submit("north", "job-1", shape_of(**body))  # type: ignore[arg-type]
    assert isinstance(refused, Refused)
    assert (refused.code, refused.field) == ("INVALID", field)
    assert league.stations["north"].ledger.write_sequence == sequence


def test_what_fits_nowhere_is_refused_once_every_record_is_known_and_not_before() -> None:
    league = League(north=1, south=1)
    refused = league.submit("north", "job-1", shape_of(BIG))
    assert isinstance(refused, Refused)
    assert (refused.code, refused.field) == ("NEVER_FITS", "spec.groups")
    unconnected = League(north=1, south=1, connect=False)
    assert unconnected.submit("north", "job-1", shape_of(BIG)) == Submitted("job-1", existed=False)


def test_a_full_queue_refuses_callers_and_says_when_to_come_back() -> None:
    league = League(north=1, south=0, queue_depth_max=2)
    for number in range(3):
        league.submit("north", f"job-{number}")
    refused = league.submit("north", "one-too-many")
    assert isinstance(refused, Refused)
    assert refused.code == "EXHAUSTED"
    assert refused.retry_after_ms > 0


def test_a_nearly_full_disk_admits_and_accepts_nothing_and_finishes_what_runs() -> None:
    league = League(north=1, south=0)
    league.submit("north", "job-1")
    league.step("north", LedgerPressure(nearly_full=True))
    refused = league.submit("north", "job-2")
    assert isinstance(refused, Refused)
    assert refused.code == "EXHAUSTED"
    league.submit("south", "job-3")
    league.end("north", "job-1")
    league.advance(3 * SECOND_US)
    assert league.state("north", "job-1") is JobState.SUCCEEDED
    assert league.messages(Commit) == []
    league.step("north", LedgerPressure(nearly_full=False))
    league.run_until(lambda: league.running("job-3") == ["north"])


# --- draining ----------------------------------------------------


def test_a_draining_region_starts_nothing_takes_nothing_and_hands_on_what_waits() -> None:
    league = League(north=1, south=1)
    drain(league, "north")
    league.submit("north", "job-1")
    league.run_until(lambda: league.running("job-1") == ["south"])
    league.submit("south", "job-2")
    league.advance(3 * SECOND_US)
    assert league.states("job-2") == {"south": "QUEUED"}
    assert league.messages(Solicit, sender="north") == []
    drain(league, "north", draining=False)
    league.run_until(lambda: league.running("job-2") == ["north"])


def test_draining_survives_a_restart() -> None:
    league = League(north=1, south=0)
    drain(league, "north")
    league.crash("north")
    league.restart("north")
    league.submit("north", "job-1")
    league.settle()
    assert league.states("job-1") == {"north": "QUEUED"}
    drain(league, "north", draining=False)
    assert league.running("job-1") == ["north"]


# --- before the executor has told ----------------------------------------------------


def test_nothing_is_launched_or_accepted_before_the_executor_has_told_what_runs() -> None:
    league = League(north=1, south=0)
    station = league.stations["north"]
    league.crash("north")
    station.core = Region(station.config, station.ledger.recover(), league.now, random.Random(1))
    league.submit("north", "job-1")
    league.submit("south", "job-2")
    league.advance(3 * SECOND_US)
    assert league.states("job-1") == {"north": "QUEUED"}
    assert all(isinstance(each, OfferAnswer) and each.slots == 0 for each in league.messages(OfferAnswer))
    assert league.messages(Decision) == []
    league.step("north", ExecutorRecovered(found=()))
    assert league.running("job-1") == ["north"]


# --- questions and forgetting ----------------------------------------------------


def test_questions_are_answered_without_a_write() -> None:
    league = League(north=1, south=1)
    league.submit("north", "job-1")
    league.submit("north", "job-2")
    sequence = league.stations["north"].ledger.write_sequence
    explained = ask(league, Question.EXPLAIN, "job-1")
    assert isinstance(explained, Explanation)
    assert explained.state is JobState.RUNNING
    assert isinstance(ask(league, Question.EXPLAIN, "nothing"), Refused)
    status = ask(league, Question.STATUS)
    assert isinstance(status, StatusView)
    assert (status.region, dict(status.jobs_by_state)["RUNNING"]) == ("north", 1)
    nodes = ask(league, Question.NODES)
    assert isinstance(nodes, tuple)
    assert isinstance(nodes[0], NodeView)
    assert nodes[0].jobs == ("job-1",)
    assert len(_tuple(ask(league, Question.MEMBERS))) == 2
    assert len(_tuple(ask(league, Question.INVENTORY))) == 2
    assert league.stations["north"].ledger.write_sequence == sequence


def _tuple(answer: object) -> tuple[object, ...]:
    assert isinstance(answer, tuple)
    return answer


def test_a_forgotten_job_frees_its_client_key() -> None:
    league = League(north=1, south=0)
    league.submit("north", "job-1")
    league.end("north", "job-1")
    league.settle()
    assert league.submit("north", "job-1") == Submitted("job-1", existed=True)
    league.step("north", JobsForgotten(job_ids=("job-1",), client_keys=(("team", "job-1"),)))
    assert league.states("job-1") == {}
    assert league.submit("north", "job-1") == Submitted("job-1", existed=False)


# --- what every step promises ----------------------------------------------------


def test_a_step_without_events_before_the_deadline_changes_nothing() -> None:
    league = League(north=1, south=1)
    league.settle()
    deadline_us = league["north"].next_deadline()
    assert deadline_us is not None
    assert deadline_us > league.now_us
    sends = len(league.sent)
    sequence = league.stations["north"].ledger.write_sequence
    league.step("north")
    assert len(league.sent) == sends
    assert league.stations["north"].ledger.write_sequence == sequence


def test_without_sessions_only_greetings_leave() -> None:
    league = League(north=0, south=1, connect=False)
    league.submit("north", "job-1")
    assert {type(each.message) for each in league.sent} <= {Hello}
    league.step("north", PeerUnreachable(peer="south"))
    assert league.messages(Offer) == []


EVENTS = st.lists(
    st.one_of(
        st.builds(
            lambda key, cpu: ("submit", key, cpu),
            st.integers(0, 8),
            st.sampled_from([1_000, 20_000, 64_000]),
        ),
        st.builds(lambda key: ("cancel", key, 0), st.integers(0, 8)),
        st.builds(lambda wait: ("pass", wait, 0), st.sampled_from([0, 1_000, 300_000, 5_000_000])),
        st.sampled_from([("drain", 1, 0), ("drain", 0, 0), ("pressure", 1, 0), ("pressure", 0, 0)]),
    ),
    max_size=25,
)


def event_of(action: str, number: int, cpu: int) -> Event:
    """An event as the shell would make it."""
    match action:
        case "submit":
            job_id = f"job-{number}-{cpu}"
            shape = shape_of(GroupShape(1, 1, resources({"cpu": cpu})))
            one = Submission(job_id, job_id, "team", "", b"spec", b"", shape, 0, 0)
            return Submit(request_id=1, submissions=(one,), cause="c")
        case "cancel":
            return CancelJobs(request_id=1, job_ids=(f"job-{number}-1000", "nothing"), cause="c")
        case "drain":
            return SetDrain(request_id=1, draining=bool(number), cause="c")
        case _:
            return LedgerPressure(nearly_full=bool(number))


def run(actions: list[tuple[str, int, int]]) -> list[bytes]:
    """Every effect of a lonely region that these events happen to, as bytes."""
    config = League(north=1, south=1, connect=False).stations["north"].config
    snapshot = Snapshot(ledger_id="ledger", incarnation=1, write_sequence=0)
    now_us = SECOND_US
    region = Region(config, snapshot, Now(mono_us=now_us, wall_us=now_us), random.Random(7))
    events: list[Event] = [ExecutorRecovered(found=())]
    seen: list[bytes] = []
    for action, number, cpu in actions:
        if action == "pass":
            now_us += number
        else:
            events.append(event_of(action, number, cpu))
        before = region.sequence
        effects = region.step(Now(mono_us=now_us, wall_us=now_us), events)
        invariants.check(region, full=True)
        assert effects.sequence == before + bool(effects.writes)
        seen.append(msgspec.json.encode(msgspec.to_builtins(effects, enc_hook=repr, str_keys=True)))
        events = []
    return seen


@given(EVENTS)
@settings(max_examples=40, deadline=None)
def test_the_same_events_give_the_same_effects_bit_for_bit(actions: list[tuple[str, int, int]]) -> None:
    assert run(actions) == run(actions)
