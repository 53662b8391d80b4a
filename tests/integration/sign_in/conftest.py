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
    """Opens accounts, or changes one: each with one organisation per tenant and the role there."""

    def make(*tenants: Tenant, role: str = "user", roles: tuple[str, ...] = (), person: Person | None = None) -> Person:
        name = f"p-{secrets.token_hex(6)}"
        person = person or Person(name, f"{name}@example.com", secrets.token_urlsafe(9))
        account: dict[str, object] = {
            "sub": person.subject,
            "email": person.email,
            "name": "Ada",
            "roles": list(roles),
            "organizations": [{"id": f"org-{t.id}", "tenantId": t.id, "roles": [role]} for t in tenants],
        }
        add_account(Path(platform.home) / "identity", account, person.password)
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
