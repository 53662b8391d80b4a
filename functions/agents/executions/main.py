"""/v1/agents/executions: tells of executions, follows them, ends them, has them go on."""

from typing import Annotated

from fastapi import Path, Query, Request, Response

from functions.agents.callers import caller_of
from functions.agents.core.models import Status
from functions.agents.execution_schemas import Cursor, Execution, ExecutionDetails, ExecutionId, Limit
from functions.agents.executions.following import follow, resumed_after
from functions.agents.executions.schemas import RetryBody, Word
from functions.agents.wiring import Agents, agents
from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.models import Page
from functions.kit.routing import api_router
from functions.kit.sse import EventStream

router = api_router()

_ALL, _ONE = "/v1/agents/executions", "/v1/agents/executions/{executionId}"
_READ, _EXECUTE = [require("agents:read")], [require("agents:execute")]
InterruptId = Annotated[str, Path(alias="interruptId", pattern=r"^[0-9]{1,9}-[0-9]{1,9}$")]
GraphId = Annotated[str | None, Query(alias="graphId", max_length=100, pattern=r"^[a-z0-9-]+$")]


@router.get(_ALL, dependencies=_READ, summary="List executions")
async def list_executions(
    request: Request,
    *,
    status: Status | None = None,
    graph_id: GraphId = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Execution]:
    """The caller's own, newest first; an admin's list has all of the tenant."""
    use: Agents = request.app.state.wiring
    caller = await caller_of(request, use.tenants)
    found = await use.executions.page(caller, status, graph_id, limit, cursor)
    return Page(items=[Execution.of(execution) for execution in found.items], next_cursor=found.next_cursor)


@router.get(_ONE, dependencies=_READ, summary="Get an execution")
async def get_execution(request: Request, execution_id: ExecutionId) -> ExecutionDetails:
    """One with its steps, the calls of tools, what it used and how long it took."""
    use: Agents = request.app.state.wiring
    caller = await caller_of(request, use.tenants)
    execution = await use.executions.get(caller, execution_id)
    return ExecutionDetails.told(execution, await use.executions.steps(caller, execution_id))


@router.get(f"{_ONE}/events", dependencies=_READ, response_class=Response, summary="Follow an execution")
async def follow_execution(request: Request, execution_id: ExecutionId) -> Response:
    """Server-sent events: `execution` as it is, then `status`, `step`, `tool` and `token` as they come, then `end`.

    With `Last-Event-ID` only what came after that is told, as long as it is kept (an hour).
    """
    use: Agents = request.app.state.wiring
    caller = await caller_of(request, use.tenants)
    await use.executions.get(caller, execution_id)
    return EventStream(follow(use, caller, execution_id, resumed_after(request.headers.get("last-event-id"))))


@router.post(f"{_ONE}/cancel", status_code=202, dependencies=_EXECUTE, summary="Cancel an execution")
async def cancel_execution(request: Request, execution_id: ExecutionId) -> Execution:
    """Have it end soon, also in the middle of a call. Sound to repeat."""
    use: Agents = request.app.state.wiring
    return Execution.of(await use.executions.cancel(await caller_of(request, use.tenants), execution_id))


@router.post(f"{_ONE}/retry", status_code=202, dependencies=_EXECUTE, summary="Retry an execution")
async def retry_execution(request: Request, execution_id: ExecutionId, body: RetryBody) -> Execution:
    """Run one that failed, or was cancelled, again from a step on."""
    use: Agents = request.app.state.wiring
    caller = await caller_of(request, use.tenants)
    return Execution.of(await use.executions.retry(caller, execution_id, body.from_step))


@router.post(f"{_ONE}/interrupts/{{interruptId}}", dependencies=_EXECUTE, summary="Answer an interrupt of an execution")
async def answer_interrupt(
    request: Request, execution_id: ExecutionId, interrupt_id: InterruptId, body: Word
) -> Execution:
    """Approve or refuse what it wants to do, or answer its question; it goes on at once."""
    use: Agents = request.app.state.wiring
    caller = await caller_of(request, use.tenants)
    return Execution.of(await use.executions.respond(caller, execution_id, interrupt_id, body.word()))


app = create_app(router, wire=agents)
