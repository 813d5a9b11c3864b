"""The decision log beside a driver: complete, bounded, out of the way, and replayed from images that children wrote."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from hanse.core.effects import Effects
from hanse.core.events import Event, LedgerPressure
from hanse.core.model import limits
from hanse.core.model.time import Now
from hanse.core.policy.model import FairShare, Policy
from hanse.daemon.journal import Followed, Journal
from hanse.decisions.files import JournalFiles
from hanse.decisions.reading import chapters
from hanse.decisions.replay import OtherCode, Replay
from hanse.policies.virtual import VirtualRegion
from tests.core.scheduling.regions import MS, one, virtual
from tests.core.scheduling.test_policies import TIERS

_FOR_EVER_US = 1 << 62
_DEADLINE_S = 60.0


class Meter:
    """What the journal said."""

    def __init__(self) -> None:
        self.steps = 0
        self.failures: list[str] = []
        self.images: list[str] = []
        self.active: list[bool] = []

    def journal_wrote(self, steps: int, size: int) -> None:
        self.steps += steps

    def journal_failed(self, why: str) -> None:
        self.failures.append(why)

    def journal_image(self, outcome: str) -> None:
        self.images.append(outcome)

    def journal_active(self, active: bool) -> None:
        self.active.append(active)


def until(holds: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + _DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


@pytest.fixture
def region() -> VirtualRegion:
    jobs = [one(f"j{at}", 1 + at % 4, at=at, run=3 + at % 7, tenant="ab"[at % 2]) for at in range(60)]
    return virtual(Policy(tiers=TIERS, fair_share=FairShare(order="before_priority")), jobs, nodes=2)


@pytest.fixture
def meter() -> Meter:
    return Meter()


@pytest.fixture
def journal(tmp_path: Path, meter: Meter, region: VirtualRegion) -> Iterator[Journal]:
    made = Journal(tmp_path / "log", 1 << 24, 600_000_000, meter, lambda: region._now().wall_us)
    yield made
    made.close()


def follow(region: VirtualRegion, journal: Journal) -> None:
    """From here on the journal notes what the region does. The child's copy is of the Region by itself."""
    core = region.region
    followed = journal.follow(core, None)
    stepping = followed.step

    class Stepped:
        def __getattr__(self, name: str) -> object:
            return getattr(core, name)

        step = staticmethod(stepping)

    region.region = Stepped()  # type: ignore[assignment]


def written(meter: Meter, count: int) -> None:
    until(lambda: len(meter.images) >= count)
    assert set(meter.images) == {"written"}


def test_what_was_decided_is_decided_again(
    region: VirtualRegion, journal: Journal, meter: Meter, tmp_path: Path
) -> None:
    region.run(10 * MS)
    follow(region, journal)
    region.run()
    written(meter, 1)
    journal.close()
    work = Replay(chapters(tmp_path / "log"), 0, _FOR_EVER_US, lambda: None)
    steps = list(work.steps())
    assert len(steps) > 50
    assert all(each.same for each in steps)
    assert not work.gaps
    ended = {change.job_id for each in steps for change in each.changes if change.state == "SUCCEEDED"}
    assert len(ended) > 40
    assert sum(len(each.record.changes) for each in steps) == sum(len(each.changes) for each in steps)


def test_a_replay_of_some_time_begins_at_the_image_before_it(
    region: VirtualRegion, journal: Journal, meter: Meter, tmp_path: Path
) -> None:
    follow(region, journal)
    region.run(20 * MS)
    written(meter, 1)
    journal._begin(with_image=True)
    region.run()
    written(meter, 2)
    journal.close()
    found = chapters(tmp_path / "log")
    assert len(found) == 2
    before, begun = len(list(found[0].steps())), found[1].header.begun_wall_us
    work = Replay(found, begun + 1, _FOR_EVER_US, lambda: None)
    steps = list(work.steps())
    assert all(each.same for each in steps)
    assert steps[0].record.number > before
    assert work.led_up == steps[0].record.number - before - 1
    # From before it, both segments are gone through.
    work = Replay(found, found[0].header.begun_wall_us, begun, lambda: None)
    assert [each.record.number for each in work.steps()] == list(range(1, before + 1))


def test_a_different_decision_is_found_and_ends_the_replay(
    region: VirtualRegion, journal: Journal, meter: Meter, tmp_path: Path
) -> None:
    follow(region, journal)
    region.run(30 * MS)
    written(meter, 1)
    journal.close()
    found = chapters(tmp_path / "log")
    work = Replay(found, 0, _FOR_EVER_US, lambda: None)
    again = Replay._again

    def differently(core: object, record: object) -> object:
        made = again(core, record)  # type: ignore[arg-type]

        return msgspec.structs.replace(made, digest="0" * 16) if made.record.number == 7 else made

    work._again = differently  # type: ignore[method-assign, assignment]
    steps = list(work.steps())
    assert [each.record.number for each in steps if not each.same] == [7]
    assert steps[-1].record.number == 7


def test_images_of_other_code_are_not_tried(
    region: VirtualRegion, journal: Journal, meter: Meter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow(region, journal)
    region.run(5 * MS)
    written(meter, 1)
    journal.close()
    monkeypatch.setattr("hanse.decisions.replay.code_digest", lambda: "another")
    with pytest.raises(OtherCode, match="replay them with the version that made them"):
        list(Replay(chapters(tmp_path / "log"), 0, _FOR_EVER_US, lambda: None).steps())


def test_a_full_disk_stops_the_journal_and_not_the_region(
    region: VirtualRegion, journal: Journal, meter: Meter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow(region, journal)
    region.run(5 * MS)
    written(meter, 1)

    def full(files: JournalFiles, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write = JournalFiles.write
    monkeypatch.setattr(JournalFiles, "write", full)
    monkeypatch.setattr(limits, "JOURNAL_BLOCK_BYTES", 1)
    region.run(10 * MS)
    until(lambda: journal._writer.failed)
    region.run(20 * MS)
    assert meter.failures
    assert "No space left" in meter.failures[0]
    assert meter.active == [True, False]
    # There is room again, and it is time to try.
    monkeypatch.setattr(JournalFiles, "write", write)
    journal._retry_mono_us = 0
    region.run()
    written(meter, 2)
    journal.close()
    assert len(region.ends) == 60, "scheduling went on"
    assert meter.active == [True, False, True, False]
    work = Replay(chapters(tmp_path / "log"), 0, _FOR_EVER_US, lambda: None)
    assert all(each.same for each in work.steps())
    assert [gap.why for gap in work.gaps] == ["these steps are missing"]


def test_it_pauses_while_the_ledgers_disk_is_nearly_full(
    region: VirtualRegion, journal: Journal, meter: Meter
) -> None:
    follow(region, journal)
    pressure: Event = LedgerPressure(nearly_full=True)
    region.step(pressure)
    assert meter.active == [True, False]
    region.run(5 * MS)
    region.step(LedgerPressure(nearly_full=False))
    region.run(10 * MS)
    assert meter.active == [True, False, True]
    assert not meter.failures


def test_a_writer_that_cannot_keep_up_makes_a_gap(
    region: VirtualRegion, journal: Journal, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow(region, journal)
    monkeypatch.setattr(limits, "JOURNAL_WAITING_BYTES_MAX", -1)
    region.run(10 * MS)
    assert meter.failures == ["the writer can't keep up"]
    region.run()
    assert len(region.ends) == 60


def test_a_step_that_raises_is_kept_with_its_inputs(
    region: VirtualRegion, journal: Journal, tmp_path: Path
) -> None:
    journal.follow(region.region, None)

    class Broken:
        def step(self, now: Now, events: Sequence[Event]) -> Effects:
            raise AssertionError("a bug of ours")

    event = LedgerPressure(nearly_full=False, cause="test")
    with pytest.raises(AssertionError, match="a bug of ours"):
        Followed(Broken(), journal).step(region._now(), [event])  # type: ignore[arg-type]
    journal.close()
    [chapter] = chapters(tmp_path / "log")
    [record] = chapter.steps()
    assert (record.digest, record.inputs()) == ("", [event])
