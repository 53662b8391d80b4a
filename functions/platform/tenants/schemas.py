"""Tenants on the wire."""

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

from pydantic import Field, StringConstraints, create_model

from functions.kit.models import ApiModel
from functions.kit.patches import Patch
from functions.kit.settings import TenantSettings
from functions.platform.core.models import NewTenant, Plan, ProvisionedTenant, TenantChanges, TenantStatus
from functions.platform.core.models import Tenant as CoreTenant

Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
]
Region = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$", examples=["#0076a8"])]
# What cannot be part of a URL (RFC 3986) could be part of an attack on the page that shows it.
WebAddress = Annotated[str, Field(max_length=2048, pattern=r"^https://[^\x00-\x20\x7f\"<>\\^`{|}]+$")]
_ENTITY_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"\s*(?:,|$)')


class CreateTenant(ApiModel):
    """What a tenant needs to begin with."""

    name: Name
    slug: Annotated[
        str,
        Field(pattern=r"^[a-z0-9]([a-z0-9-]{1,38}[a-z0-9])$", description="Names the tenant in URLs; unique for ever."),
    ]
    region: Region | None = None
    plan: Plan = Plan.STANDARD

    def wanted(self) -> NewTenant:
        """As the use case takes it."""
        return NewTenant(self.name, self.slug, self.plan, self.region)


class Branding(ApiModel):
    """How a tenant's dashboards look; null where the platform's own look stays."""

    product_name: Annotated[str, Field(max_length=80, pattern=r"^[^\x00-\x1f\x7f<>]+$")] | None = None
    logo_url: WebAddress | None = None
    favicon_url: WebAddress | None = None
    support_url: WebAddress | None = None
    primary_color: Colour | None = None
    accent_color: Colour | None = None


def _overrides() -> type[ApiModel]:
    """`TenantSettings` with every field optional, so that a new setting can be overridden at once."""
    wanted: dict[str, Any] = {
        name: (
            Annotated[field.annotation, Field(), *field.metadata] | None,
            Field(None, description=field.description),
        )
        for name, field in TenantSettings.model_fields.items()
    }
    doc = "What a tenant sets otherwise than the platform; null where the platform's value holds."
    return create_model("TenantOverrides", __base__=ApiModel, __doc__=doc, **wanted)


if TYPE_CHECKING:

    class TenantOverrides(TenantSettings):
        """As far as types go; at run time every field is optional."""
else:
    TenantOverrides = _overrides()


class UpdateTenantBody(Patch):
    """What is to change. An entry of `branding` or `settings` is changed by itself, and taken out by null."""

    clearable: ClassVar[frozenset[str]] = frozenset({"region"})

    name: Name | None = None
    status: Annotated[
        Literal[TenantStatus.ACTIVE, TenantStatus.SUSPENDED] | None, Field(description="For superadmins.")
    ] = None
    plan: Annotated[Plan | None, Field(description="For superadmins.")] = None
    region: Region | None = None
    branding: Branding | None = None
    settings: TenantOverrides | None = None

    def changes(self) -> TenantChanges:
        """As the use case takes them."""
        given = self.given()
        for ours, theirs in (("branding", "branding"), ("settings", "overrides")):
            if ours in given:
                given[theirs] = given.pop(ours).model_dump(mode="json", by_alias=True, exclude_unset=True)
        return cast("TenantChanges", given)


class Tenant(ApiModel):
    """A tenant."""

    id: str
    name: str
    slug: str
    status: TenantStatus
    plan: Plan
    region: str | None
    database: str
    branding: Branding
    settings: TenantOverrides
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, tenant: CoreTenant) -> "Tenant":
        """From the core's."""
        return cls(**_fields(tenant))


class ApiKey(ApiModel):
    """An API key; the secret is shown this once."""

    id: str
    secret: str


class CreatedTenant(Tenant):
    """A tenant and its first API key, of role admin."""

    api_key: ApiKey

    @classmethod
    def made(cls, provisioned: ProvisionedTenant) -> "CreatedTenant":
        """From what the use case gives."""
        return cls(**_fields(provisioned.tenant), api_key=ApiKey.model_validate(provisioned.api_key))


def versions(if_match: str | None) -> frozenset[str] | None:
    """The versions that a header `If-Match` names; None where any will do. A weak tag matches nothing (RFC 9110)."""
    if if_match is None or if_match.strip() == "*":
        return None
    return frozenset(tag for weak, tag in _ENTITY_TAG.findall(if_match) if not weak)


def _fields(tenant: CoreTenant) -> dict[str, Any]:
    return {
        "id": tenant.id,
        "name": tenant.name,
        "slug": tenant.slug,
        "status": tenant.status,
        "plan": tenant.plan,
        "region": tenant.region,
        "database": tenant.database,
        # What another version of the program has stored is not this one's to show.
        "branding": _known(Branding, tenant.branding),
        "settings": _known(TenantOverrides, tenant.overrides),
        "created_at": tenant.created_at,
        "updated_at": tenant.updated_at,
    }


def _known(model: type[ApiModel], stored: Any) -> ApiModel:
    names = {field.alias for field in model.model_fields.values()}
    return model.model_validate({name: value for name, value in stored.items() if name in names})
