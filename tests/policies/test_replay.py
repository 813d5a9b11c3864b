"""Plans: history under another policy, with waits that can be worked out by hand."""

from __future__ import annotations

from typing import Any

from hanse.core.model.jobs import GroupShape, Job, Reason, ReasonCode, RemoteView, ShapeBody, make_shape
from hanse.core.model.lifecycle import JobState
from hanse.core.model.regions import Member, Node, RegionConfig
from hanse.core.model.resources import resources
from hanse.core.policy.model import Policy
from hanse.policies.comparison import Move, Plan
from hanse.policies.document import read_document
from hanse.policies.replay import History, compared, history_of
from hanse.policies.rules import Facts, Here, Rulebook

S = 1_000_000
T0_US = 1_700_000_000 * S
CONFIG = RegionConfig(
    name="north",
    cluster_id="test",
    members=(Member(name="north"), Member(name="east")),
    nodes=(Node(name="n", node_class="c", capacity=resources({"cpu": 1_000})),),
    tiers=("premium", "standard", "basic"),
)
HERE = Here(name="north")
FIFO = '[fair_share]\norder = "off"\n[backfill]\nmode = "none"\n[preemption]\nenabled = false\n'
FACTS = Facts()


def job(name: str, at_s: float, run_s: float, **fields: Any) -> Job:
    """A job of one core that ran at once, for so long."""
    shape = make_shape(ShapeBody(groups=(GroupShape(1, 1, resources({"cpu": 1_000})),)))
    submitted = T0_US + int(at_s * S)
    known = {
        "home": "north",
        "tenant": f"org/{name[0]}",
        "state": JobState.SUCCEEDED,
        "started_wall_us": submitted,
        "ended_wall_us": submitted + int(run_s * S),
        **fields,
    }
    return Job(
        id=f"north-{name}",
        name=name,
        client_key=name,
        spec=b"",
        spec_sha256=b"",
        shape=shape,
        grace_us=0,
        retries_max=0,
        submitted_wall_us=submitted,
        reason=Reason(ReasonCode.SUCCEEDED),
        attempt=1,
        **known,
    )


def judged(text: str, version: int) -> tuple[Policy, Rulebook]:
    document = read_document(text)
    return document.under(version), Rulebook(version, document.rules, HERE)


def history(*jobs: Job) -> History:
    return history_of(jobs, {each.id: (FACTS, each.shape) for each in jobs}, "north", T0_US + 1000 * S)


def plan(text: str, *jobs: Job) -> Plan:
    return compared(CONFIG, history(*jobs), judged(FIFO, 1), judged(FIFO + text, 2))


THREE = (job("a1", 0, 10), job("a2", 1, 10), job("b1", 2, 10))
B_FIRST = """
[[rules]]
name = "b is premium"
when = 'job.tenant == "org/b"'
then = { tier = "premium" }
"""


def test_who_waits_longer_and_who_shorter() -> None:
    found = plan(B_FIRST, *THREE)
    every, *tenants = found.tenants
    # One core: a1 runs 0-10; before, a2 waits 9 s and b1 18 s; after, b1 waits 8 s and a2 19 s.
    assert (every.wait_before_us, every.wait_after_us) == (9 * S, 9 * S)
    assert [each.tenant for each in tenants] == ["org/a", "org/b"], "who loses comes first"
    assert (tenants[0].wait_before_us, tenants[0].wait_after_us) == (4_500_000, 9_500_000)
    assert (tenants[1].longest_before_us, tenants[1].longest_after_us) == (18 * S, 8 * S)
    assert (every.longer, every.shorter, every.refused_after, every.stuck_after) == (1, 1, 0, 0)
    assert found.moves == ((Move("org/b", "standard", "premium", "", ""), 1),)
    assert [each.job_id for each in found.worst] == ["north-a2"]
    assert (found.measured_wait_us, found.replayed_wait_us) == (0, 9 * S)


def test_the_same_policy_changes_nothing() -> None:
    found = plan("", *THREE)
    assert (found.tenants[0].longer, found.tenants[0].shorter) == (0, 0)
    assert found.moves == found.refusals == found.worst == ()


def test_who_would_be_refused_and_why() -> None:
    found = plan("[[rules]]\nname = 'r'\nwhen = 'job.cpus > 0'\nthen = { refuse = 'no' }", *THREE)
    every = found.tenants[0]
    assert (every.refused_before, every.refused_after, every.wait_after_us) == (0, 3, 0)
    assert [
        (tenant, refused.message, before, count) for tenant, refused, before, count in found.refusals
    ] == [
        ("org/a", "no (rule 'r' of policy 2)", False, 2),
        ("org/b", "no (rule 'r' of policy 2)", False, 1),
    ]


def test_quotas_that_never_let_a_job_in() -> None:
    queue = '[[queues]]\nname = "q"\ntenants = ["org/b"]\nquotas = [{ kind = "cpu", nominal = 0 }]'
    found = plan(queue, *THREE)
    assert found.tenants[0].refused_after == 1
    assert found.refusals[0][1].code == "NEVER_FITS"


def test_what_still_waits_keeps_what_it_was_given() -> None:
    waiting = job("b2", 3, 0, state=JobState.QUEUED, started_wall_us=0, ended_wall_us=0)
    found = plan(B_FIRST, *THREE, waiting)
    assert [count for _, count in found.moves] == [1]
    assert any("Not ended yet: 1 waiting, 0 running." in each for each in found.caveats)
    assert any("keep the tier and queue" in each for each in found.caveats)


def test_what_ran_elsewhere_is_left_out_and_told() -> None:
    there = RemoteView("east", JobState.SUCCEEDED, 2, 1, Reason(ReasonCode.SUCCEEDED), 1, T0_US)
    moved = job("b3", 3, 1, state=JobState.MOVED)
    ended_there = job("b4", 3, 1, remote=there)
    cancelled = job("b5", 3, 0, state=JobState.CANCELLED, started_wall_us=0)
    found = plan(B_FIRST, *THREE, moved, ended_there, cancelled)
    assert found.jobs == 3
    assert any("ran in other regions: 2 jobs." in each for each in found.caveats)
    assert any("cancelled before they started: 1 job." in each for each in found.caveats)


def test_jobs_of_another_home_keep_its_rulings() -> None:
    theirs = job("b6", 2, 10, home="east")
    found = plan(B_FIRST, *THREE[:2], theirs)
    assert found.moves == ()


def test_what_has_not_ended_runs_as_its_user_says_or_as_its_tenants_jobs_did() -> None:
    running = job("a3", 0.5, 0, state=JobState.RUNNING, ended_wall_us=0)
    found = plan("", job("a1", 0, 10), running, job("b1", 1, 10))
    # a1 0-10, a3 10-?: it has run for 1,000 s already, so b1 starts after that.
    longest = {each.tenant: each.longest_after_us for each in found.tenants}
    assert longest["org/b"] == 10 * S + 999_500_000 - 1 * S


def test_an_empty_history_is_a_plan_without_jobs() -> None:
    found = plan(B_FIRST)
    assert (found.jobs, found.tenants[0].jobs) == (0, 0)


def test_plans_are_the_same_every_time() -> None:
    jobs = [job(f"{'abc'[n % 3]}{n}", n / 3, 1 + n % 5) for n in range(60)]
    assert plan(B_FIRST, *jobs) == plan(B_FIRST, *jobs)
