"""Who may do what: one dependency that every route carries, decided by the policies of docs/abac.md."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal

from fastapi import Depends, Request

from functions.kit.context import current
from functions.kit.errors import Forbidden, InvalidRequest, Unauthenticated
from functions.kit.policies.attributes import Resource
from functions.kit.policies.enforcer import Asked, enforcer
from functions.kit.policies.lines import defaults
from functions.kit.policies.policy_set import PolicySet, default_policies
from functions.kit.principal import Principal

PUBLIC = "public"
# Things that one credential is remembered to be allowed to use: the few models that are asked for again and again.
_MOST_REMEMBERED = 32


class _Later(Enum):
    LATER = "later"

    # Enum's own goes by the name, in Python.
    __hash__ = object.__hash__


# For `require`: the resource is only known from the body or the database; the use case calls `authorise` once it is.
LATER: Final = _Later.LATER
ResourceOf = Callable[[Request], Resource]

_NOTHING_KNOWN = Resource()
_policies: ContextVar[PolicySet | None] = ContextVar("dcoder_policies", default=None)


def abide_by(policies: PolicySet) -> None:
    """Decide what the current request asks by these policies, its tenant's; without them the default ones hold."""
    _policies.set(policies)


def authorise(
    principal: Principal,
    action: str,
    tenant_id: str | None,
    resource: Resource | Literal[_Later.LATER] = _NOTHING_KNOWN,
) -> None:
    """Allow, or refuse, an action on a tenant's things.

    That nobody but a superadmin leaves the own tenant is settled here, before any policy is asked.

    Args:
        tenant_id: the tenant whose things they are; None for the caller's own, or the platform's.
        resource: which thing it is, as far as known; LATER when this is asked again with the thing at hand.

    Raises:
        Forbidden: it may not. The answer is the same whether or not the thing exists.
        KeyError: there is no such action.
    """
    policies = _policies.get() or default_policies()
    # All that the answer depends on: neither policies nor a principal ever change, others are made in their place.
    question = (policies.number, action, tenant_id, resource)
    if question not in principal.allowed:
        _decide(principal, action, tenant_id, resource, policies)
        if len(principal.allowed) >= _MOST_REMEMBERED:
            principal.allowed.clear()
        principal.allowed.add(question)


def _decide(
    principal: Principal,
    action: str,
    tenant_id: str | None,
    resource: Resource | Literal[_Later.LATER],
    policies: PolicySet,
) -> None:
    _check_known(action)
    if principal.actions is not None and action not in principal.actions:
        raise Forbidden("the credential is not for this", details={"action": action})
    if principal.is_superadmin:
        return
    if principal.tenant_id is None or tenant_id not in {None, principal.tenant_id}:
        raise Forbidden("this belongs to another tenant", details={"action": action})
    later = resource is LATER
    asked = Asked(principal.tenant_id, _NOTHING_KNOWN if resource is LATER else resource, later)
    if not enforcer().allows(policies, policies.subject(principal), action, asked):
        raise Forbidden("no policy allows you this", details={"action": action})


@dataclass(frozen=True, slots=True)
class Requirement:
    """A route's requirement; the kit enforces it before the body is read. As a dependency it gives the principal."""

    action: str
    resource: ResourceOf | Literal[_Later.LATER] | None = None

    async def __call__(self) -> Principal | None:
        """The caller, already authorised; None on a public route."""
        return current().principal

    def resource_of(self, request: Request) -> Resource | Literal[_Later.LATER]:
        """What the request is about, as far as its line and headers say."""
        if self.resource is None or self.resource is LATER:
            return self.resource or _NOTHING_KNOWN
        return self.resource(request)


def require(action: str, resource: ResourceOf | Literal[_Later.LATER] | None = None) -> Any:
    """What guards a route and gives it its principal, as an annotation or in `dependencies`.

    Args:
        resource: tells from the request what it is about, for policies with conditions; LATER when only the use case
            can tell, which then calls `authorise` itself. The path parameter `tenantId` is the resource's tenant.

    Raises:
        KeyError: no default policy names the action.
    """
    if action != PUBLIC:
        _check_known(action)
    return Depends(Requirement(action, resource))


def principal() -> Principal:
    """Who asks.

    Raises:
        Unauthenticated: the route is public and nobody signed in.
    """
    caller = current().principal
    if caller is None:
        raise Unauthenticated("a credential is required")
    return caller


def tenant_named(request: Request) -> str:
    """The tenant that a request is about where its path names none: the caller's, or the one in `X-Tenant-Id`.

    Raises:
        InvalidRequest: a superadmin named none.
    """
    tenant_id = principal().tenant_id or request.headers.get("x-tenant-id")
    if tenant_id is None:
        raise InvalidRequest("name the tenant in X-Tenant-Id")
    return tenant_id


def _check_known(action: str) -> None:
    if action not in defaults().actions:
        raise KeyError(f"functions/kit/policies/default.csv names no action {action}")
