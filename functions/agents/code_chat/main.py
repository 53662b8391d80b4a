"""The model code-chat: an agent for any OpenAI client, its base URL being `/agents/v1` of the edge."""

from collections.abc import AsyncIterator
from typing import Annotated

import orjson
from fastapi import Request, Response

from functions.agents.awaiting import Awaited, settled
from functions.agents.callers import caller_of
from functions.agents.code_chat.schemas import CodeChatRequest
from functions.agents.core import code_chat
from functions.agents.core.errors import AgentFailed
from functions.agents.core.models import ENDED, Caller, Execution
from functions.agents.wiring import Agents, agents
from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.errors import DcoderError, InvalidRequest
from functions.kit.failures import as_dcoder_error, envelope, error_response
from functions.kit.idempotency import HEADER
from functions.kit.openai_models import OpenAIModel, OpenAIModels
from functions.kit.principal import Principal
from functions.kit.routing import api_router
from functions.kit.sse import EventStream

router = api_router()

_LONGEST_SECONDS = 600.0


@router.post(
    "/agents/v1/chat/completions",
    response_class=Response,
    dependencies=[require("agents:execute")],
    summary="Chat with the code assistant",
)
async def create_completion(request: Request, body: CodeChatRequest) -> Response:
    """OpenAI's chat completion by an execution of the graph `code-assistant`, whole or as a stream.

    Whoever leaves does not end it: it can be found among the executions.
    """
    if HEADER in request.headers:
        raise InvalidRequest("Idempotency-Key cannot be used here: begin an execution with it, and ask for its answer")
    use: Agents = request.app.state.wiring
    caller = await caller_of(request, use.tenants)
    execution = await use.executions.begin(caller, body.order())
    if body.stream:
        return EventStream(_frames(use, caller, execution.id, body.model))

    async def better() -> Response | None:
        reached = await settled(use, caller, execution.id, _LONGEST_SECONDS)
        if reached is None:
            return None
        return error_response(_failure(reached)) if reached.output is None else _whole(reached, body.model)

    return Awaited(_whole(execution, body.model), better)


@router.get("/agents/v1/models", summary="List the models that agents stand behind")
async def list_models(principal: Annotated[Principal, require("agents:read")]) -> OpenAIModels:
    """The one there is; `code-chat/provider/model` has another model of the gateway think."""
    del principal
    return OpenAIModels(data=[OpenAIModel(owned_by="agents", id=code_chat.MODEL)])


async def _frames(use: Agents, caller: Caller, execution_id: str, model: str) -> AsyncIterator[bytes]:
    try:
        async for frame in _told(use, caller, execution_id, model):
            yield frame
    except DcoderError as error:
        # The status is long sent: the error is the stream's last word, and [DONE] is withheld.
        yield _frame(envelope(as_dcoder_error(error)))
        return
    yield b"data: [DONE]\n\n"


async def _told(use: Agents, caller: Caller, execution_id: str, model: str) -> AsyncIterator[bytes]:
    """The words as they come; those that nobody heard, at the end."""
    told = ""
    yield _frame(code_chat.chunk(execution_id, model, {"role": "assistant", "content": ""}))
    async for event in use.live.follow(caller.place, execution_id, "0"):
        if event is None:
            async with use.begin():
                execution = await use.executions.get(caller, execution_id)
            if execution.status in ENDED:
                break
            continue
        _, name, data = event
        if name == "step" and data["state"] == "started" and data["again"] and told:
            raise AgentFailed("the answer broke off and was begun again; the execution has it")
        if name == "token":
            told += data["text"]
            yield _frame(code_chat.chunk(execution_id, model, {"content": data["text"]}))
    if execution.output is None:
        raise _failure(execution)
    answer = str(execution.output.get("answer") or "")
    # The last words may not have been told, or none of the last step's.
    most = min(len(answer), len(told))
    unheard = next(answer[heard:] for heard in range(most, -1, -1) if told.endswith(answer[:heard]))
    if unheard:
        yield _frame(code_chat.chunk(execution_id, model, {"content": unheard}))
    last = code_chat.chunk(execution_id, model, {}, "stop")
    yield _frame({**last, "usage": code_chat.usage(execution.spent)})


def _failure(execution: Execution) -> AgentFailed:
    error = execution.error or {"code": execution.status, "message": f"the execution was {execution.status}"}
    details = {"executionId": execution.id, "code": error["code"]}
    return AgentFailed(str(error["message"]), details=details)


def _whole(execution: Execution, model: str) -> Response:
    return Response(orjson.dumps(code_chat.completion(execution, model)), media_type="application/json")


def _frame(data: object) -> bytes:
    return b"data: " + orjson.dumps(data) + b"\n\n"


app = create_app(router, wire=agents)
