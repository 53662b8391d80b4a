"""Who may do what: one table of actions, one dependency that every route carries."""

from dataclasses import dataclass
from typing import Any

from fastapi import Depends

from functions.kit.context import current
from functions.kit.errors import Forbidden, Unauthenticated
from functions.kit.principal import Principal, Role

PUBLIC = "public"

_EVERYONE = frozenset({Role.SUPERADMIN, Role.ADMIN, Role.USER})
_ADMINS = frozenset({Role.SUPERADMIN, Role.ADMIN})
_OPERATOR = frozenset({Role.SUPERADMIN})

# Which roles may do an action; outside its own tenant nobody but a superadmin may do anything.
POLICY: dict[str, frozenset[Role]] = {
    "tenants:create": _OPERATOR,
    "tenants:list": _OPERATOR,
    "tenants:read": _ADMINS,
    "providers:read": _ADMINS,
    "providers:write": _ADMINS,
    "usage:read": _ADMINS,
    "llm:call": _EVERYONE,
}


def authorise(principal: Principal, action: str, tenant_id: str | None) -> None:
    """Allow, or refuse, an action on a tenant's things.

    Args:
        tenant_id: the tenant whose things they are; None for the platform's own.

    Raises:
        Forbidden: it may not. The answer is the same whether or not the thing exists.
    """
    if not principal.roles & POLICY[action]:
        raise Forbidden("your role does not allow this", details={"action": action})
    if not principal.is_superadmin and tenant_id is not None and tenant_id != principal.tenant_id:
        raise Forbidden("this belongs to another tenant", details={"action": action})


@dataclass(frozen=True, slots=True)
class Requirement:
    """A route's requirement; the kit enforces it before the body is read. As a dependency it gives the principal."""

    action: str

    async def __call__(self) -> Principal | None:
        """The caller, already authorised; None on a public route."""
        return current().principal


def require(action: str) -> Any:
    """What guards a route and gives it its principal, as an annotation or in `dependencies`.

    Raises:
        KeyError: no policy names the action.
    """
    if action != PUBLIC:
        POLICY[action]
    return Depends(Requirement(action))


def principal() -> Principal:
    """Who asks.

    Raises:
        Unauthenticated: the route is public and nobody signed in.
    """
    caller = current().principal
    if caller is None:
        raise Unauthenticated("a credential is required")
    return caller
