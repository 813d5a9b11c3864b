"""Keys, rosters and leagues in files, with errors as the command line tells them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from hanse.cli.errors import CommandError, UsageOrConfigError
from hanse.cli.exits import ExitCode
from hanse.core.federation.roster.faults import RosterFault
from hanse.core.model.errors import CallerFault
from hanse.core.model.regions import PROTOCOL_MAX, PROTOCOL_MIN
from hanse.core.model.roster import Roster, RosterMember, SignedRoster, key_id, operator_message
from hanse.daemon.keys import OPERATOR_KEY_FILE, PrivateKey, load
from hanse.daemon.rosters import read_roster_file

_PORT_HINT = "such as north.example:7102"


class MemberSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[members]] of a league's file."""

    name: str
    peer_address: str
    public_key: str
    ledger_id: str
    public_address: str = ""
    labels: dict[str, str] = {}
    protocol_min: Annotated[int, msgspec.Meta(ge=1)] = PROTOCOL_MIN
    protocol_max: Annotated[int, msgspec.Meta(ge=1)] = PROTOCOL_MAX


class LeagueSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A league's file: what `hanse federation init` makes a founding roster of."""

    cluster_id: str
    members: tuple[MemberSettings, ...]
    guardians: Literal[0, 3, 5] = 3
    domains: Literal["strict", "spread"] = "strict"


@contextmanager
def told() -> Iterator[None]:
    """What is wrong with a file, as an error of the command line."""
    try:
        yield
    except CallerFault as fault:
        raise UsageOrConfigError(str(fault)) from fault


def read_league(path: Path) -> LeagueSettings:
    """Raises UsageOrConfigError with everything that is wrong."""
    from hanse.daemon.config import misfits

    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageOrConfigError(f"{path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageOrConfigError(f"{path}: not TOML: {error}") from error
    problems = [f"{path}: {key}: {reason}" for key, reason in misfits(document, LeagueSettings, "")]
    if problems:
        raise UsageOrConfigError("\n".join(problems))
    return msgspec.convert(document, LeagueSettings)


def parse_member(text: str) -> MemberSettings:
    """NAME,peer=HOST:PORT,key=HEX,ledger=ID[,public=HOST:PORT][,label:NAME=VALUE]... Raises UsageOrConfigError."""
    name, *parts = [part.strip() for part in text.split(",")]
    fields: dict[str, str] = {}
    labels: dict[str, str] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals:
            raise UsageOrConfigError(f"--member {name}: {part!r} is not KEY=VALUE")
        if key.startswith("label:"):
            labels[key.removeprefix("label:")] = value
        elif key in ("peer", "public", "key", "ledger"):
            fields[key] = value
        else:
            raise UsageOrConfigError(
                f"--member {name}: no {key!r}; there are peer, public, key, ledger, label:NAME"
            )
    for key in ("peer", "key", "ledger"):
        if key not in fields:
            raise UsageOrConfigError(
                f"--member {name}: {key} is missing",
                hint=f"{name},peer=HOST:PORT,key=HEX,ledger=ID; `hanse federation keygen` prints key and ledger",
            )
    return MemberSettings(
        name=name,
        peer_address=fields["peer"],
        public_key=fields["key"],
        ledger_id=fields["ledger"],
        public_address=fields.get("public", ""),
        labels=labels,
    )


def parse_labels(texts: Iterable[str]) -> dict[str, str]:
    """NAME=VALUE each. Raises UsageOrConfigError."""
    labels = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageOrConfigError(f"--label {text}: not NAME=VALUE, such as zone=a")
        labels[name] = value
    return labels


def roster_member(settings: MemberSettings) -> RosterMember:
    """As the roster has it."""
    return RosterMember(**{name: getattr(settings, name) for name in settings.__struct_fields__})


def insist(faults: Iterable[RosterFault], hint: str = "") -> None:
    """Raises UsageOrConfigError with all of these, if there are any."""
    lines = [str(fault) for fault in faults]
    if lines:
        raise UsageOrConfigError("\n".join(dict.fromkeys(lines)), hint=hint)


def operator_key(path: Path | None) -> PrivateKey:
    """The operator's key. Raises UsageOrConfigError, with how to get one."""
    where = (path or OPERATOR_KEY_FILE).expanduser()
    if not where.exists():
        raise UsageOrConfigError(
            f"no operator's key at {where}",
            hint="give --operator-key FILE, or sign elsewhere: --draft FILE here, `hanse federation sign` there, "
            "`hanse federation apply` here",
        )
    with told():
        return load(where)


def signed(roster: Roster, key: PrivateKey) -> SignedRoster:
    """With the operator's signature. Raises CommandError (unauthorised) if that key may not sign it."""
    mine = key_id(key.public_key)
    if roster.issuer != mine:
        raise CommandError(
            f"epoch {roster.epoch} must be signed by the key {roster.issuer}, and this one is {mine}",
            hint="give the operator's key with --operator-key FILE",
            exit_code=ExitCode.UNAUTHORISED,
        )
    return SignedRoster(roster=roster, operator_signature=key.sign(operator_message(roster)))


def last_of(path: Path) -> tuple[tuple[SignedRoster, ...], SignedRoster]:
    """What a roster file has before its last roster, and that one. Raises UsageOrConfigError."""
    with told():
        chain = read_roster_file(path)
    if not chain:
        raise UsageOrConfigError(f"{path}: no roster in it")
    return chain[:-1], chain[-1]


def refuse_to_overwrite(path: Path) -> None:
    """Raises UsageOrConfigError if there is something already."""
    if path.exists():
        raise UsageOrConfigError(f"{path} exists already", hint="name another file, or move that one away")
