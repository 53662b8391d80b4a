"""/v1/indexes: corpora as they are searched."""

from fastapi import Request, Response

from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.models import Page
from functions.kit.routing import api_router
from functions.knowledge.callers import caller_of
from functions.knowledge.indexes.schemas import CreateIndex, Index
from functions.knowledge.wire_types import Cursor, InCorpus, IndexId, Limit
from functions.knowledge.wiring import Knowledge, knowledge

router = api_router()

_INDEXES, _INDEX = "/v1/indexes", "/v1/indexes/{indexId}"
_READ, _WRITE = [require("knowledge:read")], [require("knowledge:write")]


@router.post(_INDEXES, status_code=202, dependencies=_WRITE, summary="Build an index")
async def create_index(request: Request, body: CreateIndex) -> Index:
    """Build an index beside the active one. Searches use it from the moment it has every document that that one has."""
    use: Knowledge = request.app.state.wiring
    caller = await caller_of(request, use.tenants)
    index, job = await use.indexes.create(caller, body.corpus_id, body.settings.wanted())
    return Index.of(index, job_id=job.id)


@router.get(_INDEXES, dependencies=_READ, summary="List indexes")
async def list_indexes(
    request: Request, *, corpus_id: InCorpus = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[Index]:
    """The indexes of the corpora that the caller may read, newest first."""
    use: Knowledge = request.app.state.wiring
    found = await use.indexes.page(await caller_of(request, use.tenants), corpus_id, limit, cursor)
    return Page(items=[Index.of(index) for index in found.items], next_cursor=found.next_cursor)


@router.get(_INDEX, dependencies=_READ, summary="Get an index")
async def get_index(request: Request, index_id: IndexId) -> Index:
    """One index, with the number of its passages."""
    use: Knowledge = request.app.state.wiring
    index, chunks = await use.indexes.get(await caller_of(request, use.tenants), index_id)
    return Index.of(index, chunks=chunks)


@router.delete(_INDEX, status_code=204, dependencies=_WRITE, summary="Remove an index")
async def remove_index(request: Request, index_id: IndexId) -> Response:
    """Remove an index that searches do not use; building it ends."""
    use: Knowledge = request.app.state.wiring
    await use.indexes.remove(await caller_of(request, use.tenants), index_id)
    return Response(status_code=204)


app = create_app(router, wire=knowledge)
