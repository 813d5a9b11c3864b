"""Spec files: every mistake with its line, its field, and what would have been right."""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path

import pytest

from hanse.client import InvalidSpecError, load_specs, parse_specs, to_plain
from hanse.client.limits import SPEC_BYTES_MAX, SPEC_PROBLEMS_MAX
from hanse.client.messages import JobKind, JobSpec, OnRegionLoss

YAML = """\
name: train
tenant: vision/detection
labels: {team: "7"}
kind: array
groups:
  - count: 4
    requirements:
      resources: {cpu: 4000, gpu: 1000}
      constraints: ["model = a100"]
    program:
      command: [python, train.py]
      env: {SEED: "1"}
tier: premium
priority: -5
grace: 30s
deadline: 2026-11-30T12:00:00Z
runtimeEstimate: 600s
retry: {retriesMax: 2}
on_region_loss: wait
"""

TOML = """\
name = "train"
tenant = "vision/detection"
labels = { team = "7" }
kind = "array"
tier = "premium"
priority = -5
grace = "30s"
deadline = 2026-11-30T12:00:00Z
runtime_estimate = "600s"
retry = { retries_max = 2 }
on_region_loss = "ON_REGION_LOSS_WAIT"

[[groups]]
count = 4
requirements = { resources = { cpu = 4000, gpu = 1000 }, constraints = ["model = a100"] }
program = { command = ["python", "train.py"], env = { SEED = "1" } }
"""


def only(text: str, file: str = "job.yaml") -> JobSpec:
    (spec,) = parse_specs(text, file)
    return spec


def test_every_kind_of_field_is_read() -> None:
    spec = only(YAML)
    assert spec.kind == JobKind.JOB_KIND_ARRAY
    assert spec.on_region_loss == OnRegionLoss.ON_REGION_LOSS_WAIT
    assert spec.groups[0].requirements.resources == {"cpu": 4000, "gpu": 1000}
    assert (spec.priority, spec.grace.seconds, spec.retry.retries_max) == (-5, 30, 2)
    assert spec.deadline.ToJsonString() == "2026-11-30T12:00:00Z"


@pytest.mark.parametrize("written", ["adopt", "ADOPT_OR_WAIT", "wait", "ON_REGION_LOSS_ADOPT"])
def test_what_becomes_of_a_job_is_said_in_any_case(written: str) -> None:
    spec = only(YAML.replace("on_region_loss: wait", f"on_region_loss: {written}"))

    assert spec.on_region_loss == OnRegionLoss.Value(
        f"ON_REGION_LOSS_{written.upper().removeprefix('ON_REGION_LOSS_')}"
    )


def test_toml_and_json_say_the_same_as_yaml() -> None:
    assert only(TOML, "job.toml") == only(YAML)
    assert only(json.dumps(to_plain(only(YAML)))) == only(YAML)


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("{name: a}\n---\n{name: b}\n---\n", "jobs.yaml"),
        ("- name: a\n- name: b\n", "jobs.yaml"),
        ("jobs:\n- name: a\n- name: b\n", "jobs.yaml"),
        ('[[jobs]]\nname = "a"\n[[jobs]]\nname = "b"\n', "jobs.toml"),
        ('[{"name": "a"}, {"name": "b"}]', "jobs.json"),
        ("base: &base {name: a}\n---\n{name: b}\n", None),
    ],
)
def test_a_file_may_hold_several(text: str, file: str | None) -> None:
    if file is None:
        with pytest.raises(InvalidSpecError, match="base: no such field"):
            parse_specs(text)
    else:
        assert [spec.name for spec in parse_specs(text, file)] == ["a", "b"]


def test_yaml_merges_and_anchors_work() -> None:
    text = "- &base {name: a, tenant: t}\n- {<<: *base, name: b}\n"
    assert [(spec.name, spec.tenant) for spec in parse_specs(text)] == [("a", "t"), ("b", "t")]


MISTAKES = [
    # text, file, line, field, part of the message
    ("tenat: x", "j.yaml", 1, "tenat", "did you mean tenant?"),
    ("name: a\nzzz: 1", "j.yaml", 2, "zzz", "there are name, tenant, labels"),
    ("name: a\nkind: arrax", "j.yaml", 2, "kind", "did you mean ARRAY?"),
    ("kind: 99", "j.yaml", 1, "kind", "none of BATCH, ARRAY, SERVICE"),
    ("name: 5", "j.yaml", 1, "name", 'write "5" in quotes'),
    ("name: yes", "j.yaml", 1, "name", 'write "true" in quotes'),
    ("name: [a]", "j.yaml", 1, "name", "expected text, found a list"),
    ("name: a\nname: b", "j.yaml", 2, "", "'name' stands here twice"),
    ("groups: 5", "j.yaml", 1, "groups", "expected a list, found 5"),
    ("groups: {count: 1}", "j.yaml", 1, "groups", "expected a list, found a mapping"),
    ("groups:\n- 5", "j.yaml", 2, "groups[0]", "expected a TaskGroup with fields such as name, count"),
    ("groups:\n- count: -1", "j.yaml", 2, "groups[0].count", "-1 is not within 0 to 4294967295"),
    ("groups:\n- count: many", "j.yaml", 2, "groups[0].count", "found the text 'many'"),
    ("priority: true", "j.yaml", 1, "priority", "found true"),
    ("within: {level: rack, required: 1}", "j.yaml", 1, "within.required", "expected true or false, found 1"),
    ("priority: 1.5", "j.yaml", 1, "priority", "expected a whole number, found 1.5"),
    (
        "groups:\n- requirements:\n    resources:\n      memory: 4GiB",
        "j.yaml",
        4,
        "groups[0].requirements.resources[memory]",
        "memory in bytes",
    ),
    (
        "groups:\n- requirements: {resources: [cpu]}",
        "j.yaml",
        2,
        "groups[0].requirements.resources",
        "expected a mapping",
    ),
    (
        "groups:\n- program:\n    env:\n      PORT: 8080",
        "j.yaml",
        4,
        "groups[0].program.env[PORT]",
        'write "8080" in quotes',
    ),
    (
        "groups:\n- program:\n    commandx: [x]",
        "j.yaml",
        3,
        "groups[0].program.commandx",
        "did you mean command?",
    ),
    ("grace: 10", "j.yaml", 1, "grace", 'seconds such as "600s"'),
    ("grace: 5m", "j.yaml", 1, "grace", 'seconds such as "600s"'),
    ("deadline: 2026-11-30", "j.yaml", 1, "deadline", "a time with its zone"),
    ("deadline: 2026-11-30 12:00:00", "j.yaml", 1, "deadline", "a time with its zone"),
    ("retry: {retriesMax: 1, retries_max: 2}", "j.yaml", 1, "retry.retries_max", "under its other name"),
    ("- name: a\n- nme: b", "j.yaml", 2, "nme", "did you mean name?"),
    ("name: a\n---\nnme: b", "j.yaml", 3, "nme", "did you mean name?"),
    ("just text", "j.yaml", 1, "", "expected a spec with fields such as name"),
    ("", "j.yaml", 0, "", "there is no job spec in it"),
    ("name: [a", "j.yaml", 2, "", "not YAML"),
    ("name: a\n\tb: c", "j.yaml", 2, "", "not YAML"),
    ("a: !!python/object:os.system x", "j.yaml", 1, "", "not YAML"),
    ("? [a]\n: b", "j.yaml", 1, "", "a key must be text"),
    ("a: " + "[" * 5000, "j.yaml", 0, "", ""),
    ("name = ", "j.toml", 1, "", "not TOML"),
    ('name = "a"\nname = "b"', "j.toml", 2, "", "not TOML"),
    ('nme = "a"', "j.toml", 0, "nme", "did you mean name?"),
]


@pytest.mark.parametrize(("text", "file", "line", "field", "message"), MISTAKES)
def test_a_mistake_is_named_with_its_place(text: str, file: str, line: int, field: str, message: str) -> None:
    with pytest.raises(InvalidSpecError) as raised:
        parse_specs(text, file)
    problem = raised.value.problems[0]
    assert (problem.file, problem.field) == (file, field)
    assert line in (0, problem.line)
    assert message in problem.message


def test_all_mistakes_are_told_at_once_up_to_a_bound() -> None:
    with pytest.raises(InvalidSpecError, match="and 2 more") as raised:
        parse_specs("nme: a\ntenat: b\ngrace: 5\n", "j.yaml")
    assert [problem.line for problem in raised.value.problems] == [1, 2, 3]
    with pytest.raises(InvalidSpecError) as raised:
        parse_specs("- {nme: a}\n" * 1000, "j.yaml")
    assert len(raised.value.problems) == SPEC_PROBLEMS_MAX


def test_a_spec_of_10_mb_is_refused_and_the_field_is_named() -> None:
    text = f"name: a\ngroups:\n- program: {{command: [sh], env: {{BLOB: {'x' * 10_000_000}}}}}\n"
    with pytest.raises(InvalidSpecError, match=f"at most {SPEC_BYTES_MAX:,}") as raised:
        parse_specs(text, "big.yaml")
    assert raised.value.problems[0].field == "groups[0].program.env[BLOB]"
    assert len(str(raised.value)) < 500


def test_aliases_cannot_blow_a_small_file_up() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(InvalidSpecError, match="aliases count each time"):
        parse_specs("\n".join(lines))


def test_files_are_read_by_their_name(tmp_path: Path) -> None:
    toml, yaml = tmp_path / "job.toml", tmp_path / "job.yaml"
    toml.write_text(TOML)
    yaml.write_text(YAML)
    assert load_specs(toml) == load_specs(str(yaml))
    with pytest.raises(FileNotFoundError):
        load_specs(tmp_path / "nope.yaml")
    yaml.write_bytes(b"name: a\ntenant: \xff\n")
    with pytest.raises(InvalidSpecError, match=r"job\.yaml:2: not UTF-8"):
        load_specs(yaml)


@pytest.mark.parametrize("seed", range(20))
def test_damaged_files_give_a_spec_error_or_specs_and_nothing_else(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(20):
        text = bytearray(YAML.encode())
        for _ in range(source.randint(1, 4)):
            text[source.randrange(len(text))] = source.choice(b"[]{}:,-#&*!|>'\"%@` \n\tx0\xff")
        with contextlib.suppress(InvalidSpecError):
            parse_specs(bytes(text), "damaged.yaml")


@pytest.mark.parametrize("written", ["true", "false"])
def test_a_flag_is_true_or_false(written: str) -> None:
    text = f"""
name: train
tenant: org
groups: [{{requirements: {{resources: {{cpu: 1000}}}}, program: {{command: [train]}}}}]
restartable: {written}
""".encode()
    (spec,) = parse_specs(text, "spec.yaml")
    assert spec.HasField("restartable")
    assert spec.restartable is (written == "true")
    with pytest.raises(InvalidSpecError, match="restartable: expected true or false, found the text 'maybe'"):
        parse_specs(text.replace(written.encode(), b"maybe"), "spec.yaml")
