"""POST /v1/agents/execute: begins an execution of a graph."""

from fastapi import Request, Response

from functions.agents.awaiting import Awaited, settled
from functions.agents.callers import caller_of
from functions.agents.execute.schemas import Accepted, ExecuteBody
from functions.agents.execution_schemas import Execution
from functions.agents.wiring import Agents, agents
from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.models import ApiModel
from functions.kit.routing import api_router

router = api_router()


@router.post(
    "/v1/agents/execute",
    status_code=202,
    response_model=Accepted,
    dependencies=[require("agents:execute")],
    summary="Begin an execution",
    responses={200: {"model": Execution, "description": "With `wait`: it has ended, or waits for somebody."}},
)
async def execute(request: Request, body: ExecuteBody) -> Response:
    """Begin an execution; with `options.wait`, answer 200 with where it has got to once it ends or waits."""
    use: Agents = request.app.state.wiring
    caller = await caller_of(request, use.tenants)
    execution = await use.executions.begin(caller, body.order())
    accepted = _json(Accepted(execution_id=execution.id, status=execution.status), 202)
    if not body.options.wait:
        return accepted

    async def better() -> Response | None:
        reached = await settled(use, caller, execution.id, body.options.wait)
        return None if reached is None else _json(Execution.of(reached), 200)

    return Awaited(accepted, better)


def _json(model: ApiModel, status: int) -> Response:
    return Response(model.model_dump_json(by_alias=True), status, media_type="application/json")


app = create_app(router, wire=agents)
