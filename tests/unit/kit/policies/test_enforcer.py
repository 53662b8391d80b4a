"""What is remembered is what Casbin says, and is as true after a thousand other questions."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.kit.policies.attributes import UNKNOWN, Resource
from functions.kit.policies.conditions import Truth, condition
from functions.kit.policies.enforcer import Asked, CachedEnforcer
from functions.kit.policies.lines import defaults
from functions.kit.policies.lru import Lru
from functions.kit.policies.policy_set import PolicySet
from functions.kit.principal import Principal, Role
from tests.unit.kit.policies.someone import TENANT, allow, deny, policies, someone

ENFORCER = CachedEnforcer()
FORGETFUL = CachedEnforcer(size=2)
_SETS: list[PolicySet] = []
NAMES = ["role:admin", "role:user", "group:a", "group:b", "user:u1", "user:u2", "key:k1"]
WHENS = [
    "",
    "resource.owner == subject.user",
    "resource.owner != subject.user",
    "resource.region in ('eu', 'us')",
    "resource.region not in ('eu',) or 'a' in subject.groups",
    "resource.groups & subject.groups",
    "not (subject.kind == 'api_key' and resource.name == 'x')",
]
texts = st.sampled_from([UNKNOWN, None, "u1", "u2", "eu", "us", "x"])
resources = st.builds(
    Resource,
    name=texts,
    owner=texts,
    region=texts,
    groups=st.sampled_from([UNKNOWN, frozenset[str](), frozenset({"a"}), frozenset({"a", "b"})]),
)
rules = st.builds(
    lambda make, who, action, when: make(who, action, when),
    st.sampled_from([allow, deny]),
    st.sampled_from(NAMES),
    st.sampled_from([*sorted(defaults().actions), "*", "usage:*", "policies:*"]),
    st.sampled_from(WHENS),
)
callers = st.builds(
    lambda roles, groups, user, key: someone(*roles, groups=tuple(groups), user=user, api_key_id=key),
    st.sets(st.sampled_from([Role.ADMIN, Role.USER]), min_size=1),
    st.sets(st.sampled_from(["a", "b"])),
    st.sampled_from(["u1", "u2", None]),
    st.sampled_from(["k1", None]),
)
actions = st.sampled_from(sorted(defaults().actions))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(rules, max_size=6), st.lists(rules, max_size=3), callers, actions, resources, st.booleans())
def test_a_decision_is_what_the_rules_say_read_one_by_one(
    own: list[dict[str, Any]],
    platform: list[dict[str, Any]],
    caller: Principal,
    action: str,
    resource: Resource,
    later: bool,
) -> None:
    added = policies(*own, platform=tuple(platform))
    subject, asked = added.subject(caller), Asked(TENANT, resource, later)
    expected = said(added, caller, action, asked, [(rule, True) for rule in own] + [(r, False) for r in platform])
    for enforcer in (ENFORCER, ENFORCER, FORGETFUL):
        assert enforcer.allows(added, subject, action, asked) is expected


def said(
    added: PolicySet, caller: Principal, action: str, asked: Asked, rules: list[tuple[dict[str, Any], bool]]
) -> bool:
    """The decision by the words of docs/abac.md, computed the long way."""
    subject, base = added.subject(caller), defaults()
    effects = {line.effect for line in base.lines if line.action == action and line.who in subject.names}
    for rule, by_tenant in rules:
        pattern = rule["actions"][0]
        names_it = pattern in {"*", action, f"{action.partition(':')[0]}:*"}
        sayable = base.grantable if by_tenant and rule["effect"] == "allow" else base.open
        if not names_it or action not in sayable or rule["who"][0] not in subject.names:
            continue
        test = condition(rule["when"])
        truth: Truth = test(subject, asked.resource) if test else True
        if truth is None:
            truth = (rule["effect"] == "deny") != asked.later
        effects |= {rule["effect"]} if truth else set()
    return "allow" in effects and "deny" not in effects


def test_a_changed_policy_is_decided_anew() -> None:
    before, after = policies(allow("role:user", "usage:read")), policies(deny("role:user", "usage:read"))
    for added, expected in ((before, True), (after, False), (before, True)):
        assert ENFORCER.allows(added, added.subject(someone()), "usage:read", Asked(TENANT, Resource())) is expected


def test_memory_is_bounded() -> None:
    kept: Lru[int, str] = Lru(3)
    for number in range(10):
        kept.put(number, str(number))
        kept.get(7)
    assert len(kept) == 3
    assert [kept.get(number) for number in (6, 7, 8, 9)] == [None, "7", "8", "9"]
    kept.drop(8)
    assert kept.get(8) is None
    kept.clear()
    assert not len(kept)


def test_many_things_need_no_more_memory_than_few() -> None:
    enforcer = CachedEnforcer()
    added = policies(allow("role:user", "usage:read", "resource.owner == subject.user"))
    for number in range(500):
        enforcer.allows(
            added, added.subject(someone(user=f"u{number}")), "usage:read", Asked(TENANT, Resource(owner="u7"))
        )
    assert len(enforcer._decided) == 2
