"""Placement rules: taken whole, or refused with the path of the field that is wrong; offers carry them unchanged."""

from __future__ import annotations

import pytest
from google.protobuf import json_format
from hypothesis import given, settings

from hanse.core.model.jobs import Shape, Submission
from hanse.core.model.resources import resources
from hanse.core.model.rules import Affinity, Alternative, Island, Preference, Rules, Spread, Within
from hanse.core.replies import Refused
from hanse.wire.gen.hanse.v1 import jobs_pb2
from hanse.wire.shapes import MalformedMessage, ShapeReader, encode_shape
from hanse.wire.specs import SpecReader, SpecRules
from tests.core.scheduling.rule_worlds import RULED_SHAPES, single

RULES = {
    "alternatives": [{"resources": {"gpu/v100": "2000"}, "constraints": ["zone = a"]}],
    "preferences": [{"selector": "zone = b", "weight": 3}],
    "tolerations": ["spot", "dedicated=ml", "*"],
    "affinities": [{"jobName": "db", "level": "rack", "apart": True}, {"weight": 7}],
    "within": {"level": "pod", "required": True},
    "spread": {"tasksMax": 2},
    "island": {"level": "nvlink"},
}


def read(placement: dict[str, object], **spec: object) -> Submission | Refused:
    group = {
        "requirements": {"resources": {"cpu": "1000"}},
        "program": {"command": ["/bin/true"]},
        "placement": placement,
    }
    fields = {"name": "n", "tenant": "org/team", "groups": [group], **spec}
    message = json_format.ParseDict(fields, jobs_pb2.JobSpec())
    reader = SpecReader(SpecRules(resource_kinds=frozenset()))
    submission = jobs_pb2.JobSubmission(client_key="key", spec=message)
    return reader.decode_submission(submission, "north-01k9z3v6q2w8x4m5n7p0r1s2t3")


def test_rules_become_what_the_core_reads() -> None:
    answer = read(RULES, within={"level": "pod"})
    assert isinstance(answer, Submission)
    body = answer.shape.body
    assert body.within == Within("pod", required=False)
    assert body.groups[0].rules == Rules(
        alternatives=(Alternative(resources({"gpu/v100": 2000}), ("zone = a",)),),
        preferences=(Preference("zone = b", 3),),
        tolerations=("spot", "dedicated=ml", "*"),
        affinities=(
            Affinity("org/team", "db", "rack", apart=True),
            Affinity("org/team", "", "node", apart=False, weight=7),
        ),
        within=Within("pod"),
        spread=Spread("node", 2),
        island=Island("nvlink", required=False),
    )


def test_rules_that_say_nothing_are_none() -> None:
    answer = read({})
    assert isinstance(answer, Submission)
    assert answer.shape.body.groups[0].rules is None


@pytest.mark.parametrize(
    ("placement", "field", "says"),
    [
        ({"alternatives": [{"resources": {}}]}, "alternatives[0].resources", "required"),
        (
            {"alternatives": [{"resources": {"tpuu": "1"}}]},
            "alternatives[0].resources[tpuu]",
            "no resource kind",
        ),
        ({"alternatives": [{"resources": {"gpu": "1500"}}]}, "alternatives[0].resources[gpu]", "whole ones"),
        (
            {"alternatives": [{"resources": {"cpu": "1"}, "constraints": ["zone ="]}]},
            "alternatives[0].constraints[0]",
            "expected a value",
        ),
        ({"alternatives": [{"resources": {"cpu": "1"}}] * 9}, "alternatives", "at most 8"),
        ({"preferences": [{"selector": "a =", "weight": 1}]}, "preferences[0].selector", "column 4"),
        ({"preferences": [{"selector": "a"}]}, "preferences[0].weight", "outside 1 to 100"),
        ({"tolerations": ["no label"]}, "tolerations[0][no label]", ""),
        ({"tolerations": ["a"] * 33}, "tolerations", "at most 32"),
        ({"affinities": [{"weight": 101}]}, "affinities[0].weight", "outside 0 to 100"),
        ({"affinities": [{"jobName": "\u0001"}]}, "affinities[0].job_name", "control"),
        ({"affinities": [{"level": "no level"}]}, "affinities[0].level[no level]", ""),
        ({"within": {}}, "within.level", "required"),
        ({"island": {}}, "island.level", "required"),
        ({"spread": {"tasksMax": 10_001}}, "spread.tasks_max", "outside 0 to 10000"),
    ],
)
def test_a_mistake_is_named_by_its_field(placement: dict[str, object], field: str, says: str) -> None:
    answer = read(placement)
    assert isinstance(answer, Refused)
    assert answer.code == "INVALID"
    assert answer.field == f"spec.groups[0].placement.{field}"
    assert says in answer.message


@given(RULED_SHAPES)
@settings(deadline=None)
def test_offers_carry_rules_unchanged(shape: Shape) -> None:
    assert ShapeReader().decode(encode_shape(shape)) == shape


def test_a_peer_is_held_to_the_same_bounds() -> None:
    message = encode_shape(single(Rules(within=Within("rack")), cpu=1))
    message.groups[0].placement.within.level = ""
    with pytest.raises(MalformedMessage, match="within"):
        ShapeReader().decode(message)
