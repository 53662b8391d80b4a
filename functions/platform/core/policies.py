"""What a tenant, or the platform, adds to the default access policies: read, and replaced as a whole."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from functions.kit.errors import Conflict, Unprocessable
from functions.kit.policies.documents import PolicyDocument
from functions.kit.policies.lines import defaults, matching
from functions.kit.subjects import PolicyUpdated
from functions.platform.core.errors import TenantNotFound
from functions.platform.core.models import tenant_id_of

Announce = Callable[[PolicyUpdated], None]


class PolicyNotAllowed(Unprocessable):
    """A policy names an action that there is not, or that whoever writes it has no say in."""

    code = "policy_not_allowed"


class PoliciesChanged(Conflict):
    """The policies are no longer those of the version that was to be replaced."""

    code = "policies_changed"


@dataclass(frozen=True, slots=True)
class StoredPolicies:
    """What is added for one owner.

    Attributes:
        version: 0 where nothing was ever stored.
    """

    document: PolicyDocument
    version: int = 0
    updated_at: datetime | None = None


class Policies(Protocol):
    """The added policies, within the unit of work. An owner is a tenant's id, or None for the platform itself."""

    async def find(self, owner: str | None) -> StoredPolicies | None:
        """What is added; None when there is no such tenant."""
        ...

    async def lock(self) -> None:
        """Hold off every other change of policies until the unit of work ends."""
        ...

    async def replace(self, owner: str | None, document: PolicyDocument) -> StoredPolicies:
        """Make the document all that is added."""
        ...


class GetPolicies:
    """Reads what is added."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies

    async def __call__(self, owner: str | None) -> StoredPolicies:
        """What a tenant adds, or for None the platform.

        Raises:
            TenantNotFound: there is no such tenant.
        """
        found = await self._policies.find(owner if owner is None else tenant_id_of(owner))
        if found is None:
            raise TenantNotFound("there is no such tenant")
        return found


class PutPolicies:
    """Replaces what is added."""

    def __init__(self, policies: Policies, announce: Announce) -> None:
        self._policies = policies
        self._announce = announce

    async def __call__(self, owner: str | None, document: PolicyDocument, version: int | None) -> StoredPolicies:
        """Make the document all that a tenant adds, or for None the platform.

        Args:
            version: the one it replaces; None replaces any.

        Raises:
            PolicyNotAllowed: a policy names an action that its owner has no say in.
            TenantNotFound: there is no such tenant.
            PoliciesChanged: another version is stored.
        """
        ensure_allowed(document, by_tenant=owner is not None)
        await self._policies.lock()
        stored = await GetPolicies(self._policies)(owner)
        if version is not None and version != stored.version:
            raise PoliciesChanged("the policies have changed meanwhile", details={"version": stored.version})
        replaced = await self._policies.replace(owner, document)
        self._announce(PolicyUpdated(tenant_id=owner, version=replaced.version))
        return replaced


def nameable_actions(*, by_tenant: bool) -> dict[str, list[str]]:
    """The actions that policies may name, by effect."""
    known = defaults()
    return {effect: sorted(known.nameable(effect, by_tenant=by_tenant)) for effect in ("allow", "deny")}


def ensure_allowed(document: PolicyDocument, *, by_tenant: bool) -> None:
    """Let a document through whose policies all name something that they have a say in.

    Raises:
        PolicyNotAllowed: one names an action that there is not, or that is not its owner's to allow or deny.
    """
    for policy in document.policies:
        nameable = defaults().nameable(policy.effect, by_tenant=by_tenant)
        for pattern in policy.actions:
            if not matching(pattern, nameable):
                raise PolicyNotAllowed(
                    f"policy {policy.name}: there is no action {pattern} that it may {policy.effect}",
                    details={"policy": policy.name, "action": pattern},
                )
