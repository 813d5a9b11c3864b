"""Versions of the policy -> protobuf."""

from __future__ import annotations

from hanse.core.rows import PolicyRow
from hanse.wire.gen.hanse.v1 import policies_pb2
from hanse.wire.times import timestamp


def encode_policy(row: PolicyRow) -> policies_pb2.Policy:
    """One version."""
    return policies_pb2.Policy(
        version=row.version,
        digest=row.digest,
        document=row.document,
        author=row.author,
        why=row.why,
        applied_at=timestamp(row.at_wall_us),
    )
