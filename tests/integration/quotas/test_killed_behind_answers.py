"""A gateway is killed in the moment in which its caller has the first byte of an answer: the call is in the books."""

import asyncio
import json
import os
import signal
import socket
from urllib.parse import urlsplit

import orjson
import pytest

from scenarios.chaos.budget_race import Place
from scenarios.chaos.gateways import Gateway, gateways
from tests.integration.slice.test_chat import totals
from tests.platform import Api, Platform, Tenant

pytestmark = pytest.mark.integration

KILLED = 4


def _first_byte_of_an_answer(gateway: Gateway, tenant: Tenant, question: str, *, then_kill: bool) -> bytes:
    """Ask on a socket of our own, so that nothing is between the byte and the signal."""
    address = urlsplit(gateway.address)
    body = orjson.dumps({"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": question}]})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {tenant.key}\r\n"
    head += f"cache-control: no-store\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(head.encode() + body)
        begun = connection.recv(12)
        if then_kill:
            os.kill(gateway.process.pid, signal.SIGKILL)
    return begun


async def test_no_answered_call_is_lost_with_its_gateway(
    platform: Platform, operator_token: str, as_tenant: Api, tenant: Tenant
) -> None:
    place = Place.of(json.loads(platform.dcoder("status", "--json").stdout), operator_token)
    # Without limits: nothing is held that could stand in for a record.
    async with gateways(KILLED, place.environment) as running:
        for number, gateway in enumerate(running):
            for kill in (False, True):
                question = f"Who has unit {number} when {kill}?"
                begun = await asyncio.to_thread(_first_byte_of_an_answer, gateway, tenant, question, then_kill=kill)
                assert begun == b"HTTP/1.1 200"
    counted = await totals(as_tenant, tenant, 2 * KILLED)
    assert counted["requests"] == 2 * KILLED
