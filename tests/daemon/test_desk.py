"""The desk: which policy is in force, as the shell knows it."""

from __future__ import annotations

import pytest

from hanse.core.model.regions import Member, RegionConfig
from hanse.core.policy.model import DEFAULT_POLICY, default_policy
from hanse.core.rows import PolicyRow
from hanse.daemon.desk import PolicyDesk, PolicyUnreadable
from hanse.policies.document import digest, read_document
from hanse.policies.writing import document_of

CONFIG = RegionConfig(
    name="north",
    cluster_id="test",
    members=(Member(name="north"), Member(name="east")),
    nodes=(),
    tiers=("a",),
)
FOUNDING = read_document(document_of(default_policy(("standard",))))
RULES = "[[rules]]\nname = 'r'\nwhen = 'true'\nthen = { refuse = 'no' }\n"


def row(version: int, document: str) -> PolicyRow:
    return PolicyRow(version, digest(document), document, "ada", "why", 5)


def test_a_new_ledger_begins_with_what_the_configuration_gives() -> None:
    desk = PolicyDesk(CONFIG, FOUNDING)
    assert desk.begin(None) == FOUNDING.under(1)
    assert (desk.row.version, desk.row.document) == (1, FOUNDING.text)
    assert desk.founding_text.digest == FOUNDING.digest
    assert desk.world.regions == ("east", "north")


def test_what_the_ledger_has_counts() -> None:
    desk = PolicyDesk(CONFIG, FOUNDING)
    policy = desk.begin(row(7, RULES))
    assert (policy.version, policy.tier_names) == (7, DEFAULT_POLICY.tier_names)
    assert (desk.rulebook.version, [rule.name for rule in desk.rulebook.rules]) == (7, ["r"])


def test_it_follows_what_the_core_has_written_and_never_goes_back() -> None:
    desk = PolicyDesk(CONFIG, FOUNDING)
    desk.begin(None)
    document = read_document(RULES)
    desk.expect(document)
    desk.adopted(row(2, RULES))
    assert desk.rulebook.rules is document.rules
    desk.adopted(row(3, document_of(DEFAULT_POLICY)))
    desk.adopted(row(2, RULES))
    assert (desk.row.version, desk.rulebook.rules) == (3, ())


def test_a_policy_that_cannot_be_read_stops_the_daemon() -> None:
    with pytest.raises(PolicyUnreadable, match=r"version 4 of the policy: line 1: tires: there is no field"):
        PolicyDesk(CONFIG, FOUNDING).begin(row(4, "tires = []"))
