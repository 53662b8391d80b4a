"""Calling tools: who may, within which limits, and each with its effect at most once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
import pytest_asyncio

from functions.agents.adapters.tools_events import ToolEvents
from functions.agents.adapters.tools_policies import PolicyPermissions
from functions.agents.adapters.tools_postgres import PostgresToolCalls, PostgresToolSettings
from functions.agents.adapters.tools_spaces import DirectorySpaces
from functions.agents.core.built_in import BuiltIn, BuiltIns
from functions.agents.core.errors import ToolDisabled, ToolNotFound
from functions.agents.core.tool_errors import ToolFailed
from functions.agents.core.tool_models import Space, Tool, ToolAnswer, ToolSetting
from functions.agents.core.toolbox import ToolCall, ToolSpec
from functions.agents.core.tools import Tools
from functions.agents.wiring_tools import AgentTools
from functions.kit.database import Databases
from functions.kit.errors import Forbidden
from functions.kit.json_schemas import problems
from functions.kit.principal import Role
from functions.kit.runtime import Runtime
from tests.integration.agents.conftest import behalf, new_call
from tests.integration.conftest import NewTenant
from tests.platform import Api, Tenant, eventually

Run = Callable[[], Awaitable[ToolAnswer]]


class Counting:
    """A tool of the test's own whose effect is a number that grows."""

    def __init__(self) -> None:
        self.count = 0
        self.then: Run = self.count_only

    async def count_only(self) -> ToolAnswer:
        return ToolAnswer(f"counted to {self.count}")

    async def run(self, space: Space, call: ToolCall, setting: ToolSetting) -> ToolAnswer:
        self.count += 1
        return await self.then()

    def source(self, *, seconds: float = 30.0) -> BuiltIns:
        spec = ToolSpec("test.count", "Counts.", {"type": "object"}, timeout_seconds=seconds)
        return BuiltIns([BuiltIn(Tool(spec, "Count", "test", on_by_default=True), self.run)])


@pytest.fixture
def counting() -> Counting:
    return Counting()


def toolbox(runtime: Runtime, counting: Counting, databases: Databases | None = None, seconds: float = 30.0) -> Tools:
    events = ToolEvents(runtime.secrets)
    return Tools(
        {"test": counting.source(seconds=seconds)},
        DirectorySpaces(runtime.tenants),
        PostgresToolSettings(runtime.databases),
        permissions=PolicyPermissions(runtime),
        calls=PostgresToolCalls(databases or runtime.databases, runtime.secrets, events),
        check=problems,
    )


@pytest_asyncio.fixture
async def box(runtime: Runtime, counting: Counting) -> Tools:
    return toolbox(runtime, counting)


async def test_a_tool_is_described_and_called(tools: AgentTools, tenant: Tenant) -> None:
    specs = await tools.toolbox.specs(tenant.id, behalf(tenant))
    assert {spec.name for spec in specs} == {"builtin.calculator", "builtin.knowledge_search"}
    named = await tools.toolbox.specs(tenant.id, behalf(tenant), ["builtin.calculator"])
    assert [spec.name for spec in named] == ["builtin.calculator"]
    result = await tools.toolbox.call(new_call(tenant, "builtin.calculator", {"expression": "6 * 7"}))
    assert (result.content, result.is_error, result.truncated) == ("42", False, False)


async def test_what_may_not_be_called(tools: AgentTools, api: Api, as_tenant: Api, tenant: Tenant) -> None:
    box = tools.toolbox
    with pytest.raises(ToolNotFound):
        await box.specs(tenant.id, behalf(tenant), ["builtin.nothing"])
    for name in ("builtin.http_fetch", "builtin.code"):
        with pytest.raises(ToolDisabled):
            await box.specs(tenant.id, behalf(tenant), [name])
        refused = await box.call(new_call(tenant, name, {}))
        assert (refused.is_error, refused.error_code) == (True, "tool_disabled")
    unknown = await box.call(new_call(tenant, "builtin.nothing", {}))
    assert (unknown.is_error, unknown.error_code) == (True, "tool_not_found")

    deny = {"name": "no sums", "who": ["role:user"], "actions": ["tools:call"], "effect": "deny",
            "when": "resource.name == 'builtin.calculator'"}  # fmt: skip
    stored = await as_tenant.call("PUT", f"/v1/tenants/{tenant.id}/policies", {"policies": [deny]})
    assert stored.status == 200, stored.body

    async def refused_by_policy() -> bool:
        result = await box.call(new_call(tenant, "builtin.calculator", {"expression": "1"}))
        return result.error_code == "forbidden"

    assert await eventually(refused_by_policy)
    with pytest.raises(Forbidden):
        await box.specs(tenant.id, behalf(tenant), ["builtin.calculator"])
    assert [s.name for s in await box.specs(tenant.id, behalf(tenant))] == ["builtin.knowledge_search"]
    admin = new_call(tenant, "builtin.calculator", {"expression": "1"}, principal=behalf(tenant, Role.ADMIN))
    assert (await box.call(admin)).content == "1"


async def test_nobody_calls_for_another_tenant(tools: AgentTools, new_tenant: NewTenant) -> None:
    one, other = await new_tenant(), await new_tenant()
    with pytest.raises(Forbidden):
        await tools.toolbox.specs(one.id, behalf(other))
    with pytest.raises(Forbidden):
        await tools.toolbox.call(new_call(one, "builtin.calculator", {"expression": "1"}, principal=behalf(other)))


async def test_a_suspended_tenant_calls_nothing(tools: AgentTools, operator: Api, tenant: Tenant) -> None:
    suspended = await operator.call("PATCH", f"/v1/tenants/{tenant.id}", {"status": "suspended"})
    assert suspended.status == 200, suspended.body

    async def refused() -> bool:
        try:
            await tools.toolbox.specs(tenant.id, behalf(tenant))
        except Forbidden as error:
            return error.code == "tenant_suspended"
        return False

    assert await eventually(refused)


async def test_arguments_that_do_not_fit(tools: AgentTools, tenant: Tenant) -> None:
    for arguments in ({}, {"expression": 1}, {"expression": "1", "more": 2}, {"expression": ""}):
        result = await tools.toolbox.call(new_call(tenant, "builtin.calculator", arguments))
        assert (result.is_error, result.error_code) == (True, "invalid_arguments")


async def test_arguments_that_were_no_object_call_nothing(box: Tools, counting: Counting, tenant: Tenant) -> None:
    """The tool's schema takes whatever it does not name; an order cut off in the middle is yet no order."""
    result = await box.call(new_call(tenant, "test.count", {"": None}))
    assert (result.error_code, counting.count) == ("invalid_arguments", 0)


async def test_the_same_call_has_its_effect_once(box: Tools, counting: Counting, tenant: Tenant) -> None:
    call = new_call(tenant, "test.count", {"by": 1})
    first = await box.call(call)
    assert (first.content, first.is_error) == ("counted to 1", False)
    assert await box.call(call) == first
    other = await box.call(replace(call, arguments={"by": 2}))
    assert other.error_code == "call_id_reused"
    assert counting.count == 1
    assert (await box.call(new_call(tenant, "test.count", {"by": 1}))).content == "counted to 2"


async def test_two_at_once_are_one(box: Tools, counting: Counting, tenant: Tenant) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> ToolAnswer:
        begun.set()
        await go_on.wait()
        return ToolAnswer("done")

    counting.then = hold
    call = new_call(tenant, "test.count", {})
    first = asyncio.create_task(box.call(call))
    await begun.wait()
    second = asyncio.create_task(box.call(call))
    go_on.set()
    assert (await first).content == (await second).content == "done"
    assert counting.count == 1


async def test_what_a_tool_does_wrong_is_a_result(box: Tools, counting: Counting, tenant: Tenant) -> None:
    async def break_() -> ToolAnswer:
        raise RuntimeError("a secret of ours")

    async def refuse() -> ToolAnswer:
        raise ToolFailed("tool_unreachable", "nobody there")

    async def flood() -> ToolAnswer:
        return ToolAnswer("é\0" * 5_000_000)

    counting.then = break_
    broken = await box.call(new_call(tenant, "test.count", {}))
    assert (broken.is_error, broken.error_code) == (True, "tool_failed")
    assert "secret" not in broken.content
    counting.then = refuse
    away = await box.call(new_call(tenant, "test.count", {}))
    assert (away.error_code, away.content.startswith("nobody there")) == ("tool_unreachable", True)
    counting.then = flood
    call = new_call(tenant, "test.count", {})
    much = await box.call(call)
    assert much.truncated
    assert len(much.content.encode()) < 70_000
    assert "of 25000000 bytes" in much.content
    assert await box.call(call) == much


async def test_a_tool_that_hangs_is_left(runtime: Runtime, counting: Counting, tenant: Tenant) -> None:
    async def hang() -> ToolAnswer:
        await asyncio.Event().wait()
        raise AssertionError

    counting.then = hang
    box = toolbox(runtime, counting, seconds=0.05)
    call = new_call(tenant, "test.count", {})
    late = await box.call(call)
    assert (late.is_error, late.error_code) == (True, "tool_timeout")
    assert await box.call(call) == late
    assert counting.count == 1


async def test_a_call_that_was_stopped_is_not_made_again(box: Tools, counting: Counting, tenant: Tenant) -> None:
    begun = asyncio.Event()

    async def hang() -> ToolAnswer:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    counting.then = hang
    call = new_call(tenant, "test.count", {})
    running = asyncio.create_task(box.call(call))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    again = await box.call(call)
    assert (again.is_error, again.error_code) == (True, "tool_outcome_unknown")
    assert counting.count == 1


async def test_a_process_that_died_in_between(runtime: Runtime, box: Tools, counting: Counting, tenant: Tenant) -> None:
    """What it leaves is the mark that a call began; the next try waits until nobody can be at it, and asks no more."""
    call = new_call(tenant, "test.count", {})
    space = await DirectorySpaces(runtime.tenants).of(tenant.id)
    calls = PostgresToolCalls(runtime.databases, runtime.secrets, ToolEvents(runtime.secrets))
    assert (await calls.begin(space, call, 0.3)).state == "new"
    result = await box.call(call)
    assert (result.is_error, result.error_code) == (True, "tool_outcome_unknown")
    assert await box.call(call) == result
    assert counting.count == 0
