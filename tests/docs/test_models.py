"""Every row of the protocol's tables is tied to the model and to the core, or says why it is not."""

from __future__ import annotations

import chaos.mutants as mutants
from chaos.mutants import regroup, roster
from docs import guardians
from docs.models import PARTS, TABLES, line_number
from tests.core.protocol.rows import ROWS


def test_every_row_about_a_transfer_has_its_part_of_the_model() -> None:
    assert set(PARTS) == {row for row in ROWS if row[0] in TABLES}


def test_what_the_model_lacks_says_why() -> None:
    assert [row for row, part in PARTS.items() if not part.line and not part.note] == []


def test_every_part_of_the_model_is_one_line_of_it() -> None:
    assert all(line_number(part.line) for part in PARTS.values() if part.line)


def test_every_row_about_guardians_and_rosters_is_tied_to_what_is_there() -> None:
    known = {each.name for each in (*mutants.ALL, *roster.SCHEDULED, *regroup.SCHEDULED)}
    for links in guardians.TABLES.values():
        for row, link in links.items():
            assert link.line or link.note, row
            assert not link.line or guardians.line_number(link), row
            assert set(link.mutants) <= known, row
            assert all(name in guardians.tests_in(path) for path, name in link.tests), row


def test_every_shortcut_of_guardians_and_rosters_belongs_to_a_row() -> None:
    named = {name for links in guardians.TABLES.values() for link in links.values() for name in link.mutants}
    groups = (mutants.majority, mutants.votes, mutants.tenures, mutants.regroup, mutants.roster)
    assert {each.name for module in groups for each in module.MUTANTS} <= named
    assert {each.name for each in (*roster.SCHEDULED, *regroup.SCHEDULED)} <= named
