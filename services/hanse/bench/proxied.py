"""A federation whose regions dial each other through a proxy, so that the ways between them can be cut."""

from __future__ import annotations

from hanse.bench.proxy import Proxy
from hanse.cli.devnet import layout
from hanse.cli.devnet.layout import Federation, LocalRegion, RegionShape


async def dial_through(
    proxy: Proxy, federation: Federation, shape: RegionShape, host: str = "127.0.0.1"
) -> None:
    """Write every region's configuration anew: its peers are where the proxy listens for them, on `host`."""
    shape = layout.with_operator(federation, shape)
    for region in federation.regions:
        members = [await _member(proxy, region, peer, host) for peer in federation.regions]
        document = layout.configuration(federation, region, shape) | {"members": members}
        region.config.write_text(layout.toml_text(document), encoding="utf-8")


async def _member(proxy: Proxy, region: LocalRegion, peer: LocalRegion, host: str) -> dict[str, str]:
    """One [[members]] table of `region`."""
    address = peer.peer_address
    if peer.name != region.name:
        upstream_host, _, upstream_port = peer.peer_address.rpartition(":")
        dialled = await proxy.listen((region.name, peer.name), host, (upstream_host, int(upstream_port)))
        address = f"{dialled[0]}:{dialled[1]}"
    return {"name": peer.name, "peer_address": address, "public_address": peer.public_address}
