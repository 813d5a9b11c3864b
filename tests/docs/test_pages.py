"""Links lead somewhere, and every command that a page shows exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.commands import SHARED, every_command
from docs.generate import PAGES, ROOT
from hanse.daemon.config import load_config

LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)|<img[^>]*src=\"([^\"]+)\"")
HANSE = re.compile(r"(?:^|[`|$(;]|&& )\s*(?:\.venv/bin/)?hanse ((?:[a-z]+)(?: [^`|;)\n#]*)?)", re.MULTILINE)
TOML = re.compile(r"```toml\n(.*?)```", re.DOTALL)
COMMANDS = dict(every_command())
GROUPS = {path.split()[0] for path in COMMANDS}


def pages() -> list[Path]:
    extra = [ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md")]
    return [*PAGES, *extra]


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for groups in LINK.findall(page.read_text(encoding="utf-8")):
        link = "".join(groups)
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist_and_have_the_options_that_they_are_shown_with(page: Path) -> None:
    wrong = []
    for line in HANSE.findall(page.read_text(encoding="utf-8")):
        words = line.split()
        path = words[0] if words[0] in COMMANDS else " ".join(words[:2])
        if path in GROUPS and path not in COMMANDS:
            continue  # a group by itself
        command = COMMANDS.get(path)
        known = {option for one in getattr(command, "params", ()) for option in one.opts} | {*SHARED, "-o"}
        options = {
            word.partition("=")[0] for word in words if re.fullmatch(r"-{1,2}[a-z][a-z-]*(=.*)?", word)
        }
        if command is None or not options <= known | {"--help", "-h"}:
            wrong.append(line)
    assert wrong == []


def test_the_example_of_a_configuration_can_be_used(tmp_path: Path) -> None:
    example = TOML.search((ROOT / "docs" / "configuration.md").read_text(encoding="utf-8"))
    assert example is not None
    path = tmp_path / "north.toml"
    path.write_text(example[1], encoding="utf-8")
    assert load_config(path).region.name == "north"
