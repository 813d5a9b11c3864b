"""`hanse decision` over a decision log on the disk."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hanse.daemon.journal import JOURNAL_DIRECTORY, Journal
from hanse.decisions.files import segments_in
from hanse.policies.virtual import VirtualRegion
from tests.cli.conftest import Ran
from tests.cli.test_json import GOLDEN, paths
from tests.core.scheduling.regions import MS
from tests.daemon.test_journal import Meter, follow, until
from tests.daemon.test_journal import region as region_fixture
from tests.daemon.test_ordering import _CONFIG

region = region_fixture
# The virtual region's clock begins on this day.
DAY = "2023-11-14T00:00:00+00:00"


@pytest.fixture
def config(tmp_path: Path, region: VirtualRegion) -> Path:
    """A region's configuration, with a log of two segments beside it."""
    meter = Meter()
    directory = tmp_path / "data-north" / JOURNAL_DIRECTORY
    journal = Journal(directory, 1 << 24, 600_000_000, meter, lambda: region._now().wall_us)
    follow(region, journal)
    region.run(20 * MS)
    until(lambda: meter.images)
    journal._begin(with_image=True)
    region.run()
    until(lambda: len(meter.images) == 2)
    journal.close()
    file = tmp_path / "north.toml"
    file.write_text(_CONFIG.format(nodes=2, price=1000, age=1000, peers="127.0.0.1:7"))
    return file


def check(name: str, documents: list[object]) -> None:
    golden = json.loads(GOLDEN.read_text())
    found = sorted(set().union(*(paths(document) for document in documents)))
    if os.environ.get("HANSE_REWRITE"):
        golden[name] = found
        GOLDEN.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")
    assert found == golden.get(name), f"the JSON of `hanse {name}` has changed: programs rely on it"


def test_what_was_decided_is_listed_and_decided_again(hanse: Callable[..., Ran], config: Path) -> None:
    status = hanse("decision", "status", str(config), "-o", "json")
    check("decision status", [status.document])
    assert [segment["torn"] for segment in status.document["segments"]] == [False, False]

    listed = hanse("decision", "list", str(config), "--from", DAY, "-o", "json")
    check("decision list", listed.items)
    replayed = hanse("decision", "replay", str(config), "--from", DAY, "-o", "json")
    assert replayed.code == 0
    *decisions, summary = replayed.items
    assert decisions == listed.items
    assert (summary["same"], summary["gaps"], summary["first_difference"]) == (True, [], None)
    check("decision replay", [*decisions, summary])

    of_one = hanse("decision", "replay", str(config), "--from", DAY, "--job", "j7")
    assert of_one.code == 0
    *lines, end = of_one.out.splitlines()
    assert lines
    assert all(" j7 " in line for line in lines)
    assert "all the same" in end


def test_a_torn_log_is_replayed_up_to_there(hanse: Callable[..., Ran], config: Path) -> None:
    [_, last] = segments_in(config.parent / "data-north" / JOURNAL_DIRECTORY)
    whole = last.steps.read_bytes()
    last.steps.write_bytes(whole[:-3])
    status = hanse("decision", "status", str(config))
    assert "torn at its end" in status.out
    replayed = hanse("decision", "replay", str(config), "--from", DAY, "-o", "json")
    assert (replayed.code, replayed.items[-1]["same"]) == (0, True)


def test_what_cannot_be_replayed_is_said(hanse: Callable[..., Ran], config: Path) -> None:
    for segment in segments_in(config.parent / "data-north" / JOURNAL_DIRECTORY):
        assert segment.image is not None
        segment.image.unlink()
    replayed = hanse("decision", "replay", str(config), "--from", DAY)
    assert replayed.code == 1
    assert "it has no image to begin with" in replayed.out
    nothing = hanse("decision", "list", str(config), "--from", "-1s")
    assert (nothing.code, nothing.out) == (0, "")


def test_without_a_log_that_is_an_error(hanse: Callable[..., Ran], tmp_path: Path) -> None:
    file = tmp_path / "north.toml"
    file.write_text(_CONFIG.format(nodes=2, price=1000, age=1000, peers="127.0.0.1:7"))
    ran = hanse("decision", "status", str(file))
    assert ran.code == 1
    assert "there is no decision log" in ran.err
