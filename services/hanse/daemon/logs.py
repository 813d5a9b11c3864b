"""Log lines: one JSON object each, on stderr. What happens to single jobs is counted and traced, not logged."""

from __future__ import annotations

import logging
import sys

import msgspec
import structlog
from structlog.tracebacks import ExceptionDictTransformer


def configure_logging(level: str, region: str) -> None:
    """For the whole process; `level` as in [telemetry]."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # Without local variables: they may hold what callers sent.
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(region=region)


def _json(event: object, **_: object) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()
