"""Begins executions, tells of them, ends them, has them go on."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from functions.agents.core.carry_out import event_id
from functions.agents.core.errors import (
    ExecutionNotFound,
    ExecutionNotOver,
    ExecutionOver,
    InputRefused,
    InterruptNotPending,
)
from functions.agents.core.graphs import graph_named
from functions.agents.core.models import ENDED, Caller, Execution, Json, Limits, Options, Status, Step
from functions.agents.core.ports import Check, DefaultModels, Engine, Events, Executions, Filter
from functions.agents.core.state import storable
from functions.agents.core.toolbox import ToolBox
from functions.kit.cursors import decode_cursor, encode_cursor
from functions.kit.errors import InvalidRequest
from functions.kit.identifiers import UUID_PATTERN
from functions.kit.subjects import AgentRequested


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants done.

    Attributes:
        tools: names; None for the graph's own, or all that the caller may use.
        model: None for the tenant's default one.
    """

    graph_id: str
    input: Json
    tools: Sequence[str] | None
    model: str | None
    limits: Limits
    approve: Sequence[str] = ()
    questions: bool = False
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A page of executions."""

    items: Sequence[Execution]
    next_cursor: str | None


class ManageExecutions:
    """The use cases of the API.

    Args:
        check: judges inputs by the graphs' schemas.
    """

    def __init__(
        self,
        executions: Executions,
        engine: Engine,
        events: Events,
        *,
        toolbox: ToolBox,
        models: DefaultModels,
        check: Check,
        new_id: Callable[[], str],
        now: Callable[[], datetime],
    ) -> None:
        self._executions = executions
        self._engine = engine
        self._events = events
        self._toolbox = toolbox
        self._models = models
        self._check = check
        self._new_id = new_id
        self._now = now

    async def begin(self, caller: Caller, order: Order) -> Execution:
        """Begin an execution.

        The engine is told before the row is committed: when it is away nothing has begun, and what it was told in vain
        it drops when the row does not come.

        Raises:
            GraphNotFound, InputRefused, ToolNotFound, ToolDisabled, Forbidden, NoDefaultModel: it cannot begin.
            DependencyUnavailable: the engine, or the database, is away.
        """
        graph = graph_named(order.graph_id)
        self._check_input(graph.input_schema, order.input)
        if order.tools:
            await self._toolbox.specs(caller.place.tenant_id, caller.behalf, list(order.tools))
        model = order.model or await self._models.chat(caller.place.tenant_id)
        execution = Execution(
            id=self._new_id(),
            graph_id=graph.id,
            status="requested",
            input=order.input,
            tools=order.tools,
            options=Options(model, order.limits, tuple(order.approve), questions=order.questions, stream=order.stream),
            behalf=caller.behalf,
            owner=caller.subject,
            created_at=self._now(),
        )
        await self._executions.add(caller.place, execution)
        await self._ask_for(caller, execution)
        return execution

    async def get(self, caller: Caller, execution_id: str) -> Execution:
        """One of the caller's.

        Raises:
            ExecutionNotFound: there is none for them.
        """
        return await self._own(caller, execution_id)

    async def steps(self, caller: Caller, execution_id: str) -> Sequence[Step]:
        """The steps of one of the caller's."""
        return await self._executions.steps(caller.place, execution_id)

    async def page(
        self, caller: Caller, status: Status | None, graph_id: str | None, limit: int, cursor: str | None
    ) -> Found:
        """The caller's, newest first."""
        before = str(decode_cursor(cursor, str)[0]) if cursor else None
        if before is not None and not re.fullmatch(UUID_PATTERN, before):
            raise InvalidRequest("cursor is not valid", details={"parameter": "cursor"})
        wanted = Filter(None if caller.everything else caller.subject, status, graph_id)
        found = list(await self._executions.page(caller.place, wanted, limit + 1, before))
        more = encode_cursor(found[limit - 1].id) if len(found) > limit else None
        return Found(found[:limit], more)

    async def cancel(self, caller: Caller, execution_id: str) -> Execution:
        """Have it end; it has ended a little later. Sound to repeat.

        Raises:
            ExecutionOver: it has ended by itself.
        """
        execution = await self._own(caller, execution_id)
        if execution.status == "cancelled":
            return execution
        if execution.status in ENDED or not await self._engine.cancel(caller.place, execution_id, execution.run):
            raise ExecutionOver("the execution has ended")
        return execution

    async def respond(self, caller: Caller, execution_id: str, interrupt_id: str, word: Json) -> Execution:
        """Give what it waits for.

        Raises:
            InterruptNotPending: it does not wait for this.
        """
        execution = await self._own(caller, execution_id)
        if execution.status in ENDED:
            raise InterruptNotPending("the execution has ended")
        await self._engine.respond(caller.place, execution_id, execution.run, interrupt_id, word)
        return execution

    async def retry(self, caller: Caller, execution_id: str, from_step: int | None) -> Execution:
        """Have an execution that failed or was cancelled run again, from a step on or from the one it failed at.

        Raises:
            ExecutionNotOver: it has not ended, or has ended well.
            InputRefused: it has no such step.
        """
        execution = await self._own(caller, execution_id, lock=True)
        if execution.status not in {"failed", "cancelled"}:
            raise ExecutionNotOver(f"the execution is {execution.status}")
        steps = await self._executions.steps(caller.place, execution_id)
        done = max((step.number for step in steps if step.run == execution.run), default=0)
        start = done + 1 if from_step is None else from_step
        if not 1 <= start <= done + 1:
            raise InputRefused(f"the execution has {done} steps", details={"field": "fromStep"})
        # Whoever else has it run again lends it no rights of theirs: the owner reads what comes of it.
        behalf = caller.behalf if caller.subject == execution.owner else execution.behalf
        again = replace(execution, run=execution.run + 1, resume_from=start, status="requested", behalf=behalf)
        await self._executions.reopen(caller.place, again)
        await self._ask_for(caller, again)
        return replace(again, output=None, error=None, interrupt=None, started_at=None, ended_at=None)

    async def _ask_for(self, caller: Caller, execution: Execution) -> None:
        said = AgentRequested(
            tenant_id=caller.place.tenant_id,
            execution_id=execution.id,
            graph_id=execution.graph_id,
            run=execution.run,
        )
        self._events.publish(said, caller.place, event_id(execution.id, execution.run, AgentRequested))
        await self._engine.start(caller.place, execution.id, execution.run)

    async def _own(self, caller: Caller, execution_id: str, *, lock: bool = False) -> Execution:
        found = await self._executions.find(caller.place, execution_id, lock=lock)
        if found is None or not (caller.everything or found.owner == caller.subject):
            raise ExecutionNotFound("there is no such execution")
        return found

    def _check_input(self, schema: dict[str, Any], given: Json) -> None:
        problems = list(self._check(schema, given))
        if not problems and storable(given) != given:
            problems = ["a text holds a character that cannot be stored"]
        if problems:
            raise InputRefused("the input does not fit the graph", details={"problems": problems})
