"""API keys on the wire. A secret goes out once, when it is made."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from functions.kit.clock import utc_now
from functions.kit.models import ApiModel
from functions.kit.principal import Role
from functions.platform.core.api_key_models import ApiKey as CoreApiKey
from functions.platform.core.api_key_models import ApiKeyStatus, NewApiKey, ShownApiKey
from functions.platform.wire_types import Id, Model, Name

_LONGEST_GRACE_SECONDS = 24 * 3600


class CreateApiKeyBody(ApiModel):
    """A key as asked for."""

    name: Name
    role: Annotated[Literal[Role.ADMIN, Role.USER], Field(description="Never above its user's.")] = Role.USER
    user_id: Annotated[Id | None, Field(description="Whom it speaks for: its use is that user's.")] = None
    group_id: Annotated[Id | None, Field(description="A group it is in, besides its user's.")] = None
    expires_at: AwareDatetime | None = None
    models: Annotated[
        list[Model],
        Field(max_length=100, description="What it may call, as `provider/model` or `model`; empty for all."),
    ] = Field(default_factory=list)

    def wanted(self) -> NewApiKey:
        """As the use case takes it."""
        return NewApiKey(
            self.name,
            self.role,
            self.user_id,
            self.group_id,
            self.expires_at,
            tuple(dict.fromkeys(self.models)),
        )


class RotateApiKeyBody(ApiModel):
    """How a key is rotated."""

    grace_seconds: Annotated[
        int, Field(ge=0, le=_LONGEST_GRACE_SECONDS, description="How long the secret before it is still good.")
    ] = 0

    def grace(self) -> timedelta:
        """As the use case takes it."""
        return timedelta(seconds=self.grace_seconds)


class ApiKeyInfo(ApiModel):
    """An API key without its secret."""

    id: str
    name: str
    role: Literal[Role.ADMIN, Role.USER]
    masked: Annotated[
        str, Field(description="The secret's last characters, to recognise it by.", examples=["dck_…x7Qa"])
    ]
    status: Annotated[ApiKeyStatus, Field(description="`suspended`: its user is deactivated.")]
    user_id: str | None
    group_id: str | None
    models: list[str]
    created_at: datetime
    expires_at: datetime | None
    rotated_at: datetime | None
    last_used_at: Annotated[datetime | None, Field(description="For a metered call, to the minute.")]

    @classmethod
    def of(cls, key: CoreApiKey) -> "ApiKeyInfo":
        """From the core's."""
        return cls(**_fields(key))


class IssuedApiKey(ApiKeyInfo):
    """An API key with its secret, which is not shown again."""

    secret: str

    @classmethod
    def shown(cls, made: ShownApiKey) -> "IssuedApiKey":
        """From what the use case gives."""
        return cls(**_fields(made.key), secret=made.issued.secret)


def _fields(key: CoreApiKey) -> dict[str, Any]:
    names = ApiKeyInfo.model_fields.keys() - {"status"}
    return {**{name: getattr(key, name) for name in names}, "status": key.status(utc_now())}
