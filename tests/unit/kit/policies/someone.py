"""Callers and policies for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from functions.kit.authorisation import _policies, abide_by
from functions.kit.policies.documents import PolicyDocument
from functions.kit.policies.policy_set import PolicySet
from functions.kit.principal import Principal, Role

TENANT = "t1"


def someone(
    *roles: Role, groups: tuple[str, ...] = (), user: str | None = "u1", tenant: str | None = TENANT, **more: Any
) -> Principal:
    """A caller: a person of role user, unless it says otherwise."""
    fields = {"subject": user or "s", "kind": "user", "tenant_id": tenant, "user_id": user, **more}
    return Principal(roles=frozenset(roles or {Role.USER}), groups=frozenset(groups), **fields)


def policies(
    *rules: dict[str, Any], roles: tuple[dict[str, Any], ...] = (), platform: tuple[dict[str, Any], ...] = ()
) -> PolicySet:
    """The set that adds these rules, names filled in."""
    return PolicySet(document(*platform), document(*rules, roles=roles))


def document(*rules: dict[str, Any], roles: tuple[dict[str, Any], ...] = ()) -> PolicyDocument:
    named = [{"name": f"rule {number}", **rule} for number, rule in enumerate(rules)]
    return PolicyDocument.model_validate({"roles": roles, "policies": named})


def allow(who: str, action: str, when: str = "") -> dict[str, Any]:
    return {"who": [who], "actions": [action], "when": when, "effect": "allow"}


def deny(who: str, action: str, when: str = "") -> dict[str, Any]:
    return {"who": [who], "actions": [action], "when": when, "effect": "deny"}


@contextmanager
def abiding_by(chosen: PolicySet) -> Iterator[None]:
    """These policies hold within the block, as they do within a request."""
    token = _policies.set(None)
    abide_by(chosen)
    try:
        yield
    finally:
        _policies.reset(token)
