"""Durations, shares and quantities as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanse.policies.units import duration_text, duration_us, quantity, quantity_text, share_permille


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("90s", 90_000_000),
        ("15m", 900_000_000),
        ("1h30m", 5_400_000_000),
        ("2d", 172_800_000_000),
        ("1d 2h", 93_600_000_000),
        ("0.5s", 500_000),
        ("250ms", 250_000),
        ("0s", 0),
        ("", None),
        ("15", None),
        ("m", None),
        ("-5s", None),
        ("30m1h", None),
        ("1.5h", None),
    ],
)
def test_durations(text: str, microseconds: int | None) -> None:
    assert duration_us(text) == microseconds


@given(st.integers(0, 400 * 86_400 * 10**6))
def test_a_duration_that_was_written_is_read_again(microseconds: int) -> None:
    assert duration_us(duration_text(microseconds)) == microseconds


@pytest.mark.parametrize(
    ("text", "permille"),
    [("95%", 950), ("97.5 %", 975), ("100%", 1000), ("0%", 0), ("95", None), ("0.95", None), ("9.55%", None)],
)
def test_shares(text: str, permille: int | None) -> None:
    assert share_permille(text) == permille


@pytest.mark.parametrize(
    ("kind", "text", "amount"),
    [
        ("gpu", "64 devices", 64_000),
        ("gpu/a100", "1 device", 1_000),
        ("gpu", "0.5 devices", 500),
        ("cpu", "20 cores", 20_000),
        ("cpu", "500m", 500),
        ("cpu", "0.25cores", 250),
        ("memory", "512GiB", 512 << 30),
        ("memory", "1.5 GiB", 3 << 29),
        ("memory", "2 TB", 2 * 10**12),
        ("memory", "12B", 12),
        ("memory", "0.5 B", None),
        ("gpu", "64", None),
        ("gpu", "64 cores", None),
        ("cpu", "0.0001 cores", None),
        ("licence", "5 licences", None),
    ],
)
def test_quantities(kind: str, text: str, amount: int | None) -> None:
    assert quantity(kind, text) == amount


@pytest.mark.parametrize(
    ("kind", "amount", "text"),
    [
        ("gpu", 1_000, "1 device"),
        ("npu/x", 2_500, "2.5 devices"),
        ("cpu", 20_000, "20 cores"),
        ("memory", 3 << 29, "1.5 GiB"),
        ("licence", 12_000, "12,000"),
    ],
)
def test_quantities_in_words(kind: str, amount: int, text: str) -> None:
    assert quantity_text(kind, amount) == text
