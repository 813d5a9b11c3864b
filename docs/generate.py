"""Writes into the documentation what it repeats of the code: `python -m docs.generate`.

A page holds `<!-- generated: name -->` and `<!-- end of name -->`; what stands between them is replaced by what BLOCKS
makes under that name. With --check nothing is written, and the exit code is 1 if a page is out of date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from docs.benchmarks import benchmark_table, scale_table
from docs.commands import command_reference, exit_codes
from docs.configuration import configuration_tables
from docs.diagrams import state_diagram, transition_table
from docs.failures import campaign_results, failure_matrix
from docs.guardians import guarded_rows
from docs.limits import limits_tables
from docs.messages import envelope_fields, message_fields
from docs.metrics import metric_table
from docs.models import modelled_rows
from docs.mutants import mutant_table
from docs.policy import policy_fields, policy_variables, sample_policy
from docs.rows import plain_handoff, tested_rows

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))

BLOCKS: dict[str, Callable[[], str]] = {
    "benchmarks": benchmark_table,
    "scale": scale_table,
    "job states": state_diagram,
    "job transitions": transition_table,
    "message fields": message_fields,
    "envelope fields": envelope_fields,
    "plain handoff": plain_handoff,
    "tested rows": tested_rows,
    "modelled rows": modelled_rows,
    "guarded rows": guarded_rows,
    "mutants": mutant_table,
    "limits": limits_tables,
    "commands": command_reference,
    "exit codes": exit_codes,
    "configuration": configuration_tables,
    "metrics": metric_table,
    "policy fields": policy_fields,
    "policy variables": policy_variables,
    "sample policy": sample_policy,
    "failure matrix": failure_matrix,
    "campaign results": campaign_results,
}
_BLOCK = re.compile(r"(<!-- generated: (?P<name>[a-z ]+) -->\n).*?(<!-- end of (?P=name) -->)", re.DOTALL)


def regenerated(page: str) -> str:
    """The page with every block made anew. KeyError if a block has a name that nothing makes."""
    return _BLOCK.sub(lambda block: f"{block[1]}\n{BLOCKS[block['name']]()}\n\n{block[3]}", page)


def stale_pages() -> list[Path]:
    """Pages whose blocks are not what the code says now."""
    return [page for page in PAGES if regenerated(_text(page)) != _text(page)]


def main(arguments: list[str]) -> int:
    """Write, or with --check only look; the exit code."""
    stale = stale_pages()
    check = arguments == ["--check"]
    for page in stale:
        if not check:
            page.write_text(regenerated(_text(page)), encoding="utf-8")
        sys.stdout.write(
            f"docs: {page.relative_to(ROOT)}: {'out of date: make docs' if check else 'written'}\n"
        )
    return 1 if stale and check else 0


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
