"""Access policies on the wire."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from functions.kit.models import ApiModel
from functions.kit.policies.documents import AccessPolicy, PolicyDocument, TenantRole
from functions.platform.core.policies import StoredPolicies, nameable_actions

Replaces = Annotated[
    int | None, Field(ge=0, description="The version this replaces; refused with 409 when another is stored.")
]


class PutTenantPolicies(PolicyDocument):
    """All that the tenant is to add to the default policies."""

    version: Replaces = None

    def document(self) -> PolicyDocument:
        """As the use case takes it."""
        return PolicyDocument(roles=self.roles, policies=self.policies)


class PutPlatformPolicies(PolicyDocument):
    """All that the platform is to add to the default policies, for every tenant."""

    roles: Annotated[list[TenantRole], Field(max_length=0, description="Roles are the tenants' own.")] = Field(
        default_factory=list
    )
    version: Replaces = None

    def document(self) -> PolicyDocument:
        """As the use case takes it."""
        return PolicyDocument(policies=self.policies)


class NameableActions(ApiModel):
    """The actions that these policies may name, by effect."""

    allow: list[str]
    deny: list[str]


class AddedPolicies(ApiModel):
    """What is added to the default policies."""

    version: Annotated[int, Field(description="Grows with every change; 0 where nothing was ever stored.")]
    updated_at: datetime | None
    roles: list[TenantRole]
    policies: list[AccessPolicy]
    actions: NameableActions

    @classmethod
    def of(cls, stored: StoredPolicies, *, by_tenant: bool) -> "AddedPolicies":
        """From what the use case gives."""
        return cls(
            version=stored.version,
            updated_at=stored.updated_at,
            roles=stored.document.roles,
            policies=stored.document.policies,
            actions=NameableActions(**nameable_actions(by_tenant=by_tenant)),
        )
