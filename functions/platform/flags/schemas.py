"""A tenant's flags on the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, JsonValue, StringConstraints

from functions.kit.flag_registry import NAME_PATTERN
from functions.kit.models import ApiModel
from functions.platform.core.flags import FlagChange

MOST_FLAGS = 200

FlagName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]


class FlagItem(ApiModel):
    """What a flag is, and why."""

    name: str
    enabled: bool
    value: Annotated[JsonValue, Field(description="Of the flag's type; null where it has none.")]
    source: Annotated[
        Literal["default", "tenant", "rollout"],
        Field(description="The platform's default, the tenant's override, or a percentage rollout."),
    ]
    description: str
    kind: Literal["platform", "plugin", "experiment"]
    type: Literal["none", "string", "integer", "boolean", "json"]
    percentage: Annotated[float | None, Field(description="Of the rollout that decides; null where none does.")]
    rollout_by: Annotated[
        Literal["tenant", "user"] | None, Field(description="Whether whole tenants or single users are in or out.")
    ]


class FlagList(ApiModel):
    """All flags, by name."""

    items: list[FlagItem]


class FlagOverride(ApiModel):
    """What a flag is to be for the tenant."""

    enabled: bool
    value: Annotated[JsonValue, Field(description="Left out, the value stays what it is for the tenant now.")] = None

    def change(self) -> FlagChange:
        """As the use case takes it."""
        return FlagChange(self.enabled, self.value, keeps_value="value" not in self.model_fields_set)


class PutTenantFlagsBody(ApiModel):
    """The overrides to set, by flag; null removes one. Flags that are not named stay as they are."""

    flags: Annotated[dict[FlagName, FlagOverride | None], Field(min_length=1, max_length=MOST_FLAGS)]

    def changes(self) -> Mapping[str, FlagChange | None]:
        """As the use case takes them."""
        return {name: override.change() if override else None for name, override in self.flags.items()}


class PutFlagWebhook(ApiModel):
    """Where the tenant wants to be told of changes of its flags."""

    url: Annotated[str, Field(min_length=1, max_length=2048, description="HTTPS, on the public Internet.")]
    secret: Annotated[
        str | None,
        Field(
            min_length=16,
            max_length=256,
            pattern=r"^[\x21-\x7e]+$",
            description="Signs what is sent. Left out, the stored one stays, or one is made up.",
        ),
    ] = None


class FlagWebhook(ApiModel):
    """Where the tenant is told of changes of its flags."""

    url: str
    secret: Annotated[str | None, Field(description="Shown when it is new, and never again.")] = None
    created_at: datetime
    updated_at: datetime
