"""Limits on the wire."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from functions.kit.clock import utc_now
from functions.kit.models import ApiModel
from functions.kit.quotas import Metric, SubjectKind, Window
from functions.platform.core.quotas import Identity, Quota, QuotaDraft, QuotaSet

_MOST_QUOTAS = 1_000
_MOST_THRESHOLDS = 10
# Redis' scripts count in double-precision numbers, which are exact up to here.
_LARGEST = 2**53 - 1
_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"


class LimitedSubject(ApiModel):
    """What a limit is on."""

    kind: SubjectKind
    id: Annotated[
        str | None,
        Field(
            max_length=256,
            pattern=_PRINTABLE,
            description="Of the group, user or API key; a model as `model` or `provider/model`; none for the tenant.",
        ),
    ] = None

    @model_validator(mode="after")
    def _only_the_tenant_needs_no_id(self) -> Self:
        if (self.kind == "tenant") != (self.id is None):
            raise ValueError("id is not for a tenant" if self.kind == "tenant" else f"id of the {self.kind} is needed")
        return self


class QuotaInput(ApiModel):
    """A limit as it is given."""

    subject: LimitedSubject
    metric: Annotated[Metric, Field(description="Cost is in millionths of a US dollar.")]
    window: Annotated[Window, Field(description="Of UTC; a month is a calendar month.")]
    limit: Annotated[int, Field(ge=0, le=_LARGEST, strict=True, description="0 with `hard` forbids.")]
    hard: Annotated[bool, Field(description="Refuse calls that would exceed it; otherwise only tell.")] = True
    thresholds: Annotated[
        list[Annotated[int, Field(ge=1, le=1000, strict=True)]],
        Field(
            max_length=_MOST_THRESHOLDS, description="Per cent of the limit whose crossing raises `quota.threshold`."
        ),
    ] = Field(default=[80, 90, 100])

    @field_validator("thresholds")
    @classmethod
    def _in_order(cls, thresholds: list[int]) -> list[int]:
        return sorted(set(thresholds))

    def identity(self) -> Identity:
        """What makes it the same limit as one before."""
        return Identity(self.subject.kind, self.subject.id, self.metric, self.window)

    def draft(self) -> QuotaDraft:
        """As the use case takes it."""
        return QuotaDraft(self.identity(), self.limit, self.hard, tuple(self.thresholds))


class PutQuotasBody(ApiModel):
    """All the limits a tenant is to have."""

    quotas: Annotated[list[QuotaInput], Field(max_length=_MOST_QUOTAS)]
    version: Annotated[
        int | None, Field(ge=0, description="The version this replaces; refused with 409 when another is stored.")
    ] = None

    @model_validator(mode="after")
    def _no_two_alike(self) -> Self:
        seen: set[Identity] = set()
        for quota in self.quotas:
            identity = quota.identity()
            if identity in seen:
                subject = (
                    identity.subject_kind
                    if identity.subject_id is None
                    else f"{identity.subject_kind} {identity.subject_id}"
                )
                raise ValueError(f"two limits on {identity.metric} of {subject} per {identity.window}")
            seen.add(identity)
        return self


class QuotaItem(ApiModel):
    """A limit as it is shown."""

    id: str
    subject: LimitedSubject
    metric: Metric
    window: Window
    limit: int
    hard: bool
    thresholds: list[int]
    used: Annotated[int, Field(description="In the present window, by calls that have ended.")]
    remaining: int
    window_start: datetime
    resets_at: datetime
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, quota: Quota, now: datetime) -> "QuotaItem":
        """From what the use case gives."""
        draft, span, used = quota.draft, quota.span(now), quota.used(now)
        kind, subject_id, metric, window = draft.identity
        return cls(
            id=quota.id,
            subject=LimitedSubject(kind=kind, id=subject_id),
            metric=metric,
            window=window,
            limit=draft.maximum,
            hard=draft.hard,
            thresholds=list(draft.thresholds),
            used=used,
            remaining=max(0, draft.maximum - used),
            window_start=span.began,
            resets_at=span.resets,
            created_at=quota.created_at,
            updated_at=quota.updated_at,
        )


class QuotaList(ApiModel):
    """All the limits a tenant has."""

    version: Annotated[int, Field(description="Grows with every change; 0 where nothing was ever stored.")]
    updated_at: datetime | None
    quotas: list[QuotaItem]

    @classmethod
    def of(cls, stored: QuotaSet) -> "QuotaList":
        """From what the use case gives."""
        now = utc_now()
        return cls(
            version=stored.version,
            updated_at=stored.updated_at,
            quotas=[QuotaItem.of(quota, now) for quota in stored.quotas],
        )
