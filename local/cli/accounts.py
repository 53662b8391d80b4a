"""Accounts with the local OpenID provider."""

import hashlib
import secrets

from local.cli.tokens import tenant_id
from local.embedded.components.identity import add_account
from local.embedded.stack import Stack


def open_account(stack: Stack, email: str, tenant: str, role: str) -> str:
    """Let somebody sign in as a tenant's user; gives the password.

    Raises:
        CommandError: there is no such tenant.
    """
    address, password = email.strip().lower(), secrets.token_urlsafe(12)
    found = tenant_id(stack, tenant)
    organization = {"id": f"org-{found}", "tenantId": found, "roles": [role]}
    account: dict[str, object] = {
        "sub": f"account-{hashlib.sha256(address.encode()).hexdigest()[:16]}",
        "email": address,
        "name": address.partition("@")[0],
        "roles": [role] if role == "superadmin" else [],
        "organizations": [organization],
    }
    add_account(stack.home.root / "identity", account, password)
    return password
