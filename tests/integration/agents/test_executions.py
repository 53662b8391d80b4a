"""Executions through the edge: begun, followed, answered, ended, each fact said once."""

import asyncio
import json
import uuid
from typing import Any

import asyncpg
import psutil
import pytest

from tests.integration.agents.executing import CALCULATE, Agent, approving, begin
from tests.integration.conftest import NewTenant
from tests.platform import Api, Platform, Tenant, eventually


@pytest.fixture
async def agent(as_tenant: Api) -> Agent:
    return Agent(as_tenant)


async def said(platform: Platform, tenant: Tenant, execution_id: str) -> list[str]:
    url = platform.status["credentials"]["postgresAdminUrl"].rpartition("/")[0]
    database = await asyncpg.connect(f"{url}/{tenant.database}")
    try:
        rows = await database.fetch(
            "SELECT subject FROM outbox WHERE payload->'data'->>'executionId' = $1 ORDER BY created_at, id",
            execution_id,
        )
    finally:
        await database.close()
    return sorted(row["subject"] for row in rows if row["subject"].startswith("agent."))


async def test_a_task_is_done_with_a_tool(platform: Platform, tenant: Tenant, agent: Agent) -> None:
    done = await agent.execute("react", {"task": CALCULATE})
    assert done["status"] == "completed"
    assert "42" in done["output"]["answer"]
    told = await agent.get(done["executionId"])
    assert [step["node"] for step in told["steps"]] == ["reason", "act", "reason", "reflect"]
    (use,) = told["steps"][1]["toolCalls"]
    assert (use["name"], use["content"], use["isError"]) == ("builtin.calculator", "42", False)
    metrics = told["metrics"]
    assert metrics["promptTokens"] == sum(step["metrics"]["promptTokens"] for step in told["steps"]) > 0
    assert (metrics["llmCalls"], metrics["toolCalls"]) == (3, 1)
    assert metrics["costMicroUsd"] > 0
    assert await said(platform, tenant, done["executionId"]) == ["agent.completed", "agent.requested", "agent.started"]


@pytest.mark.parametrize("graph", ["react", "plan-execute-review", "rag-research", "code-assistant"])
async def test_every_graph_ends_with_an_answer(agent: Agent, graph: str) -> None:
    done = await agent.execute(graph, {"task": "What is a semantic cache good for?"})
    assert done["status"] == "completed", done
    assert done["output"]["answer"]


async def test_an_approval_lets_it_go_on(agent: Agent) -> None:
    waiting = await agent.execute("react", {"task": CALCULATE}, **approving("*"))
    assert waiting["status"] == "waiting"
    interrupt = waiting["interrupt"]
    assert interrupt["kind"] == "approval"
    assert interrupt["asked"]["calls"] == [{"name": "builtin.calculator", "arguments": {"expression": "2*21"}}]
    wrong = await agent.answer(waiting, {"decision": "answer", "answer": "yes"})
    assert (wrong.status, wrong.code) == (400, "invalid_request")
    assert (await agent.answer(waiting, {"decision": "approve"})).status == 200
    done = await agent.ended(waiting["executionId"])
    assert done["status"] == "completed"
    assert "42" in done["output"]["answer"]
    assert [step["node"] for step in done["steps"] if step["isGate"]] == ["gate"]
    late = await agent.answer(waiting, {"decision": "approve"})
    assert (late.status, late.code) == (409, "interrupt_not_pending")


async def test_a_refusal_is_told_to_the_model_and_the_tool_is_not_called(agent: Agent) -> None:
    waiting = await agent.execute("react", {"task": CALCULATE}, **approving("builtin.calculator"))
    assert (await agent.answer(waiting, {"decision": "reject", "comment": "too dear"})).status == 200
    done = await agent.ended(waiting["executionId"])
    assert done["status"] == "completed"
    assert "too dear" in done["output"]["answer"]
    assert done["metrics"]["toolCalls"] == 0


async def test_a_question_is_answered_by_whoever_began_it(agent: Agent) -> None:
    task = 'Please ask_user with question="Which colour?"'
    waiting = await agent.execute("react", {"task": task}, options={"questions": True, "wait": 30})
    assert waiting["interrupt"]["kind"] == "question"
    assert waiting["interrupt"]["asked"]["question"]
    assert (await agent.answer(waiting, {"decision": "answer", "answer": "chartreuse"})).status == 200
    other = await agent.answer(waiting, {"decision": "answer", "answer": "ochre"})
    assert (other.status, other.code) == (409, "interrupt_not_pending")
    done = await agent.ended(waiting["executionId"])
    assert "chartreuse" in done["output"]["answer"]


async def test_a_plan_is_refused_before_anything_is_done(agent: Agent) -> None:
    waiting = await agent.execute("plan-execute-review", {"task": "Move the office"}, **approving("plan"))
    assert waiting["interrupt"]["asked"]["plan"]
    assert (await agent.answer(waiting, {"decision": "reject", "comment": "not now"})).status == 200
    done = await agent.ended(waiting["executionId"])
    assert done["output"]["approved"] is False
    assert [step["node"] for step in done["steps"]] == ["plan", "plan_gate"]


async def test_cancelled_while_it_waits_and_retried_from_where_it_was(
    platform: Platform, tenant: Tenant, agent: Agent
) -> None:
    waiting = await agent.execute("react", {"task": CALCULATE}, **approving("*"))
    execution_id = waiting["executionId"]
    assert (await agent.api.call("POST", f"{agent.path(execution_id)}/cancel", {})).status == 202
    assert (await agent.ended(execution_id))["status"] == "cancelled"
    assert (await agent.api.call("POST", f"{agent.path(execution_id)}/retry", {"fromStep": 9})).status == 422
    again = await agent.api.call("POST", f"{agent.path(execution_id)}/retry", {})
    assert (again.status, again.body["run"]) == (202, 2)

    async def asked() -> Any:
        told = await agent.get(execution_id)
        return told if told["status"] == "waiting" else None

    waiting = await eventually(asked)
    # The step before was taken over, not done again.
    assert waiting["metrics"]["llmCalls"] == 1
    assert (await agent.answer(waiting, {"decision": "approve"})).status == 200
    done = await agent.ended(execution_id)
    assert done["status"] == "completed"
    assert await said(platform, tenant, execution_id) == [
        "agent.completed", "agent.failed", "agent.requested", "agent.requested", "agent.started", "agent.started",
    ]  # fmt: skip


async def test_cancelled_before_a_worker_has_seen_it_it_ends_all_the_same(platform: Platform, agent: Agent) -> None:
    worker = psutil.Process(platform.pid("agents-worker"))
    worker.suspend()
    try:
        body = begin("react", {"task": CALCULATE})
        execution_id = (await agent.api.call("POST", "/v1/agents/execute", body)).body["executionId"]
        assert (await agent.api.call("POST", f"{agent.path(execution_id)}/cancel", {})).status == 202
    finally:
        worker.resume()
    assert (await agent.ended(execution_id))["status"] == "cancelled"


async def test_whoever_has_it_run_again_lends_it_no_rights(platform: Platform, tenant: Tenant, api: Api) -> None:
    owner = Agent(api.as_(platform.token("--role", "user", "--tenant", tenant.id, "--user", "u-1")))
    failed = await owner.execute("react", {"task": CALCULATE}, options={"maxSteps": 1, "wait": 30})
    assert failed["status"] == "failed"
    again = await api.as_(tenant.key).call("POST", f"{owner.path(failed['executionId'])}/retry", {})
    assert again.status == 202, again.body
    await owner.ended(failed["executionId"])
    database = await asyncpg.connect(
        f"{platform.status['credentials']['postgresAdminUrl'].rpartition('/')[0]}/{tenant.database}"
    )
    behalf = await database.fetchval("SELECT behalf FROM executions WHERE id = $1", uuid.UUID(failed["executionId"]))
    await database.close()
    assert (json.loads(behalf)["roles"], json.loads(behalf)["apiKeyId"]) == (["user"], None)


async def test_what_clients_send_back_is_looked_at(agent: Agent) -> None:
    for cursor in ("WyJhIl0", "bm9wZQ", "%00"):
        reply = await agent.api.call("GET", f"/v1/agents/executions?cursor={cursor}")
        assert (reply.status, reply.code) == (400, "invalid_request"), cursor
    done = await agent.execute("react", {"task": "hello"})
    for strange in ("99999999999999999999-0", "1-99999999999999999999", "nonsense"):
        frames = await agent.frames(done["executionId"], strange)
        assert (frames[0]["event"], frames[-1]["event"]) == ("execution", "end"), strange


async def test_what_cannot_begin_leaves_nothing(agent: Agent) -> None:
    for body, status, code in (
        (begin("nope", {}), 404, "graph_not_found"),
        (begin("react", {}), 422, "input_refused"),
        (begin("react", {"task": ""}), 422, "input_refused"),
        (begin("react", {"task": "x", "more": 1}), 422, "input_refused"),
        (begin("react", {"task": "a\0b"}), 422, "input_refused"),
        (begin("react", {"task": "x"}, tools=["builtin.nothing"]), 404, "tool_not_found"),
        (begin("react", {"task": "x"}, tools=["builtin.code"]), 403, "tool_disabled"),
        (begin("react", {"task": "x"}, options={"maxSteps": 0}), 422, "validation_failed"),
    ):
        reply = await agent.api.call("POST", "/v1/agents/execute", body)
        assert (reply.status, reply.code) == (status, code), reply.body
    listed = await agent.api.call("GET", "/v1/agents/executions")
    assert listed.body == {"items": [], "nextCursor": None}


@pytest.mark.parametrize(
    ("task", "options", "code"),
    [
        (CALCULATE, {"maxSteps": 1}, "limit_reached"),
        (CALCULATE, {"maxCostMicroUsd": 1}, "limit_reached"),
        ("hello", {"model": "nobody/nothing"}, "model_refused"),
    ],
)
async def test_limits_and_refusals_end_it_with_a_reason(agent: Agent, task: str, options: Any, code: str) -> None:
    done = await agent.execute("react", {"task": task}, options={**options, "wait": 30})
    assert (done["status"], done["error"]["code"]) == ("failed", code)
    assert done["error"]["message"]


async def test_nobody_answers_in_time(agent: Agent) -> None:
    waiting = await agent.execute(
        "react", {"task": CALCULATE}, options={"approve": ["*"], "interruptSeconds": 1, "wait": 30}
    )
    done = await agent.ended(waiting["executionId"])
    assert (done["status"], done["error"]["code"]) == ("failed", "limit_reached")


async def test_the_same_order_twice_is_one_execution(agent: Agent) -> None:
    key, body = uuid.uuid4().hex, begin("react", {"task": "hello"})
    first, second = [await agent.api.call("POST", "/v1/agents/execute", body, idempotency_key=key) for _ in range(2)]
    assert first.body == second.body
    listed = await agent.api.call("GET", "/v1/agents/executions")
    assert [item["executionId"] for item in listed.body["items"]] == [first.body["executionId"]]


async def test_followed_and_resumed(agent: Agent) -> None:
    done = await agent.execute("react", {"task": "echo: one two three"}, options={"stream": True, "wait": 30})
    frames = await agent.frames(done["executionId"])
    names = [frame["event"] for frame in frames]
    assert names[0] == "execution"
    assert names[-1] == "end"
    assert json.loads(frames[-1]["data"])["status"] == "completed"
    text = "".join(json.loads(frame["data"])["text"] for frame in frames if frame["event"] == "token")
    assert text.strip() == "one two three"
    half = frames[len(frames) // 2]
    rest = await agent.frames(done["executionId"], half["id"])
    assert rest[:-1] == frames[len(frames) // 2 + 1 : -1]


async def test_others_see_nothing_of_it(agent: Agent, new_tenant: NewTenant, api: Api) -> None:
    waiting = await agent.execute("react", {"task": CALCULATE}, **approving("*"))
    path, stranger = agent.path(waiting["executionId"]), api.as_((await new_tenant()).key)
    word = {"decision": "approve"}
    for method, below, body in (
        ("GET", "", None),
        ("GET", "/events", None),
        ("POST", "/cancel", {}),
        ("POST", "/retry", {}),
        ("POST", f"/interrupts/{waiting['interrupt']['id']}", word),
    ):
        reply = await stranger.call(method, path + below, body)
        assert (reply.status, reply.code) == (404, "execution_not_found"), below
    assert (await stranger.call("GET", "/v1/agents/executions")).body["items"] == []
    assert (await agent.get(waiting["executionId"]))["status"] == "waiting"


async def test_users_see_their_own_and_admins_all(platform: Platform, tenant: Tenant, api: Api) -> None:
    users = [api.as_(platform.token("--role", "user", "--tenant", tenant.id, "--user", f"u-{n}")) for n in (1, 2)]
    ids = [
        (await user.call("POST", "/v1/agents/execute", begin("react", {"task": "hi"}))).body["executionId"]
        for user in users
    ]
    for user, own, other in ((users[0], ids[0], ids[1]), (users[1], ids[1], ids[0])):
        listed = await user.call("GET", "/v1/agents/executions")
        assert [item["executionId"] for item in listed.body["items"]] == [own]
        assert (await user.call("GET", f"/v1/agents/executions/{other}")).status == 404
    listed = await api.as_(tenant.key).call("GET", "/v1/agents/executions?limit=1")
    rest = await api.as_(tenant.key).call("GET", f"/v1/agents/executions?cursor={listed.body['nextCursor']}")
    assert [item["executionId"] for item in (*listed.body["items"], *rest.body["items"])] == ids[::-1]


async def test_graphs_tell_what_they_take(agent: Agent) -> None:
    listed = await agent.api.call("GET", "/v1/agents/graphs")
    assert {graph["graphId"] for graph in listed.body["items"]} == {
        "react", "plan-execute-review", "rag-research", "code-assistant",
    }  # fmt: skip
    for graph in listed.body["items"]:
        assert (await agent.api.call("GET", f"/v1/agents/graphs/{graph['graphId']}")).body == graph
        assert graph["inputSchema"]["type"] == "object"


async def test_many_at_once(agent: Agent) -> None:
    done = await asyncio.gather(*(agent.execute("react", {"task": f"echo: {n}", "reflections": 0}) for n in range(8)))
    assert [execution["output"]["answer"] for execution in done] == [str(n) for n in range(8)]
