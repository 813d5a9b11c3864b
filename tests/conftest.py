"""Options of the whole suite."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

import hanse.daemon  # noqa: F401 - before anything imports gRPC, for what it sets in the environment

# A busy machine is no fault of the code that is tested.
settings.register_profile("hanse", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hanse")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Golden transcripts are compared exactly, or written anew to be reviewed as a diff."""
    parser.addoption(
        "--rewrite-transcripts",
        action="store_true",
        help="write tests/transcripts/*.txt anew instead of comparing with them",
    )
