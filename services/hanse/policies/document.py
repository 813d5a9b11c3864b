"""The door: a text in, a checked document or all that is wrong with it out."""

from __future__ import annotations

import hashlib
import re
import tomllib
from decimal import Decimal

import msgspec

from hanse.core.model import limits
from hanse.core.policy.model import Policy
from hanse.policies.mapping import Mapper, World
from hanse.policies.places import Places
from hanse.policies.problems import DocumentRefused, Findings, Problem
from hanse.policies.reading import Reader
from hanse.policies.rules import Rule
from hanse.policies.schema import DOCUMENT

_AT = re.compile(
    r"(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)", re.DOTALL
)
_UNSAID = World()


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A policy document that can be put in force. `policy` has no version yet: the ledger counts. `warnings` are what
    its author should look at all the same."""

    text: str
    policy: Policy
    rules: tuple[Rule, ...]
    warnings: tuple[Problem, ...] = ()

    @property
    def digest(self) -> str:
        """Of the canonical bytes, in hexadecimal."""
        return digest(self.text)

    def under(self, version: int) -> Policy:
        """The policy, under a version."""
        return msgspec.structs.replace(self.policy, version=version)


def canonical(text: str) -> bytes:
    """The bytes that are stored, compared, and to be signed: the text in UTF-8, with plain line ends and one at the
    end. Comments count: they are what the next operator reads."""
    return ("\n".join(text.replace("\r\n", "\n").split("\n")).rstrip("\n") + "\n").encode()


def digest(text: str) -> str:
    """SHA-256 of the canonical bytes, in hexadecimal."""
    return hashlib.sha256(canonical(text)).hexdigest()


def read_document(text: str, world: World = _UNSAID) -> Document:
    """The document of a text. Raises DocumentRefused with everything that is wrong with it."""
    text = text.replace("\r\n", "\n")
    if len(text.encode(errors="surrogatepass")) > limits.POLICY_BYTES_MAX:
        raise DocumentRefused([_whole(f"more than {limits.POLICY_BYTES_MAX >> 10} KiB")])
    value = _parsed(text)
    findings = Findings(Places(text))
    read = Reader(findings).table(value, DOCUMENT, ())
    mapper = Mapper(findings, world)
    rules = mapper.rules(read)
    policy = mapper.policy(read)
    problems = findings.sorted()
    if findings.refused:
        raise DocumentRefused(problems)
    return Document(text=canonical(text).decode(), policy=policy, rules=rules, warnings=problems)


def read_bytes(data: bytes, world: World = _UNSAID) -> Document:
    """As `read_document`, for what a file holds."""
    try:
        return read_document(data.decode(), world)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        problem = Problem(path="", line=line, column=column, width=1, message="not UTF-8")
        raise DocumentRefused([problem]) from error


def _parsed(text: str) -> dict[str, object]:
    """The values. Raises DocumentRefused if it is not TOML at all."""
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise DocumentRefused([_not_toml(text, str(error))]) from error
    except RecursionError as error:
        raise DocumentRefused([_whole("nested too deeply")]) from error


def _not_toml(text: str, error: str) -> Problem:
    found = _AT.fullmatch(error)
    lines = text.split("\n")
    if found is None or found["line"] is None:
        line = len(text.rstrip("\n").split("\n"))
        column = len(lines[line - 1]) + 1
    else:
        line, column = int(found["line"]), int(found["column"])
    what = found["what"] if found is not None else error
    message = f"not TOML: {what[0].lower()}{what[1:]}"
    hint = "texts need quotes; an inline table { ... } must be on one line" if "nvalid value" in what else ""
    return Problem(
        path="", line=line, column=column, width=1, message=message, hint=hint, source=lines[line - 1]
    )


def _whole(message: str) -> Problem:
    return Problem(path="", line=0, column=0, width=0, message=message)
