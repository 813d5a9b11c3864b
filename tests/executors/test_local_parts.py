"""The parts of the local engine that need no processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hanse
from hanse.core.model.jobs import RunId
from hanse.executors.local import records, task
from hanse.executors.local.control import Control, delete_tree
from hanse.executors.local.names import parse_record_name, record_name
from hanse.executors.local.orders import (
    FRAME_BYTES_MAX,
    FrameReader,
    Order,
    encode_frame,
    receive_order,
    send_order,
)
from hanse.executors.local.output import CappedOutput, read_output
from hanse.executors.local.pids import PIDS_TRIED, PidDealer
from hanse.executors.local.processes import ProcessId, is_alive, parse_stat, send_signal

PIECES = st.lists(st.binary(min_size=1, max_size=700), max_size=40)


@given(job=st.text(min_size=1, max_size=20), numbers=st.tuples(*[st.integers(0, 10**9)] * 3))
def test_names_of_records_lead_back(job: str, numbers: tuple[int, int, int]) -> None:
    epoch, attempt, task = numbers
    try:
        name = record_name(RunId(job, epoch, attempt), task)
    except (ValueError, UnicodeEncodeError):
        return
    assert "/" not in name
    assert len(name) <= 255
    assert parse_record_name(name) == (RunId(job, epoch, attempt), task)


@pytest.mark.parametrize("name", ["", "a", "a@1.2", "a@1.2.x", "@1.2.3.4", "lost+found"])
def test_what_is_no_record_has_no_such_name(name: str) -> None:
    assert parse_record_name(name) is None


def record_lines() -> tuple[records.Claimed, records.Supervised, records.Started, records.Ended]:
    return (
        records.Claimed("jöb\n", 1, 2, 3, "boot", 'a "cause"', 4),
        records.Supervised(ProcessId(5, 6), "process_tree"),
        records.Started(ProcessId(7, 8), 9, 10),
        records.Ended(137, 9, True, "kïlled\\", 11, 12, 13, 14, 15),
    )


def test_records_say_what_was_written() -> None:
    lines = record_lines()
    text = b"".join(map(records.encode_line, lines))
    assert records.parse_record(text) == records.Record(*lines, damaged=0)


def test_torn_records_say_what_is_whole() -> None:
    claimed, *_, ended = record_lines()
    text = records.encode_line(claimed)
    for torn in (b"", b'{"what": "sup', b'{"what": "other"}\n', b"\0\0\0\n", b"[]\n"):
        record = records.parse_record(text + torn + b"\n" + records.encode_line(ended))
        assert (record.claimed, record.started, record.ended) == (claimed, None, ended)
    assert records.parse_record(text + b'{"what": "ended"').ended is None


def test_a_record_can_be_claimed_once_and_its_holder_is_known(tmp_path: Path) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)
    record = records.claim(directory, "a@1.1.0")
    with pytest.raises(FileExistsError):
        records.claim(directory, "a@1.1.0")
    assert records.try_lock(directory, "a@1.1.0") is None
    os.close(record)
    lock = records.try_lock(directory, "a@1.1.0")
    assert lock is not None
    os.close(lock)
    os.close(directory)


def test_an_end_after_a_torn_line_can_be_read(tmp_path: Path) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)
    (tmp_path / "a@1.1.0").write_bytes(b'{"what": "ended", "exit')
    records.end_for(directory, "a@1.1.0", records.lost("gone"))
    record = records.read_record(directory, "a@1.1.0")
    assert record is not None
    assert record.ended is not None
    assert (record.ended.detail, record.damaged) == ("gone", 1)
    os.close(directory)


@given(messages=st.lists(st.dictionaries(st.text(), st.integers())), step=st.integers(1, 50))
def test_frames_come_out_as_they_went_in(messages: list[dict[str, int]], step: int) -> None:
    stream = b"".join(map(encode_frame, messages))
    reader = FrameReader()
    seen = [message for at in range(0, len(stream), step) for message in reader.feed(stream[at : at + step])]
    assert seen == messages


def test_an_absurd_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="frame"):
        FrameReader().feed((FRAME_BYTES_MAX + 1).to_bytes(4, "big"))


@settings(max_examples=60, deadline=None)
@given(pieces=PIECES, bytes_max=st.integers(4096, 9000), offset=st.integers(0, 30_000))
def test_capped_output_keeps_head_and_tail_and_its_offsets(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], bytes_max: int, offset: int
) -> None:
    directory = tmp_path_factory.mktemp("logs")
    written = b"".join(pieces)
    output = CappedOutput(str(directory), 0, "stdout", bytes_max)
    for piece in pieces:
        os.write(output.sink, piece)
        output.copy()
    os.close(output.sink)
    output.drain()
    assert not output.open
    kept, at = 0, 0
    while (read := read_output(str(directory), 0, "stdout", at, 1000)).data:
        assert read.data == written[read.next_offset - len(read.data) : read.next_offset]
        kept, at = kept + len(read.data), read.next_offset
    assert at == len(written)
    assert read.dropped == len(written) - kept
    assert min(len(written), bytes_max * 3 // 4 - 3) <= kept <= bytes_max
    assert read_output(str(directory), 0, "stdout", 0, bytes_max).data.startswith(written[: bytes_max // 2])
    there = read_output(str(directory), 0, "stdout", offset, 10)
    assert there.data == written[there.next_offset - len(there.data) : there.next_offset]


def test_output_is_dropped_and_counted_when_it_can_not_be_stored(tmp_path: Path) -> None:
    directory = tmp_path / "logs"
    directory.touch()  # no directory can be made here
    output = CappedOutput(str(directory), 0, "stdout", 4096)
    os.write(output.sink, b"x" * 2048)
    output.copy()
    directory.unlink()
    os.write(output.sink, b"y" * 100)
    output.copy()
    os.close(output.sink)
    output.drain()
    assert read_output(str(directory), 0, "stdout", 0, 1000) == (b"y" * 100, 2148, 2048)


def order(**changes: Any) -> Order:
    fields = Order("a@1.1.0", "a@1.1", "a", 1, 1, 0, ["true"], [["X", "y"]], "", 1, 2, 3, 4, "c1")
    return fields._replace(**changes)


@pytest.mark.parametrize("command", [["true"], ["echo", "x" * 2_000_000]], ids=["small", "huge"])
def test_an_order_and_its_record_come_through_though_nobody_reads_yet(
    tmp_path: Path, command: list[str]
) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)
    record = records.claim(directory, "a@1.1.0")
    launcher, supervisor = socket.socketpair()
    sent = order(command=command, pid=77)
    send_order(launcher, sent, record)
    launcher.close()
    os.close(record)
    # On its way it has a holder.
    assert records.try_lock(directory, "a@1.1.0") is None
    received = receive_order(supervisor)
    assert received is not None
    assert received[0] == sent
    assert not os.get_inheritable(received[1])
    assert records.try_lock(directory, "a@1.1.0") is None
    os.close(received[1])
    lock = records.try_lock(directory, "a@1.1.0")
    assert lock is not None
    assert receive_order(supervisor) is None
    for descriptor in (lock, directory):
        os.close(descriptor)
    supervisor.close()


def test_an_order_for_nobody_is_refused(tmp_path: Path) -> None:
    launcher, supervisor = socket.socketpair()
    supervisor.close()
    with (tmp_path / "record").open("w") as record, pytest.raises(BrokenPipeError):
        send_order(launcher, order(), record.fileno())
    launcher.close()


@given(start=st.integers(0, 31_743), kernel=st.integers(300, 32_767), forks=st.integers(0, 300))
def test_pids_are_dealt_in_turn_and_never_behind_the_kernel(start: int, kernel: int, forks: int) -> None:
    dealer = PidDealer(pid_max=32_768, place=start)
    dealt = []
    for _ in range(200):
        pid = dealer.deal_after(kernel)
        assert 1024 <= pid <= 32_768 - PIDS_TRIED
        assert (kernel - pid) % (32_768 - 1024 - PIDS_TRIED) >= 4096
        dealt.append(pid)
        kernel = kernel + forks if kernel + forks < 32_768 else 300
    if forks == 0:
        tried = [pid + each for pid in dealt for each in range(PIDS_TRIED)]
        assert len(set(tried)) == len(tried), "two tasks might try the same"


def test_a_child_is_found_under_its_pid_outside() -> None:
    child = subprocess.Popen(["sleep", "600"])
    proc = os.open("/proc", os.O_RDONLY)
    assert task.pid_outside(child.pid, proc) == child.pid
    os.close(proc)
    child.kill()
    child.wait()


def test_a_process_is_its_pid_and_its_start() -> None:
    own = parse_stat(Path("/proc/self/stat").read_bytes()).id
    assert own.pid == os.getpid()
    assert is_alive(own)
    other = own._replace(start_ticks=own.start_ticks - 1)
    assert not is_alive(other)
    assert not send_signal(other, 15)  # type: ignore[arg-type]


def test_what_is_told_only_gets_stricter_or_reaches_further(tmp_path: Path) -> None:
    control = Control(tmp_path)
    for grace_us in (50, 70, 60):
        assert control.tell_stop("a", grace_us) is signal.SIGUSR1
    assert json.loads((tmp_path / "a.stop").read_text()) == {"grace_us": 50}
    for lease_us in (50, 70, 60):
        assert control.tell_lease("a", 1000, lease_us) is signal.SIGUSR1
    assert json.loads((tmp_path / "a.lease").read_text()) == {"start_us": 1000, "lease_us": 70}
    control.delete("a")
    control.delete("a")
    assert list(tmp_path.iterdir()) == []
    assert Control(tmp_path / "full").tell_stop("a", 1) is signal.SIGUSR2


def test_trees_without_rights_are_deleted(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "locked" / "deep").mkdir(parents=True)
    (tree / "locked" / "deep" / "file").touch()
    (tree / "link").symlink_to("/")
    (tree / "locked").chmod(0)
    assert delete_tree(tree) == 0
    assert delete_tree(tree) == 0


def test_stat_lines_with_odd_names() -> None:
    fields = " ".join(map(str, range(1, 50)))
    stat = parse_stat(f"12 (a) b) R 1 {fields}".encode())
    assert (stat.id.pid, stat.state, stat.parent) == (12, b"R", 1)


def test_supervisors_carry_little() -> None:
    """They are forks of the zygote: what it imports, thousands of them carry."""
    program = "import sys; sys.path.insert(0, sys.argv[1]); import hanse.executors.local.zygote; print(*sys.modules)"
    packages = str(Path(hanse.__file__).parents[1])
    command = [sys.executable, "-I", "-S", "-c", program, packages]
    modules = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert {name for name in modules if name.startswith("hanse.")} == {
        "hanse.executors",
        *(
            f"hanse.executors.local{name}"
            for name in (
                "",
                ".containment",
                ".kernel",
                ".orders",
                ".output",
                ".pids",
                ".pool",
                ".processes",
                ".records",
                ".supervisor",
                ".task",
                ".zygote",
            )
        ),
    }
    assert not {"threading", "asyncio", "subprocess", "msgspec", "grpc"} & set(modules)
