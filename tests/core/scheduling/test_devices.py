"""Devices: which requests are possible, and which devices a task gets."""

from __future__ import annotations

import pytest

from hanse.core.model.resources import resources
from hanse.core.scheduling.devices import (
    choose_devices,
    device_capacity_error,
    device_family,
    device_request_error,
    first_indices,
    shares_fitting,
)


@pytest.mark.parametrize(
    ("kind", "family"),
    [("gpu", "gpu"), ("gpu/a100", "gpu"), ("npu", "npu"), ("cpu", ""), ("gpus", ""), ("", "")],
)
def test_family(kind: str, family: str) -> None:
    assert device_family(kind) == family


@pytest.mark.parametrize(
    ("kind", "quantity", "possible"),
    [
        ("gpu", 1, True),
        ("gpu", 999, True),
        ("gpu", 1000, True),
        ("gpu", 1001, False),
        ("gpu/a100", 1500, False),
        ("npu", 16000, True),
        ("cpu", 1500, True),
    ],
)
def test_requests_are_whole_devices_or_a_share_of_one(kind: str, quantity: int, possible: bool) -> None:
    assert (device_request_error(kind, quantity) is None) == possible


def test_a_node_has_whole_devices() -> None:
    assert device_capacity_error("gpu", 8000) is None
    assert device_capacity_error("gpu", 500) is not None
    assert device_capacity_error("cpu", 500) is None


def test_indices_of_a_family_are_disjoint() -> None:
    capacity = resources(
        {"cpu": 5, "gpu": 2000, "gpu/a100": 4000, "gpu/h100": 1000, "npu": 1000, "npu/x": 1000}
    )
    assert first_indices(capacity) == {"gpu": 0, "gpu/a100": 2, "gpu/h100": 6, "npu": 0, "npu/x": 1}


@pytest.mark.parametrize(
    ("shares", "quantity", "chosen"),
    [
        ([1000, 1000, 1000], 2000, [0, 1]),
        ([1000, 999, 1000], 2000, [0, 2]),
        ([1000, 999], 2000, None),
        ([1000, 600, 500], 500, [2]),
        ([1000, 600, 400], 500, [1]),
        ([1000, 500, 500], 500, [1]),
        ([400, 400], 500, None),
        ([1000], 500, [0]),
    ],
)
def test_choice_keeps_devices_whole(shares: list[int], quantity: int, chosen: list[int] | None) -> None:
    assert choose_devices(shares, quantity) == chosen


@pytest.mark.parametrize(
    ("shares", "quantity", "count"),
    [([1000, 1000, 1000], 2000, 1), ([1000, 700], 300, 5), ([999, 999], 1000, 0), ([], 100, 0)],
)
def test_how_many_tasks_devices_hold(shares: list[int], quantity: int, count: int) -> None:
    assert shares_fitting(shares, quantity) == count
