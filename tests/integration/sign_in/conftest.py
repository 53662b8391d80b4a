"""Browsers, and accounts with the embedded identity provider."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from local.embedded.components.identity import add_account
from tests.integration.sign_in.browser import Browser, Person
from tests.platform import Platform, Tenant

NewPerson = Callable[..., Person]
NewBrowser = Callable[[], Browser]
SESSION = "dcoder_session"
# Below the five seconds for which what is known of a user is trusted unasked.
SOON = 4.0


@pytest.fixture
def new_person(platform: Platform) -> NewPerson:
    """Opens accounts: each with one organisation per tenant and the roles there."""

    def make(*tenants: Tenant, role: str = "user", roles: tuple[str, ...] = (), **fields: object) -> Person:
        name = f"p-{secrets.token_hex(6)}"
        person = Person(name, f"{name}@example.com", secrets.token_urlsafe(9))
        organizations = [{"id": f"org-{t.id}", "tenantId": t.id, "roles": [role]} for t in tenants]
        account = {"sub": name, "email": person.email, "name": "Ada", "roles": list(roles), **fields}
        folder = Path(platform.home) / "identity"
        add_account(folder, {**account, "organizations": organizations}, person.password)
        return person

    return make


@pytest.fixture
async def new_browser(platform: Platform) -> AsyncIterator[NewBrowser]:
    async with AsyncExitStack() as stack:

        def make() -> Browser:
            browser = Browser(platform.edge)
            stack.push_async_callback(browser.close)
            return browser

        yield make


@pytest.fixture
async def browser(new_browser: NewBrowser) -> Browser:
    return new_browser()
