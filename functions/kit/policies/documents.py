"""Policies as they are written, sent and stored: named, with several subjects and actions each."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from functions.kit.models import ApiModel
from functions.kit.policies.conditions import LONGEST, condition
from functions.kit.principal import Role

MOST_PAIRS = 1_000
_BUILT_IN = frozenset(str(role) for role in Role)
_PRINTABLE = r"[^\x00-\x1f\x7f]"

RoleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
Who = Annotated[
    str,
    StringConstraints(pattern=rf"^(role|group|user|key):{_PRINTABLE}{{1,200}}$"),
    Field(description="`role:`, `group:`, `user:` or `key:` (an API key's id), and its name or id."),
]
ActionPattern = Annotated[
    str,
    StringConstraints(pattern=r"^(\*|[a-z][a-z-]{0,62}:(\*|[a-z][a-z-]{0,62}))$"),
    Field(description="`domain:verb`, `domain:*` or `*`."),
]


def _compiled(text: str) -> str:
    condition(text)
    return text.strip()


When = Annotated[
    str,
    StringConstraints(max_length=LONGEST),
    AfterValidator(_compiled),
    Field(description="Condition over attributes of `subject` and `resource`; empty always holds."),
]


class TenantRole(ApiModel):
    """A tenant's own role: a name for those who are members."""

    name: RoleName
    members: Annotated[list[Who], Field(max_length=1000)]

    @model_validator(mode="after")
    def _is_new(self) -> Self:
        if self.name in _BUILT_IN:
            raise ValueError(f"{self.name} is a role of the platform and cannot be given here")
        if f"role:{Role.SUPERADMIN}" in self.members:
            raise ValueError("superadmins need no role")
        return self


class AccessPolicy(ApiModel):
    """Allows or denies actions to somebody, under a condition."""

    name: Annotated[str, StringConstraints(pattern=rf"^{_PRINTABLE}{{1,200}}$")]
    who: Annotated[list[Who], Field(min_length=1, max_length=50)]
    actions: Annotated[list[ActionPattern], Field(min_length=1, max_length=50)]
    when: When = ""
    effect: Literal["allow", "deny"]


class PolicyDocument(ApiModel):
    """All that one tenant, or the platform, adds to the default policies."""

    roles: Annotated[list[TenantRole], Field(max_length=50)] = Field(default_factory=list)
    policies: Annotated[list[AccessPolicy], Field(max_length=100)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        for what in (self.roles, self.policies):
            names = [each.name for each in what]
            if len(set(names)) < len(names):
                raise ValueError("two have the same name")
        return self

    @model_validator(mode="after")
    def _roles_exist(self) -> Self:
        known = {f"role:{name}" for name in (*_BUILT_IN - {Role.SUPERADMIN}, *(role.name for role in self.roles))}
        named = [*(who for policy in self.policies for who in policy.who), *(m for r in self.roles for m in r.members)]
        for who in named:
            if who.startswith("role:") and who not in known:
                raise ValueError(f"there is no {who}")
        return self

    @model_validator(mode="after")
    def _is_not_vast(self) -> Self:
        if sum(len(policy.who) * len(policy.actions) for policy in self.policies) > MOST_PAIRS:
            raise ValueError(f"these are more than {MOST_PAIRS} pairs of subject and action")
        return self
