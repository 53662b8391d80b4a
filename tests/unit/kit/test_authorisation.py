"""Who may do what: the default policies, and what no policy can change."""

import asyncio
from dataclasses import replace

import pytest

from functions.kit.authorisation import LATER, Requirement, abide_by, authorise, require
from functions.kit.errors import Forbidden
from functions.kit.policies.attributes import Resource
from functions.kit.policies.lines import defaults
from functions.kit.policies.policy_set import PolicySet
from functions.kit.principal import Principal, Role
from tests.unit.kit.policies.someone import abiding_by, allow, deny, policies, someone

ACTIONS = sorted(defaults().actions)
GENEROUS = policies(allow("role:admin", "*"), allow("role:user", "*"), platform=(allow("role:user", "*"),))


def refused(principal: Principal, action: str, tenant: str | None, resource: Resource | None = None) -> bool:
    try:
        authorise(principal, action, tenant, resource or Resource())
    except Forbidden:
        return True
    return False


@pytest.mark.parametrize("added", [PolicySet(), GENEROUS], ids=["default", "generous"])
@pytest.mark.parametrize("action", ACTIONS)
def test_nobody_but_a_superadmin_acts_on_another_tenant(action: str, added: PolicySet) -> None:
    with abiding_by(added):
        authorise(someone(Role.SUPERADMIN, tenant=None), action, "t2")
        for role in (Role.ADMIN, Role.USER):
            assert refused(someone(role), action, "t2")


@pytest.mark.parametrize("action", sorted(defaults().actions - defaults().open - {"policies:write"}))
def test_the_platform_is_the_operators_whatever_policies_say(action: str) -> None:
    with abiding_by(GENEROUS):
        for tenant in (None, "t1"):
            assert refused(someone(Role.ADMIN), action, tenant)
            assert refused(someone(Role.USER), action, tenant)


@pytest.mark.parametrize("action", ACTIONS)
def test_no_policy_stops_a_superadmin(action: str) -> None:
    everybody = ("role:admin", "role:user", "user:u1")
    with abiding_by(policies(*(deny(who, "*") for who in everybody), platform=(deny("user:u1", "*"),))):
        authorise(someone(Role.SUPERADMIN, Role.USER), action, "t1")


def test_a_user_calls_models_and_does_not_see_keys() -> None:
    authorise(someone(Role.USER), "llm:call", None)
    assert refused(someone(Role.USER), "providers:read", "t1")
    authorise(someone(Role.ADMIN), "providers:read", "t1")


def test_who_has_no_role_or_no_tenant_may_nothing() -> None:
    nobody = Principal(subject="s", kind="user", tenant_id="t1", roles=frozenset())
    homeless = Principal(subject="s", kind="user", tenant_id=None, roles=frozenset({Role.ADMIN}))
    for action in ACTIONS:
        assert refused(nobody, action, "t1")
        assert refused(homeless, action, None)


def test_an_unknown_action_cannot_be_required_or_asked() -> None:
    with pytest.raises(KeyError, match="names no action"):
        require("tenants:sell")
    with pytest.raises(KeyError):
        authorise(someone(Role.SUPERADMIN), "tenants:sell", None)


def test_the_refusal_names_the_action_and_nothing_of_the_thing() -> None:
    with pytest.raises(Forbidden) as error:
        authorise(someone(), "providers:read", "t1", Resource(name="secret-plan"))
    assert error.value.details == {"action": "providers:read"}


def test_what_is_known_later_is_refused_at_the_door_only_when_nothing_could_allow_it() -> None:
    own = allow("role:user", "usage:read", "resource.owner == subject.user")
    with abiding_by(policies(own, deny("group:interns", "llm:call", "resource.name != 'small'"))):
        authorise(someone(), "usage:read", "t1", LATER)
        assert refused(someone(), "usage:read", "t1", Resource(owner="somebody else"))
        authorise(someone(groups=("interns",)), "llm:call", None, LATER)
        assert refused(someone(groups=("interns",)), "llm:call", None)
        with pytest.raises(Forbidden):
            authorise(someone(), "providers:read", "t1", LATER)


async def test_each_request_abides_by_its_own_policies() -> None:
    async def asks(added: PolicySet) -> bool:
        abide_by(added)
        await asyncio.sleep(0)
        return refused(someone(), "llm:call", None)

    strict = policies(deny("role:user", "llm:call"))
    assert await asyncio.gather(*map(asyncio.create_task, (asks(strict), asks(PolicySet())))) == [True, False]


def test_what_was_allowed_once_is_asked_anew_of_other_policies_and_for_another_thing() -> None:
    caller = someone()
    small, large = Resource(kind="model", name="small"), Resource(kind="model", name="large")
    strict = policies(deny("role:user", "llm:call", "resource.name == 'large'"))
    for _ in range(2):
        assert not refused(caller, "llm:call", None, large)
        with abiding_by(strict):
            assert not refused(caller, "llm:call", None, small)
            assert refused(caller, "llm:call", None, large)
        assert refused(caller, "llm:call", "t2", small)
        assert refused(caller, "providers:read", None, small)
    with abiding_by(policies(deny("role:user", "llm:call"))):
        assert refused(caller, "llm:call", None, small)


def test_what_one_caller_may_is_not_what_one_like_it_may() -> None:
    caller = someone(Role.ADMIN)
    authorise(caller, "providers:read", "t1")
    assert refused(replace(caller, roles=frozenset({Role.USER})), "providers:read", "t1")
    assert refused(replace(caller, actions=frozenset({"llm:call"})), "providers:read", "t1")
    assert refused(replace(caller, tenant_id="t2"), "providers:read", "t1")


def test_of_endlessly_many_things_a_caller_is_remembered_for_few() -> None:
    caller = someone()
    for number in range(1_000):
        authorise(caller, "llm:call", None, Resource(kind="model", name=str(number)))
    assert len(caller.allowed) < 100


def test_a_requirement_is_one_value() -> None:
    assert require("llm:call", LATER).dependency == Requirement("llm:call", LATER)
