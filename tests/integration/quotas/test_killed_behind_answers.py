"""Gateways end with calls under way, by force or by order: what was answered, or goes on at a provider, is counted."""

import asyncio
import json
import os
import signal
import socket
from functools import partial
from urllib.parse import urlsplit

import orjson
import pytest

from scenarios.chaos.budget_race import Place
from scenarios.chaos.gateways import Gateway, gateways
from tests.integration.slice.test_chat import bill, totals
from tests.platform import Api, Platform, Tenant

pytestmark = pytest.mark.integration

KILLED = 4


def _first_byte_of_an_answer(
    gateway: Gateway, tenant: Tenant, question: str, *, then: signal.Signals | None, stream: bool = False
) -> bytes:
    """Ask on a socket of our own, so that nothing is between the byte and the signal; then leave."""
    address = urlsplit(gateway.address)
    messages = [{"role": "user", "content": question}]
    body = orjson.dumps({"model": "openai/gpt-4o-mini", "messages": messages, "stream": stream})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {tenant.key}\r\n"
    head += f"cache-control: no-store\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(head.encode() + body)
        begun = connection.recv(12)
        if then is not None:
            os.kill(gateway.process.pid, then)
    return begun


async def test_no_answered_call_is_lost_with_its_gateway(
    platform: Platform, operator_token: str, as_tenant: Api, tenant: Tenant
) -> None:
    place = Place.of(json.loads(platform.dcoder("status", "--json").stdout), operator_token)
    # Without limits: nothing is held that could stand in for a record.
    async with gateways(KILLED, place.environment) as running:
        for number, gateway in enumerate(running):
            for then in (None, signal.SIGKILL):
                question = f"Who has unit {number} when {then}?"
                begun = await asyncio.to_thread(_first_byte_of_an_answer, gateway, tenant, question, then=then)
                assert begun == b"HTTP/1.1 200"
    counted = await totals(as_tenant, tenant, 2 * KILLED)
    assert counted["requests"] == 2 * KILLED


async def test_a_stream_that_nobody_hears_any_more_is_counted_by_a_gateway_that_stops(
    platform: Platform, api: Api, operator_token: str, as_tenant: Api, tenant: Tenant
) -> None:
    place = Place.of(json.loads(platform.dcoder("status", "--json").stdout), operator_token)
    rule = {"key": tenant.provider_key, "chunkDelayMs": 10}
    assert (await Api(api.session, platform.simulator).call("POST", "/_sim/faults", rule)).status < 300
    async with gateways(1, place.environment) as (gateway,):
        leave = partial(_first_byte_of_an_answer, then=signal.SIGTERM, stream=True)
        begun = await asyncio.to_thread(leave, gateway, tenant, "words: 100")
        assert begun == b"HTTP/1.1 200"
        await asyncio.to_thread(gateway.process.wait, 60)
    counted, billed = await totals(as_tenant, tenant, 1), await bill(api, platform, tenant)
    assert billed["cancelledStreams"] == 0, "it was read to its end"
    assert (counted["promptTokens"], counted["completionTokens"]) == (
        billed["promptTokens"],
        billed["completionTokens"],
    )
