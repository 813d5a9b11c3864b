"""Campaigns are judged whole, before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.live.__main__ import CAMPAIGNS, EXIT_USAGE, main
from chaos.live.campaign import Campaign, load_campaign
from chaos.live.faults import KINDS, kind_of
from chaos.live.injectors import INJECTORS
from chaos.live.workload import plan
from hanse.daemon.errors import ConfigError

GOOD = """
[campaign]
title = "One kill"
promises = ["P1", "P3"]
budget_s = 60
settle_s = 20
[[workload]]
jobs = 20
over_s = 5
run_s = [0.1, 1]
fail_share = 0.1
cancel_share = 0.2
gang_share = 0.5
homes = { north = 1 }
[[faults]]
kind = "kill_daemon"
region = "north"
at_s = 1
for_s = 1
"""


def load(directory: Path, text: str) -> Campaign:
    path = directory / "one.toml"
    path.write_text(text, encoding="utf-8")
    return load_campaign(path)


def problems(directory: Path, text: str) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as caught:
        load(directory, text)
    return [(problem.key, problem.reason) for problem in caught.value.problems]


def with_fault(*lines: str) -> str:
    return GOOD + "[[faults]]\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize("path", sorted(CAMPAIGNS.glob("*.toml")), ids=lambda path: path.stem)
def test_the_campaigns_are_right(path: Path) -> None:
    assert load_campaign(path).jobs > 0


def test_the_campaigns_use_every_kind_of_fault() -> None:
    campaigns = [load_campaign(path) for path in sorted(CAMPAIGNS.glob("*.toml"))]
    assert {kind_of(fault) for campaign in campaigns for fault in campaign.faults} == set(KINDS)
    assert len(campaigns) >= 12
    assert sum(campaign.jobs for campaign in campaigns) >= 1_000


def test_one_of_them_is_the_partition_of_thirty_seconds_ten_times() -> None:
    (fault,) = load_campaign(CAMPAIGNS / "partitions-ten.toml").faults
    assert (kind_of(fault), fault.times, fault.for_s) == ("partition", 10, 30.0)


def test_every_kind_has_an_injector_and_says_what_it_means() -> None:
    assert set(INJECTORS) == set(KINDS.values())
    for kind in KINDS.values():
        assert all((kind.what, kind.works, kind.waits, kind.operator))


def test_all_that_is_of_a_wrong_type_is_told_at_once(tmp_path: Path) -> None:
    text = (
        GOOD.replace("jobs = 20", 'jobs = "many"')
        .replace("budget_s = 60", "")
        .replace('region = "north"', "nodes = 3")
    )
    keys = [key for key, _ in problems(tmp_path, text)]
    assert keys == ["campaign.budget_s", "workload[0].jobs", "faults[0].nodes", "faults[0].region"]


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("nothing", "", "not TOML"),
        (GOOD.replace("kill_daemon", "kill_demon"), "faults[0].kind", "'kill_demon' is no kind"),
        (GOOD.replace('"north"\nat_s', '"south"\nat_s'), "faults[0].region", "'south' is not among"),
        (GOOD.replace("north = 1", "south = 1"), "workload[0].homes", "'south'"),
        (GOOD.replace("north = 1", "north = 0"), "workload[0].homes", "weight"),
        (GOOD.replace("[0.1, 1]", "[2, 1]"), "workload[0].run_s", "shortest"),
        (GOOD.replace("cancel_share = 0.2", "cancel_share = 0.95"), "workload[0].fail_share", "more than all"),
        (GOOD.replace('"P1", "P3"', '"P1"'), "campaign.promises", "P3"),
        (GOOD.replace('"P3"]', '"P3", "P7"]'), "campaign.promises", "partition"),
        (GOOD.replace("budget_s = 60", "budget_s = 20"), "campaign.budget_s", "25 s"),
        (with_fault('kind = "partition"', 'groups = [["north"], ["east"]]', "at_s = 1", "for_s = 1"),
         "faults[1].groups", "every region"),
        (with_fault('kind = "partition"', 'groups = [["north"], ["east", "west"]]', "at_s = 1"),
         "faults[1].for_s", "longer"),
        (with_fault('kind = "kill_zygote"', 'region = "north"', "at_s = 1", "times = 2"),
         "faults[1].every_s", "longer than for_s"),
        (with_fault('kind = "half_open"', 'between = ["north", "east"]', "at_s = 1"),
         "faults[1].kind", "'proxy'"),
        (with_fault('kind = "half_open"', 'between = ["north", "north"]', "at_s = 1"),
         "faults[1].region", "twice"),
        (with_fault('kind = "corrupt_ledger"', 'region = "north"', 'restore = "backup"', "at_s = 2"),
         "faults[1].at_s", "backup"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, key: str, reason: str) -> None:
    found = problems(tmp_path, text)
    assert any(found_key == key and reason in found_reason for found_key, found_reason in found), found


def test_the_command_refuses_before_it_starts_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(GOOD.replace("kill_daemon", "boredom"), encoding="utf-8")
    assert main([str(path), "--directory", str(tmp_path / "out")]) == EXIT_USAGE
    assert "faults[0].kind: 'boredom' is no kind of fault" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.toml")]) == EXIT_USAGE
    assert "none.toml: No such file" in capsys.readouterr().err


def test_the_plan_has_the_shares_that_were_asked_for_and_comes_from_the_seed(tmp_path: Path) -> None:
    campaign = load(tmp_path, GOOD)
    (jobs,) = plan(campaign)
    assert [jobs] == plan(campaign)
    assert len({job.key for job in jobs}) == len(jobs) == 20
    assert sum(job.exit_code != 0 for job in jobs) == 2
    assert sum(job.cancel_s is not None for job in jobs) == 4
    assert sum(job.tasks > 1 for job in jobs) == 10
    assert not any(job.exit_code and job.cancel_s is not None for job in jobs)
    assert {job.home for job in jobs} == {"north"}
    assert all(0.1 <= job.run_s <= 1 and 0 <= job.submit_s < 5 for job in jobs)
