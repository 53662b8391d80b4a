"""What tenants and the platform add, and where additions end."""

import pytest
from pydantic import ValidationError

from functions.kit.policies.attributes import Resource
from functions.kit.policies.documents import MOST_PAIRS
from functions.kit.policies.enforcer import Asked, CachedEnforcer
from functions.kit.policies.lines import Defaults, Line, defaults
from functions.kit.policies.policy_set import PolicySet
from functions.kit.principal import Principal, Role
from tests.unit.kit.policies.someone import TENANT, allow, deny, document, policies, someone

ENFORCER = CachedEnforcer()


def may(added: PolicySet, principal: Principal, action: str, resource: Resource | None = None) -> bool:
    return ENFORCER.allows(added, added.subject(principal), action, Asked(TENANT, resource or Resource()))


def test_a_denial_beats_every_permission() -> None:
    added = policies(allow("user:u1", "usage:read"), allow("group:a", "usage:read"), deny("group:b", "usage:read"))
    assert may(added, someone(groups=("a",)), "usage:read")
    assert not may(added, someone(groups=("a", "b")), "usage:read")
    assert not may(added, someone(Role.ADMIN, groups=("b",)), "usage:read")


def test_a_policy_speaks_of_those_it_names() -> None:
    added = policies(allow("user:u2", "usage:read"), allow("key:k1", "providers:read"))
    assert may(added, someone(user="u2"), "usage:read")
    assert not may(added, someone(user="u1"), "usage:read")
    assert may(added, someone(user=None, api_key_id="k1"), "providers:read")
    assert not may(added, someone(user="k1"), "providers:read")


def test_an_admin_is_not_meant_by_what_is_said_of_users() -> None:
    added = policies(deny("role:user", "llm:call"))
    assert may(added, someone(Role.ADMIN), "llm:call")
    assert not may(added, someone(Role.USER), "llm:call")
    assert not may(added, someone(Role.USER, Role.ADMIN), "llm:call")


def test_roles_may_be_members_of_roles_even_in_circles() -> None:
    roles = (
        {"name": "auditor", "members": ["role:controller", "group:audit"]},
        {"name": "controller", "members": ["user:u1", "role:auditor"]},
    )
    added = policies(allow("role:auditor", "usage:read"), allow("role:controller", "providers:read"), roles=roles)
    for action in ("usage:read", "providers:read"):
        assert may(added, someone(user="u1"), action)
        assert may(added, someone(user="u2", groups=("audit",)), action)
        assert not may(added, someone(user="u2"), action)


def test_the_platform_may_allow_what_it_likes_to_a_tenants_people_and_deny_what_they_allow() -> None:
    platform = (deny("role:user", "llm:call", "subject.plan == 'free'"), allow("role:user", "usage:read"))
    added = policies(allow("role:user", "llm:call"), platform=platform)
    assert not may(added, someone(plan="free"), "llm:call")
    assert may(added, someone(plan="standard"), "llm:call")
    assert may(added, someone(), "usage:read")


@pytest.mark.parametrize("action", sorted(defaults().actions - defaults().grantable))
@pytest.mark.parametrize("pattern", ["exact", "domain", "all"])
def test_a_stored_policy_that_grants_too_much_grants_nothing(action: str, pattern: str) -> None:
    named = {"exact": action, "domain": f"{action.partition(':')[0]}:*", "all": "*"}[pattern]
    assert not may(policies(allow("role:user", named)), someone(Role.USER), action)


def test_admins_cannot_be_kept_from_changing_policies() -> None:
    everywhere = deny("role:admin", "*")
    assert may(policies(everywhere, platform=(everywhere,)), someone(Role.ADMIN), "policies:write")
    assert not may(policies(everywhere), someone(Role.ADMIN), "policies:read")


def test_actions_are_the_operators_where_no_role_of_a_tenant_has_them() -> None:
    assert {"tenants:create", "tenants:list"}.isdisjoint(defaults().open)
    assert defaults().grantable <= defaults().open < defaults().actions


def test_a_tenant_grants_only_what_its_admins_may_without_condition() -> None:
    base = Defaults(
        [
            Line("role:admin", "reports:read", "", "allow"),
            Line("role:admin", "reports:write", "subject.kind == 'user'", "allow"),
            Line("role:user", "reports:own", "", "allow"),
        ]
    )
    everything = allow("group:a", "*")
    member = someone(Role.USER, groups=("a",))
    by_tenant = PolicySet(None, document(everything), base)
    by_platform = PolicySet(document(everything), None, base)
    assert [may(by_tenant, member, f"reports:{verb}") for verb in ("read", "write", "own")] == [True, False, True]
    assert [may(by_platform, member, f"reports:{verb}") for verb in ("read", "write", "own")] == [True, True, True]
    denied = PolicySet(None, document(deny("role:user", "reports:own")), base)
    assert not may(denied, member, "reports:own")


def test_another_tenants_things_are_refused_by_the_model_too() -> None:
    added = policies(allow("role:user", "usage:read"))
    subject = added.subject(someone())
    assert ENFORCER.allows(added, subject, "usage:read", Asked(TENANT, Resource()))
    assert not ENFORCER.allows(added, subject, "usage:read", Asked("t2", Resource()))


@pytest.mark.parametrize(
    ("roles", "rules"),
    [
        ([{"name": "admin", "members": ["user:u1"]}], []),
        ([{"name": "superadmin", "members": ["user:u1"]}], []),
        ([{"name": "Ours", "members": []}], []),
        ([{"name": "ours", "members": ["role:theirs"]}], []),
        ([{"name": "ours", "members": ["role:superadmin"]}], []),
        ([{"name": "ours", "members": ["u1"]}], []),
        ([{"name": "ours", "members": []}] * 2, []),
        ([], [allow("role:ours", "llm:call")]),
        ([], [allow("role:superadmin", "llm:call")]),
        ([], [allow("anna", "llm:call")]),
        ([], [allow("user:\x00", "llm:call")]),
        ([], [allow("user:\ud800", "llm:call")]),
        ([], [allow("role:user", "llm")]),
        ([], [allow("role:user", "llm:[a-z]*")]),
        ([], [allow("role:user", "llm:call", "resource.colour == 'red'")]),
        ([], [{**allow("role:user", "llm:call"), "effect": "perhaps"}]),
        ([], [{**allow("role:user", "llm:call"), "name": "same"}] * 2),
        ([], [{**allow("role:user", "llm:call"), "who": []}]),
        ([], [{**allow("role:user", "llm:call"), "extra": 1}]),
        (
            [],
            [
                {"who": ["role:user"] * 50, "actions": ["llm:call"] * 50, "effect": "deny"}
                for _ in range(MOST_PAIRS // 2500 + 1)
            ],
        ),
    ],
)
def test_a_document_that_makes_no_sense_is_refused(roles: list[object], rules: list[dict[str, object]]) -> None:
    with pytest.raises(ValidationError):
        document(*rules, roles=tuple(roles))  # type: ignore[arg-type]
