"""What somebody wants an agent to do."""

from typing import Annotated, Any

from pydantic import Field

from functions.agents.core.executions import Order
from functions.agents.core.models import Limits, Status
from functions.kit.models import ApiModel

ToolName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Model = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]


class ExecuteOptions(ApiModel):
    """How it is to go, and what it may use at most."""

    model: Annotated[
        Model | None, Field(description="Of the gateway, `provider/model`; the tenant's default one when absent.")
    ] = None
    max_steps: Annotated[int, Field(ge=1, le=1_000, description="Nodes of the graph that are run.")] = 60
    max_seconds: Annotated[int, Field(ge=1, le=86_400, description="Of work; waiting for people does not count.")] = (
        3_600
    )
    max_cost_micro_usd: Annotated[
        int | None, Field(ge=1, description="Spent on models, in millionths of a US dollar.")
    ] = None
    interrupt_seconds: Annotated[
        int, Field(ge=1, le=30 * 86_400, description="How long an approval or an answer is waited for.")
    ] = 7 * 86_400
    approve: Annotated[
        list[ToolName],
        Field(
            default_factory=list,
            max_length=100,
            description="Tools that are called only once somebody has approved it; `*` for all, `plan` for a plan.",
        ),
    ]
    questions: Annotated[bool, Field(description="The agent may ask whoever began it.")] = False
    stream: Annotated[bool, Field(description="What models write is told while they write it.")] = False
    wait: Annotated[
        int, Field(ge=0, le=60, description="Seconds to wait for the end, or for an interrupt, before the answer.")
    ] = 0


class ExecuteBody(ApiModel):
    """An order."""

    graph_id: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[a-z0-9-]+$")]
    input: Annotated[dict[str, Any], Field(description="As the graph's schema says: GET /v1/agents/graphs.")]
    tools: Annotated[
        list[ToolName] | None,
        Field(max_length=64, description="Names; absent: those of the graph, or all that the caller may use."),
    ] = None
    options: ExecuteOptions = ExecuteOptions()

    def order(self) -> Order:
        """As the use case takes it."""
        options = self.options
        return Order(
            self.graph_id,
            self.input,
            None if self.tools is None else list(dict.fromkeys(self.tools)),
            options.model,
            Limits(options.max_steps, options.max_seconds, options.max_cost_micro_usd, options.interrupt_seconds),
            approve=options.approve,
            questions=options.questions,
            stream=options.stream,
        )


class Accepted(ApiModel):
    """An execution that was begun."""

    execution_id: str
    status: Status
