"""What a task is told, and what its owner may not say."""

from __future__ import annotations

import pytest

from hanse.core.model.jobs import RunId
from hanse.executors.environment import (
    ENVIRONMENT_BYTES_MAX,
    VARIABLE_BYTES_MAX,
    Device,
    refused_variable,
    task_environment,
    visible_gpus,
)


def environment(devices: tuple[Device, ...] = (), user: dict[str, str] | None = None) -> dict[str, str]:
    return dict(
        task_environment(
            run=RunId("north-1", 3, 2),
            task=5,
            task_count=8,
            group=1,
            region="north",
            node="n7",
            devices=devices,
            checkpoint="/checkpoints/north-1",
            user=user,
        )
    )


def test_a_task_knows_who_and_where_it_is() -> None:
    told = {name: value for name, value in environment().items() if name.startswith("HANSE_")}
    assert told == {
        "HANSE_JOB_ID": "north-1",
        "HANSE_EPOCH": "3",
        "HANSE_ATTEMPT": "2",
        "HANSE_REGION": "north",
        "HANSE_NODE": "n7",
        "HANSE_GROUP": "1",
        "HANSE_TASK": "5",
        "HANSE_TASK_COUNT": "8",
        "HANSE_CHECKPOINT": "/checkpoints/north-1",
        "HANSE_DEVICES": "",
    }


def test_devices_are_named() -> None:
    told = environment((("npu", 1), ("gpu/a100", 2), ("gpu/a100", 0)))
    assert told["CUDA_VISIBLE_DEVICES"] == "0,2"
    assert told["HANSE_DEVICES"] == "gpu/a100:0,gpu/a100:2,npu:1"


def test_the_owner_may_replace_defaults_but_not_devices() -> None:
    told = environment((("gpu", 3),), {"PATH": "/opt/bin", "CUDA_VISIBLE_DEVICES": "0,1,2,3", "X": "y"})
    assert (told["PATH"], told["LANG"], told["X"]) == ("/opt/bin", "C.UTF-8", "y")
    assert told["CUDA_VISIBLE_DEVICES"] == "3"


@pytest.mark.parametrize(
    ("devices", "visible"),
    [
        ((), ""),
        ((("npu", 0), ("gpux", 1)), ""),
        ((("gpu", 10), ("gpu", 9)), "9,10"),
        ((("gpu", 1), ("gpu/h100", 1)), "1"),
    ],
)
def test_visible_gpus(devices: tuple[Device, ...], visible: str) -> None:
    assert visible_gpus(devices) == visible


@pytest.mark.parametrize(
    ("user", "name", "reason"),
    [
        ({"A": "1", "HANSE_JOB_ID": "x"}, "HANSE_JOB_ID", "set by the region"),
        ({"": "x"}, "", "name"),
        ({"A=B": "x"}, "A=B", "name"),
        ({"A": "x\0y"}, "A", "NUL"),
        ({"A": "x" * VARIABLE_BYTES_MAX}, "A", "at most"),
        ({f"A{n}": "x" * (VARIABLE_BYTES_MAX - 8) for n in range(9)}, "", str(ENVIRONMENT_BYTES_MAX)),
    ],
)
def test_refused_variables(user: dict[str, str], name: str, reason: str) -> None:
    refused = refused_variable(user)
    assert refused is not None
    assert refused[0] == name
    assert reason in refused[1]


def test_ordinary_variables_are_fine() -> None:
    assert refused_variable({"A": "", "b_c": "x=y\nz", "HANSEL": "und Gretel"}) is None
