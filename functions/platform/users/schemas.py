"""Users on the wire."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal, cast

from pydantic import Field

from functions.kit.models import ApiModel
from functions.kit.patches import Patch
from functions.kit.principal import Role
from functions.platform.core.members import NewUser, UserChanges, UserStatus
from functions.platform.wire_types import Id, Name

Email = Annotated[
    str,
    Field(
        max_length=254,
        pattern=r"^[^@\s\x00-\x1f\x7f<>\"(),:;\[\]\\]{1,64}@[^@\s\x00-\x1f\x7f<>\"(),:;\[\]\\]+\.[A-Za-z0-9-]{2,63}$",
        examples=["ada@example.com"],
    ),
]
Subject = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="The account, as the identity provider names it (claim `sub`).",
    ),
]


class CreateUserBody(ApiModel):
    """Who is registered. With `subject` the user is active at once, else invited until the account is known."""

    email: Email
    name: Name | None = None
    role: Role = Role.USER
    subject: Subject | None = None
    groups: Annotated[list[Id], Field(max_length=100, description="Ids of groups to begin in.")] = Field(
        default_factory=list
    )

    def wanted(self) -> NewUser:
        """As the use case takes it."""
        return NewUser(self.email, self.role, self.name, self.subject, tuple(self.groups))


class UpdateUserBody(Patch):
    """What is to change. Who is `deactivated` is refused within seconds, with every token and key."""

    clearable: ClassVar[frozenset[str]] = frozenset({"name"})

    name: Name | None = None
    role: Role | None = None
    status: Literal[UserStatus.ACTIVE, UserStatus.DEACTIVATED] | None = None
    subject: Subject | None = None

    def changes(self) -> UserChanges:
        """As the use case takes them."""
        return cast("UserChanges", self.given())


class User(ApiModel):
    """A user of a tenant."""

    id: str
    email: str
    name: str | None
    role: Role
    status: Literal[UserStatus.INVITED, UserStatus.ACTIVE, UserStatus.DEACTIVATED]
    subject: str | None
    groups: Annotated[list[str], Field(description="Ids of the groups the user is in.")]
    created_at: datetime
    updated_at: datetime
