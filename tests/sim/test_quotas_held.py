"""The checker of quotas adds up what is held and under way; it lets sound books pass, and no others."""

from __future__ import annotations

import msgspec
import pytest

from chaos.checkers import check
from chaos.checkers.quotas import QuotasHeld
from hanse.core.messages import RightsVerdict
from hanse.core.model.quota import Quota, QuotaDocument, encode_quotas
from hanse.core.rows import AccountRow, BalanceRow, RightsSentRow, RightsTakenRow
from hanse.sim.errors import SafetyViolation
from hanse.sim.quotas import signed_quotas
from hanse.sim.record import Committed
from tests.sim.records import committed

GPU = ("mills", "gpu")
LIMIT, GIVEN = 8_000, 1_000
A, B, SHARD = 1, 2, 3


def _minted() -> Committed:
    document = QuotaDocument(
        cluster_id="league",
        number=1,
        previous_sha256="",
        keeper="a",
        issuer="operator",
        issued_wall_us=1,
        quotas=(Quota(tenant="mills", resource="gpu", limit=LIMIT),),
    )
    packed = encode_quotas(signed_quotas("operator", document))
    return committed(1, "a", accounts=[AccountRow("a", A, 1, packed)], balances=[_balance(LIMIT, LIMIT)])


def _balance(held: int, minted: int = 0) -> BalanceRow:
    return BalanceRow(*GPU, held, 0, minted, 0, 0)


def _gives(to: str, to_id: int) -> Committed:
    rights = msgspec.msgpack.encode(((GPU, GIVEN),))
    sent = RightsSentRow(A, to, to_id, 1, rights)
    return committed(3, "a", balances=[_balance(LIMIT - GIVEN, LIMIT)], rights_sent=[sent])


def _takes(amount: int) -> Committed:
    taken = RightsTakenRow(B, "a", A, 1, int(RightsVerdict.TAKEN))
    return committed(4, "b", balances=[_balance(amount)], rights_taken=[taken])


OPENED = committed(2, "b", accounts=[AccountRow("b", B, 0, b"")])


def test_what_is_given_is_under_way_until_it_is_taken() -> None:
    check([_minted(), OPENED, _gives("b", B)], (QuotasHeld,))
    check([_minted(), OPENED, _gives("b", B), _takes(GIVEN)], (QuotasHeld,))


def test_what_is_given_to_a_shard_is_under_way_while_its_log_has_nothing() -> None:
    check([_minted(), _gives("@b", SHARD)], (QuotasHeld,))


@pytest.mark.parametrize("taken", [0, 2 * GIVEN], ids=["lost on the way", "doubled"])
def test_books_that_do_not_balance_are_noticed(taken: int) -> None:
    with pytest.raises(SafetyViolation, match="rights held or under way"):
        check([_minted(), OPENED, _gives("b", B), _takes(taken)], (QuotasHeld,))
