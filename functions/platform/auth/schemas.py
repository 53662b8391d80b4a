"""Sign-in on the wire."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from functions.kit.models import ApiModel
from functions.kit.principal import Role


class Me(ApiModel):
    """Who is behind the credential."""

    subject: str
    kind: Literal["user", "api_key", "service"]
    user_id: str | None
    tenant_id: str | None
    roles: list[Role]
    groups: list[str]
    name: str | None = None
    email: str | None = None
    csrf_token: Annotated[
        str | None, Field(description="To be sent as `X-CSRF-Token` with every change; null without a session.")
    ] = None
    session_ends_at: Annotated[
        datetime | None, Field(description="However much it is used; it ends earlier when it rests.")
    ] = None


class SignOutBody(ApiModel):
    """Where the browser goes once it is signed out."""

    return_to: Annotated[str, Field(max_length=2048)] = "/"


class SignedOut(ApiModel):
    """The session is over here."""

    logout_url: Annotated[
        str | None,
        Field(description="To be visited by the browser: ends the provider's session; null where that is away."),
    ]
