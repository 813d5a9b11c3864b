"""The Compose file, the regions' files and the image agree with each other."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from deploy.compose.league import REGIONS
from hanse.daemon.config import load_config

_ROOT = Path(__file__).parents[2]
_COMPOSE = yaml.safe_load((_ROOT / "deploy/compose/docker-compose.yml").read_text(encoding="utf-8"))


def test_the_three_regions_are_those_of_the_test_and_know_each_other_alike() -> None:
    configs = [load_config(_ROOT / f"regions/compose/{name}.toml") for name in REGIONS]
    assert set(_COMPOSE["services"]) == set(REGIONS) == {config.region.name for config in configs}
    assert all(config.region.members == configs[0].region.members for config in configs)


@pytest.mark.parametrize("name", REGIONS)
def test_a_regions_addresses_volume_and_networks_are_its_containers(name: str) -> None:
    config, service = load_config(_ROOT / f"regions/compose/{name}.toml"), _COMPOSE["services"][name]
    (member,) = (member for member in config.region.members if member.name == name)
    assert member.peer_address == f"{name}:{config.settings.listen.peers.rsplit(':', 1)[1]}"
    assert service["volumes"][0] == f"{name}:{config.data_dir}"
    assert service["command"][-1] == f"/etc/hanse/{name}.toml"
    assert service["networks"] == [name, "interconnect"]
    assert service["ports"][0].endswith(":" + config.settings.listen.public.rsplit(":", 1)[1])


def test_the_image_exposes_the_ports_that_the_regions_listen_on() -> None:
    listen = load_config(_ROOT / "regions/compose/north.toml").settings.listen
    ports = [address.rsplit(":", 1)[1] for address in (listen.public, listen.peers, listen.http or ":")]
    dockerfile = (_ROOT / "deploy/docker/Dockerfile").read_text(encoding="utf-8")
    assert f"EXPOSE {' '.join(ports)}\n" in dockerfile
