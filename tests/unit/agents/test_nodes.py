"""What nodes make of models that write something else than they were asked for."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
import pytest

from functions.agents.core import nodes
from functions.agents.core.desk import Desk, Run
from functions.agents.core.models import Json, Spent
from functions.agents.core.ports import Completion
from functions.agents.core.state import State, storable
from functions.agents.core.toolbox import ToolCall, ToolResult, ToolSpec
from functions.kit.service_tokens import OnBehalf


class Saying:
    """A model that says one thing; it has no tools."""

    def __init__(self, message: Json) -> None:
        self._message = message

    async def complete(self, behalf: OnBehalf, body: Json, key: str) -> Completion:
        return Completion(self._message, Spent())

    async def stream(self, behalf: OnBehalf, body: Json, told: Callable[[str], Awaitable[None]]) -> Completion:
        return Completion(self._message, Spent())

    async def specs(
        self, tenant_id: str, on_behalf: OnBehalf, names: Sequence[str] | None = None
    ) -> Sequence[ToolSpec]:
        return []

    async def call(self, call: ToolCall) -> ToolResult:
        return ToolResult("there is no tool", is_error=True)


async def unheard(event: str, data: dict[str, Any]) -> None:
    """Nobody watches."""


def desk(message: Json) -> Desk:
    model = Saying({"role": "assistant", "content": None, **message})
    return Desk(Run("t", "db", "e", 1, "react", OnBehalf("t"), "m", []), 1, model, model, unheard)


def state() -> State:
    return {"input": {"task": "Count the ships."}, "step": 0}


@pytest.mark.parametrize(
    "written",
    [
        '{"n": 123456789012345678901234567890}',
        '{"n": NaN}',
        '{"n": -Infinity}',
        '{"n": ' + "[" * 300 + "]" * 300 + "}",
        "[" * 100_000,
        '{"n": 1',
        "no JSON",
    ],
)
async def test_arguments_that_no_step_could_keep_are_none(written: str) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "counts", "arguments": written}}
    update = await nodes.reason(state(), desk({"tool_calls": [call]}))
    assert update["pending"] == [{"id": "1", "name": "unknown.counts", "arguments": {"": None}}]
    assert orjson.loads(orjson.dumps(storable(update)))


@pytest.mark.parametrize("steps", ["3", "true", '"all of it"', '{"first": "count"}', "null"])
async def test_a_plan_that_is_no_list_is_the_task_itself(steps: str) -> None:
    update = await nodes.plan(state(), desk({"content": f'{{"steps": {steps}}}'}))
    assert update["plan"] == ["Count the ships."]


@pytest.mark.parametrize("queries", ["3", "true", '"ships"', "null"])
async def test_questions_that_are_no_list_are_the_task_itself(queries: str) -> None:
    update = await nodes.inquire(state(), desk({"content": f'{{"queries": {queries}}}'}))
    assert [call["arguments"] for call in update["pending"]] == [{"query": "Count the ships."}]
