"""A tenant's limits: read with what was used of them, and replaced as a set."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple, Protocol

from functions.kit.clock import utc_now
from functions.kit.errors import Conflict, Unprocessable
from functions.kit.identifiers import new_id
from functions.kit.quotas import Metric, Span, SubjectKind, Window, span_of
from functions.kit.subjects import QuotaChanged
from functions.platform.core.errors import TenantNotFound
from functions.platform.core.models import tenant_id_of

Announce = Callable[[QuotaChanged], None]


class QuotasChanged(Conflict):
    """The limits are no longer those of the version that was to be replaced."""

    code = "quotas_changed"


class UnknownQuotaSubject(Unprocessable):
    """A limit is on a group or an API key that the tenant does not have."""

    code = "unknown_quota_subject"


class Identity(NamedTuple):
    """What makes a limit the same one before and after a change: counting goes on."""

    subject_kind: SubjectKind
    subject_id: str | None
    metric: Metric
    window: Window


@dataclass(frozen=True, slots=True)
class QuotaDraft:
    """A limit as it is given.

    Attributes:
        maximum: requests, tokens, or millionths of a US dollar.
        hard: whether calls that would exceed it are refused.
        thresholds: per cent of the maximum whose crossing raises an event, ascending.
    """

    identity: Identity
    maximum: int
    hard: bool = True
    thresholds: tuple[int, ...] = (80, 90, 100)


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit as it is stored.

    Attributes:
        counted: what the mirror has counted since `counted_since`, the newest window in which it has anything.
    """

    id: str
    draft: QuotaDraft
    created_at: datetime
    updated_at: datetime
    counted: int = 0
    counted_since: datetime | None = None

    def span(self, now: datetime) -> Span:
        """The window that holds at a moment."""
        return span_of(self.draft.identity.window, now)

    def used(self, now: datetime) -> int:
        """What was used in the window that holds at a moment, as far as it was mirrored."""
        return self.counted if self.counted_since == self.span(now).began else 0


@dataclass(frozen=True, slots=True)
class QuotaSet:
    """All limits of a tenant.

    Attributes:
        version: 0 where none were ever stored.
    """

    tenant_id: str
    version: int = 0
    updated_at: datetime | None = None
    quotas: Sequence[Quota] = field(default_factory=tuple)


class Quotas(Protocol):
    """The tenants' limits, within the unit of work."""

    async def find(self, tenant_id: str) -> QuotaSet | None:
        """A tenant's limits in the order they were given; None when there is no such tenant."""
        ...

    async def lock(self, tenant_id: str) -> None:
        """Hold off other changes of limits, and the mirroring of this tenant's usage, until the unit of work ends."""
        ...

    async def unknown(self, tenant_id: str, drafts: Sequence[QuotaDraft]) -> Sequence[str]:
        """The ids of groups and API keys among the subjects that the tenant does not have."""
        ...

    async def replace(self, tenant_id: str, quotas: Sequence[Quota]) -> QuotaSet:
        """Make these all limits of a tenant; what was used of the new ones is counted from the ledger."""
        ...


class GetQuotas:
    """Reads a tenant's limits."""

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas

    async def __call__(self, tenant_id: str) -> QuotaSet:
        """All limits of a tenant.

        Raises:
            TenantNotFound: there is no such tenant.
        """
        found = await self._quotas.find(tenant_id_of(tenant_id))
        if found is None:
            raise TenantNotFound("there is no such tenant")
        return found


class PutQuotas:
    """Replaces a tenant's limits."""

    def __init__(self, quotas: Quotas, announce: Announce) -> None:
        self._quotas = quotas
        self._announce = announce

    async def __call__(self, tenant_id: str, drafts: Sequence[QuotaDraft], version: int | None) -> QuotaSet:
        """Make the drafts all limits of a tenant. One that was there before goes on counting.

        Args:
            version: the one it replaces; None replaces any.

        Raises:
            TenantNotFound: there is no such tenant.
            QuotasChanged: another version is stored.
            UnknownQuotaSubject: a limit is on a group or an API key that the tenant does not have.
        """
        # Asked first: a lock is not to be had for what there is not.
        await GetQuotas(self._quotas)(tenant_id)
        await self._quotas.lock(tenant_id)
        stored = await GetQuotas(self._quotas)(tenant_id)
        if version is not None and version != stored.version:
            raise QuotasChanged("the limits have changed meanwhile", details={"version": stored.version})
        if unknown := await self._quotas.unknown(tenant_id, drafts):
            raise UnknownQuotaSubject(
                "the tenant has no such group or API key", details={"subjects": sorted(unknown)[:20]}
            )
        before = {quota.draft.identity: quota for quota in stored.quotas}
        replaced = await self._quotas.replace(stored.tenant_id, [_stored(draft, before) for draft in drafts])
        self._announce(QuotaChanged(tenant_id=replaced.tenant_id, version=replaced.version))
        return replaced


def _stored(draft: QuotaDraft, before: Mapping[Identity, Quota]) -> Quota:
    now, known = utc_now(), before.get(draft.identity)
    if known is None:
        return Quota(new_id(), draft, now, now)
    return known if known.draft == draft else replace(known, draft=draft, updated_at=now)
