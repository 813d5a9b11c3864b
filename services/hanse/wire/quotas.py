"""Global quotas: documents as JSON with its bounds checked, the messages about rights, and the core's answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from hanse.core import messages as m
from hanse.core.model import limits
from hanse.core.model.quota import Rights, SignedQuotas, decode_quotas, encode_quotas
from hanse.core.model.regions import QuotaNews
from hanse.core.replies import QuotaView
from hanse.wire.checks import FieldRefused
from hanse.wire.gen.hanse.v1 import peers_pb2, regions_pb2
from hanse.wire.kinds import Kind, Readers, bounded, stored
from hanse.wire.shapes import MalformedMessage, word

_VERDICTS = {verdict.value: verdict for verdict in m.RightsVerdict}
_PACKED_VERDICTS = {
    m.RightsVerdict.TAKEN: peers_pb2.RIGHTS_VERDICT_TAKEN,
    m.RightsVerdict.BURNED: peers_pb2.RIGHTS_VERDICT_BURNED,
    m.RightsVerdict.GONE: peers_pb2.RIGHTS_VERDICT_GONE,
}
# An "@" and a region's name.
_ACCOUNT_LENGTH_MAX = 1 + limits.REGION_NAME_LENGTH_MAX


def read_quotas(document: bytes) -> SignedQuotas | FieldRefused:
    """An operator's document, or what is wrong with its form. What it says is for the core to judge."""
    if not document:
        return FieldRefused("document", "required")
    if len(document) > limits.SIGNED_QUOTAS_BYTES_MAX:
        size = len(document)
        return FieldRefused("document", f"{size} bytes; at most {limits.SIGNED_QUOTAS_BYTES_MAX}")
    try:
        return decode_quotas(document)
    except msgspec.DecodeError as error:
        return FieldRefused("document", f"not a signed quota document: {error}")


def _decode_document(document: bytes) -> SignedQuotas:
    read = read_quotas(document)
    if isinstance(read, FieldRefused):
        raise MalformedMessage(str(read))
    return read


# --- the core's answers
# ------------------------------------------------------------------------------------------------


def encode_quota_view(view: QuotaView) -> regions_pb2.QuotaStatus:
    """Global quotas as a region has them."""
    return regions_pb2.QuotaStatus(
        region=view.region,
        league=view.league,
        history=[encode_quotas(each) for each in view.history],
        known=[regions_pb2.KnownQuotas(region=region, number=number) for region, number in view.known],
        balances=[
            regions_pb2.QuotaBalance(**{name: getattr(each, name) for name in each.__struct_fields__})
            for each in view.balances
        ],
        elsewhere=[
            regions_pb2.QuotaElsewhere(region=region, news=encode_news(news))
            for region, news in view.elsewhere
        ],
        waiting=view.waiting,
    )


# --- gossip
# ------------------------------------------------------------------------------------------------------------


def encode_news(news: QuotaNews) -> regions_pb2.QuotaNews:
    """What a region tells of quotas in its record."""
    return regions_pb2.QuotaNews(
        league=news.league,
        number=news.number,
        sha256=news.sha256,
        accounts=[regions_pb2.QuotaAccount(name=name, id=account_id) for name, account_id in news.accounts],
        rights=[
            regions_pb2.QuotaRights(tenant=key[0], resource=key[1], free=free, held=held)
            for key, free, held in news.rights
        ],
    )


def decode_news(message: regions_pb2.QuotaNews) -> QuotaNews:
    """Raises MalformedMessage if a bound is broken."""
    return QuotaNews(
        league=word(message.league),
        number=message.number,
        sha256=word(message.sha256),
        accounts=tuple(
            (_account(each.name), stored(each.id))
            for each in bounded(message.accounts, limits.ACCOUNTS_NEWS_MAX)
        ),
        rights=tuple(
            (_key(each.tenant, each.resource), _amount(each.free), _amount(each.held))
            for each in bounded(message.rights, limits.RIGHTS_NEWS_MAX)
        ),
    )


# --- messages
# ----------------------------------------------------------------------------------------------------------


def _account(text: str) -> str:
    if not text:
        raise MalformedMessage("an account without a name")
    return word(text, _ACCOUNT_LENGTH_MAX)


def _key(tenant: str, resource: str) -> tuple[str, str]:
    return (word(tenant), word(resource, limits.RESOURCE_KIND_LENGTH_MAX))


def _amount(amount: int) -> int:
    if not 0 <= amount <= limits.QUANTITY_MAX:
        raise MalformedMessage(f"{amount} rights")
    return amount


def _encode_rights(rights: Rights) -> list[regions_pb2.QuotaAmount]:
    return [regions_pb2.QuotaAmount(tenant=key[0], resource=key[1], amount=amount) for key, amount in rights]


def _decode_rights(messages: Sequence[regions_pb2.QuotaAmount]) -> Rights:
    found: Iterable[regions_pb2.QuotaAmount] = bounded(messages, limits.QUOTAS_MAX)
    amounts = {_key(each.tenant, each.resource): _amount(each.amount) for each in found}
    if len(amounts) != len(messages) or 0 in amounts.values():
        raise MalformedMessage("rights of a quota twice, or none of it")
    return tuple(sorted(amounts.items()))


def _encode_ask(message: m.RightsAsk) -> peers_pb2.RightsAsk:
    return peers_pb2.RightsAsk(
        league=message.league,
        account=message.account,
        account_id=message.account_id,
        wants=_encode_rights(message.wants),
        since_wall_us=message.since_wall_us,
        recall=message.recall,
    )


def _decode_ask(_: Readers, message: peers_pb2.RightsAsk) -> m.RightsAsk:
    return m.RightsAsk(
        league=word(message.league),
        account=_account(message.account),
        account_id=stored(message.account_id),
        wants=_decode_rights(message.wants),
        since_wall_us=message.since_wall_us,
        recall=message.recall,
    )


def _encode_commit(message: m.RightsCommit) -> peers_pb2.RightsCommit:
    return peers_pb2.RightsCommit(
        league=message.league,
        giver=message.giver,
        giver_id=message.giver_id,
        to=message.to,
        to_id=message.to_id,
        sequence=message.sequence,
        rights=_encode_rights(message.rights),
        number=message.number,
    )


def _decode_commit(_: Readers, message: peers_pb2.RightsCommit) -> m.RightsCommit:
    return m.RightsCommit(
        league=word(message.league),
        giver=_account(message.giver),
        giver_id=stored(message.giver_id),
        to=_account(message.to),
        to_id=stored(message.to_id),
        sequence=stored(message.sequence),
        rights=_decode_rights(message.rights),
        number=stored(message.number),
    )


def _encode_decision(message: m.RightsDecision) -> peers_pb2.RightsDecision:
    return peers_pb2.RightsDecision(
        giver=message.giver,
        giver_id=message.giver_id,
        to=message.to,
        to_id=message.to_id,
        sequence=message.sequence,
        verdict=_PACKED_VERDICTS[message.verdict],
    )


def _decode_decision(_: Readers, message: peers_pb2.RightsDecision) -> m.RightsDecision:
    verdict = _VERDICTS.get(message.verdict)
    if verdict is None:
        raise MalformedMessage(f"{message.verdict} is no verdict")
    return m.RightsDecision(
        giver=_account(message.giver),
        giver_id=stored(message.giver_id),
        to=_account(message.to),
        to_id=stored(message.to_id),
        sequence=stored(message.sequence),
        verdict=verdict,
    )


QUOTA_KINDS: tuple[Kind, ...] = (
    Kind(m.RightsAsk, "rights_asks", _encode_ask, _decode_ask),
    Kind(m.RightsCommit, "rights_commits", _encode_commit, _decode_commit),
    Kind(m.RightsDecision, "rights_decisions", _encode_decision, _decode_decision),
    Kind(
        m.QuotaRequest,
        "quota_requests",
        lambda x: peers_pb2.QuotaRequest(after_number=x.after_number),
        lambda _, x: m.QuotaRequest(stored(x.after_number)),
    ),
    Kind(
        m.QuotaNotice,
        "quota_notices",
        lambda x: peers_pb2.QuotaNotice(document=encode_quotas(x.signed)),
        lambda _, x: m.QuotaNotice(_decode_document(x.document)),
    ),
)
