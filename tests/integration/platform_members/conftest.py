"""Who asks, and what is asked again until it is so."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.platform import Api, Platform, Reply, Tenant, eventually

# Below the five seconds for which a verified credential is trusted unasked: only an event can be faster.
SOON = 4.0
QUESTION = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "What is a quay?"}]}


@dataclass(frozen=True)
class Admin:
    """A tenant's admin at work."""

    api: Api
    tenant: Tenant

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        return await self.api.call(method, f"/v1/tenants/{self.tenant.id}{path}", body, **headers)

    def as_(self, credential: str) -> "Admin":
        return Admin(self.api.as_(credential), self.tenant)

    async def made(self, path: str, body: Any) -> dict[str, Any]:
        reply = await self("POST", path, body)
        assert reply.status == 201, reply.body
        made: dict[str, Any] = reply.body
        return made

    async def user(self, subject: str | None = None, **fields: Any) -> dict[str, Any]:
        return await self.made("/users", {"email": new_email(), **({"subject": subject} if subject else {}), **fields})

    async def key(self, **fields: Any) -> dict[str, Any]:
        return await self.made("/api-keys", {"name": "a key", **fields})


@pytest.fixture
def admin(api: Api, tenant: Tenant) -> Admin:
    """The tenant's first API key, of role admin."""
    return Admin(api.as_(tenant.key), tenant)


@pytest.fixture
def as_operator(operator: Api, tenant: Tenant) -> Admin:
    """The platform's operator on the tenant."""
    return Admin(operator, tenant)


@pytest.fixture
def token_of(platform: Platform, tenant: Tenant) -> Callable[..., str]:
    """Gives the token that the identity provider would give an account of the tenant."""

    def issue(subject: str, role: str = "user") -> str:
        return platform.token("--role", role, "--tenant", tenant.id, "--user", subject)

    return issue


def new_email() -> str:
    return f"u{uuid.uuid4().hex[:10]}@example.com"


def new_subject() -> str:
    return f"s-{uuid.uuid4().hex[:10]}"


async def may(api: Api, wanted: int, method: str = "GET", path: str = "/v1/models", body: Any = None) -> Reply:
    """Ask until the answer has this status."""
    last: list[Reply] = []

    async def asked() -> bool:
        last[:] = [await api.call(method, path, body)]
        return last[0].status == wanted

    await eventually(asked, SOON)
    return last[0]


def behind_the_edge(api: Api, platform: Platform, host: str) -> Api:
    """The same caller, straight at the functions."""
    return Api(api.session, str(platform.status["components"][host]["address"]), api.credential)
