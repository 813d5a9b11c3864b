"""JobSpec: checked field by field, and translated into what the core reads of it.

Theory of operation. A spec is opaque bytes to the core and the ledger; only this package reads them. `SpecReader`
checks a submission (every bound, every name, with the path of the field that is wrong) and derives the Submission. The
same derivation runs again where a COMMIT brings the bytes to another region. What many specs share is made once: shapes
are memoised by what they are made of, whole specs by their digest.
"""

from __future__ import annotations

import hashlib

import msgspec
from google.protobuf.message import DecodeError

from hanse.core.model import limits
from hanse.core.model.arrays import ArrayRules
from hanse.core.model.jobs import (
    DEFAULT_TIER,
    NO_TERMS,
    GroupShape,
    JobTerms,
    OnLoss,
    Shape,
    ShapeBody,
    Submission,
    make_shape,
)
from hanse.core.model.resources import BUILTIN_KINDS, Resources, is_known_kind
from hanse.core.replies import Refused
from hanse.wire import checks
from hanse.wire.arrays import decode_array, loss_of_array
from hanse.wire.checks import FieldRefused, echo
from hanse.wire.gen.hanse.v1 import jobs_pb2
from hanse.wire.memo import Memo
from hanse.wire.placement import check_constraints, check_quantities, decode_rules, decode_within
from hanse.wire.programs import check_program
from hanse.wire.terms import decode_terms

_ONLY_GROUP = "main"
_GROUP_FIELDS = tuple(f"spec.groups[{index}]" for index in range(limits.GROUPS_MAX))
_KINDS = frozenset(jobs_pb2.JobKind.values())
_LOSSES: dict[int, OnLoss] = {
    jobs_pb2.ON_REGION_LOSS_WAIT: OnLoss.WAIT,
    jobs_pb2.ON_REGION_LOSS_ADOPT: OnLoss.ADOPT,
    jobs_pb2.ON_REGION_LOSS_ADOPT_OR_WAIT: OnLoss.ADOPT_OR_WAIT,
}


class SpecRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader insists on; None: anything. A region knows its own kinds, tiers and regions, not those of its
    peers: specs that come with a COMMIT were checked by their home, and are only held to the bounds.

    `on_loss` is what becomes of a tier's jobs that do not say it; a tier that is missing: WAIT.
    """

    resource_kinds: frozenset[str] | None = None
    tiers: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None
    features: frozenset[str] | None = None
    on_loss: dict[str, OnLoss] = {}


class SpecDetails(msgspec.Struct, frozen=True):
    """What only the rules of a policy read of a spec, or change. `tier` empty: it names none. `loss_by_tier`: it leaves
    it to its tier what becomes of it if its region is lost."""

    labels: tuple[tuple[str, str], ...]
    kind: str
    tier: str
    loss_by_tier: bool


class CheckedSpec(msgspec.Struct, frozen=True):
    """What the core reads of a spec, with the spec in its canonical bytes."""

    spec: bytes
    sha256: bytes
    name: str
    tenant: str
    shape: Shape
    grace_us: int
    retries_max: int
    about: SpecDetails
    on_loss: OnLoss = OnLoss.WAIT
    terms: JobTerms = NO_TERMS
    array: ArrayRules | None = None


class SpecReader:
    """Reads specs by one set of rules. Bounded in memory; safe to keep for ever."""

    def __init__(self, rules: SpecRules) -> None:
        self._rules = rules
        self._shapes: Memo[tuple[object, ...], Shape] = Memo(limits.SHAPE_MEMO_ENTRIES_MAX)
        self._specs: Memo[bytes, CheckedSpec] = Memo(limits.SPEC_MEMO_ENTRIES_MAX)

    def go_by(self, rules: SpecRules) -> None:
        """Other rules from now on; what was found right by the old ones is looked at again."""
        if rules != self._rules:
            self._rules = rules
            self._specs = Memo(limits.SPEC_MEMO_ENTRIES_MAX)

    def decode_submission(
        self, submission: jobs_pb2.JobSubmission, job_id: str, traceparent: str = ""
    ) -> Submission | Refused:
        """The submission as the core takes it, under the id that was drawn for it; or which field is wrong."""
        try:
            client_key = submission.client_key
            checks.check_text(
                "client_key",
                client_key,
                limits.CLIENT_KEY_LENGTH_MAX,
                checks.NAME,
                "free of control characters",
            )
            checks.check_no_zero_byte("check_index", submission.check_index, limits.PLAN_INDEX_LENGTH_MAX)
            if not submission.HasField("spec"):
                raise FieldRefused("spec", "required")
            checked = self._checked(submission.spec)
            if submission.spec.checkpoint:
                checks.check_place("spec.checkpoint", submission.spec.checkpoint)
        except FieldRefused as refusal:
            return Refused(refusal.code, refusal.field, refusal.message)
        return Submission(
            job_id=job_id,
            client_key=client_key,
            tenant=checked.tenant,
            name=checked.name,
            spec=checked.spec,
            spec_sha256=checked.sha256,
            shape=checked.shape,
            grace_us=checked.grace_us,
            retries_max=checked.retries_max,
            traceparent=traceparent,
            on_loss=checked.on_loss,
            terms=checked.terms,
            check_index=submission.check_index,
            array=checked.array,
        )

    def read_bytes(self, spec: bytes, sha256: bytes) -> CheckedSpec | FieldRefused:
        """What another region sent, byte for byte; or what is wrong with it, the digest included."""
        if len(spec) > limits.SPEC_BYTES_MAX:
            return FieldRefused("spec", f"{len(spec)} bytes; at most {limits.SPEC_BYTES_MAX}")
        if hashlib.sha256(spec).digest() != sha256:
            return FieldRefused("spec_sha256", "does not match the spec")
        known = self._specs.get(sha256)
        if known is not None:
            return known
        try:
            message = jobs_pb2.JobSpec.FromString(spec)
            return self._specs.put(sha256, self._check(message, spec, sha256))
        except FieldRefused as refusal:
            return refusal
        except DecodeError as error:
            return FieldRefused("spec", f"not a JobSpec: {error}")

    def details(self, submission: Submission) -> SpecDetails:
        """What rules read, of a submission that this reader has decoded."""
        known = self._specs.get(submission.spec_sha256)
        return known.about if known is not None else _details(jobs_pb2.JobSpec.FromString(submission.spec))

    def _checked(self, message: jobs_pb2.JobSpec) -> CheckedSpec:
        spec = message.SerializeToString(deterministic=True)
        if len(spec) > limits.SPEC_BYTES_MAX:
            raise FieldRefused("spec", f"{len(spec)} bytes; at most {limits.SPEC_BYTES_MAX}")
        sha256 = hashlib.sha256(spec).digest()
        known = self._specs.get(sha256)
        return known if known is not None else self._specs.put(sha256, self._check(message, spec, sha256))

    def _check(self, message: jobs_pb2.JobSpec, spec: bytes, sha256: bytes) -> CheckedSpec:
        name = message.name
        checks.check_text(
            "spec.name", name, limits.NAME_LENGTH_MAX, checks.NAME, "free of control characters"
        )
        tenant = message.tenant
        checks.check_tenant("spec.tenant", tenant)
        _check_labels(message)
        _check_kind(message)
        _check_groups(message, plain=len(spec) < limits.ARGUMENT_BYTES_MAX and b"\0" not in spec)
        checks.check_no_zero_byte("spec.checkpoint", message.checkpoint, limits.PATH_LENGTH_MAX)
        if message.HasField("deadline"):
            checks.check_timestamp("spec.deadline", message.deadline)
        retries_max = message.retry.retries_max
        checks.check_range("spec.retry.retries_max", retries_max, 0, limits.RETRIES_MAX)
        shape = self._shapes.get_or_make(_shape_key(message), lambda: self._shape(message))
        on_loss = self._on_loss(message.on_region_loss, shape.body.tier)
        grace_us = _grace_us(message)
        about = _details(message)
        terms = decode_terms(message)
        array = decode_array(message)
        if array is not None:
            on_loss = loss_of_array(on_loss)
        return CheckedSpec(
            spec, sha256, name, tenant, shape, grace_us, retries_max, about, on_loss, terms, array
        )

    def _shape(self, message: jobs_pb2.JobSpec) -> Shape:
        """Everything that decides where and in which order the job runs, checked."""
        checks.check_range("spec.priority", message.priority, -limits.PRIORITY_MAX, limits.PRIORITY_MAX)
        allow = self._regions("spec.regions.allow", tuple(message.regions.allow))
        deny = self._regions("spec.regions.deny", tuple(message.regions.deny))
        if allow and set(allow) <= set(deny):
            raise FieldRefused("spec.regions.deny", "denies every region that spec.regions.allow names")
        shape = make_shape(
            ShapeBody(
                groups=tuple(self._group(i, group, message.tenant) for i, group in enumerate(message.groups)),
                tier=self._tier(message.tier),
                priority=message.priority,
                regions_allow=allow,
                regions_deny=deny,
                regions_prefer=self._regions("spec.regions.prefer", tuple(message.regions.prefer)),
                datasets=_datasets(message),
                runtime_estimate_us=checks.duration_us(
                    "spec.runtime_estimate", message.runtime_estimate, limits.RUNTIME_ESTIMATE_US_MAX
                ),
                required_features=self._features(message),
                within=decode_within("spec.within", message.within) if message.HasField("within") else None,
                restartable=_is_restartable(message),
            )
        )
        for kind, quantity in shape.total:
            if quantity > limits.QUANTITY_MAX:
                raise FieldRefused("spec.groups", f"{quantity} {kind} in all; at most {limits.QUANTITY_MAX}")
        return shape

    def _tier(self, tier: str) -> str:
        if self._rules.tiers is not None and tier and tier not in self._rules.tiers:
            raise FieldRefused(
                "spec.tier", f"no tier {echo(tier)!r}; there are {', '.join(self._rules.tiers)}"
            )
        if len(tier) > limits.NAME_LENGTH_MAX:
            raise FieldRefused("spec.tier", f"more than {limits.NAME_LENGTH_MAX} characters")
        return tier or DEFAULT_TIER

    def loss_of(self, tier: str) -> OnLoss:
        """What becomes of jobs of this tier that don't say it themselves."""
        return self._rules.on_loss.get(tier, OnLoss.WAIT)

    def _on_loss(self, loss: int, tier: str) -> OnLoss:
        if loss == jobs_pb2.ON_REGION_LOSS_UNSPECIFIED:
            return self.loss_of(tier)
        if loss not in _LOSSES:
            raise FieldRefused("spec.on_region_loss", f"{loss} is not an OnRegionLoss")
        return _LOSSES[loss]

    def _regions(self, field: str, names: tuple[str, ...]) -> tuple[str, ...]:
        checks.check_length(field, len(names), limits.REGION_PREFERENCES_MAX, "regions")
        for index, name in enumerate(names):
            checks.check_region_name(f"{field}[{index}]", name)
            if self._rules.regions is not None and name not in self._rules.regions:
                raise FieldRefused(f"{field}[{index}]", f"no region {name!r} in the roster")
        return names

    def _features(self, message: jobs_pb2.JobSpec) -> tuple[str, ...]:
        features = tuple(message.required_features)
        checks.check_length("spec.required_features", len(features), limits.FEATURES_MAX, "features")
        for index, feature in enumerate(features):
            field = f"spec.required_features[{index}]"
            checks.check_text(field, feature, limits.FEATURE_LENGTH_MAX, checks.WORD, "a feature name")
            if self._rules.features is not None and feature not in self._rules.features:
                raise FieldRefused(field, f"{feature!r} is not known to this version", "UNIMPLEMENTED")
        return features

    def _group(self, index: int, group: jobs_pb2.TaskGroup, tenant: str) -> GroupShape:
        field = _GROUP_FIELDS[index]
        checks.check_range(f"{field}.count", group.count, 0, limits.GROUP_TASKS_MAX)
        count = group.count or 1
        if group.count_min > count:
            raise FieldRefused(f"{field}.count_min", f"{group.count_min} is more than the count of {count}")
        resources = self._quantities(f"{field}.requirements.resources", dict(group.requirements.resources))
        constraints = check_constraints(
            f"{field}.requirements.constraints", tuple(group.requirements.constraints)
        )
        if not group.HasField("placement"):
            return GroupShape(count, group.count_min or count, resources, constraints)
        rules = decode_rules(f"{field}.placement", group.placement, tenant)
        if rules is not None:
            for number, alternative in enumerate(rules.alternatives):
                at = f"{field}.placement.alternatives[{number}].resources"
                self._check_kinds(at, alternative.resources)
                for kind, quantity in alternative.resources:
                    if quantity * count > limits.QUANTITY_MAX:
                        raise FieldRefused(f"{at}[{echo(kind)}]", f"{count} times it is too much")
        return GroupShape(count, group.count_min or count, resources, constraints, rules)

    def _quantities(self, field: str, quantities: dict[str, int]) -> Resources:
        checked = check_quantities(field, quantities)
        self._check_kinds(field, checked)
        return checked

    def _check_kinds(self, field: str, quantities: Resources) -> None:
        for kind, _ in quantities:
            self._check_kind_known(f"{field}[{echo(kind)}]", kind)

    def _check_kind_known(self, field: str, kind: str) -> None:
        declared = self._rules.resource_kinds
        if declared is not None and not is_known_kind(kind, declared):
            known = ", ".join([*BUILTIN_KINDS, *sorted(declared)])
            raise FieldRefused(field, f"no resource kind {kind!r}; there are {known}")


def _shape_key(message: jobs_pb2.JobSpec) -> tuple[object, ...]:
    """Equal for specs whose shapes are equal; cheap, because what it reads is not looked into."""
    estimate = message.runtime_estimate if message.HasField("runtime_estimate") else None
    return (
        *[
            (group.count, group.count_min, group.requirements.SerializeToString(deterministic=True))
            for group in message.groups
        ],
        *[
            (number, group.placement.SerializeToString(deterministic=True), message.tenant)
            for number, group in enumerate(message.groups)
            if group.HasField("placement")
        ],
        message.within.SerializeToString(deterministic=True) if message.HasField("within") else None,
        message.tier,
        message.priority,
        message.regions.SerializeToString(deterministic=True) if message.HasField("regions") else b"",
        tuple(message.datasets),
        None if estimate is None else (estimate.seconds, estimate.nanos),
        tuple(message.required_features),
        _is_restartable(message),
    )


def _details(message: jobs_pb2.JobSpec) -> SpecDetails:
    kind = jobs_pb2.JobKind.Name(message.kind or jobs_pb2.JOB_KIND_BATCH)
    labels = tuple(sorted(message.labels.items())) if message.labels else ()
    loss_by_tier = message.on_region_loss == jobs_pb2.ON_REGION_LOSS_UNSPECIFIED
    return SpecDetails(labels, kind.removeprefix("JOB_KIND_").lower(), message.tier, loss_by_tier)


def _is_restartable(message: jobs_pb2.JobSpec) -> bool:
    return message.restartable if message.HasField("restartable") else bool(message.checkpoint)


def _grace_us(message: jobs_pb2.JobSpec) -> int:
    if not message.HasField("grace"):
        return limits.GRACE_US_DEFAULT
    return checks.duration_us("spec.grace", message.grace, limits.GRACE_US_MAX)


def _check_labels(message: jobs_pb2.JobSpec) -> None:
    labels = message.labels
    if labels:
        checks.check_length("spec.labels", len(labels), limits.LABELS_MAX, "labels")
        for key, value in sorted(labels.items()):
            checks.check_label("spec.labels", key, value)


def _check_kind(message: jobs_pb2.JobSpec) -> None:
    kind = message.kind
    if kind == jobs_pb2.JOB_KIND_SERVICE:
        raise FieldRefused("spec.kind", "services are not built yet", "UNIMPLEMENTED")
    if kind not in _KINDS:
        raise FieldRefused("spec.kind", f"{kind} is not a JobKind")


def _check_groups(message: jobs_pb2.JobSpec, *, plain: bool) -> None:
    """Names and programs: the part of the groups that decides nothing about where the job runs."""
    groups = message.groups
    count = len(groups)
    if not 1 <= count <= limits.GROUPS_MAX:
        raise FieldRefused("spec.groups", f"{count} groups; 1 to {limits.GROUPS_MAX}")
    names: set[str] = set()
    for index, group in enumerate(groups):
        field = _GROUP_FIELDS[index]
        name = group.name or (_ONLY_GROUP if count == 1 else "")
        checks.check_text(f"{field}.name", name, limits.LABEL_LENGTH_MAX, checks.WORD, "a group name")
        if name in names:
            raise FieldRefused(f"{field}.name", f"{name!r} is the name of an earlier group")
        names.add(name)
        check_program(f"{field}.program", group.program, plain=plain)


def _datasets(message: jobs_pb2.JobSpec) -> tuple[str, ...]:
    datasets = tuple(message.datasets)
    checks.check_length("spec.datasets", len(datasets), limits.DATASETS_MAX, "data sets")
    for index, dataset in enumerate(datasets):
        checks.check_text(
            f"spec.datasets[{index}]",
            dataset,
            limits.DATASET_LENGTH_MAX,
            checks.NAME,
            "free of control characters",
        )
    return datasets
