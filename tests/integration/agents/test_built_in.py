"""The platform's own tools: pages of allowed hosts, and what the user may read."""

import gzip
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from functions.agents.core.toolbox import ToolResult
from functions.agents.wiring_tools import AgentTools
from functions.kit.principal import Role
from tests.integration.agents.conftest import behalf, new_call
from tests.integration.conftest import NewTenant
from tests.integration.guardrails.test_guardrails import ATTACK, findings
from tests.integration.knowledge.conftest import Library
from tests.platform import Api, Platform, Tenant

PAGE = """<!doctype html><html><head><title>Rivers</title><style>p {color: red}</style></head><body>
<script>steal()</script><h1>The  Rhine</h1><p>It is <b>1,230</b> km long.</p>
<!-- secret --><ul><li>One<li>Two</ul></body></html>"""
ONWARD = {
    "/to-page": "/page#top",
    "/to-private": "http://169.254.169.254/latest/meta-data",
    "/to-other": "http://other.example.com/",
    "/circle": "/circle",
}


class Site:
    """A host on the machine's spare port, which the operator vouches for."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.asked: list[str] = []

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        if request.path in ONWARD:
            raise web.HTTPFound(ONWARD[request.path])
        match request.path:
            case "/page":
                return web.Response(text=PAGE, content_type="text/html")
            case "/latin":
                return web.Response(
                    body="Käse".encode("latin-1"), headers={"content-type": "text/plain; charset=latin-1"}
                )
            case "/attack":
                return web.Response(text=ATTACK)
            case "/json":
                return web.json_response({"a": 1})
            case "/picture":
                return web.Response(body=b"\x89PNG", content_type="image/png")
            case "/bomb":
                body = gzip.compress(b"x" * 10_000_000)
                return web.Response(body=body, headers={"content-type": "text/plain", "content-encoding": "gzip"})
            case "/nested":
                return web.Response(text="<div>" * 200_000 + "deep", content_type="text/html")
            case "/flood":
                return await flood(request)
        return web.Response(status=404)


async def flood(request: web.Request) -> web.StreamResponse:
    """50 MB, if anybody takes them."""
    response = web.StreamResponse(headers={"content-type": "text/plain"})
    await response.prepare(request)
    for _ in range(50):
        await response.write(b"flood " * 170_000)
    return response


@pytest_asyncio.fixture
async def site(platform: Platform) -> AsyncIterator[Site]:
    found = Site(platform.spare_port)
    app = web.Application()
    app.router.add_get("/{tail:.*}", found.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", platform.spare_port).start()
    yield found
    await runner.cleanup()


@pytest_asyncio.fixture
async def reader(as_tenant: Api, tenant: Tenant) -> Tenant:
    """A tenant whose agents may read pages of this machine."""
    on = {"enabled": True, "allowHosts": ["127.0.0.1", "169.254.169.254", "localhost.example.com"]}
    stored = await as_tenant.call("PUT", "/v1/agents/tools/builtin.http_fetch", on)
    assert stored.status == 200, stored.body
    return tenant


async def fetch(tools: AgentTools, tenant: Tenant, url: str) -> ToolResult:
    return await tools.toolbox.call(new_call(tenant, "builtin.http_fetch", {"url": url}))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/page", "Rivers\nThe Rhine\nIt is 1,230 km long.\nOne\nTwo"),
        ("/to-page", "Rivers\nThe Rhine\nIt is 1,230 km long.\nOne\nTwo"),
        ("/latin", "Käse"),
        ("/json", '{"a": 1}'),
    ],
)
async def test_pages_are_read(tools: AgentTools, reader: Tenant, site: Site, path: str, text: str) -> None:
    result = await fetch(tools, reader, site.base + path)
    assert (result.content, result.is_error) == (text, False)


@pytest.mark.parametrize(
    ("path", "code", "why"),
    [
        ("/nothing", "tool_failed", "404"),
        ("/picture", "tool_failed", "not text but image/png"),
        ("/circle", "tool_failed", "redirects more than"),
        ("/bomb", "tool_failed", "compressed"),
        ("/to-private", "egress_denied", "not a public one"),
        ("/to-other", "egress_denied", "other.example.com"),
    ],
)
async def test_pages_that_are_not_read(
    tools: AgentTools, reader: Tenant, site: Site, path: str, code: str, why: str
) -> None:
    result = await fetch(tools, reader, site.base + path)
    assert (result.is_error, result.error_code) == (True, code)
    assert why in result.content


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://127.0.0.1:1/", "tool_unreachable"),
        ("http://127.0.0.1:6379/", "egress_denied"),
        ("http://169.254.169.254/", "egress_denied"),
        ("http://user:pass@127.0.0.1/", "egress_denied"),
        ("https://example.com/", "egress_denied"),
        ("http://2130706433/", "egress_denied"),
        ("http://[::1]/", "egress_denied"),
        ("file:///etc/passwd", "egress_denied"),
        ("http://[", "invalid_arguments"),
        ("nonsense", "egress_denied"),
    ],
)
async def test_addresses_that_are_not_called(tools: AgentTools, reader: Tenant, url: str, code: str) -> None:
    result = await fetch(tools, reader, url)
    assert (result.is_error, result.error_code) == (True, code), result.content


async def test_a_page_of_50_mb_is_cut(tools: AgentTools, reader: Tenant, site: Site) -> None:
    result = await fetch(tools, reader, f"{site.base}/flood")
    assert (result.is_error, result.truncated) == (False, True)
    assert len(result.content.encode()) < 70_000


async def test_a_page_that_never_closes_its_tags(tools: AgentTools, reader: Tenant, site: Site) -> None:
    result = await fetch(tools, reader, f"{site.base}/nested")
    assert not result.is_error


async def test_what_a_tool_says_is_examined(tools: AgentTools, reader: Tenant, site: Site, api: Api) -> None:
    call = new_call(reader, "builtin.http_fetch", {"url": f"{site.base}/attack"})
    assert (await tools.toolbox.call(call)).content == ATTACK
    found = (await findings(api, reader, kind="prompt_injection"))[0]
    assert (found["provider"], found["model"], found["where"]) == ("tools", "builtin.http_fetch", "tool")
    assert (found["requestId"], found["apiKeyId"]) == (call.execution_id, reader.key_id)


async def test_hosts_are_each_tenants_own(
    tools: AgentTools, reader: Tenant, new_tenant: NewTenant, api: Api, site: Site
) -> None:
    other = await new_tenant()
    await api.as_(other.key).call("PUT", "/v1/agents/tools/builtin.http_fetch", {"enabled": True})
    result = await fetch(tools, other, f"{site.base}/page")
    assert (result.error_code, site.asked) == ("egress_denied", [])
    assert not (await fetch(tools, reader, f"{site.base}/page")).is_error


@pytest.mark.timeout(300)
async def test_search_finds_what_the_user_may_read(
    tools: AgentTools, as_tenant: Api, tenant: Tenant, api: Api, new_tenant: NewTenant
) -> None:
    library = Library(as_tenant, tenant)
    corpus = await library.corpus(settings={"embeddingModel": "openai/text-embedding-3-small"})
    open_one = await library.add(corpus, "tower.txt", "The Eiffel Tower is 330 metres tall.")
    closed = await library.group("Closed")
    hidden = await library.add(corpus, "salaries.txt", "The tower's keeper earns little.", groups=[closed])
    for document in (open_one, hidden):
        assert (await library.settled(document))["status"] == "indexed"

    async def found(who: Tenant, role: Role, **more: Any) -> list[str]:
        call = new_call(who, "builtin.knowledge_search", {"query": "tower"}, principal=behalf(who, role, **more))
        result = await tools.toolbox.call(call)
        assert not result.is_error, result.content
        return sorted(passage["document"] for passage in orjson.loads(result.content)["passages"])

    assert await found(tenant, Role.USER) == ["tower.txt"]
    assert await found(tenant, Role.USER, groups=frozenset({closed})) == ["salaries.txt", "tower.txt"]
    assert await found(await new_tenant(), Role.ADMIN) == []
    missing = new_call(tenant, "builtin.knowledge_search", {"query": "x", "corpusIds": ["nope"]})
    refused = await tools.toolbox.call(missing)
    assert (refused.is_error, refused.error_code) == (True, "validation_failed")
