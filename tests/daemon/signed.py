"""Real daemons whose roster is signed, with real keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from hanse.core.federation.roster import drafts
from hanse.core.model.roster import (
    Roster,
    RosterMember,
    SignedRoster,
    decode_signed,
    encode_signed,
    key_id,
    operator_message,
)
from hanse.daemon.keys import NEXT_KEY_FILE, REGION_KEY_FILE, PrivateKey, generate
from hanse.daemon.ledger_ids import prepared_id
from hanse.daemon.rosters import write_roster_file
from hanse.wire.gen.hanse.v1 import regions_pb2
from tests.daemon.league import DEADLINE_S, QUICK, League, Place, eventually, free_addresses

# Rosters are rare; a boot's grace is waited for after each of them.
TIMINGS = QUICK | {"boot_grace_us": 300_000}
NOT_ASKED = 1 << 60


class SignedLeague:
    """A league whose operator is the test."""

    def __init__(self, directory: Path, league: League, operator: PrivateKey) -> None:
        self.directory = directory
        self.league = league
        self.operator = operator
        self.file = directory / "roster.json"

    def __getitem__(self, name: str) -> Place:
        return self.league[name]

    def found(self, members: Sequence[RosterMember], guardians: int = 0) -> Roster:
        """Epoch 1, as a file."""
        first = drafts.founding(
            "test", members, self.operator.public_key, guardians=guardians, issued_wall_us=1
        )
        write_roster_file(self.file, (self.signed(first),))
        return first

    def signed(self, roster: Roster, key: PrivateKey | None = None) -> SignedRoster:
        """With the operator's signature, or somebody else's."""
        signature = (key or self.operator).sign(operator_message(roster))
        return SignedRoster(roster=roster, operator_signature=signature)

    def configure(self, name: str, member: RosterMember) -> None:
        """The configuration of a region that goes by the file."""
        self.league.configs[name] = {
            "region": {"name": name, "cluster_id": "test", "data_dir": f"data-{name}"},
            "listen": {"public": "127.0.0.1:0", "peers": member.peer_address},
            "federation": {"roster": self.file.name, "operator": key_id(self.operator.public_key)},
            "nodes": [{"name": name, "class": "standard", "resources": {"cpu": 4000, "memory": 1 << 33}}],
            "executor": {"kind": "simulated"},
            "timings": TIMINGS,
        }

    def member(self, name: str, address: str) -> RosterMember:
        """A region with a key that is made now."""
        data = self.directory / f"data-{name}"
        data.mkdir(exist_ok=True)
        following = (data / REGION_KEY_FILE).exists()
        key = generate(data / (NEXT_KEY_FILE if following else REGION_KEY_FILE))
        return RosterMember(
            name=name,
            peer_address=address,
            public_key=key.public_key,
            ledger_id=prepared_id(data),
            protocol_min=1,
            protocol_max=1,
            labels={"zone": name},
        )

    async def propose(self, name: str, document: SignedRoster | bytes) -> regions_pb2.RosterStatus:
        """Hand it in."""
        packed = document if isinstance(document, bytes) else encode_signed(document)
        request = regions_pb2.ProposeRosterRequest(document=packed)
        response = await self[name].regions.ProposeRoster(request, timeout=DEADLINE_S)
        status: regions_pb2.RosterStatus = response.roster
        return status

    async def roster(self, name: str, after: int = NOT_ASKED) -> regions_pb2.RosterStatus:
        """What a region says."""
        request = regions_pb2.GetRosterRequest(after_epoch=after)
        response = await self[name].regions.GetRoster(request, timeout=DEADLINE_S, wait_for_ready=True)
        status: regions_pb2.RosterStatus = response.roster
        return status

    async def head(self, name: str) -> Roster:
        """The roster in force there."""
        return decode_signed((await self.roster(name)).document).roster

    async def ready(self, *names: str) -> None:
        """All of them may countersign, and are in session with each other."""

        async def is_ready() -> bool:
            for name in names:
                if (await self.quiet(self.roster(name))) is None or (await self.roster(name)).unable:
                    return False
                status = await self[name].status()
                if not all(channel.session for channel in status.channels if channel.peer in names):
                    return False
            return True

        await eventually(is_ready)

    async def at_epoch(self, epoch: int, *names: str) -> None:
        """All of them have this roster in force."""

        async def there() -> bool:
            found = [await self.quiet(self.roster(name)) for name in names]
            return all(each is not None and each.epoch == epoch for each in found)

        await eventually(there)

    @staticmethod
    async def quiet(answer: Any) -> Any:
        """None while the region is being rebuilt."""
        import grpc

        try:
            return await answer
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                return None
            raise


@asynccontextmanager
async def signed_league(
    directory: Path, *names: str, guardians: int = 0, start: bool = True
) -> AsyncIterator[tuple[SignedLeague, Roster]]:
    """Regions of these names, with a founding roster."""
    operator = generate(directory / "operator.key")
    async with asyncio.TaskGroup() as group:
        league = League(directory, group, {})
        signed = SignedLeague(directory, league, operator)
        addresses = free_addresses(len(names))
        members = [signed.member(name, address) for name, address in zip(names, addresses, strict=True)]
        first = signed.found(members, guardians)
        for member in members:
            signed.configure(member.name, member)
        try:
            if start:
                for name in names:
                    await league.start(name)
                await signed.ready(*names)
            yield signed, first
        finally:
            for name in list(league.running):
                await league.stop(name)


def following(previous: Roster, **changes: Any) -> Roster:
    """Its successor."""
    fields = {name: changes.pop(name) for name in ("members", "operator_key", "sets") if name in changes}
    return msgspec.structs.replace(drafts.successor(previous, issued_wall_us=2, **fields), **changes)
