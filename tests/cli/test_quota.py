"""`hanse quota`: what it makes of a file, and what it shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hanse.cli.exits import ExitCode
from hanse.core.model.quota import QuotaDocument, decode_quotas, quotas_message, quotas_sha256
from hanse.core.model.roster import key_id
from hanse.daemon.keys import generate, verify
from tests.cli.canned import QUOTAS
from tests.cli.conftest import Ran

TWO = """
[[quotas]]
tenant = "lab"
resource = "gpu"
limit = 4000

[[quotas]]
tenant = "mill"
resource = "cpu"
"""


def _apply(hanse: Callable[..., Ran], server: str, tmp_path: Path, text: str) -> tuple[Ran, str]:
    (tmp_path / "quotas.toml").write_text(text)
    key = generate(tmp_path / "operator.key")
    arguments = ("quota", "apply", "quotas.toml", "--operator-key", str(tmp_path / "operator.key"))
    return hanse(*arguments, "-o", "json", "--server", server), key.public_key


def test_apply_signs_what_follows_on_the_document_in_force(
    hanse: Callable[..., Ran], server: str, tmp_path: Path
) -> None:
    ran, public_key = _apply(hanse, server, tmp_path, TWO)
    assert ran.code == ExitCode.OK, ran.err
    assert (ran.document["number"], ran.document["keeper"], ran.document["applied_by"]) == (
        2,
        "@north",
        "north",
    )
    limits = {(each["tenant"], each["resource"]): each["limit"] for each in ran.document["quotas"]}
    # What the file does not name any more is lifted, and stays in the document.
    assert limits == {("lab", "gpu"): 4000, ("mill", "cpu"): None, ("lab", "cpu"): None}
    written_off = {
        each["resource"]: each["written_off"] for each in ran.document["quotas"] if each["tenant"] == "lab"
    }
    assert written_off == {"gpu": 0, "cpu": 5}
    shown = hanse("quota", "history", "-o", "json", "--server", server).document["documents"]
    assert [each["number"] for each in shown] == [2, 1]
    assert shown[0]["sha256"] == ran.document["sha256"]
    assert shown[0]["issuer"] == key_id(public_key)


def test_show_tells_what_is_held_here_and_elsewhere(hanse: Callable[..., Ran], server: str) -> None:
    ran = hanse("quota", "show", "--server", server)
    assert ran.code == ExitCode.OK
    for told in ("@north", "lab", "4,000", "(east)", "jobs wait for rights"):
        assert told in ran.out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('keeper = "@south"\nquotas = []\n', "keeper"),
        ("[[quotas]]\ntenant = 1\n", "quotas[0]"),
        ('[[quotas]]\ntenant = "lab"\nresource = "gpu"\nlimit = -1\n', "quotas[0].limit"),
        ("nonsense", "not TOML"),
    ],
)
def test_a_file_with_a_mistake_names_it(
    hanse: Callable[..., Ran], server: str, tmp_path: Path, text: str, told: str
) -> None:
    ran, _ = _apply(hanse, server, tmp_path, text)
    assert ran.code == ExitCode.USAGE
    assert told in ran.err


def test_a_signature_is_of_the_canonical_document(tmp_path: Path) -> None:
    key = generate(tmp_path / "operator.key")
    assert verify(key.public_key, quotas_message(QUOTAS), key.sign(quotas_message(QUOTAS)))
    other = QuotaDocument(
        **{name: getattr(QUOTAS, name) for name in QUOTAS.__struct_fields__} | {"number": 2}
    )
    assert not verify(key.public_key, quotas_message(other), key.sign(quotas_message(QUOTAS)))
    assert quotas_sha256(other) != quotas_sha256(QUOTAS)
    assert (
        decode_quotas(b'{"document":' + quotas_message(QUOTAS).partition(b"\n")[2] + b"}").document == QUOTAS
    )
