"""A tenant's librarian, and readers of its groups."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from tests.integration.conftest import NewTenant
from tests.platform import Api, Reply, Tenant, eventually

OVER = {"indexed", "failed", "cancelled", "superseded"}
# The first document waits for the parsers to start, on a machine that may be busy.
PATIENCE = 110.0
MODEL = "openai/text-embedding-3-small"


@dataclass(frozen=True)
class Library:
    """A tenant's knowledge, as somebody of it sees it."""

    api: Api
    tenant: Tenant

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        return await self.api.call(method, path, body, **headers)

    def as_(self, credential: str) -> "Library":
        return Library(self.api.as_(credential), self.tenant)

    async def made(self, path: str, body: Any, status: int = 202) -> dict[str, Any]:
        reply = await self("POST", path, body)
        assert reply.status == status, reply.body
        made: dict[str, Any] = reply.body
        return made

    async def corpus(self, name: str = "Papers", **fields: Any) -> dict[str, Any]:
        return await self.made("/v1/corpora", {"name": name, **fields}, 201)

    async def add(self, corpus: dict[str, Any], name: str, content: str, **fields: Any) -> dict[str, Any]:
        return await self.made("/v1/documents", {"corpusId": corpus["id"], "name": name, "content": content, **fields})

    async def upload(self, corpus: dict[str, Any], name: str, content: bytes, **fields: str) -> Reply:
        form = aiohttp.FormData()
        for field, value in {"corpusId": corpus["id"], **fields}.items():
            form.add_field(field, value)
        form.add_field("file", content, filename=name)
        headers = {"authorization": f"Bearer {self.api.credential}"}
        async with self.api.session.post(f"{self.api.base}/v1/documents", data=form, headers=headers) as response:
            return Reply(response.status, dict(response.headers), await response.json())

    async def get(self, path: str) -> dict[str, Any]:
        reply = await self("GET", path)
        assert reply.status == 200, reply.body
        got: dict[str, Any] = reply.body
        return got

    async def settled(self, document: dict[str, Any]) -> dict[str, Any]:
        """The document once nothing is left to do for it."""

        async def over() -> dict[str, Any]:
            found = await self.get(f"/v1/documents/{document['id']}")
            return found if found["status"] in OVER else {}

        return await eventually(over, PATIENCE)

    async def job_over(self, job_id: str) -> dict[str, Any]:
        async def over() -> dict[str, Any]:
            found = await self.get(f"/v1/ingestion-jobs/{job_id}")
            return found if found["status"] != "running" else {}

        return await eventually(over, PATIENCE)

    async def key(self, **fields: Any) -> str:
        """The secret of a new API key of the tenant."""
        made = await self.made(f"/v1/tenants/{self.tenant.id}/api-keys", {"name": "a key", **fields}, 201)
        return str(made["secret"])

    async def group(self, name: str) -> str:
        return str((await self.made(f"/v1/tenants/{self.tenant.id}/groups", {"name": name}, 201))["id"])


NewLibrary = Callable[[], Awaitable[Library]]


@pytest.fixture
def new_library(api: Api, new_tenant: NewTenant) -> NewLibrary:
    async def make() -> Library:
        tenant = await new_tenant()
        return Library(api.as_(tenant.key), tenant)

    return make


@pytest.fixture
async def library(new_library: NewLibrary) -> Library:
    """What the tenant's first API key, of role admin, sees."""
    return await new_library()
