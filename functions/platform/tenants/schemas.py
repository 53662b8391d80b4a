"""Tenants on the wire."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from functions.kit.models import ApiModel
from functions.platform.core.models import NewTenant, Plan, ProvisionedTenant, TenantStatus


class CreateTenant(ApiModel):
    """What a tenant needs to begin with."""

    name: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$"),
    ]
    slug: Annotated[
        str,
        Field(pattern=r"^[a-z0-9]([a-z0-9-]{1,38}[a-z0-9])$", description="Names the tenant in URLs; unique for ever."),
    ]
    region: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")] | None = None
    plan: Plan = Plan.STANDARD

    def wanted(self) -> NewTenant:
        """As the use case takes it."""
        return NewTenant(self.name, self.slug, self.plan, self.region)


class Tenant(ApiModel):
    """A tenant."""

    id: str
    name: str
    slug: str
    status: TenantStatus
    plan: Plan
    region: str | None
    database: str
    created_at: datetime


class ApiKey(ApiModel):
    """An API key; the secret is shown this once."""

    id: str
    secret: str


class CreatedTenant(Tenant):
    """A tenant and its first API key, of role admin."""

    api_key: ApiKey

    @classmethod
    def of(cls, provisioned: ProvisionedTenant) -> "CreatedTenant":
        """From what the use case gives."""
        tenant = Tenant.model_validate(provisioned.tenant)
        return cls(**tenant.model_dump(), api_key=ApiKey.model_validate(provisioned.api_key))
