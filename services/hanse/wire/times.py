"""Moments and durations: protobuf <-> integer microseconds."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

_UINT32_MAX = 2**32 - 1
_SECONDS_MAX = 253_402_300_799


def timestamp(wall_us: int) -> Timestamp | None:
    """The moment; None (an absent field) for 0, which stands for "not yet"."""
    if wall_us == 0:
        return None
    seconds, microseconds = divmod(wall_us, 1_000_000)
    return Timestamp(seconds=seconds, nanos=microseconds * 1_000)


def wall_us(moment: Timestamp) -> int:
    """Microseconds since the Unix epoch; 0 for an absent field, and never out of what a date can say."""
    return (
        max(0, min(moment.seconds, _SECONDS_MAX)) * 1_000_000
        + max(0, min(moment.nanos, 999_999_999)) // 1_000
    )


def milliseconds_32(duration_us: int) -> int:
    """Whole milliseconds as they fit into a uint32."""
    return min(max(0, duration_us) // 1_000, _UINT32_MAX)
