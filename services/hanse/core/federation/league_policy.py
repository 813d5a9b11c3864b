"""How the league's policy comes into a region, and spreads.

event                                  does
an operator's document                 refused unless it follows on the one here; written; then it is told and judged
gossip names a larger (number, hash)   PolicyRequest, unless that document was refused here
PolicyRequest                          PolicyNotice, if the one here is larger
PolicyNotice, a larger one             verified; written; then it is told and judged
judged, and right                      it is the policy in force, as its next version
judged, and wrong                      the policy in force stays, and the region's status says why

Nobody keeps the documents: they form a join. The largest one that anybody has seen wins, so that all regions end with
the same one. Judging takes the shell, which knows TOML and CEL: it gets the document with the step that has it on disk,
and once more in every life in which it is neither in force nor refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from hanse.core.books import Books
from hanse.core.effects import Effects, Send
from hanse.core.events import ApplyLeaguePolicy
from hanse.core.federation.inventory import Inventory
from hanse.core.federation.roster.checks import Verifier
from hanse.core.federation.roster.faults import FaultKind, RosterFault, refused
from hanse.core.messages import PolicyNotice, PolicyRequest
from hanse.core.model import limits
from hanse.core.model.jobs import Reason, ReasonCode
from hanse.core.model.league_policy import (
    LEAGUE_POLICY_FORMAT,
    NO_RANK,
    LeaguePolicy,
    LeagueStanding,
    Rank,
    SignedPolicy,
    canonical_league_policy,
    decode_league_policy,
    encode_league_policy,
    league_policy_message,
    league_policy_sha256,
)
from hanse.core.model.regions import PolicyNews, RegionConfig
from hanse.core.model.time import Now
from hanse.core.replies import Done, LeaguePolicyView, Refused, Reply
from hanse.core.rows import LeaguePolicyRow, Snapshot

_HASH = re.compile(r"[0-9a-f]{64}")
# The field of a fault that is not in the document itself.
SIGNATURE = "operator_signature"


class LeaguePolicies:
    """The newest document that this region has, and what became of it here. `current` are operators' public keys that
    count today, by their ids: a document that an earlier key has signed comes in no more."""

    def __init__(
        self,
        config: RegionConfig,
        snapshot: Snapshot,
        books: Books,
        inventory: Inventory,
        current: Mapping[str, str],
        verifier: Verifier | None,
    ) -> None:
        self._config = config
        self._books = books
        self._inventory = inventory
        self._current = current
        self._verifier = verifier
        row = snapshot.league_policies[0] if snapshot.league_policies else None
        self.head: SignedPolicy | None = None if row is None else decode_league_policy(row.document)
        self.rank: Rank = NO_RANK if row is None else (row.number, row.sha256)
        # Of its text, once it was put in force here; empty: it was not.
        self._adopted = "" if row is None else row.digest
        # Of the document of the policy in force; empty: not known.
        self._running = "" if snapshot.policy is None else snapshot.policy.digest
        self._unfit = ""
        self._owes_judgement = row is not None and not row.digest
        # Whether what the record tells may have changed.
        self.news_changed = row is not None
        # Larger ones that were not taken, with the reason, oldest first. The hash says nothing of the signature: if
        # that does not fit, it is this peer's copy that was refused; else ("") it is everybody's.
        self._refused: dict[tuple[Rank, str], str] = {}
        # When each peer may be asked again.
        self._quiet_until_us: dict[str, int] = {}

    @property
    def standing(self) -> LeagueStanding | None:
        """What became of the document here; None: there is none."""
        if self.head is None:
            return None
        if self._unfit:
            return LeagueStanding.UNFIT
        if not self._adopted:
            return LeagueStanding.PENDING
        return LeagueStanding.IN_FORCE if self._adopted == self._running else LeagueStanding.DEVIATES

    # --- operators ---------------------------------------------------------------------------------------------------

    def apply(self, event: ApplyLeaguePolicy, out: Effects) -> None:
        """Answered once it is durable."""
        out.replies.append(Reply(event.request_id, self._take(event.signed) or Done()))

    def _take(self, signed: SignedPolicy) -> Refused | None:
        if league_policy_sha256(signed.document) == self.rank[1]:
            return None  # Perhaps this very call, whose answer was lost.
        fault = self._fault(signed)
        if fault is not None:
            return refused(fault)
        number, document = self.rank[0], signed.document
        in_force = f"the league's policy is number {number}" if number else "the league has no policy yet"
        if document.number != number + 1:
            message = f"{in_force}, so that the next one is {number + 1}, not {document.number}"
            return Refused("VERSION_CONFLICT", "number", message)
        if document.previous_sha256 != self.rank[1]:
            message = f"{in_force} ({self.rank[1][:16]}), and this one follows on another"
            return Refused("VERSION_CONFLICT", "previous_sha256", message)
        self._keep(signed)
        return None

    # --- peers -------------------------------------------------------------------------------------------------------

    def on_records(self, now: Now, out: Effects) -> None:
        """Gossip brought records: ask whoever has a larger one."""
        for peer in self._inventory.ruling:
            news = self._news_of(peer)
            if news is None or news.rank <= self.rank or self._has_refused(news.rank, peer):
                continue
            if peer != self._config.name and now.mono_us >= self._quiet_until_us.get(peer, 0):
                self._quiet_until_us[peer] = now.mono_us + self._config.timings.rights_retry_us
                out.sends.append(Send(peer, PolicyRequest(*self.rank)))

    def on_message(self, peer: str, message: PolicyRequest | PolicyNotice, out: Effects) -> None:
        """A peer lacks the newest document, or has it."""
        if isinstance(message, PolicyNotice):
            self._on_notice(peer, message.signed)
        elif self.head is not None and self.rank > message.rank:
            out.sends.append(Send(peer, PolicyNotice(self.head)))

    def _on_notice(self, peer: str, signed: SignedPolicy) -> None:
        rank = (signed.document.number, league_policy_sha256(signed.document))
        if rank <= self.rank or self._has_refused(rank, peer):
            return
        fault = self._fault(signed)
        if fault is None:
            self._keep(signed)
            return
        while len(self._refused) >= limits.LEAGUE_POLICIES_REFUSED_MAX:
            del self._refused[next(iter(self._refused))]
        whose = peer if fault.field == SIGNATURE else ""
        self._refused[rank, whose] = str(fault)

    def _has_refused(self, rank: Rank, peer: str) -> bool:
        return (rank, "") in self._refused or (rank, peer) in self._refused

    def _fault(self, signed: SignedPolicy) -> RosterFault | None:
        """Why it may not come in, whatever is here already; None: it may."""
        fault = next(document_faults(signed.document, self._config.cluster_id), None)
        return fault or signature_fault(signed, self._current, self._verifier)

    def _keep(self, signed: SignedPolicy) -> None:
        self.head = signed
        self.rank = (signed.document.number, league_policy_sha256(signed.document))
        self._adopted = self._unfit = ""
        self._owes_judgement = self.news_changed = True
        self._refused = {each: why for each, why in self._refused.items() if each[0] > self.rank}
        self._write()

    def _write(self) -> None:
        assert self.head is not None
        row = LeaguePolicyRow(
            self.head.document.cluster_id, *self.rank, encode_league_policy(self.head), self._adopted
        )
        self._books.keep_league_policy(row)

    # --- the shell judges --------------------------------------------------------------------------------------------

    def hand_out(self, out: Effects) -> None:
        """At the end of a step: what is to be judged."""
        if self._owes_judgement:
            self._owes_judgement = False
            out.judge = self.head

    def awaits(self, sha256: str) -> bool:
        """Whether this is the document, and it is not in force here yet. (Another one may have come meanwhile.)"""
        return sha256 == self.rank[1] and not self._adopted

    def is_running(self, digest: str) -> bool:
        """Whether the policy in force has this text anyway."""
        return bool(digest) and digest == self._running

    def put_in_force(self, digest: str) -> None:
        """Its text is the policy in force, from this step on."""
        self._adopted = self._running = digest
        self._unfit = ""
        self.news_changed = True
        self._write()

    def note_unfit(self, why: str) -> None:
        """It can't be put in force here."""
        self._unfit = why[: limits.LEAGUE_POLICY_UNFIT_LENGTH_MAX]
        self.news_changed = True

    def note_policy(self, digest: str) -> None:
        """Another policy is in force here, whoever wanted it."""
        self._running = digest
        self.news_changed = self.news_changed or self.head is not None

    # --- what is told ------------------------------------------------------------------------------------------------

    def news(self, version: int) -> PolicyNews | None:
        """For the record; None: it has heard of no policy of the league."""
        standing = self.standing
        if standing is None:
            return None
        return PolicyNews(number=self.rank[0], sha256=self.rank[1], standing=standing, version=version)

    def _news_of(self, peer: str) -> PolicyNews | None:
        record = self._inventory.get(peer)
        return None if record is None else record.policy

    def impairments(self) -> list[Reason]:
        """What an operator must know: a document that is not in force here, or was not even taken."""
        found = []
        if self._unfit:
            detail = f"the league's policy {self.rank[0]} is not in force here: {self._unfit}"
            found.append(Reason(ReasonCode.POLICY_REFUSED, detail))
        for (rank, whose), why in self._refused.items():
            tellers = [
                peer for peer in self._inventory.ruling if whose in ("", peer) and self._tells(peer, rank)
            ]
            if tellers:
                detail = f"{', '.join(tellers)}: their policy {rank[0]} ({rank[1][:16]}) was not taken: {why}"
                found.append(Reason(ReasonCode.POLICY_REFUSED, detail))
        return found

    def _tells(self, peer: str, rank: Rank) -> bool:
        news = self._news_of(peer)
        return news is not None and news.rank == rank

    def view(self, version: int, peers: Sequence[str]) -> LeaguePolicyView:
        """The league's policy as this region has it. `version` is of the policy in force here."""
        return LeaguePolicyView(
            region=self._config.name,
            signed=self.head,
            news=self.news(version),
            version=version,
            unfit=self._unfit,
            known=tuple(
                (peer, self._news_of(peer)) for peer in peers if self._inventory.get(peer) is not None
            ),
        )


# --- a document by itself
# ----------------------------------------------------------------------------------------------


def document_faults(document: LeaguePolicy, cluster_id: str) -> Iterator[RosterFault]:
    """Everything in which it breaks a bound, or is of another league. What its text says is not looked at."""
    if document.format != LEAGUE_POLICY_FORMAT:
        known = f"{document.format} is not known here, only {LEAGUE_POLICY_FORMAT}: upgrade this region"
        yield _invalid("format", known)
        return
    if document.cluster_id != cluster_id:
        yield _invalid("cluster_id", f"{document.cluster_id[:64]!r} is another league, not {cluster_id!r}")
    if not 1 <= document.number <= limits.QUOTA_NUMBER_MAX:
        yield _invalid("number", f"{document.number}; from 1 on")
    elif (document.number == 1) != (not document.previous_sha256):
        yield _invalid("previous_sha256", "the first document follows on nothing, and all others on one")
    elif document.previous_sha256 and _HASH.fullmatch(document.previous_sha256) is None:
        yield _invalid("previous_sha256", "must be 64 hexadecimal digits")
    for field, said in (("author", document.author), ("why", document.why)):
        if len(said) > limits.POLICY_SENTENCE_LENGTH_MAX or not said.isprintable():
            yield _invalid(field, f"one line of at most {limits.POLICY_SENTENCE_LENGTH_MAX} characters")
    if (size := len(document.text.encode())) > limits.POLICY_BYTES_MAX:
        yield _invalid("text", f"{size} bytes; at most {limits.POLICY_BYTES_MAX}")
    elif (size := len(canonical_league_policy(document))) > limits.LEAGUE_POLICY_BYTES_MAX:
        yield _invalid("", f"{size} bytes; at most {limits.LEAGUE_POLICY_BYTES_MAX}")


def signature_fault(
    signed: SignedPolicy, keys: Mapping[str, str], verifier: Verifier | None
) -> RosterFault | None:
    """Whether one of these keys has signed it. `keys` are public keys by their ids."""
    key = keys.get(signed.document.issuer)
    if verifier is None or not keys:
        why = "this region knows no operator's key: found a league (hanse federation init), or name operator_keys"
        return RosterFault(FaultKind.UNABLE, "", why)
    if key is None:
        why = f"{signed.document.issuer[:64]!r} is no operator's key here today"
        return RosterFault(FaultKind.STRANGER, "issuer", why)
    if not verifier.verify(key, league_policy_message(signed.document), signed.operator_signature):
        return RosterFault(FaultKind.STRANGER, SIGNATURE, "it does not fit the document")
    return None


def _invalid(field: str, message: str) -> RosterFault:
    return RosterFault(FaultKind.INVALID, field, message)
