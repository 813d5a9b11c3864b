"""A spec is taken whole or refused with the path of the field that is wrong."""

from __future__ import annotations

import hashlib

import pytest
from google.protobuf import json_format

from hanse.core.model import limits
from hanse.core.model.jobs import OnLoss, Submission
from hanse.core.replies import Refused
from hanse.wire.checks import FieldRefused
from hanse.wire.gen.hanse.v1 import jobs_pb2
from hanse.wire.programs import GroupProgram, ProgramReader
from hanse.wire.specs import CheckedSpec, SpecReader, SpecRules

JOB_ID = "north-01k9z3v6q2w8x4m5n7p0r1s2t3"
GOOD = {
    "name": "train",
    "tenant": "org/team/user",
    "groups": [
        {
            "count": 4,
            "countMin": 2,
            "requirements": {"resources": {"cpu": "1000", "gpu/a100": "2000"}, "constraints": ["zone = a"]},
            "program": {"command": ["/bin/true", ""], "env": {"A": ""}, "workingDirectory": "/tmp"},
        }
    ],
}
RULES = SpecRules(
    resource_kinds=frozenset({"licence"}),
    tiers=("premium", "standard"),
    regions=("north", "east"),
    features=frozenset({"known"}),
)


@pytest.fixture
def reader() -> SpecReader:
    return SpecReader(RULES)


def spec(**changes: object) -> dict[str, object]:
    return {**GOOD, **changes}


def group(**changes: object) -> dict[str, object]:
    return spec(groups=[{**GOOD["groups"][0], **changes}])  # type: ignore[index, dict-item]


def needs(**changes: object) -> dict[str, object]:
    return group(requirements={"resources": {"cpu": "1000"}, **changes})


def runs(**changes: object) -> dict[str, object]:
    return group(program={"command": ["/bin/true"], **changes})


def submission(fields: dict[str, object], client_key: str = "key") -> jobs_pb2.JobSubmission:
    message = json_format.ParseDict(fields, jobs_pb2.JobSpec())
    return jobs_pb2.JobSubmission(client_key=client_key, spec=message)


def refusal(reader: SpecReader, message: jobs_pb2.JobSubmission) -> Refused:
    answer = reader.decode_submission(message, JOB_ID)
    assert isinstance(answer, Refused), answer
    return answer


def test_a_good_spec_becomes_what_the_core_reads(reader: SpecReader) -> None:
    answer = reader.decode_submission(submission(GOOD), JOB_ID, "trace")

    assert isinstance(answer, Submission)
    assert (answer.job_id, answer.client_key, answer.tenant, answer.name) == (
        JOB_ID,
        "key",
        "org/team/user",
        "train",
    )
    assert answer.spec_sha256 == hashlib.sha256(answer.spec).digest()
    assert jobs_pb2.JobSpec.FromString(answer.spec) == submission(GOOD).spec
    shape = answer.shape.body.groups[0]
    assert (shape.count, shape.count_min) == (4, 2)
    assert shape.resources == (("cpu", 1000), ("gpu/a100", 2000))
    assert answer.shape.total == (("cpu", 4000), ("gpu/a100", 8000))
    assert (answer.grace_us, answer.retries_max, answer.traceparent) == (limits.GRACE_US_DEFAULT, 0, "trace")


@pytest.mark.parametrize(
    ("fields", "restartable"),
    [
        ({}, False),
        ({"checkpoint": "/shared/train"}, True),
        ({"checkpoint": "s3://bucket/train"}, True),
        ({"checkpoint": "/shared/train", "restartable": False}, False),
        ({"restartable": True}, True),
    ],
)
def test_a_job_may_be_restarted_elsewhere_if_it_says_so_or_names_a_checkpoint(
    reader: SpecReader, fields: dict[str, object], restartable: bool
) -> None:
    answer = reader.decode_submission(submission(spec(**fields)), JOB_ID)
    assert isinstance(answer, Submission)
    assert answer.shape.body.restartable is restartable


INVALID = [
    (spec(name=""), "spec.name"),
    (spec(name="x" * 129), "spec.name"),
    (spec(name="a\nb"), "spec.name"),
    (spec(tenant=""), "spec.tenant"),
    (spec(tenant="a/b/c/d"), "spec.tenant"),
    (spec(tenant="a//b"), "spec.tenant"),
    (spec(tenant="a/" + "b" * 64), "spec.tenant"),
    (spec(labels={"-": "x"}), "spec.labels[-]"),
    (spec(labels={"a": "b c"}), "spec.labels[a]"),
    (spec(labels={f"k{i}": "" for i in range(65)}), "spec.labels"),
    (spec(kind=7), "spec.kind"),
    (spec(onRegionLoss=7), "spec.on_region_loss"),
    (spec(groups=[]), "spec.groups"),
    (spec(groups=GOOD["groups"] * 17), "spec.groups"),  # type: ignore[operator]
    (spec(groups=GOOD["groups"] * 2), "spec.groups[0].name"),  # type: ignore[operator]
    (spec(groups=[{**GOOD["groups"][0], "name": "a"}] * 2), "spec.groups[1].name"),  # type: ignore[index, dict-item]
    (group(count=10_001), "spec.groups[0].count"),
    (group(count=2, countMin=3), "spec.groups[0].count_min"),
    (needs(resources={}), "spec.groups[0].requirements.resources"),
    (needs(resources={"gpuu": "1"}), "spec.groups[0].requirements.resources[gpuu]"),
    (needs(resources={"cpu": "0"}), "spec.groups[0].requirements.resources[cpu]"),
    (needs(resources={"cpu": "-5"}), "spec.groups[0].requirements.resources[cpu]"),
    (needs(resources={"memory": str(2**53)}), "spec.groups[0].requirements.resources[memory]"),
    (needs(resources={"gpu": "1500"}), "spec.groups[0].requirements.resources[gpu]"),
    (needs(resources={"npu/910b": "2001"}), "spec.groups[0].requirements.resources[npu/910b]"),
    (needs(constraints=["zone = a", "zone in ("]), "spec.groups[0].requirements.constraints[1]"),
    (needs(constraints=["x" * 1025]), "spec.groups[0].requirements.constraints[0]"),
    (runs(command=[]), "spec.groups[0].program.command"),
    (runs(command=["", "x"]), "spec.groups[0].program.command"),
    (runs(command=["a", "b\0c"]), "spec.groups[0].program.command[1]"),
    (runs(command=["a", "b" * 131072]), "spec.groups[0].program.command[1]"),
    (runs(env={"HANSE_JOB_ID": "x"}), "spec.groups[0].program.env[HANSE_JOB_ID]"),
    (runs(env={"A B": "x"}), "spec.groups[0].program.env[A B]"),
    (runs(env={"A": "x\0"}), "spec.groups[0].program.env[A]"),
    (runs(workingDirectory="tmp"), "spec.groups[0].program.working_directory"),
    (spec(tier="gold"), "spec.tier"),
    (spec(priority=1001), "spec.priority"),
    (spec(regions={"allow": ["west"]}), "spec.regions.allow[0]"),
    (spec(regions={"prefer": ["North"]}), "spec.regions.prefer[0]"),
    (spec(regions={"allow": ["north"], "deny": ["east", "north"]}), "spec.regions.deny"),
    (spec(datasets=[""]), "spec.datasets[0]"),
    (spec(checkpoint="x" * 5000), "spec.checkpoint"),
    (spec(checkpoint="/" * 5000), "spec.checkpoint"),
    (spec(checkpoint="/a\0b"), "spec.checkpoint"),
    (spec(checkpoint="checkpoints"), "spec.checkpoint"),
    (spec(checkpoint="s3:"), "spec.checkpoint"),
    (spec(checkpoint="s3://bucket/a b"), "spec.checkpoint"),
    (spec(grace="3601s"), "spec.grace"),
    (spec(grace="-1s"), "spec.grace"),
    (spec(runtimeEstimate="99999999s"), "spec.runtime_estimate"),
    (spec(deadline="1969-01-01T00:00:00Z"), "spec.deadline"),
    (spec(retry={"retriesMax": 101}), "spec.retry.retries_max"),
    (spec(kind="JOB_KIND_ARRAY"), "spec.array.indexes"),
    (spec(kind="JOB_KIND_ARRAY", array={"indexes": "0-10000"}), "spec.array.indexes"),
    (spec(kind="JOB_KIND_ARRAY", array={"indexes": "9-1"}), "spec.array.indexes"),
    (spec(kind="JOB_KIND_ARRAY", array={"indexes": "0-9", "inFlightMax": 10001}), "spec.array.in_flight_max"),
    (
        spec(kind="JOB_KIND_ARRAY", array={"indexes": "0-9", "stopAtFailures": 11}),
        "spec.array.stop_at_failures",
    ),
    (spec(array={"indexes": "0-9"}), "spec.array"),
]


@pytest.mark.parametrize(
    ("fields", "field"), INVALID, ids=[f"{i}-{field}" for i, (_, field) in enumerate(INVALID)]
)
def test_what_can_never_be_right_is_refused_by_field(
    reader: SpecReader, fields: dict[str, object], field: str
) -> None:
    answer = refusal(reader, submission(fields))

    assert (answer.code, answer.field) == ("INVALID", field)
    assert answer.message
    assert len(answer.message) < 400


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        (spec(kind="JOB_KIND_SERVICE"), "spec.kind"),
        (spec(requiredFeatures=["known", "teleport"]), "spec.required_features[1]"),
    ],
)
def test_what_is_not_built_yet_is_refused_as_such(
    reader: SpecReader, fields: dict[str, object], field: str
) -> None:
    answer = refusal(reader, submission(fields))

    assert (answer.code, answer.field) == ("UNIMPLEMENTED", field)


@pytest.mark.parametrize("place", ["", "/mnt/checkpoints/train", "s3://bucket/train?x=1", "file:/a%20b"])
def test_a_checkpoint_is_a_directory_or_a_uri(reader: SpecReader, place: str) -> None:
    assert isinstance(reader.decode_submission(submission(spec(checkpoint=place)), JOB_ID), Submission)


def test_what_becomes_of_a_job_is_what_it_says_else_the_default_of_its_tier() -> None:
    reader = SpecReader(SpecRules(on_loss={"premium": OnLoss.ADOPT, "standard": OnLoss.ADOPT_OR_WAIT}))

    def on_loss(**fields: object) -> OnLoss:
        taken = reader.decode_submission(submission(spec(**fields)), JOB_ID)
        assert isinstance(taken, Submission)
        return taken.on_loss

    assert on_loss() is OnLoss.ADOPT_OR_WAIT
    assert on_loss(tier="premium") is OnLoss.ADOPT
    assert on_loss(tier="basic") is OnLoss.WAIT
    for loss in OnLoss:
        assert on_loss(tier="premium", onRegionLoss=f"ON_REGION_LOSS_{loss.name}") is loss


def test_a_sum_over_all_tasks_stays_within_what_can_be_stored(reader: SpecReader) -> None:
    answer = refusal(
        reader, submission(group(count=10_000, requirements={"resources": {"memory": str(2**52)}}))
    )

    assert answer.field == "spec.groups"


def test_client_key_and_spec_are_required(reader: SpecReader) -> None:
    assert refusal(reader, submission(GOOD, "")).field == "client_key"
    assert refusal(reader, submission(GOOD, "k" * 129)).field == "client_key"
    assert refusal(reader, jobs_pb2.JobSubmission(client_key="k")).field == "spec"


def test_a_spec_of_ten_megabytes_is_refused_by_its_size(reader: SpecReader) -> None:
    answer = refusal(reader, submission(runs(env={"A": "x" * 10_000_000})))

    assert (answer.code, answer.field) == ("INVALID", "spec")
    assert str(limits.SPEC_BYTES_MAX) in answer.message


def test_the_largest_spec_that_is_allowed_is_taken(reader: SpecReader) -> None:
    message = submission(runs(env={"A": "x" * 100_000, "B": ""}))
    message.spec.groups[0].program.env["B"] = "y" * (limits.SPEC_BYTES_MAX - message.spec.ByteSize() - 4)
    assert limits.SPEC_BYTES_MAX - 8 <= message.spec.ByteSize() <= limits.SPEC_BYTES_MAX

    answer = reader.decode_submission(message, JOB_ID)

    # One variable is longer than Linux takes; the size alone is fine.
    assert isinstance(answer, Refused)
    assert answer.field == "spec.groups[0].program.env[B]"


def test_jobs_that_differ_only_in_what_they_run_share_one_shape(reader: SpecReader) -> None:
    first = reader.decode_submission(submission(spec(name="a")), JOB_ID)
    second = reader.decode_submission(submission(spec(name="b")), JOB_ID)

    assert isinstance(first, Submission)
    assert isinstance(second, Submission)
    assert first.spec_sha256 != second.spec_sha256
    assert first.shape is second.shape


def test_a_peers_spec_is_held_to_bounds_but_not_to_this_regions_names() -> None:
    home = SpecReader(SpecRules())
    taken = home.decode_submission(submission(needs(resources={"exotic": "1"})), JOB_ID)
    assert isinstance(taken, Submission)

    checked = SpecReader(SpecRules()).read_bytes(taken.spec, taken.spec_sha256)

    assert isinstance(checked, CheckedSpec)
    assert checked.shape == taken.shape
    assert (checked.name, checked.grace_us, checked.retries_max) == ("train", taken.grace_us, 0)


@pytest.mark.parametrize("spec_bytes", [b"\xff\xff", b"", b"x" * (limits.SPEC_BYTES_MAX + 1)])
def test_a_peers_spec_that_means_nothing_is_a_value_not_a_crash(spec_bytes: bytes) -> None:
    digest = hashlib.sha256(spec_bytes).digest()

    assert isinstance(SpecReader(SpecRules()).read_bytes(spec_bytes, digest), FieldRefused)
    assert isinstance(SpecReader(SpecRules()).read_bytes(spec_bytes, b"\0" * 32), FieldRefused)


def test_programs_are_read_back_for_launches() -> None:
    taken = SpecReader(RULES).decode_submission(submission(spec(checkpoint="/c")), JOB_ID)
    assert isinstance(taken, Submission)

    program = ProgramReader().decode_spec(taken.spec)

    assert program.checkpoint == "/c"
    assert program.groups == (GroupProgram("main", 4, ("/bin/true", ""), (("A", ""),), "/tmp"),)
