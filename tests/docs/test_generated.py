"""What the documentation repeats of the code is what the code says."""

from __future__ import annotations

import inspect
import re

from docs import generate
from docs.limits import bounds
from docs.messages import MESSAGES
from hanse.core.model import limits

ROOT = generate.ROOT


def test_no_page_is_out_of_date() -> None:
    stale = [str(page.relative_to(ROOT)) for page in generate.stale_pages()]
    assert not stale, f"run `make docs`: {', '.join(stale)}"


def test_every_block_stands_on_some_page() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in generate.PAGES)
    assert [name for name in generate.BLOCKS if f"<!-- generated: {name} -->" not in pages] == []


def test_every_bound_is_in_the_table() -> None:
    assigned = re.findall(r"^([A-Z][A-Z0-9_]+)\b.*=", inspect.getsource(limits), re.MULTILINE)
    assert [bound.name for bound in bounds()] == assigned


def test_every_message_has_a_row_that_says_what_losing_it_costs() -> None:
    page = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    table = page.partition("## Messages")[2].partition("\n## ")[0].partition("<!-- generated")[0]
    described = set(re.findall(r"`(\w+)`", table))
    assert {message.__name__ for message in MESSAGES} <= described
