"""`hanse federation keygen` and `init`: keys, and the first roster of a league."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hanse.cli.errors import UsageOrConfigError
from hanse.cli.output import Printer, note

if TYPE_CHECKING:
    from hanse.cli.roster_files import LeagueSettings
    from hanse.core.model.roster import SignedRoster

DRAFT_HELP = "Only write what would be signed: for `hanse federation sign` on another machine."
KEY_HELP = "The operator's private key. Default: ~/.hanse/operator.key."


def keygen(
    ctx: typer.Context,
    data_dir: Annotated[
        Path | None, typer.Option(help="A region's data directory: its key is made there.", metavar="DIR")
    ] = None,
    operator: Annotated[bool, typer.Option("--operator", help="Make the operator's key.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Where the operator's key goes. Default: ~/.hanse/operator.key.", metavar="FILE"),
    ] = None,
) -> None:
    """Make a key for a region or for the operator, and print its public half; of a region, the id of its ledger too.

    A region that has a key gets a second one beside it, which counts as soon as a roster names it
    (`hanse federation rotate REGION --public-key`). No key is ever overwritten. A ledger that is not there yet gets its
    id now, and takes it at the region's first start.

    JSON keys: file, public_key, key_id, ledger_id (empty: the operator's).
    """
    from hanse.cli.roster_files import told
    from hanse.core.model.roster import key_id
    from hanse.daemon.keys import NEXT_KEY_FILE, OPERATOR_KEY_FILE, REGION_KEY_FILE, generate
    from hanse.daemon.ledger_ids import prepared_id

    if operator == (data_dir is not None):
        raise UsageOrConfigError("whose key?", hint="--data-dir DIR for a region, or --operator")
    if data_dir is None:
        file = (out or OPERATOR_KEY_FILE).expanduser()
    else:
        has_one = (data_dir / REGION_KEY_FILE).exists()
        file = data_dir / (NEXT_KEY_FILE if has_one else REGION_KEY_FILE)
    with told():
        key = generate(file)
        ledger_id = "" if data_dir is None else prepared_id(data_dir)
    printer = Printer.of(ctx)
    document = {
        "file": str(file),
        "public_key": key.public_key,
        "key_id": key_id(key.public_key),
        "ledger_id": ledger_id,
    }
    if printer.is_table:
        print(f"{file}\npublic key  {document['public_key']}\nkey id      {document['key_id']}")
        if ledger_id:
            print(f"ledger id   {ledger_id}")
    else:
        printer.document(document)


def init(
    ctx: typer.Context,
    league: Annotated[
        Path | None,
        typer.Argument(
            help="TOML: cluster_id, guardians, domains, [[members]] with name, peer_address, public_address, "
            "public_key, ledger_id, labels.",
            metavar="[LEAGUE.toml]",
        ),
    ] = None,
    cluster_id: Annotated[str, typer.Option(help="Name of the league, if there is no file.")] = "",
    member: Annotated[
        list[str] | None,
        typer.Option(
            help="A region, if there is no file: "
            "NAME,peer=HOST:PORT,key=HEX,ledger=ID[,public=HOST:PORT][,label:NAME=VALUE]",
            metavar="MEMBER",
        ),
    ] = None,
    guardians: Annotated[
        int | None,
        typer.Option(help="Regions that keep a region's adoptable jobs, itself included: 0, 3 or 5."),
    ] = None,
    domains: Annotated[
        str | None,
        typer.Option(
            help="strict: two guardians in one failure domain are an error; spread: only where it can't be helped."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="The roster's file, for every region.", metavar="FILE")] = Path(
        "roster.json"
    ),
    operator_key: Annotated[Path | None, typer.Option(help=KEY_HELP, metavar="FILE")] = None,
    operator_public_key: Annotated[
        str, typer.Option(help="The operator's public key, if its private one is elsewhere; needs --draft.")
    ] = "",
    epoch: Annotated[
        int,
        typer.Option(
            min=1,
            help="Above every epoch that any region has: founds a league anew whose majority is gone for good.",
        ),
    ] = 1,
    draft: Annotated[bool, typer.Option("--draft", help=DRAFT_HELP)] = False,
) -> None:
    """Found a league: write the roster that every region is given, signed by the operator.

    Each region's configuration then has federation.roster and federation.operator in place of [[members]]; what to
    write there is printed.

    To found anew with --epoch: every region that is to go on gets the new file and is restarted. Do this only when the
    others are gone for good: two halves of a league that are both founded anew are two leagues.

    JSON keys: file, cluster_id, epoch, sha256, operator_key_id, signed, members[], guardian_sets[].{home, members[]}.
    """
    from hanse.cli import roster_files as files
    from hanse.core.federation.roster import drafts
    from hanse.core.federation.roster.checks import document_faults
    from hanse.core.model.roster import SignedRoster

    settings = _settings(league, cluster_id, member or [], guardians, domains)
    files.refuse_to_overwrite(out)
    public_key = operator_public_key or files.operator_key(operator_key).public_key
    if operator_public_key and not draft:
        raise UsageOrConfigError(
            "--operator-public-key needs --draft", hint="sign with `hanse federation sign FILE`"
        )
    try:
        roster = drafts.founding(
            settings.cluster_id,
            [files.roster_member(each) for each in settings.members],
            public_key,
            guardians=settings.guardians,
            domains=settings.domains,
            issued_wall_us=time.time_ns() // 1_000,
            epoch=epoch,
        )
    except ValueError as error:
        raise UsageOrConfigError(f"--operator-public-key: {error}") from error
    files.insist(
        document_faults(roster), hint="correct what is named; where domains can't differ: --domains spread"
    )
    signed = SignedRoster(roster=roster) if draft else files.signed(roster, files.operator_key(operator_key))
    _write_and_tell(ctx, out, signed)


def _settings(
    league: Path | None, cluster_id: str, members: list[str], guardians: int | None, domains: str | None
) -> LeagueSettings:
    import msgspec

    from hanse.cli import roster_files as files

    if league is not None and (cluster_id or members):
        raise UsageOrConfigError("members are said twice: in the file and by options")
    if league is None and not (cluster_id and members):
        raise UsageOrConfigError(
            "no league to found", hint="give LEAGUE.toml, or --cluster-id and a --member for each region"
        )
    if league is not None:
        settings = files.read_league(league)
    else:
        parsed = tuple(files.parse_member(each) for each in members)
        settings = files.LeagueSettings(cluster_id=cluster_id, members=parsed)
    changes = {"guardians": guardians, "domains": domains}
    changed = msgspec.structs.asdict(settings) | {k: v for k, v in changes.items() if v is not None}
    try:
        return msgspec.convert(changed, files.LeagueSettings)
    except msgspec.ValidationError as error:
        raise UsageOrConfigError(
            str(error), hint="--guardians 0, 3 or 5; --domains strict or spread"
        ) from error


def _write_and_tell(ctx: typer.Context, out: Path, signed: SignedRoster) -> None:
    from hanse.cli.roster_files import told
    from hanse.cli.roster_views import founding_document
    from hanse.daemon.rosters import write_roster_file

    with told():
        write_roster_file(out, (signed,))
    printer = Printer.of(ctx)
    document = {"file": str(out), **founding_document(signed)}
    if not printer.is_table:
        printer.document(document)
        return
    print(f"{out}: epoch {document['epoch']} of {document['cluster_id']}, {', '.join(document['members'])}")
    for guardians in document["guardian_sets"]:
        print(f"  {guardians['home']} is guarded by {' and '.join(guardians['members'][1:])}")
    if not signed.operator_signature:
        note(f"not signed yet: hanse federation sign {out}")
    print("in every region's file, in place of [[members]]:\n")
    print(f'[federation]\nroster = "{out.name}"\noperator = "{document["operator_key_id"]}"')
