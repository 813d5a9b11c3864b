"""`hanse config check`: one file by itself, and several that must tell of the same federation."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import REPOSITORY, Ran

REGIONS = ("north", "east", "west")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """The development regions, to be changed."""
    for region in REGIONS:
        shutil.copy(REPOSITORY / "regions" / "dev" / f"{region}.toml", tmp_path)
    return {region: tmp_path / f"{region}.toml" for region in REGIONS}


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def problems(ran: Ran) -> list[tuple[str, str]]:
    return [
        (Path(problem["file"]).stem, problem["key"])
        for file in ran.document["files"]
        for problem in file["problems"]
    ]


def test_good_files_tell_who_guards_whom(hanse: Callable[..., Ran], files: dict[str, Path]) -> None:
    ran = hanse("-o", "json", "config", "check", *map(str, files.values()))

    assert ran.code == 0
    guardians = {file["region"]: file["guardians"] for file in ran.document["files"]}
    assert {region: sorted(others) for region, others in guardians.items()} == {
        region: sorted(set(REGIONS) - {region}) for region in REGIONS
    }
    assert "guarded by" in hanse("config", "check", str(files["north"])).out


def test_files_of_one_cluster_must_agree_on_the_roster(
    hanse: Callable[..., Ran], files: dict[str, Path]
) -> None:
    change(files["east"], 'name = "west"\n', 'name = "west"\nlabels = { zone = "a" }\n')
    change(files["west"], "lease_s = 5", "lease_s = 6")

    ran = hanse("-o", "json", "config", "check", *map(str, files.values()))

    assert ran.code == 2
    assert problems(ran) == [("east", "members"), ("west", "federation")]


def test_a_group_in_one_failure_domain_is_refused_by_name_where_domains_are_strict(
    hanse: Callable[..., Ran], files: dict[str, Path]
) -> None:
    for region, zone in zip(REGIONS, "abb", strict=True):
        change(
            files["north"],
            f'name = "{region}"\npeer',
            f'name = "{region}"\nlabels = {{ zone = "{zone}" }}\npeer',
        )
    assert hanse("config", "check", str(files["north"])).code == 0

    change(files["north"], "lease_s = 5", 'lease_s = 5\ndomains = "strict"')
    ran = hanse("config", "check", str(files["north"]))

    assert ran.code == 2
    assert "east and west both have zone = b" in ran.out or "west and east both have zone = b" in ran.out


def test_one_region_in_two_files_is_two_owners_of_its_name(
    hanse: Callable[..., Ran], files: dict[str, Path], tmp_path: Path
) -> None:
    again = tmp_path / "again.toml"
    shutil.copy(files["north"], again)

    assert problems(hanse("-o", "json", "config", "check", str(files["north"]), str(again))) == [
        ("again", "region.name")
    ]
