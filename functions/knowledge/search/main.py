"""POST /v1/search: passages by words, by meaning, or both."""

from fastapi import Request

from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.routing import api_router
from functions.knowledge.callers import caller_of
from functions.knowledge.search.schemas import SearchAnswer, SearchQuery
from functions.knowledge.wiring_search import Retrieval, retrieval

router = api_router()


@router.post("/v1/search", dependencies=[require("knowledge:read")], summary="Search for passages")
async def search(request: Request, body: SearchQuery) -> SearchAnswer:
    """The best passages of the corpora that the caller may read; `degraded` names every stage that was left out."""
    use: Retrieval = request.app.state.wiring
    caller = await caller_of(request, use.tenants)
    wanted = body.wanted()
    result = await use.search(caller.space, caller.reader, caller.behalf, wanted)
    return SearchAnswer.of(result, explain=body.explain)


app = create_app(router, wire=retrieval)
