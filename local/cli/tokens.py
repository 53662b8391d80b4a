"""Bearer tokens from the local OpenID provider."""

import uuid
from urllib.parse import urlencode

from local.cli.errors import CommandError
from local.cli.http import call
from local.embedded.components.identity import COMMAND_LINE_CLIENT, IMPERSONATE
from local.embedded.stack import Stack

SUPERADMIN = "superadmin"


def issue_token(
    stack: Stack, role: str = SUPERADMIN, *, tenant: str | None = None, user: str | None = None, ttl: int | None = None
) -> str:
    """A token of a role.

    Args:
        tenant: id or slug; needed by every role but superadmin.
        ttl: life in seconds; zero or less gives one that has expired.

    Raises:
        CommandError: the tenant is missing or unknown, or the provider refuses.
    """
    if tenant is None and role != SUPERADMIN:
        raise CommandError(f"a token of role {role} needs --tenant")
    asked = {
        "role": role,
        "tenant": tenant_id(stack, tenant) if tenant else None,
        "user": user,
        "ttl": None if ttl is None else str(ttl),
    }
    form = {
        "grant_type": IMPERSONATE,
        "client_id": COMMAND_LINE_CLIENT,
        "client_secret": stack.credentials.oidc_client_secret,
        **{name: value for name, value in asked.items() if value is not None},
    }
    answer = call("POST", f"http://{stack.ports.address('oidc')}/token", form=form)
    if answer.status != 200:
        raise CommandError(f"the OpenID provider refuses: {answer.trouble}")
    return str(answer.body["access_token"])


def find_tenant(stack: Stack, slug: str, token: str) -> str | None:
    """The id of the tenant with that slug."""
    cursor: str | None = None
    while True:
        query = urlencode({"limit": "100", **({"cursor": cursor} if cursor else {})})
        answer = call("GET", f"http://{stack.ports.address('edge')}/v1/tenants?{query}", token=token)
        if answer.status != 200:
            raise CommandError(f"tenants cannot be listed: {answer.trouble}")
        for tenant in answer.body["items"]:
            if tenant["slug"] == slug:
                return str(tenant["id"])
        cursor = answer.body.get("nextCursor")
        if not cursor:
            return None


def tenant_id(stack: Stack, tenant: str) -> str:
    """The id of the tenant of that id or slug.

    Raises:
        CommandError: there is none of that slug.
    """
    try:
        return str(uuid.UUID(tenant))
    except ValueError:
        found = find_tenant(stack, tenant, issue_token(stack))
    if found is None:
        raise CommandError(f"there is no tenant {tenant!r}")
    return found
