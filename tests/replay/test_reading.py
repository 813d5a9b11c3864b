"""Traces from files, also from files that mean no good."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from hanse.core.model.time import SECOND_US
from hanse.replay import bounds
from hanse.replay.errors import ReplayRefused, TraceRefused
from hanse.replay.reading.files import Format, format_of, read_trace

_HEADER = (
    "job_id,region,site,tenant,user,submit_s,duration_s,gang,gpus,cpus,mem_mib,gpu_type,qos,priority,est_s,"
    "deadline_s,obs_wait_s,status\n"
)
_JOB = "7,north,site-a,vo1,u1,12.5,3600,2,4,8,16384,v100|a100,guaranteed,2,7200,9000,,unknown\n"
_NODES = "region,node_class,count,gpus,gpu_type,cpus,mem_mib,basis\nnorth,big,3,8,v100,64,262144,published\n"
_SWF = (
    "; UnixStartTime: 0\n"
    " 1 10 5 300 4 -1 -1 4 600 2048 1 17 3 9 1 2 -1 -1\n"
    " 2 20 -1 -1 -1 -1 -1 2 60 -1 5 1 1 1 1 2 -1 -1\n"
)
_SACCT = (
    "JobID|JobName|User|Account|Cluster|Partition|Submit|ElapsedRaw|NNodes|AllocTRES|Timelimit|State\n"
    "11|train|ann|lab|north|gpu|2026-03-01T10:00:00|60|2|cpu=16,mem=64G,node=2,gres/gpu=8|1-00:00:00|COMPLETED\n"
    "11.batch|batch||lab|north||2026-03-01T10:00:00|60|1|cpu=8|  |COMPLETED\n"
    "12|test|bob|lab|north|gpu|2026-03-01T10:01:40|0|1|cpu=1,node=1|00:10:00|CANCELLED\n"
    "13|test|bob|lab|north|gpu|2026-03-01T10:01:40|5|1|cpu=1,node=1|00:10:00|FAILED\n"
)


@pytest.fixture
def nodes(tmp_path: Path) -> Path:
    path = tmp_path / "nodes.csv"
    path.write_text(_NODES)
    return path


def _written(tmp_path: Path, text: str | bytes, name: str = "jobs.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_job_of_our_own_format(tmp_path: Path, nodes: Path) -> None:
    (job,) = read_trace(_written(tmp_path, _HEADER + _JOB), nodes).jobs
    assert (job.id, job.home, job.tenant, job.name, job.tier, job.priority) == (
        "7",
        "north",
        "vo1/u1",
        "site-a",
        "premium",
        2,
    )
    assert (job.submit_us, job.duration_us, job.estimate_us, job.deadline_us) == (
        12_500_000,
        3_600 * SECOND_US,
        7_200 * SECOND_US,
        9_000 * SECOND_US,
    )
    assert (job.tasks, dict(job.wants), job.device_models) == (
        2,
        {"gpu": 4_000, "cpu": 8_000, "memory": 16 << 30},
        ("v100", "a100"),
    )


def test_packed_files_are_read_as_they_are(tmp_path: Path, nodes: Path) -> None:
    packed = _written(tmp_path, gzip.compress((_HEADER + _JOB).encode()), "jobs.csv.gz")
    assert len(read_trace(packed, nodes).jobs) == 1


def test_swf_has_a_task_for_each_processor_and_leaves_out_what_never_ran(tmp_path: Path, nodes: Path) -> None:
    (job,) = read_trace(_written(tmp_path, _SWF), nodes).jobs
    assert (job.tasks, dict(job.wants), job.tenant, job.name) == (
        4,
        {"cpu": 1_000, "memory": 2 << 20},
        "group-3/user-17",
        "executable-9",
    )
    assert (job.submit_us, job.duration_us, job.estimate_us) == (
        10 * SECOND_US,
        300 * SECOND_US,
        600 * SECOND_US,
    )


def test_sacct_has_a_task_for_each_node_and_leaves_out_steps(tmp_path: Path, nodes: Path) -> None:
    first, second = read_trace(_written(tmp_path, _SACCT), nodes).jobs
    assert (first.id, first.tasks, dict(first.wants)) == (
        "11",
        2,
        {"cpu": 8_000, "gpu": 4_000, "memory": 32 << 30},
    )
    assert (first.submit_us, first.estimate_us) == (0, 86_400 * SECOND_US)
    assert (second.id, second.submit_us) == ("13", 100 * SECOND_US)


@pytest.mark.parametrize(
    ("text", "form"), [(_HEADER + _JOB, Format.CSV), (_SWF, Format.SWF), (_SACCT, Format.SACCT)]
)
def test_a_file_says_what_it_is(tmp_path: Path, text: str, form: Format) -> None:
    assert format_of(_written(tmp_path, text)) is form


@pytest.mark.parametrize(
    ("old", "new", "line", "field"),
    [
        ("12.5", "-1", 2, "submit_s"),
        ("12.5", "nan", 2, "submit_s"),
        ("12.5", "1e99", 2, "submit_s"),
        ("12.5", "", 2, "submit_s"),
        ("3600", "inf", 2, "duration_s"),
        ("3600", "99999999999", 2, "duration_s"),
        (",2,4,", ",0,4,", 2, "gang"),
        (",2,4,", ",1.5,4,", 2, "gang"),
        (",2,4,", ",99999999,4,", 2, "gang"),
        (",2,4,", ",2,1.5,", 2, "gpus"),
        (",2,4,", ",2,0x4,", 2, "gpus"),
        ("guaranteed", "golden", 2, "qos"),
        ("v100|a100", "|".join("abcdefghij"), 2, "gpu_type"),
        ("7,north", ",north", 2, "job_id"),
        ("submit_s", "submitted", 1, "submit_s"),
        ("site,", "region,", 1, ""),
        (",unknown", ",unknown,more", 2, ""),
        ("site-a", '"site-a', 2, ""),
        ("site-a", "site\0a", 2, ""),
        ("site-a", "x" * (bounds.LINE_BYTES_MAX + 1), 2, ""),
    ],
)
def test_what_cannot_be_right_is_refused_with_its_place(
    tmp_path: Path, nodes: Path, old: str, new: str, line: int, field: str
) -> None:
    text = (_HEADER + _JOB).replace(old, new, 1)
    with pytest.raises(TraceRefused) as caught:
        read_trace(_written(tmp_path, text), nodes, Format.CSV)
    assert (caught.value.file, caught.value.line, caught.value.field) == ("jobs.csv", line, field)
    assert str(caught.value).startswith(f"jobs.csv:{line}")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"\x1f\x8b",
        gzip.compress(_HEADER.encode())[:-5],
        b"\x1f\x8b" + bytes(100),
        b"hello\nworld\n",
        b"a" * 1000,
    ],
)
def test_bytes_that_are_no_trace_are_refused(tmp_path: Path, nodes: Path, data: bytes) -> None:
    with pytest.raises(TraceRefused):
        read_trace(_written(tmp_path, data), nodes)


def test_what_is_packed_is_bounded_as_it_is_unpacked(
    tmp_path: Path, nodes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "FILE_BYTES_MAX", 10_000)
    bomb = gzip.compress(_HEADER.encode() + b"\n" * 1_000_000)
    with pytest.raises(TraceRefused, match="more than"):
        read_trace(_written(tmp_path, bomb, "bomb.csv.gz"), nodes)


def test_a_missing_file_is_told(tmp_path: Path, nodes: Path) -> None:
    with pytest.raises(TraceRefused, match="cannot be read"):
        read_trace(tmp_path / "none.csv", nodes)


def test_a_job_needs_a_region_with_nodes(tmp_path: Path) -> None:
    two = _written(tmp_path, _NODES + "south,big,3,8,v100,64,1024,\n", "two.csv")
    with pytest.raises(ReplayRefused, match="'west'"):
        read_trace(_written(tmp_path, _HEADER + _JOB.replace("north", "west")), two)


def test_two_jobs_cannot_have_one_id(tmp_path: Path, nodes: Path) -> None:
    with pytest.raises(ReplayRefused, match="two jobs '7'"):
        read_trace(_written(tmp_path, _HEADER + _JOB + _JOB), nodes)


@pytest.mark.parametrize(
    "row", ["north,big,0,8,,,,", "north,big,3,,,,,", ",big,3,8,,,,", "north,big,9e9,8,,,,"]
)
def test_nodes_that_cannot_be_are_refused(tmp_path: Path, row: str) -> None:
    header = _NODES.split("\n", 1)[0]
    with pytest.raises(TraceRefused):
        read_trace(_written(tmp_path, _HEADER + _JOB), _written(tmp_path, f"{header}\n{row}\n", "n.csv"))
