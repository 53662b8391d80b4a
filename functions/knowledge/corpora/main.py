"""/v1/corpora: what is searched as one."""

from fastapi import Request, Response

from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.models import Page
from functions.kit.routing import api_router
from functions.knowledge.callers import caller_of
from functions.knowledge.corpora.schemas import Corpus, CreateCorpus, UpdateCorpus
from functions.knowledge.wire_types import CorpusId, Cursor, Limit
from functions.knowledge.wiring import Knowledge, knowledge

router = api_router()

_CORPORA, _CORPUS = "/v1/corpora", "/v1/corpora/{corpusId}"
_READ, _WRITE = [require("knowledge:read")], [require("knowledge:write")]


@router.post(_CORPORA, status_code=201, dependencies=_WRITE, summary="Make a corpus")
async def create_corpus(request: Request, body: CreateCorpus) -> Corpus:
    """Make a corpus with its first index, which searches use at once."""
    use: Knowledge = request.app.state.wiring
    caller = await caller_of(request, use.tenants)
    return Corpus.model_validate(await use.corpora.create(caller, body.fields(), body.settings.wanted()))


@router.get(_CORPORA, dependencies=_READ, summary="List corpora")
async def list_corpora(request: Request, *, limit: Limit = 50, cursor: Cursor = None) -> Page[Corpus]:
    """The corpora that the caller may read, newest first."""
    use: Knowledge = request.app.state.wiring
    found = await use.corpora.page(await caller_of(request, use.tenants), limit, cursor)
    return Page(items=[Corpus.model_validate(corpus) for corpus in found.items], next_cursor=found.next_cursor)


@router.get(_CORPUS, dependencies=_READ, summary="Get a corpus")
async def get_corpus(request: Request, corpus_id: CorpusId) -> Corpus:
    """One corpus."""
    use: Knowledge = request.app.state.wiring
    return Corpus.model_validate(await use.corpora.get(await caller_of(request, use.tenants), corpus_id))


@router.patch(_CORPUS, dependencies=_WRITE, summary="Change a corpus")
async def update_corpus(request: Request, corpus_id: CorpusId, body: UpdateCorpus) -> Corpus:
    """Change what is sent and leave the rest. Who may read it changes with the next request."""
    use: Knowledge = request.app.state.wiring
    caller = await caller_of(request, use.tenants)
    return Corpus.model_validate(await use.corpora.change(caller, corpus_id, body.changes()))


@router.delete(_CORPUS, status_code=204, dependencies=_WRITE, summary="Remove a corpus")
async def remove_corpus(request: Request, corpus_id: CorpusId) -> Response:
    """Remove a corpus with its documents and indexes."""
    use: Knowledge = request.app.state.wiring
    await use.corpora.remove(await caller_of(request, use.tenants), corpus_id)
    return Response(status_code=204)


app = create_app(router, wire=knowledge)
