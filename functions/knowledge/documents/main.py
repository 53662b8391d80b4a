"""/v1/documents: what corpora consist of."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.errors import InvalidRequest, Unprocessable
from functions.kit.models import Page
from functions.kit.routing import api_router
from functions.knowledge.callers import caller_of
from functions.knowledge.core.access import Caller
from functions.knowledge.core.models import DocumentFilter, Status
from functions.knowledge.documents.schemas import (
    CompleteUpload,
    CreateDocument,
    Description,
    Document,
    Passage,
    UpdateDocument,
    Version,
    Versions,
)
from functions.knowledge.wire_types import Cursor, DocumentId, InCorpus, Limit, Prefix
from functions.knowledge.wiring import Knowledge, knowledge

router = api_router()

_DOCUMENTS, _DOCUMENT = "/v1/documents", "/v1/documents/{documentId}"
_READ, _WRITE = [require("knowledge:read")], [require("knowledge:write")]
_FORM = "multipart/form-data"
_PIECE = 1 << 20
_LONGEST_PASSAGE = 100_000
_FORM_SCHEMA = {
    "type": "object",
    "required": ["corpusId", "file"],
    "properties": {
        "corpusId": {"type": "string"},
        "name": {"type": "string", "description": "The file's own where it is left out."},
        "mediaType": {"type": "string"},
        "metadata": {"type": "string", "description": "A JSON object."},
        "groups": {"type": "string", "description": "A JSON list of group ids."},
        "jobId": {"type": "string"},
        "file": {"type": "string", "format": "binary"},
    },
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": CreateDocument.model_json_schema(ref_template="#/components/schemas/{model}")
            },
            _FORM: {"schema": _FORM_SCHEMA},
        },
    }
}


@router.post(
    _DOCUMENTS,
    status_code=202,
    response_model=Document,
    dependencies=_WRITE,
    openapi_extra=_BODY,
    summary="Add a document",
)
async def create_document(request: Request, response: Response) -> Document:
    """Add a document, or a new version of the one of that name: as JSON, as a multipart form, or by an upload apart."""
    use: Knowledge = request.app.state.wiring
    caller = await caller_of(request, use.tenants)
    if request.headers.get("content-type", "").lower().startswith(_FORM):
        made = await _from_form(use, caller, request)
    else:
        made = await _from_json(use, caller, await request.body())
    response.status_code = 200 if made.deduplicated else 202
    return made


async def _from_json(use: Knowledge, caller: Caller, body: bytes) -> Document:
    try:
        wanted = CreateDocument.model_validate(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise InvalidRequest("the body is not valid JSON") from error
    except ValidationError as error:
        raise _unprocessable(error) from error
    if wanted.upload:
        link = await use.add_document.by_upload(caller, wanted.wanted())
        return Document.of(link.state, link=link)
    if wanted.uri is not None:
        use.egress.check_public(wanted.uri)
        added = await use.add_document.from_address(caller, wanted.wanted(source_uri=wanted.uri))
    else:
        added = await use.add_document.with_content(caller, wanted.wanted(), wanted.body())
    return Document.of(added.state, deduplicated=added.deduplicated)


async def _from_form(use: Knowledge, caller: Caller, request: Request) -> Document:
    try:
        async with request.form(max_files=1, max_fields=20) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise Unprocessable("the form has no file", details={"field": "file"})
            try:
                described = Description.model_validate(_fields(form, file))
            except ValidationError as error:
                raise _unprocessable(error) from error
            added = await use.add_document.with_content(caller, described.wanted(), _pieces(file))
    except HTTPException as error:
        raise InvalidRequest(f"the form cannot be read: {error.detail}") from error
    return Document.of(added.state, deduplicated=added.deduplicated)


def _fields(form: FormData, file: UploadFile) -> dict[str, Any]:
    fields: dict[str, Any] = {name: value for name, value in form.items() if name != "file"}
    for name in ("metadata", "groups"):
        if name in fields:
            try:
                fields[name] = orjson.loads(fields[name])
            except orjson.JSONDecodeError as error:
                raise Unprocessable(f"{name} is not JSON", details={"field": name}) from error
    fields.setdefault("name", file.filename or "")
    fields.setdefault("mediaType", file.content_type or "")
    return fields


async def _pieces(file: UploadFile) -> AsyncIterator[bytes]:
    while piece := await file.read(_PIECE):
        yield piece


def _unprocessable(error: ValidationError) -> RequestValidationError:
    return RequestValidationError(error.errors(include_url=False, include_context=False, include_input=False))


@router.get(_DOCUMENTS, dependencies=_READ, summary="List documents")
async def list_documents(
    request: Request,
    *,
    corpus_id: InCorpus = None,
    status: Status | None = None,
    q: Annotated[Prefix, Query(description="How the name begins.")] = "",
    content_hash: Annotated[
        str | None, Query(alias="contentHash", pattern="^[0-9a-f]{64}$", description="SHA-256 of the content.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Document]:
    """The documents that the caller may read, newest first."""
    use: Knowledge = request.app.state.wiring
    wanted = DocumentFilter(corpus_id, status, q, content_hash)
    found = await use.documents.page(await caller_of(request, use.tenants), wanted, limit, cursor)
    return Page(items=[Document.of(state) for state in found.items], next_cursor=found.next_cursor)


@router.get(_DOCUMENT, dependencies=_READ, summary="Get a document")
async def get_document(request: Request, document_id: DocumentId) -> Document:
    """One document, and how it stands."""
    use: Knowledge = request.app.state.wiring
    return Document.of(await use.documents.get(await caller_of(request, use.tenants), document_id))


@router.patch(_DOCUMENT, dependencies=_WRITE, summary="Describe a document")
async def update_document(request: Request, document_id: DocumentId, body: UpdateDocument) -> Document:
    """Change metadata or access list; searches obey both at once, and indexing anew keeps them."""
    use: Knowledge = request.app.state.wiring
    caller = await caller_of(request, use.tenants)
    return Document.of(await use.documents.change(caller, document_id, body.changes()))


@router.delete(_DOCUMENT, status_code=204, dependencies=_WRITE, summary="Remove a document")
async def remove_document(request: Request, document_id: DocumentId) -> Response:
    """Remove a document with all its versions, from every index."""
    use: Knowledge = request.app.state.wiring
    await use.documents.remove(await caller_of(request, use.tenants), document_id)
    return Response(status_code=204)


@router.get(f"{_DOCUMENT}/versions", dependencies=_READ, summary="List a document's versions")
async def list_versions(request: Request, document_id: DocumentId) -> Versions:
    """Every content it has had, newest first."""
    use: Knowledge = request.app.state.wiring
    found = await use.documents.versions(await caller_of(request, use.tenants), document_id)
    return Versions(items=[Version.of(version) for version in found])


@router.get(f"{_DOCUMENT}/text", dependencies=_READ, summary="Read a document's text")
async def get_text(
    request: Request,
    document_id: DocumentId,
    *,
    version: Annotated[int | None, Query(ge=1, description="The newest where it is left out.")] = None,
    start: Annotated[int, Query(ge=0, description="First character.")] = 0,
    end: Annotated[int | None, Query(ge=0, description="After the last character.")] = None,
) -> Passage:
    """Part of the text that was read out of it; a passage's `charStart` and `charEnd` count its characters."""
    use: Knowledge = request.app.state.wiring
    caller = await caller_of(request, use.tenants)
    last = min(start + _LONGEST_PASSAGE, start + _LONGEST_PASSAGE if end is None else end)
    text = await use.documents.text(caller, document_id, number=version, start=start, end=last)
    return Passage(document_id=document_id, start=start, end=start + len(text), text=text)


@router.post(f"{_DOCUMENT}/complete", status_code=202, dependencies=_WRITE, summary="Complete an upload")
async def complete_upload(request: Request, document_id: DocumentId, body: CompleteUpload) -> Document:
    """Have the content indexed that was sent to an upload's address; sound to repeat."""
    use: Knowledge = request.app.state.wiring
    caller = await caller_of(request, use.tenants)
    return Document.of(await use.add_document.complete(caller, document_id, body.version_id, body.job_id))


@router.post(f"{_DOCUMENT}/retry", status_code=202, dependencies=_WRITE, summary="Try a document again")
async def retry_document(request: Request, document_id: DocumentId) -> Document:
    """Have a document indexed again that failed."""
    use: Knowledge = request.app.state.wiring
    return Document.of(await use.documents.retry(await caller_of(request, use.tenants), document_id))


app = create_app(router, wire=knowledge)
