"""Checks of what a caller wrote, each naming the field in which it found something wrong."""

from __future__ import annotations

import functools
import re

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from hanse.core.model import limits
from hanse.core.model.errors import CallerFault

NAME = re.compile(r"[^\x00-\x1f\x7f]+")
WORD = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
LABEL_PREFIX = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
REGION = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
RESOURCE_KIND = re.compile(r"[a-z0-9]([a-z0-9._/-]*[a-z0-9])?")
# RFC 3986 with a scheme; what follows it is for whoever reads it.
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# More than any of them may have, so that what is cut off is refused all the same.
_REMEMBERED_LENGTH_MAX = 512
_RESERVED_PREFIX = "HANSE_"
_NANOS_PER_SECOND = 1_000_000_000
# What protobuf's JSON form can express: 0001-01-01 to 9999-12-31.
_TIMESTAMP_SECONDS_MAX = 253_402_300_799


class FieldRefused(CallerFault):
    """The value of `field` can't be right, or (UNIMPLEMENTED) is understood but not done.

    Raised and caught inside hanse.wire only: at its door it is the value core.replies.Refused.
    """

    def __init__(self, field: str, message: str, code: str = "INVALID") -> None:
        super().__init__(f"{field}: {message}")
        self.code = code
        self.field = field
        self.message = message


def echo(text: str) -> str:
    """As much of `text` as may stand in an answer."""
    return text if len(text) <= limits.ECHO_LENGTH_MAX else text[: limits.ECHO_LENGTH_MAX] + "..."


def check_text(field: str, text: str, length_max: int, syntax: re.Pattern[str], what: str) -> None:
    """1 to `length_max` characters of `syntax`, which `what` puts in words."""
    if not text:
        raise FieldRefused(field, "required")
    if len(text) > length_max:
        raise FieldRefused(field, f"{len(text)} characters; at most {length_max}")
    if syntax.fullmatch(text) is None:
        raise FieldRefused(field, f"{echo(text)!r} is not {what}")


def check_length(field: str, count: int, count_max: int, what: str) -> None:
    """At most `count_max` of something."""
    if count > count_max:
        raise FieldRefused(field, f"{count} {what}; at most {count_max}")


def check_range(field: str, value: int, least: int, most: int) -> None:
    """least <= value <= most."""
    if not least <= value <= most:
        raise FieldRefused(field, f"{value} is outside {least} to {most}")


def check_no_zero_byte(field: str, text: str, bytes_max: int) -> None:
    """What the operating system takes as an argument, variable or path."""
    if "\0" in text:
        raise FieldRefused(field, "contains a zero byte")
    # No character takes more than four bytes, so most texts need not be encoded to be measured.
    if len(text) * 4 > bytes_max and len(text.encode()) > bytes_max:
        raise FieldRefused(field, f"longer than {bytes_max} bytes")


def check_place(field: str, place: str) -> None:
    """An absolute path, or a URI with a scheme, as an environment variable holds it."""
    check_no_zero_byte(field, place, limits.PATH_LENGTH_MAX)
    if not place.startswith("/") and URI.fullmatch(place) is None:
        raise FieldRefused(field, f"{echo(place)!r} is neither an absolute path nor a URI (scheme:...)")


def check_region_name(field: str, name: str) -> None:
    """Lower-case letters, digits and dashes."""
    check_text(field, name, limits.REGION_NAME_LENGTH_MAX, REGION, "a region name ([a-z0-9-])")


def check_tenant(field: str, tenant: str) -> None:
    """'org', 'org/team' or 'org/team/user'."""
    problem = _tenant_problem(tenant[:_REMEMBERED_LENGTH_MAX])
    if problem:
        raise FieldRefused(field, problem)


def check_label(field: str, key: str, value: str) -> None:
    """Kubernetes syntax: [prefix/]name = value, where the value may be empty."""
    problem = _label_problem(key[:_REMEMBERED_LENGTH_MAX], value[:_REMEMBERED_LENGTH_MAX])
    if problem:
        raise FieldRefused(f"{field}[{echo(key)}]", problem)


def check_variable_name(field: str, name: str) -> None:
    """What a shell takes as a variable, and none that Hanse sets itself."""
    problem = _variable_problem(name[:_REMEMBERED_LENGTH_MAX])
    if problem:
        raise FieldRefused(f"{field}[{echo(name)}]", problem)


# Tenants, labels and variable names repeat from spec to spec; looking one up costs a tenth of matching it.


@functools.lru_cache(limits.WORD_MEMO_ENTRIES_MAX)
def _tenant_problem(tenant: str) -> str:
    if not tenant:
        return "required"
    levels = tenant.split("/")
    if len(levels) > limits.TENANT_LEVELS_MAX:
        return f"{len(levels)} levels; at most {limits.TENANT_LEVELS_MAX} (org/team/user)"
    for level in levels:
        if len(level) > limits.TENANT_LEVEL_LENGTH_MAX or WORD.fullmatch(level) is None:
            return f"{echo(tenant)!r} is not org, org/team or org/team/user"
    return ""


@functools.lru_cache(limits.WORD_MEMO_ENTRIES_MAX)
def _label_problem(key: str, value: str) -> str:
    prefix, slash, name = key.rpartition("/")
    prefix_ok = not slash or (
        len(prefix) <= limits.LABEL_PREFIX_LENGTH_MAX and LABEL_PREFIX.fullmatch(prefix) is not None
    )
    if not (prefix_ok and len(name) <= limits.LABEL_LENGTH_MAX and WORD.fullmatch(name)):
        return f"{echo(key)!r} is not a label name ([prefix/]name)"
    if value and not (len(value) <= limits.LABEL_LENGTH_MAX and WORD.fullmatch(value)):
        return f"{echo(value)!r} is not a label value ([A-Za-z0-9._-])"
    return ""


@functools.lru_cache(limits.WORD_MEMO_ENTRIES_MAX)
def _variable_problem(name: str) -> str:
    if len(name) > limits.VARIABLE_NAME_LENGTH_MAX or VARIABLE.fullmatch(name) is None:
        return f"{echo(name)!r} is not a variable name ([A-Za-z_][A-Za-z0-9_]*)"
    if name.startswith(_RESERVED_PREFIX):
        return f"{_RESERVED_PREFIX}* is set by Hanse"
    return ""


def duration_us(field: str, duration: Duration, most_us: int) -> int:
    """Microseconds from 0 to `most_us`; fractions of a microsecond are cut off."""
    if not 0 <= duration.nanos < _NANOS_PER_SECOND or duration.seconds < 0:
        raise FieldRefused(field, "negative, or nanos outside 0 to 999999999")
    microseconds = duration.seconds * 1_000_000 + duration.nanos // 1_000
    if microseconds > most_us:
        raise FieldRefused(field, f"{duration.seconds} s; at most {most_us // 1_000_000} s")
    return microseconds


def check_timestamp(field: str, timestamp: Timestamp) -> None:
    """A moment after 1970 that can be written down."""
    if not (0 <= timestamp.nanos < _NANOS_PER_SECOND and 0 < timestamp.seconds <= _TIMESTAMP_SECONDS_MAX):
        raise FieldRefused(field, "not a moment between 1970 and 9999")
