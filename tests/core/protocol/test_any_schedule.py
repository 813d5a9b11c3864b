"""Any schedule: whatever is lost, doubled, reordered, crashed and cancelled, each job has one owner after every write,
runs in one region at most, and ends at its home once the world is kind again."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hanse.core.effects import Launch
from hanse.core.messages import CancelAck, Commit, Decision, Stable, Terminal, TerminalAck
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.core.model.time import MILLISECOND_US, SECOND_US
from tests.core.protocol.league import League
from tests.core.protocol.station import NoAnswerError
from tests.core.protocol.story import BACKGROUND

REGIONS = ("north", "south", "west")
JOBS = ("job-0", "job-1")
CRASH_KINDS = (Commit, Decision, Stable, Terminal, TerminalAck, CancelAck, Launch)
PAUSES_US = (10 * MILLISECOND_US, 300 * MILLISECOND_US, 2 * SECOND_US, 31 * SECOND_US)
UNDER_WAY_MAX = 40

Action = tuple[str, int, int]
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("deliver"), st.just(0), st.just(0)),
        st.tuples(st.sampled_from(["duplicate", "lose"]), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("pass"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("give"), st.integers(0, 5), st.integers(0, 1)),
        st.tuples(st.sampled_from(["crash", "restart", "reboot"]), st.integers(0, 2), st.just(0)),
        st.tuples(st.sampled_from(["dies before", "dies after"]), st.integers(0, 2), st.integers(0, 6)),
        st.tuples(st.just("end"), st.integers(0, 1), st.integers(0, 1)),
        st.tuples(st.just("cancel"), st.integers(0, 2), st.integers(0, 1)),
    ),
    max_size=50,
)


def act(league: League, action: str, one: int, two: int) -> None:
    """One thing happens, if it can."""
    name = REGIONS[one % 3]
    up = league.stations[name].core is not None
    match action:
        case "deliver" | "duplicate" | "lose":
            transmit(league, action, one)
        case "pass":
            league.advance(PAUSES_US[one])
        case "give":
            give(league, name, REGIONS[(one % 3 + 1 + one // 3) % 3], JOBS[two])
        case "crash" if up:
            league.crash(name)
        case "reboot" if up:
            league.reboot(name)
        case "restart" if not up:
            league.restart(name)
        case "dies before" if up:
            league.crash_before_write(name, CRASH_KINDS[two])
        case "dies after" if up:
            league.crash_after_write(name, CRASH_KINDS[two])
        case "end":
            end_all(league, JOBS[one], exit_code=two)
        case "cancel" if up and league.state(name, JOBS[two]) is not None:
            with suppress(NoAnswerError):
                league.cancel(name, JOBS[two])


def transmit(league: League, action: str, at: int) -> None:
    """One of the messages under way arrives, arrives and will again, or never does."""
    vital = [each for each in league.wire if not isinstance(each.message, BACKGROUND)]
    if not vital:
        return
    parcel = vital[at % len(vital)]
    if action != "duplicate" or len(vital) > UNDER_WAY_MAX:
        league.wire.remove(parcel)
    if action != "lose":
        league.deliver(parcel)


def give(league: League, giver: str, to: str, job_id: str) -> None:
    """Hand a queued job over, whatever routing thinks."""
    if league.stations[giver].core is not None and league.state(giver, job_id) is JobState.QUEUED:
        league.hand_over(giver, job_id, to)


def end_all(league: League, job_id: str, exit_code: int = 0) -> None:
    """Processes of this job end, whether or not their daemon is up."""
    for name in league.running(job_id):
        league.end(name, job_id, exit_code)


def heal(league: League) -> None:
    """Everything works from now on."""
    league.let_go()
    for station in league.stations.values():
        station.crash_at = None
        if station.core is None:
            league.restart(station.name)


def is_over(league: League) -> bool:
    """Every job is final at home, and nobody owes anybody anything."""
    final = all(league.state("north", job_id) in TERMINAL_STATES for job_id in JOBS)
    open_jobs = [job for name in REGIONS for job in league[name].books.jobs.values()]
    return final and all(job.state is JobState.MOVED for job in open_jobs)


@given(ACTIONS, st.integers(0, 2))
# Offers that were declined because a slot was held, and asked for again at once, without end.
@example([("deliver", 0, 0), ("deliver", 0, 0), ("pass", 3, 0), ("crash", 0, 0)], 0)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_under_any_schedule_a_job_has_one_owner_and_ends_at_home(actions: list[Action], seed: int) -> None:
    league = League(seed=seed, north=1, south=1, west=1)
    league.hold_if(lambda parcel: not isinstance(parcel.message, BACKGROUND))
    for job_id in JOBS:
        league.submit("north", job_id, retries_max=1)
    for action, one, two in actions:
        act(league, action, one, two)
        league.check_tokens()
    heal(league)
    for _ in range(100):
        league.advance(3 * SECOND_US)
        if is_over(league):
            return
        for job_id in JOBS:
            end_all(league, job_id)
    raise AssertionError(f"not over: {[league.states(job_id) for job_id in JOBS]}")
