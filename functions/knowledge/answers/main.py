"""POST /v1/answers: an answer from the tenant's passages, every sentence checked."""

from fastapi import Request

from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.routing import api_router
from functions.knowledge.answers.schemas import AnswerQuery, GroundedAnswer
from functions.knowledge.callers import caller_of
from functions.knowledge.wiring_search import Retrieval, retrieval

router = api_router()


@router.post("/v1/answers", dependencies=[require("knowledge:read")], summary="Answer a question from passages")
async def answer(request: Request, body: AnswerQuery) -> GroundedAnswer:
    """An answer with `[n]` markers, the passages they name, and for each sentence whether its passages say so."""
    use: Retrieval = request.app.state.wiring
    caller = await caller_of(request, use.tenants)
    return GroundedAnswer.of(await use.answers(caller.space, caller.reader, caller.behalf, body.asked()))


app = create_app(router, wire=retrieval)
