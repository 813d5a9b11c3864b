"""What rules make of submissions."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hanse.core.model.jobs import GroupShape, Ruled, ShapeBody, Submission, make_shape
from hanse.core.model.resources import resources
from hanse.core.replies import Refused
from hanse.policies.document import read_document
from hanse.policies.rules import Facts, Here, Rulebook

NO_FACTS = Facts()
HERE = Here(name="north", datasets=("imagenet",), price=900)
# Wednesday, 15 November 2023, 22:13:20 UTC.
NIGHT_US = 1_700_086_400_000_000


def submission(**fields: Any) -> Submission:
    group = GroupShape(2, 2, resources({"gpu/a100": 4_000, "cpu": 2_500, "memory": 3 << 29}))
    body = ShapeBody(groups=(group,), **fields)
    return Submission(
        job_id="north-1",
        client_key="k",
        tenant="physics/theory",
        name="train",
        spec=b"",
        spec_sha256=b"",
        shape=make_shape(body),
        grace_us=0,
        retries_max=3,
    )


def book(*rules: str) -> Rulebook:
    """Rules, each as "when -> then"."""
    text = '[[queues]]\nname = "night"\n[[queues]]\nname = "day"\n'
    for number, rule in enumerate(rules):
        when, then = rule.split(" -> ")
        text += f"[[rules]]\nname = \"r{number}\"\nwhen = '''{when}'''\nthen = {then}\n"
    return Rulebook(7, read_document(text).rules, HERE)


def ruled(rules: Rulebook, facts: Facts = NO_FACTS, **fields: Any) -> Submission:
    result = rules.rule(submission(**fields), facts, NIGHT_US)
    assert isinstance(result, Submission), result
    return result


def refusal(rules: Rulebook, facts: Facts = NO_FACTS, **fields: Any) -> Refused:
    result = rules.rule(submission(**fields), facts, NIGHT_US)
    assert isinstance(result, Refused)
    return result


def test_without_a_rule_that_is_true_nothing_changes_but_the_version() -> None:
    for rules in (book(), book('job.gpus > 99 -> { tier = "basic" }')):
        assert ruled(rules) == msgspec.structs.replace(submission(), policy_version=7)


@pytest.mark.parametrize(
    "when",
    [
        'job.name == "train" && job.tenant == "physics/theory" && job.kind == "batch"',
        'job.tier == "premium" && job.labels.team == "x" && job.priority == 5',
        "job.gpus == 8 && job.npus == 0 && job.cpus == 5 && job.memory_gib == 3",
        'job.resources["gpu/a100"] == 8000 && job.tasks == 2 && job.groups == 1',
        "job.runtime_s == 91 && job.retries == 3",
        'job.datasets == ["imagenet"] && job.regions == ["east", "north"]',
        'region.name == "north" && region.price == 900 && "imagenet" in region.datasets && region.power == 1000',
        "now.hour == 22 && now.minute == 13 && now.weekday == 3",
    ],
)
def test_what_expressions_read(when: str) -> None:
    facts = Facts(labels=(("team", "x"),), tier="premium")
    result = ruled(
        book(f'{when} -> {{ tier = "basic" }}'),
        facts,
        priority=5,
        runtime_estimate_us=90_500_000,
        datasets=("imagenet",),
        regions_allow=("east", "north"),
    )
    assert result.shape.body.tier == "basic"
    assert result.ruled == "policy 7: r0"


def test_the_first_rule_that_gives_a_tier_or_a_queue_counts() -> None:
    rules = book(
        'true -> { tier = "premium" }',
        'job.tier == "" -> { tier = "basic", queue = "night" }',
        'true -> { queue = "day" }',
    )
    body = ruled(rules).shape.body
    assert (body.tier, body.ruled) == ("premium", Ruled("night"))


def test_defaults_fill_in_what_the_caller_left_open() -> None:
    rules = book(
        'true -> { defaults = { tier = "basic", priority = 9, runtime_estimate = "1h", prefer = ["east"] } }'
    )
    body = ruled(rules).shape.body
    assert (body.tier, body.priority, body.runtime_estimate_us) == ("basic", 9, 3_600_000_000)
    assert body.regions_prefer == ("east",)
    given = ruled(
        rules,
        Facts(tier="premium"),
        tier="premium",
        priority=1,
        runtime_estimate_us=5,
        regions_prefer=("west",),
    ).shape.body
    assert (given.tier, given.priority, given.runtime_estimate_us) == ("premium", 1, 5)
    assert given.regions_prefer == ("west",)


def test_regions_add_up() -> None:
    rules = book(
        'true -> { regions = { allow = ["north", "east"] } }',
        'true -> { regions = { allow = ["east", "west"], deny = ["south"] } }',
    )
    body = ruled(rules).shape.body
    assert (body.regions_allow, body.regions_deny) == (("east",), ("south",))
    assert ruled(rules, regions_allow=("east", "north")).shape.body.regions_allow == ("east",)
    refused = refusal(rules, regions_allow=("north",))
    assert (refused.code, refused.field) == ("INVALID", "spec.regions")
    assert refused.message == "leaves none of the regions that the job allows (rule 'r1' of policy 7)"
    denied = book('true -> { regions = { deny = ["east"] } }')
    assert refusal(denied, regions_allow=("east",)).field == "spec.regions"
    assert ruled(denied).shape.body.regions_deny == ("east",)


@pytest.mark.parametrize(
    ("then", "field", "message"),
    [
        (
            '{ limits = { resources = { gpu = "7 devices" } } }',
            "spec.groups",
            "gpu: 8 devices; at most 7 devices",
        ),
        ('{ limits = { resources = { memory = "1GiB" } } }', "spec.groups", "memory: 3 GiB; at most 1 GiB"),
        ("{ limits = { tasks = 1 } }", "spec.groups", "2 tasks; at most 1"),
        ("{ limits = { priority = 4 } }", "spec.priority", "priority 5; at most 4"),
        ('{ limits = { runtime = "1m" } }', "spec.runtime_estimate", "1m30s; at most 1m"),
        ('{ refuse = "not today" }', "spec", "not today"),
    ],
)
def test_limits(then: str, field: str, message: str) -> None:
    refused = refusal(book(f"true -> {then}"), priority=5, runtime_estimate_us=90_000_000)
    assert (refused.code, refused.field) == ("INVALID", field)
    assert refused.message == f"{message} (rule 'r0' of policy 7)"


def test_a_limit_on_the_run_time_wants_to_be_told_it() -> None:
    rules = book('true -> { limits = { runtime = "1h" } }')
    assert "it must say how long it runs, at most 1h" in refusal(rules).message
    assert ruled(book('true -> { limits = { runtime = "1h" }, defaults = { runtime_estimate = "30m" } }'))


def test_limits_that_are_kept_change_nothing_else() -> None:
    rules = book('true -> { limits = { resources = { gpu = "8 devices", npu = "1 device" }, tasks = 2 } }')
    assert ruled(rules).shape.total == submission().shape.total


def test_a_rule_without_a_value_refuses() -> None:
    rules = book('job.labels.team == "x" -> { tier = "basic" }')
    refused = refusal(rules)
    assert refused.message == "has no value for this job: there is no key \"team\" (rule 'r0' of policy 7)"
    assert ruled(rules, Facts(labels=(("team", "y"),))).ruled == ""


def test_jobs_that_look_alike_are_ruled_once() -> None:
    rules = book('job.gpus > 4 && now.hour > 20 -> { tier = "basic" }')
    for number in range(50):
        each = msgspec.structs.replace(submission(), job_id=f"north-{number}", name=f"n{number}")
        result = rules.rule(each, Facts(), NIGHT_US + number)
        assert isinstance(result, Submission)
        assert result.job_id == f"north-{number}"
    assert rules.evaluated == 1
    rules.rule(submission(), Facts(), NIGHT_US + 3_600_000_000)
    assert rules.evaluated == 2
