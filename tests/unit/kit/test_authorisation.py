"""Who may do what."""

import pytest

from functions.kit.authorisation import POLICY, authorise, require
from functions.kit.errors import Forbidden
from functions.kit.principal import Principal, Role


def someone(role: Role, tenant: str | None = "t1") -> Principal:
    return Principal(subject="s", kind="user", tenant_id=tenant, roles=frozenset({role}))


@pytest.mark.parametrize("action", sorted(POLICY))
def test_nobody_but_a_superadmin_acts_on_another_tenant(action: str) -> None:
    authorise(someone(Role.SUPERADMIN, None), action, "t2")
    for role in (Role.ADMIN, Role.USER):
        with pytest.raises(Forbidden):
            authorise(someone(role), action, "t2")


@pytest.mark.parametrize("action", ["tenants:create", "tenants:list"])
def test_the_platform_is_the_operators(action: str) -> None:
    for role in (Role.ADMIN, Role.USER):
        with pytest.raises(Forbidden):
            authorise(someone(role), action, None)


def test_a_user_calls_models_and_does_not_see_keys() -> None:
    authorise(someone(Role.USER), "llm:call", None)
    with pytest.raises(Forbidden):
        authorise(someone(Role.USER), "providers:read", "t1")


def test_an_unknown_action_cannot_be_required() -> None:
    with pytest.raises(KeyError):
        require("tenants:sell")
