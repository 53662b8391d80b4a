"""What the engine does around the graph: begins a run, notes its steps and what it waits for, ends it."""

import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from functions.agents.core.desk import Desk, Run
from functions.agents.core.graphs import graph_named
from functions.agents.core.models import Execution, Interrupt, Outcome, Place, Spent, Step
from functions.agents.core.nodes import Node
from functions.agents.core.ports import ChatModel, Events, Executions, Live
from functions.agents.core.state import JsonObject, State, folded, storable
from functions.agents.core.toolbox import ToolBox
from functions.kit.errors import DependencyUnavailable
from functions.kit.events import EventData
from functions.kit.subjects import AgentCompleted, AgentFailed, AgentMetrics, AgentStarted

_NAMES = uuid.uuid5(uuid.NAMESPACE_URL, "dcoder:agents")
Begin = Callable[[], AbstractAsyncContextManager[Any]]


class RowMissing(DependencyUnavailable):
    """The run's row is not committed, or not yet."""


@dataclass(frozen=True, slots=True)
class CarryOut:
    """The engine's side of an execution; every method is sound to repeat.

    Attributes:
        begin: begins a unit of work.
    """

    begin: Begin
    executions: Executions
    events: Events
    live: Live
    model: ChatModel
    toolbox: ToolBox
    now: Callable[[], datetime]

    async def begin_run(self, place: Place, execution_id: str, run: int) -> JsonObject | None:
        """Note that a run begins, and give what it needs; None when there is nothing to be done any more.

        Raises:
            RowMissing: there is no such run, or not yet.
            ToolNotFound, ToolDisabled, Forbidden: a tool cannot be used.
        """
        async with self.begin():
            execution = await self.executions.find(place, execution_id)
            if execution is None or execution.run < run:
                raise RowMissing("the execution's row is not there", details={"dependency": "postgres"})
            if execution.run > run or execution.status not in {"requested", "running"}:
                return None
            steps = await self.executions.steps(place, execution_id)
        specs = await self.toolbox.specs(place.tenant_id, execution.behalf, _tools_of(execution))
        tools: list[JsonObject] = [
            {"name": spec.name, "description": spec.description, "inputSchema": dict(spec.input_schema)}
            for spec in specs
        ]
        async with self.begin():
            at = self.now()
            if await self.executions.begin(place, execution_id, run, at):
                said = AgentStarted(**_about(execution), started_at=at)
                self.events.publish(said, place, event_id(execution_id, run, AgentStarted))
        await self.live.say(place, execution_id, "status", {"status": "running"})
        return _begun(place, execution, tools, steps)

    async def step(self, run: Run, node: Node, name: str, state: State, *, again: bool) -> JsonObject:
        """Run a node and note what it changed; what is noted is not done again.

        Args:
            again: it was begun before, so it may be noted already.
        """
        place, number = Place(run.tenant_id, run.database), int(state.get("step", 0)) + 1
        if again:
            async with self.begin():
                known = await self.executions.find_step(place, run.execution_id, run.run, number)
            if known is not None:
                return dict(known.update)
        told = {"step": number, "node": name}
        await self.live.say(place, run.execution_id, "step", {**told, "state": "started", "again": again})

        async def say(event: str, data: JsonObject) -> None:
            await self.live.say(place, run.execution_id, event, data)

        started, desk = self.now(), Desk(run, number, self.model, self.toolbox, say)
        update: JsonObject = {**storable(await node(state, desk)), "step": number, "spent": desk.spent.fields()}
        step = Step(run.run, number, name, update, desk.spent, started, self.now(), tuple(desk.uses))
        async with self.begin():
            if not await self.executions.record(place, run.execution_id, step):
                # Another try, given up as lost, was first: what it has noted is what the graph goes on with.
                known = await self.executions.find_step(place, run.execution_id, run.run, number)
                if known is not None:
                    return dict(known.update)
        await self.live.say(place, run.execution_id, "step", {**told, "state": "done", "spent": desk.spent.fields()})
        return update

    async def note_gate(self, place: Place, execution_id: str, gate: Step) -> None:
        """Note what somebody's word has changed, behind the step that led there."""
        async with self.begin():
            await self.executions.record(place, execution_id, gate)

    async def wait(self, place: Place, execution_id: str, run: int, interrupt: Interrupt | None) -> None:
        """Note what a run waits for, or that it goes on."""
        async with self.begin():
            await self.executions.wait(place, execution_id, run, interrupt)
        told: JsonObject = {"status": "running"}
        if interrupt is not None:
            about = {"id": interrupt.id, "kind": interrupt.kind, "asked": interrupt.asked}
            told = {"status": "waiting", "interrupt": about}
        await self.live.say(place, execution_id, "status", told)

    async def end_run(self, place: Place, execution_id: str, run: int, outcome: Outcome) -> None:
        """Note how a run ended, and say so once."""
        outcome = replace(outcome, error=storable(outcome.error))
        async with self.begin():
            at = self.now()
            if await self.executions.end(place, execution_id, run, outcome, at):
                execution = await self.executions.find(place, execution_id)
                if execution is not None:
                    said = _ending(execution, outcome, at)
                    self.events.publish(said, place, event_id(execution_id, run, type(said)))
        await self.live.say(place, execution_id, "status", {"status": outcome.status})


def event_id(execution_id: str, run: int, kind: type[EventData]) -> str:
    """The id of the event that says something of a run: however often it is said, it is one."""
    return str(uuid.uuid5(_NAMES, f"{execution_id}:{run}:{kind.subject}"))


def _tools_of(execution: Execution) -> list[str] | None:
    if execution.tools is not None:
        return list(execution.tools)
    own = graph_named(execution.graph_id).tools
    return None if own is None else list(own)


def _begun(place: Place, execution: Execution, tools: list[JsonObject], steps: Any) -> JsonObject:
    options, limits = execution.options, execution.options.limits
    run = Run(
        place.tenant_id,
        place.database,
        execution.id,
        execution.run,
        execution.graph_id,
        execution.behalf,
        options.model,
        tools,
        options.approve,
        questions=options.questions,
        stream=options.stream,
    )
    # A run that begins somewhere has taken the steps before over from the one it retries.
    kept = [step for step in steps if step.run == execution.run and step.number < (execution.resume_from or 0)]
    state = folded(dict(execution.input), [step.update for step in kept])
    return {
        "context": run.fields(),
        "limits": {
            "steps": limits.steps + (kept[-1].number if kept else 0),
            "microUsd": limits.micro_usd,
            "interruptSeconds": limits.interrupt_seconds,
        },
        "progress": {
            "state": state,
            "node": kept[-1].node if kept else None,
            "steps": state["step"],
            "spent": Spent().fields(),
            "secondsLeft": limits.seconds,
            "interrupts": 0,
        },
    }


def _about(execution: Execution) -> JsonObject:
    return {
        "tenant_id": execution.behalf.tenant_id,
        "execution_id": execution.id,
        "graph_id": execution.graph_id,
        "run": execution.run,
    }


def _ending(execution: Execution, outcome: Outcome, at: datetime) -> AgentCompleted | AgentFailed:
    spent = execution.spent
    metrics = AgentMetrics(steps=execution.steps, **spent.fields())
    began = execution.started_at or execution.created_at
    duration = max(0, round((at - began).total_seconds() * 1000))
    if outcome.status == "completed":
        return AgentCompleted(**_about(execution), metrics=metrics, duration_ms=duration)
    error = outcome.error or {"code": outcome.status, "message": f"the execution was {outcome.status}"}
    return AgentFailed(
        **_about(execution), metrics=metrics, duration_ms=duration, code=error["code"], reason=error["message"]
    )
