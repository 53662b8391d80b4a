"""Executions on the wire."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import Field

from functions.agents.core import models
from functions.agents.core.models import InterruptKind, Status
from functions.kit.identifiers import UUID_PATTERN
from functions.kit.models import ApiModel

ExecutionId = Annotated[str, Path(alias="executionId", pattern=UUID_PATTERN)]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=500)]


class Metrics(ApiModel):
    """What an execution, or a step, has used."""

    prompt_tokens: int
    completion_tokens: int
    cost_micro_usd: Annotated[int, Field(description="Millionths of a US dollar, as the gateway counted them.")]
    llm_calls: int
    tool_calls: int

    @classmethod
    def of(cls, spent: models.Spent) -> "Metrics":
        """From the core's."""
        return cls(
            prompt_tokens=spent.prompt_tokens,
            completion_tokens=spent.completion_tokens,
            cost_micro_usd=spent.micro_usd,
            llm_calls=spent.llm_calls,
            tool_calls=spent.tool_calls,
        )


class Interrupt(ApiModel):
    """What an execution waits for."""

    id: str
    kind: InterruptKind
    asked: Annotated[dict[str, Any], Field(description="`calls` or `plan` to be approved, or the `question`.")]
    asked_at: datetime
    expires_at: datetime


class Failure(ApiModel):
    """Why an execution failed."""

    code: str
    message: str


class ToolUse(ApiModel):
    """A call of a tool."""

    call_id: str
    name: str
    arguments: dict[str, Any]
    content: Annotated[str, Field(description="The beginning of what the tool said.")]
    is_error: bool
    error_code: str | None
    truncated: bool
    duration_ms: int


class Step(ApiModel):
    """A node that was run, or a gate where somebody was asked."""

    run: int
    number: int
    node: str
    is_gate: bool
    metrics: Metrics
    tool_calls: list[ToolUse]
    started_at: datetime
    ended_at: datetime
    duration_ms: int

    @classmethod
    def of(cls, step: models.Step) -> "Step":
        """From the core's."""
        return cls(
            run=step.run,
            number=step.number,
            node=step.node,
            is_gate=step.is_gate,
            metrics=Metrics.of(step.spent),
            tool_calls=[ToolUse.model_validate(use) for use in step.uses],
            started_at=step.started_at,
            ended_at=step.ended_at,
            duration_ms=round((step.ended_at - step.started_at).total_seconds() * 1000),
        )


class Execution(ApiModel):
    """An execution and how far it is."""

    execution_id: str
    graph_id: str
    status: Status
    run: Annotated[int, Field(description="Counts from 1; each retry is one more.")]
    model: str
    input: dict[str, Any]
    output: dict[str, Any] | None
    error: Failure | None
    interrupt: Interrupt | None
    steps_done: Annotated[int, Field(description="Of all runs together.")]
    metrics: Metrics
    created_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, execution: models.Execution) -> "Execution":
        """From the core's."""
        return cls(**_fields(execution))


class ExecutionDetails(Execution):
    """An execution with its steps."""

    steps: list[Step]

    @classmethod
    def told(cls, execution: models.Execution, steps: Sequence[models.Step]) -> "ExecutionDetails":
        """From the core's."""
        return cls(**_fields(execution), steps=[Step.of(step) for step in steps])


def _fields(execution: models.Execution) -> dict[str, Any]:
    return {
        "execution_id": execution.id,
        "graph_id": execution.graph_id,
        "status": execution.status,
        "run": execution.run,
        "model": execution.options.model,
        "input": dict(execution.input),
        "output": execution.output,
        "error": Failure.model_validate(execution.error) if execution.error else None,
        "interrupt": Interrupt.model_validate(execution.interrupt) if execution.interrupt else None,
        "steps_done": execution.steps,
        "metrics": Metrics.of(execution.spent),
        "created_by": execution.owner,
        "created_at": execution.created_at,
        "started_at": execution.started_at,
        "ended_at": execution.ended_at,
    }
