"""Executions whose tools and models misbehave, whose time ends in a call, whose payloads are large: all end clearly."""

import base64
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from functions.agents.adapters import temporal_names, temporal_workflow
from functions.agents.core.executions import Order
from functions.agents.core.models import Caller, Limits, Place
from functions.agents.wiring import PAYLOADS, Agents, agents
from functions.agents.wiring_worker import worker_parts
from functions.agents.worker.working import Working
from functions.kit.runtime import Runtime
from functions.kit.service_tokens import OnBehalf
from functions.kit.settings import Settings
from scenarios.chaos.gateways import environment_of
from tests.integration.agents.executing import CALCULATE, Agent, begin
from tests.integration.agents.mcp_host import McpHost, mcp_host
from tests.platform import Api, Platform, Tenant

PETS = "/v1/agents/mcp-servers/pets"
CALCULATOR = "builtin_calculator"


@pytest.fixture
async def agent(as_tenant: Api) -> Agent:
    return Agent(as_tenant)


@pytest_asyncio.fixture
async def host(platform: Platform) -> AsyncIterator[McpHost]:
    async with mcp_host(platform.spare_port) as running:
        yield running


async def offering(agent: Agent, host: McpHost, *names: str, **more: Any) -> dict[str, Any]:
    """An order that uses tools of an MCP server which is registered now."""
    for name in names:
        host.offer(name)
    stored = await agent.api.call("PUT", PETS, {"title": "Pets", "url": host.url, **more})
    assert stored.status == 200, stored.body
    wanted = " and ".join(f"mcp_pets_{name}" for name in names)
    given = {"task": f"Use {wanted} please", "reflections": 0}
    return begin("react", given, tools=[f"mcp.pets.{name}" for name in names])


def uses(done: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Which tools were called, and what was wrong."""
    return [(use["name"].rpartition(".")[2], use["errorCode"]) for step in done["steps"] for use in step["toolCalls"]]


async def begun(agent: Agent, order: dict[str, Any], **options: Any) -> str:
    reply = await agent.api.call("POST", "/v1/agents/execute", {**order, "options": {**order["options"], **options}})
    assert reply.status in {200, 202}, reply.body
    return str(reply.body["executionId"])


async def test_whatever_tools_do_the_model_is_told_and_goes_on(agent: Agent, host: McpHost) -> None:
    order = await offering(agent, host, "raise", "flood", "wait", "refuse", timeoutSeconds=1)
    done = await agent.ended(await begun(agent, order))
    assert done["status"] == "completed", done
    assert dict(uses(done)) == {
        "raise": "tool_failed",
        "flood": "answer_too_large",
        "wait": "tool_timeout",
        "refuse": "tool_failed",
    }
    assert "a secret of the server's" not in json.dumps(done)


async def test_a_server_that_vanishes_in_the_middle(agent: Agent, platform: Platform) -> None:
    async with mcp_host(platform.spare_port) as host:
        order = await offering(agent, host, "get")
        waiting = await agent.settled(await begun(agent, order, approve=["*"]))
    assert waiting["status"] == "waiting"
    assert (await agent.answer(waiting, {"decision": "approve"})).status == 200
    done = await agent.ended(waiting["executionId"])
    assert (done["status"], uses(done)) == ("completed", [("get", "tool_unreachable")])


async def test_time_ends_in_the_middle_of_a_call(agent: Agent, host: McpHost) -> None:
    order = await offering(agent, host, "wait", timeoutSeconds=60)
    done = await agent.ended(await begun(agent, order, maxSeconds=2))
    assert (done["status"], done["error"]["code"]) == ("failed", "limit_reached")
    assert host.reached.is_set()
    assert [step["node"] for step in done["steps"]] == ["reason"]


async def test_cancelled_in_the_middle_of_a_call_and_retried(agent: Agent, host: McpHost) -> None:
    order = await offering(agent, host, "wait", timeoutSeconds=60)
    execution_id = await begun(agent, order)
    await host.reached.wait()
    assert (await agent.api.call("POST", f"{agent.path(execution_id)}/cancel", {})).status == 202
    assert (await agent.ended(execution_id))["status"] == "cancelled"
    host.gate.set()
    assert (await agent.api.call("POST", f"{agent.path(execution_id)}/retry", {})).status == 202
    done = await agent.ended(execution_id)
    assert done["status"] == "completed"
    # Another run makes another call; that of the first, which ended after all, was not made again by itself.
    assert len({call_id for _, _, call_id in host.calls}) == len(host.calls) == 2


async def test_the_same_question_after_another_tools_word_is_asked_again(
    agent: Agent, host: McpHost, tenant: Tenant, platform: Platform
) -> None:
    order = await offering(agent, host, "count")
    order["input"]["reflections"] = 1
    for number in (1, 2):
        done = await agent.ended(await begun(agent, order))
        assert f'"count": {number}' in done["output"]["answer"], done
    async with agent.api.session.get(
        f"{platform.simulator}/_sim/usage", params={"key": tenant.provider_key}
    ) as response:
        bills = (await response.json())["keys"]
    # Nothing that was answered before a tool spoke stands for what is said after it.
    assert bills[tenant.provider_key]["chatCalls"] >= 4


class LoopingModel:
    """A provider whose model calls a tool until it has had so many answers."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds

    async def serve(self, request: web.Request) -> web.Response:
        """OpenAI's chat completion."""
        body = await request.json()
        count = sum(message["role"] == "tool" for message in body["messages"])
        message: dict[str, Any] = {"role": "assistant", "content": f"done after {count}"}
        if count < self.rounds:
            function = {"name": CALCULATOR, "arguments": json.dumps({"expression": f"{count}+1"})}
            message |= {"content": None, "tool_calls": [{"id": f"c{count}", "type": "function", "function": function}]}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if count < self.rounds else "stop"}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        return web.json_response(
            {"id": "x", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice],
             "usage": usage}
        )  # fmt: skip


@asynccontextmanager
async def looping(agent: Agent, tenant: Tenant, port: int, rounds: int) -> AsyncIterator[str]:
    """The name of such a model."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", LoopingModel(rounds).serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    provider = {"name": "looping", "kind": "openai", "apiKey": "sk-x", "baseUrl": f"http://127.0.0.1:{port}/v1"}
    stored = await agent.api.call("PUT", f"/v1/tenants/{tenant.id}/providers", {"providers": [provider]})
    assert stored.status == 200, stored.body
    try:
        yield "looping/gpt-4o-mini"
    finally:
        await runner.cleanup()


async def test_a_model_that_calls_a_tool_for_ever_is_ended(agent: Agent, tenant: Tenant, platform: Platform) -> None:
    async with looping(agent, tenant, platform.spare_port, rounds=10_000) as model:
        done = await agent.ended(await begun(agent, begin("react", {"task": "go"}), model=model, maxSteps=7))
    assert (done["status"], done["error"]["code"]) == ("failed", "limit_reached")
    assert (len(done["steps"]), done["metrics"]["toolCalls"]) == (7, 3)


async def test_what_is_large_lies_sealed_in_the_object_store(agent: Agent, tenant: Tenant, runtime: Runtime) -> None:
    secret = base64.b64encode(random.Random(1).randbytes(450_000)).decode()
    said = [secret[start : start + 150_000] for start in range(0, len(secret), 150_000)]
    messages = [{"role": "user", "content": text} for text in (*said, CALCULATE)]
    done = await agent.ended(await begun(agent, begin("react", {"messages": messages})))
    assert done["status"] == "completed", done["error"]
    assert "42" in done["output"]["answer"]
    stored = runtime.objects.bucket(PAYLOADS).of_tenant(tenant.id)
    keys = [found.key async for found in stored.list("payloads")]
    assert keys
    for key in keys:
        body = await stored.get(key)
        assert len(body) > 256 * 1024
        assert secret[:40].encode() not in body


@pytest_asyncio.fixture
async def elsewhere(platform: Platform) -> AsyncIterator[Runtime]:
    """What a worker of this process needs to work in a namespace where the platform's own does not."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment_of(platform.pid("agents-worker")).items():
            if name.startswith("DCODER_"):
                patch.setenv(name, value)
        opened = Runtime(Settings(temporal_namespace="default", temporal_build_id="long"))
    yield opened
    await opened.close()


async def test_a_long_execution_goes_on_in_new_workflows(
    agent: Agent, tenant: Tenant, platform: Platform, elsewhere: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temporal_workflow, "_LONGEST_HISTORY", 60)
    parts = replace(await elsewhere.wired(worker_parts), drain=timedelta(seconds=2))
    use = await elsewhere.wired(agents)
    async with looping(agent, tenant, platform.spare_port, rounds=9) as model, Working(parts):
        execution_id = await elsewhere_begun(use, tenant, model)
        done = await agent.ended(execution_id)
    assert (done["status"], done["output"]["answer"]) == ("completed", "done after 9")
    assert [step["number"] for step in done["steps"]] == list(range(1, 21))
    assert len({use["callId"] for step in done["steps"] for use in step["toolCalls"]}) == 9
    client = await parts.address.connect(parts.converter)
    workflow_id = temporal_names.workflow_id(tenant.id, execution_id, 1)
    runs = [run.status async for run in client.list_workflows(f"WorkflowId = '{workflow_id}'")]
    assert len(runs) > 2


async def elsewhere_begun(use: Agents, tenant: Tenant, model: str) -> str:
    """An execution in that namespace."""
    caller = Caller(Place(tenant.id, tenant.database), OnBehalf(tenant.id), "test", everything=True)
    order = Order("react", {"task": "go"}, ["builtin.calculator"], model, Limits())
    async with use.begin():
        return (await use.executions.begin(caller, order)).id
