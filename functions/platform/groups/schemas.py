"""Groups on the wire."""

from datetime import datetime
from typing import Annotated, cast

from pydantic import Field

from functions.kit.models import ApiModel
from functions.kit.patches import Patch
from functions.platform.core.members import GroupChanges
from functions.platform.wire_types import Id, Name

Description = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")]


class CreateGroupBody(ApiModel):
    """A group, with nobody in it."""

    name: Annotated[Name, Field(description="Unique within the tenant, in either case.")]
    description: Description = ""


class UpdateGroupBody(Patch):
    """What is to change."""

    name: Name | None = None
    description: Description | None = None

    def changes(self) -> GroupChanges:
        """As the use case takes them."""
        return cast("GroupChanges", self.given())


class Group(ApiModel):
    """A group of users. Policies and limits name it by its id."""

    id: str
    name: str
    description: str
    members: Annotated[int, Field(description="How many users are in it.")]
    created_at: datetime
    updated_at: datetime


class GroupMembersBody(ApiModel):
    """All the users that a group is to have."""

    user_ids: Annotated[list[Id], Field(max_length=10_000)]
