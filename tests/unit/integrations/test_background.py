"""Documents at addresses that are not what they seem, and tasks of other versions."""

import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from functions.integrations.adapters.document_http import HttpDocuments
from functions.integrations.adapters.upstream_http import HttpEgress
from functions.integrations.core.errors import DocumentAway, DocumentRefused
from functions.integrations.wiring_background import DocumentAsked
from functions.kit.egress import EgressPolicy


@dataclass(frozen=True)
class Reading:
    """Documents read from a server that the operator vouches for."""

    documents: HttpDocuments
    url: str


@pytest.fixture
async def reading() -> AsyncIterator[Reading]:
    async def serve(_: web.Request) -> web.Response:
        packed = gzip.compress(b" " * 50_000_000, 1)
        return web.Response(body=packed, headers={"content-encoding": "gzip"})

    application = web.Application()
    application.router.add_get("/packed.json", serve)
    server = TestServer(application)
    await server.start_server()
    policy = EgressPolicy.of(f"127.0.0.1:{server.port}")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=policy.resolver())) as session:
        yield Reading(HttpDocuments(session, HttpEgress(policy)), str(server.make_url("/packed.json")))
    await server.close()


async def test_what_is_packed_is_measured_unpacked(reading: Reading) -> None:
    with pytest.raises(DocumentRefused, match="more than 2097152 bytes"):
        await reading.documents.read(reading.url)


async def test_a_name_that_leads_inside_is_not_connected_to(reading: Reading) -> None:
    # To a resolver, and to nobody else, this is 127.0.0.1: it passes as a name until it is resolved.
    with pytest.raises(DocumentAway, match="no public place"):
        await reading.documents.read("https://127.0x1/openapi.json")


def test_a_task_of_a_newer_worker_is_read() -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    told = DocumentAsked(tenant_id="t", name="pets", requested_at=at, waits=3)
    newer = {**told.model_dump(mode="json", by_alias=True), "saidByANewerOne": 1}
    assert DocumentAsked.model_validate(newer) == told
