"""Several gateway processes on one Redis: a stampede of one question is still one call of the provider."""

import asyncio
from collections import Counter
from typing import Any

import aiohttp
import pytest

from scenarios.chaos.gateways import Gateway, environment_of, gateways
from tests.integration.slice.test_chat import bill
from tests.platform import Api, Platform, Tenant

pytestmark = pytest.mark.integration


async def test_a_stampede_on_two_processes_is_one_call_and_a_failed_one_holds_nobody_up(
    platform: Platform, api: Api, tenant: Tenant
) -> None:
    rule = {"key": tenant.provider_key, "latencyMs": 300}
    async with api.session.post(f"{platform.simulator}/_sim/faults", json=rule) as response:
        assert response.status in {200, 201, 204}
    async with gateways(2, environment_of(platform.pid("llm"))) as running:
        answers = await asyncio.gather(*(ask(api, tenant, running[n % 2], "How old is the moon?") for n in range(20)))
        assert len({str(body["choices"]) for _, body in answers}) == 1
        assert Counter(state for state, _ in answers) == {"miss": 1, "hit": 19}
        assert (await bill(api, platform, tenant))["chatCalls"] == 1
        # What fails for one fails for nobody else: they ask for themselves.
        rules = f"{platform.simulator}/_sim/faults"
        async with api.session.delete(f"{rules}?key={tenant.provider_key}"):
            pass
        async with api.session.post(rules, json={"key": tenant.provider_key, "fault": "401", "times": 1}):
            pass
        pair = await asyncio.gather(
            *(ask(api, tenant, gateway, "How old is the sun?") for gateway in running), return_exceptions=True
        )
        assert sum(isinstance(one, aiohttp.ClientResponseError) for one in pair) <= 1
        assert any(isinstance(one, tuple) for one in pair)


async def ask(api: Api, tenant: Tenant, gateway: Gateway, question: str) -> tuple[str, dict[str, Any]]:
    body = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": question}]}
    headers = {"authorization": f"Bearer {tenant.key}"}
    async with api.session.post(
        f"{gateway.address}/v1/chat/completions", json=body, headers=headers, raise_for_status=True
    ) as response:
        return response.headers["x-dcoder-cache"], await response.json()
