"""A configuration is judged whole: every problem at once, with file, key and reason."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from hanse.core.model.jobs import OnLoss
from hanse.daemon.config import expanded, load_config, loss_by_tier, make_config
from hanse.daemon.errors import ConfigError

PATH = Path("/etc/hanse/north.toml")
GOOD: dict[str, Any] = {
    "region": {"name": "north", "cluster_id": "dev", "data_dir": "data", "resource_kinds": ["licence"]},
    "listen": {"public": "127.0.0.1:7101", "peers": "127.0.0.1:7102", "http": "[::1]:7103"},
    "members": [
        {"name": "north", "peer_address": "127.0.0.1:7102", "public_address": "127.0.0.1:7101"},
        {"name": "east", "peer_address": "127.0.0.1:7112"},
    ],
    "nodes": [
        {"name": "n[1-2]", "class": "gpu", "resources": {"cpu": 1000, "licence": 1}, "labels": {"zone": "a"}}
    ],
}


def changed(*path: str | int, to: Any) -> dict[str, Any]:
    document = copy.deepcopy(GOOD)
    table: Any = document
    for key in path[:-1]:
        table = table.setdefault(key, {}) if isinstance(table, dict) else table[key]
    table[path[-1]] = to
    return document


def without(*path: str) -> dict[str, Any]:
    document = copy.deepcopy(GOOD)
    table: Any = document
    for key in path[:-1]:
        table = table[key]
    del table[path[-1]]
    return document


def test_a_good_configuration_becomes_what_the_core_is_told() -> None:
    config = make_config(PATH, GOOD)

    assert config.data_dir == Path("/etc/hanse/data")
    assert [node.name for node in config.region.nodes] == ["n1", "n2"]
    assert config.region.nodes[0].capacity == (("cpu", 1000), ("licence", 1))
    assert [member.name for member in config.region.members] == ["north", "east"]
    assert config.settings.executor.kind == "local"


@pytest.mark.parametrize("name", ["north", "east", "west"])
def test_the_development_regions_are_good(name: str) -> None:
    assert load_config(Path(f"regions/dev/{name}.toml")).region.name == name


WRONG = [
    (changed("regionn", to={}), "regionn", "unknown key"),
    (changed("region", "colour", to="red"), "region.colour", "unknown key"),
    (changed("members", 1, "colour", to="x"), "members[1].colour", "unknown key"),
    (without("listen"), "listen", "required"),
    (without("region", "name"), "region.name", "required"),
    (changed("region", to="north"), "region", "table"),
    (changed("members", to={}), "members", "array of tables"),
    (changed("region", "name", to="North"), "region.name", "regex"),
    (changed("region", "price", to=0), "region.price", ">= 1"),
    (changed("region", "data_dir", to=""), "region.data_dir", "required"),
    (changed("region", "tiers", to=["a", "a"]), "region.tiers", "2 times"),
    (changed("region", "tiers", to=[]), "region.tiers", "at least one"),
    (changed("region", "name", to="south"), "region.name", "not among"),
    (changed("listen", "public", to="localhost"), "listen.public", "regex"),
    (changed("listen", "public", to="127.0.0.1:70000"), "listen.public", "65535"),
    (changed("listen", "public", to="127.0.0.1:7102"), "listen", "2 times"),
    (changed("members", 1, "name", to="north"), "members.name", "2 times"),
    (
        changed("members", 1, "peer_address", to="127.0.0.1:7102"),
        "members.peer_address / public_address",
        "2 times",
    ),
    (changed("nodes", 0, "name", to="n[3-1]"), "nodes[0].name", "no range"),
    (changed("nodes", 0, "name", to="n 1"), "nodes[0].name", "not a node name"),
    (changed("nodes", 0, "resources", to={"gpuu": 1}), "nodes[0].resources.gpuu", "neither built in"),
    (changed("nodes", 0, "resources", to={"cpu": -1}), "nodes[0].resources", ">= 0"),
    (changed("nodes", 0, "resources", to={"cpu": 0}), "nodes[0].resources", "without any capacity"),
    (changed("nodes", 0, "labels", to={"-": "x"}), "nodes[0].labels[-]", "label name"),
    (changed("nodes", to=[GOOD["nodes"][0]] * 2), "nodes.name", "2 times"),
    (changed("executor", "kind", to="slurm"), "executor.kind", "slurm"),
    (changed("limits", "inbox_items_max", to=0), "limits.inbox_items_max", ">= 1"),
    (changed("telemetry", "trace_sample_ratio", to=1.5), "telemetry.trace_sample_ratio", "<= 1"),
    (changed("disk", "clear_bytes", to=0), "disk", "clear_bytes"),
    (changed("timings", "gossip_interval_us", to=0), "timings.gossip_interval_us", "at least"),
    (changed("timings", "hold_ttl_us", to=-1), "timings.hold_ttl_us", "negative"),
    (changed("timings", "lease_us", to=5_000_000), "timings.lease_us", "federation.lease_s"),
    (changed("members", 1, "labels", to={"zone": 1}), "members[1].labels", "str"),
    (changed("members", 1, "labels", to={"-": "x"}), "members[1].labels[-]", "label name"),
    (changed("federation", to={"guardians": 4}), "federation.guardians", "4"),
    (changed("federation", to={"guardians": 5}), "federation.guardians", "there are 2 members"),
    (changed("federation", to={"domains": "none"}), "federation.domains", "none"),
    (changed("federation", to={"domains": "strict"}), "members[0].labels", "strict"),
    (changed("federation", to={"lease_s": 1}), "federation.lease_s", ">= 2"),
    (changed("federation", to={"lease_s": 2}), "federation.lease_s", "probe_timeout_us"),
    (changed("federation", to={"lease_s": 4, "kill_s": 3}), "federation.kill_s", "half"),
    (changed("federation", to={"kill_s": 0}), "federation.kill_s", ">= 0.1"),
    (changed("federation", to={"drift_ppm": 200_000}), "federation.drift_ppm", "<= 100000"),
    (changed("federation", to={"halt_s": -1}), "federation.halt_s", ">= 0"),
    (changed("tiers", to=[]), "tiers", "tables by name"),
    (changed("tiers", to={"gold": {}}), "tiers.gold", "no tier"),
    (changed("tiers", to={"!": {}}), "tiers.!", "regex"),
    (changed("tiers", to={"premium": {"on_loss": "wait"}}), "tiers.premium.on_loss", "unknown key"),
    (
        changed("tiers", to={"premium": {"on_region_loss": "run"}}),
        "tiers.premium.on_region_loss",
        "run",
    ),
    (
        changed("tiers", to={"premium": {"on_region_loss": "adopt"}}),
        "tiers.premium.on_region_loss",
        "without guardians",
    ),
]


@pytest.mark.parametrize(("document", "key", "reason"), WRONG, ids=[key for _, key, _ in WRONG])
def test_what_is_wrong_is_named(document: dict[str, Any], key: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_config(PATH, document)

    problems = {problem.key: problem for problem in caught.value.problems}
    assert key in problems, problems
    assert reason in problems[key].reason
    assert str(problems[key]).startswith(f"{PATH}: {key}: ")


def federation(*zones: str, **table: Any) -> dict[str, Any]:
    document = copy.deepcopy(GOOD)
    document["members"] = [
        {"name": name, "peer_address": f"10.0.0.{number}:7102", "labels": {"zone": zone}}
        for number, (name, zone) in enumerate(zip(("north", "east", "west", "south"), zones, strict=False))
    ]
    document["federation"] = table
    return document


def test_every_region_is_told_the_groups_of_all_and_how_long_leases_are() -> None:
    document = federation("a", "b", "c", "b", lease_s=8, kill_s=0.5, drift_ppm=200, halt_s=0.25)
    document["region"]["roster_epoch"] = 3

    region = make_config(PATH, document).region

    assert [group.shard for group in region.groups] == ["east", "north", "south", "west"]
    assert all(len(group.members) == 3 and group.version == 3 for group in region.groups)
    assert set(region.groups[0].members) in ({"east", "north", "west"},)
    timings = region.timings
    assert (timings.lease_us, timings.kill_us, timings.halt_us) == (8_000_000, 500_000, 250_000)
    assert timings.drift_ppm == 200
    document["region"]["name"] = "west"
    assert make_config(PATH, document).region.groups == region.groups


def test_leases_are_long_unless_it_is_said_otherwise() -> None:
    assert make_config(PATH, GOOD).region.timings.lease_us == 60_000_000
    assert load_config(Path("regions/dev/north.toml")).region.timings.lease_us == 5_000_000


def test_without_enough_members_or_guardians_nothing_is_adoptable() -> None:
    assert make_config(PATH, GOOD).region.groups == ()
    assert make_config(PATH, federation("a", "b", "c", guardians=0)).region.groups == ()


def test_strict_domains_name_who_would_be_lost_with_whom() -> None:
    assert make_config(PATH, federation("a", "b", "c", domains="strict")).region.groups
    assert make_config(PATH, federation("a", "b", "b")).region.groups

    with pytest.raises(ConfigError) as caught:
        make_config(PATH, federation("a", "b", "b", domains="strict"))

    reasons = [problem.reason for problem in caught.value.problems]
    assert {reason.split(":")[0] for reason in reasons} == {"north", "east", "west"}
    assert all("east" in reason and "west" in reason and "zone = b" in reason for reason in reasons)


def test_strict_domains_need_the_same_labels_of_every_member() -> None:
    document = federation("a", "b", "c", domains="strict")
    document["members"][2]["labels"] = {"power": "p1"}
    with pytest.raises(ConfigError) as caught:
        make_config(PATH, document)
    assert "north: power" in caught.value.problems[0].reason


def test_tiers_say_what_becomes_of_their_jobs() -> None:
    document = federation("a", "b", "c")
    document["tiers"] = {"premium": {"on_region_loss": "adopt"}, "basic": {}}

    assert loss_by_tier(make_config(PATH, document).settings) == {
        "premium": OnLoss.ADOPT,
        "basic": OnLoss.WAIT,
    }


def test_all_problems_come_at_once() -> None:
    document = changed("region", "colour", to="red")
    document["listen"]["public"] = 7
    document["executor"] = {"kind": "slurm"}
    del document["members"][1]["peer_address"]

    with pytest.raises(ConfigError) as caught:
        make_config(PATH, document)

    keys = {problem.key for problem in caught.value.problems}
    assert keys == {"region.colour", "listen.public", "executor.kind", "members[1].peer_address"}


def test_a_file_that_is_missing_or_is_not_toml_is_a_problem_of_the_file(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("[region\n")
    for path, reason in ((tmp_path / "none.toml", "No such file"), (broken, "not TOML")):
        with pytest.raises(ConfigError) as caught:
            load_config(path)
        (problem,) = caught.value.problems
        assert problem.file == str(path)
        assert reason in problem.reason


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("n1", ["n1"]),
        ("n[1-3]", ["n1", "n2", "n3"]),
        ("n[08-10]", ["n08", "n09", "n10"]),
        ("r[1-2]n[1-2].x", ["r1n1.x", "r1n2.x", "r2n1.x", "r2n2.x"]),
    ],
)
def test_ranges_of_node_names(pattern: str, names: list[str]) -> None:
    assert expanded(pattern) == names


@pytest.mark.parametrize("pattern", ["", "n[1-]", "n[2-1]", "n[0-999999999]", "-n", "n" * 129])
def test_what_is_no_node_name(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"node|range"):
        expanded(pattern)


def test_a_regions_policy_is_read_and_its_tiers_count(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('[[tiers]]\nname = "only"\n', encoding="utf-8")
    config = make_config(tmp_path / "north.toml", GOOD | {"policy": {"file": "policy.toml"}})
    assert config.policy.policy.tier_names == config.region.tiers == ("only",)


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("tires = []", "tires", "there is no field `tires` here"),
        ('[[tiers]]\nname = "a"\nshare = "much"', "tiers[0].share", "this must be a share"),
        (
            '[[queues]]\nname = "q"\nwithin_queue = "sometimes"',
            "queues[0].within_queue",
            "this must be one of",
        ),
        (
            '[[tenants]]\nname = "a"\nparent = "b"\n[[tenants]]\nname = "b"\nparent = "a"',
            "tenants[0].parent",
            "a below b below a",
        ),
        (
            '[[queues]]\nname = "q"\ncohort = "c"\nquotas = [{ kind = "gpu", nominal = 1, lending_limit = 2 }]',
            "queues[0].quotas[0].lending_limit",
            "lends 2 and has 1",
        ),
        ("tiers = [", "", "not TOML"),
    ],
)
def test_a_bad_policy_is_refused_with_its_place(tmp_path: Path, text: str, key: str, reason: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        make_config(tmp_path / "north.toml", GOOD | {"policy": {"file": "policy.toml"}})
    problem = refused.value.problems[0]
    assert (problem.file.split(":")[0], problem.key) == (str(path), key)
    assert reason in problem.reason
