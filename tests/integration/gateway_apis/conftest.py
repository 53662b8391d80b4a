"""A tenant with all five kinds of provider on the simulator, and the vendors' own clients for it."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pytest

from tests.integration.conftest import NewTenant
from tests.platform import Api, Platform, Tenant, eventually

Json = dict[str, Any]

PATHS = {
    "openai": "/openai/v1",
    "groq": "/groq/openai/v1",
    "anthropic": "/anthropic/v1",
    "google": "/google/v1beta",
    "vertex": "/vertex/v1/projects/p/locations/global",
}
KINDS = tuple(PATHS)
_COUNTED = ("promptTokens", "completionTokens")


@dataclass(frozen=True)
class Everywhere:
    """The tenant, and what its providers billed and were asked."""

    api: Api
    platform: Platform
    tenant: Tenant

    def key(self, kind: str) -> str:
        return f"{self.tenant.provider_key}-{kind}"

    async def billed(self, kind: str) -> Json:
        return dict((await self._told("usage", kind))["keys"].get(self.key(kind), {}))

    async def asked(self, kind: str) -> list[Json]:
        return list((await self._told("requests", kind))["requests"])

    async def fault(self, kind: str, **rule: Any) -> None:
        rule = {"key": self.key(kind), **rule}
        async with self.api.session.post(f"{self.platform.simulator}/_sim/faults", json=rule) as response:
            assert response.status == 201, await response.text()

    async def metered(self, kind: str, requests: int) -> dict[str, int]:
        """What the platform counted for a provider, once so many calls are mirrored."""

        async def probe() -> dict[str, int]:
            reply = await self.api.call("GET", f"/v1/tenants/{self.tenant.id}/usage")
            assert reply.status == 200, reply.body
            rows = [row for row in reply.body["items"] if row["provider"] == kind]
            sums = {name: sum(row[name] for row in rows) for name in ("requests", *_COUNTED)}
            return sums if sums["requests"] >= requests else {}

        return await eventually(probe)

    async def ensure_bill_is_met(self, kind: str, requests: int) -> None:
        counted = await self.metered(kind, requests)
        bill = await self.billed(kind)
        assert counted == {"requests": requests, **{name: bill[name] for name in _COUNTED}}

    async def _told(self, what: str, kind: str) -> Json:
        url = f"{self.platform.simulator}/_sim/{what}"
        async with self.api.session.get(url, params={"key": self.key(kind)}) as response:
            return dict(await response.json())


@pytest.fixture
async def everywhere(platform: Platform, api: Api, new_tenant: NewTenant) -> Everywhere:
    tenant = await new_tenant()
    providers = [
        {
            "name": kind,
            "kind": kind,
            "apiKey": f"{tenant.provider_key}-{kind}",
            "baseUrl": platform.simulator + path,
            # The others are open: they take any model, and list none.
            "models": ["gpt-4o-mini", "sim-chat", "gpt-3.5-turbo-instruct", "sim-completion", "text-embedding-3-small"]
            if kind == "openai"
            else [],
        }
        for kind, path in PATHS.items()
    ]
    mine = api.as_(tenant.key)
    stored = await mine.call("PUT", f"/v1/tenants/{tenant.id}/providers", {"providers": providers})
    assert stored.status == 200, stored.body
    found = Everywhere(mine, platform, tenant)

    async def known() -> bool:
        reply = await mine.chat("Hello?", model="vertex/sim-chat")
        return reply.status == 200

    await eventually(known)
    return found


OpenAiAt = Callable[[str], openai.AsyncOpenAI]
AnthropicAt = Callable[[str], anthropic.AsyncAnthropic]


@pytest.fixture
async def openai_at(everywhere: Everywhere) -> AsyncIterator[OpenAiAt]:
    """The official client on a path of the edge."""
    opened: list[openai.AsyncOpenAI] = []

    def at(path: str = "") -> openai.AsyncOpenAI:
        base = f"{everywhere.platform.edge}{path}/v1"
        opened.append(openai.AsyncOpenAI(base_url=base, api_key=everywhere.tenant.key, max_retries=0))
        return opened[-1]

    yield at
    for client in opened:
        await client.close()


@pytest.fixture
async def anthropic_at(everywhere: Everywhere) -> AsyncIterator[AnthropicAt]:
    opened: list[anthropic.AsyncAnthropic] = []

    def at(path: str = "") -> anthropic.AsyncAnthropic:
        base = f"{everywhere.platform.edge}{path}"
        opened.append(anthropic.AsyncAnthropic(base_url=base, api_key=everywhere.tenant.key, max_retries=0))
        return opened[-1]

    yield at
    for client in opened:
        await client.close()
