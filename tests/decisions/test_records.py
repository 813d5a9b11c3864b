"""What a journal holds: frames that show where they are torn, inputs that come back as they were, images that call
nothing but what a Region is made of."""

from __future__ import annotations

import pickle  # noqa: TID251 - to forge an image
from pathlib import Path

import pytest

from hanse.core.events import Submit, TaskEnded
from hanse.core.model.jobs import RunId
from hanse.core.model.time import Now
from hanse.core.policy.model import FairShare, Policy
from hanse.decisions import image
from hanse.decisions.codec import Unreadable, decode_event, encode_event
from hanse.decisions.files import JournalFiles, segments_in
from hanse.decisions.reading import JournalMissing, chapters
from hanse.decisions.records import (
    FORMAT,
    Header,
    Kind,
    block_frame,
    encode_step,
    frame,
    frames,
    read_block,
    read_header,
    record_of,
    whole_length,
)
from tests.core.scheduling.regions import MS, one, virtual
from tests.core.scheduling.test_policies import TIERS

_LARGE = 1 << 20


def header(first: int = 1, life: str = "life") -> Header:
    return Header(
        format=FORMAT,
        region="north",
        version="0",
        code="code",
        incarnation=1,
        life=life,
        first=first,
        begun_wall_us=first,
    )


def step(number: int) -> bytes:
    event = TaskEnded(run=RunId("j", 1, 1), task=number, exit_code=0)
    return encode_step(record_of(number, Now(mono_us=number, wall_us=number), [event], None))


def test_a_torn_file_counts_up_to_its_last_whole_frame() -> None:
    whole = block_frame([step(1), step(2)]) + block_frame([step(3)])
    for end in range(len(whole) + 1):
        found = [
            record.number for _, payload in frames(whole[:end], _LARGE) for record in read_block(payload)
        ]
        assert found in ([], [1, 2], [1, 2, 3])
        assert whole_length(whole[:end]) <= end
    assert found == [1, 2, 3]


def test_a_damaged_byte_ends_a_file_where_it_is() -> None:
    whole = block_frame([step(1)]) + block_frame([step(2)])
    for at in range(len(whole)):
        damaged = whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]
        found = [record.number for _, payload in frames(damaged, _LARGE) for record in read_block(payload)]
        assert found in ([], [1])


def test_a_frame_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(Unreadable):
        list(frames(frame(Kind.BLOCK, bytes(_LARGE * 4)), _LARGE))


def test_many_steps_make_one_block() -> None:
    for count in (0, 15, 16, 70_000):
        [(kind, payload)] = list(frames(block_frame([step(1)] * count), 1 << 26))
        assert (kind, len(read_block(payload))) == (Kind.BLOCK, count)


def test_a_header_of_another_format_is_refused() -> None:
    import msgspec

    other = msgspec.msgpack.encode(msgspec.structs.replace(header(), format=FORMAT + 1))
    with pytest.raises(Unreadable, match="format"):
        read_header(other)


def test_an_event_that_this_version_does_not_know_is_named() -> None:
    name, raw = encode_event(Submit(request_id=1, submissions=(), cause="c"))
    assert decode_event((name, raw)) == Submit(request_id=1, submissions=(), cause="c")
    with pytest.raises(Unreadable, match="Tomorrow"):
        decode_event(("Tomorrow", raw))


# --- files ---


def test_the_oldest_segments_make_room_for_the_newest(tmp_path: Path) -> None:
    files = JournalFiles(tmp_path / "log", bytes_max=3_000)
    payload = frame(Kind.BLOCK, bytes(range(256)) * 3)
    for first in range(1, 40):
        number = files.next_number()
        files.open(number, header(first))
        files.image_path(number).write_bytes(b"i" * 100)
        files.write(payload)
        files.make_room()
        held = sum(each.steps_bytes + each.image_bytes for each in segments_in(tmp_path / "log"))
        assert held <= 3_000
    files.close()
    found = chapters(tmp_path / "log")
    assert found[-1].header.first == 39
    assert [chapter.header.first for chapter in found] == list(range(40 - len(found), 40))
    assert len(list((tmp_path / "log").glob("*.image"))) == len(found), "an image goes with its segment"


def test_a_segment_that_is_larger_than_all_that_is_kept_stays(tmp_path: Path) -> None:
    files = JournalFiles(tmp_path, bytes_max=10)
    files.open(files.next_number(), header())
    files.write(block_frame([step(1)]))
    assert files.make_room() == 0
    files.close()
    assert [record.number for record in chapters(tmp_path)[0].steps()] == [1]


def test_images_that_were_not_finished_are_swept(tmp_path: Path) -> None:
    left = tmp_path / "000000000001.image.unfinished"
    left.write_bytes(b"")
    JournalFiles(tmp_path, bytes_max=10).next_number()
    assert not left.exists()


def test_where_there_is_no_journal_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(JournalMissing):
        chapters(tmp_path)


# --- images ---


def test_an_image_is_the_region_as_it_was() -> None:
    policy = Policy(tiers=TIERS, fair_share=FairShare(order="before_priority"))
    region = virtual(
        policy, [one(f"j{at}", 1 + at % 3, at=at, run=9, tenant="ab"[at % 2]) for at in range(12)]
    )
    region.run(5 * MS)
    twin = image.load(image.dump(region.region, None), None)
    assert sorted(twin.books.jobs) == sorted(region.region.books.jobs)
    assert twin.local.capacity.nodes() == region.region.local.capacity.nodes()
    assert twin.next_deadline() == region.region.next_deadline()


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("this must not happen",)


@pytest.mark.parametrize("forged", [_Bomb(), {"a": 1}, [1, 2]])
def test_what_is_no_image_of_a_region_is_refused(forged: object, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(image.ImageUnusable):
        image.load(pickle.dumps(forged), None)
    assert capsys.readouterr().out == ""
