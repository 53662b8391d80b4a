"""/v1/ingestion-jobs: documents that are ingested together."""

import asyncio
import time
from collections.abc import AsyncIterator

from fastapi import Request, Response

from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.errors import DcoderError, Unprocessable
from functions.kit.models import Page
from functions.kit.routing import api_router
from functions.kit.sse import EventStream
from functions.knowledge.callers import caller_of
from functions.knowledge.core.access import Caller
from functions.knowledge.core.add_document import NewDocument
from functions.knowledge.core.models import Status
from functions.knowledge.documents.schemas import whole
from functions.knowledge.jobs.schemas import CreateJob, Job, JobDocument, JobItem
from functions.knowledge.wire_types import Cursor, InCorpus, JobId, Limit
from functions.knowledge.wiring import Knowledge, knowledge

router = api_router()

_JOBS, _JOB = "/v1/ingestion-jobs", "/v1/ingestion-jobs/{jobId}"
_READ, _WRITE = [require("knowledge:read")], [require("knowledge:write")]
_LOOK_SECONDS = 0.5
_LONGEST_SECONDS = 600.0
_STILL_THERE_SECONDS = 15.0


@router.post(_JOBS, status_code=202, dependencies=_WRITE, summary="Begin an ingestion job")
async def create_job(request: Request, body: CreateJob) -> Job:
    """Begin a job with the documents given, all or none of them; others join it by `jobId` when they are added."""
    use: Knowledge = request.app.state.wiring
    caller = await caller_of(request, use.tenants)
    job = await use.jobs.create(caller, body.corpus_id)
    for document in body.documents:
        await _add(use, caller, job.id, body.corpus_id, document)
    return Job.of(await use.jobs.get(caller, job.id))


async def _add(use: Knowledge, caller: Caller, job_id: str, corpus_id: str, document: JobDocument) -> None:
    if (document.content is None) == (document.uri is None):
        raise Unprocessable(f"{document.name}: give one of content and uri", details={"field": "documents"})
    wanted = NewDocument(
        corpus_id=corpus_id,
        name=document.name,
        media_type=document.media_type,
        metadata=document.metadata,
        groups=document.groups,
        source_uri=document.uri,
        job_id=job_id,
    )
    if document.uri is not None:
        use.egress.check_public(document.uri)
        await use.add_document.from_address(caller, wanted)
    else:
        await use.add_document.with_content(caller, wanted, whole((document.content or "").encode()))


@router.get(_JOBS, dependencies=_READ, summary="List ingestion jobs")
async def list_jobs(
    request: Request, *, corpus_id: InCorpus = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[Job]:
    """The jobs on corpora that the caller may read, newest first."""
    use: Knowledge = request.app.state.wiring
    found = await use.jobs.page(await caller_of(request, use.tenants), corpus_id, limit, cursor)
    return Page(items=[Job.of(job) for job in found.items], next_cursor=found.next_cursor)


@router.get(_JOB, dependencies=_READ, summary="Get an ingestion job")
async def get_job(request: Request, job_id: JobId) -> Job:
    """How far it is."""
    use: Knowledge = request.app.state.wiring
    return Job.of(await use.jobs.get(await caller_of(request, use.tenants), job_id))


@router.get(f"{_JOB}/documents", dependencies=_READ, summary="List an ingestion job's documents")
async def list_job_documents(
    request: Request, job_id: JobId, *, status: Status | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[JobItem]:
    """Each document with where it stands and, when it failed, why."""
    use: Knowledge = request.app.state.wiring
    found = await use.jobs.items(await caller_of(request, use.tenants), job_id, status, limit, cursor)
    return Page(items=[JobItem.of(item) for item in found.items], next_cursor=found.next_cursor)


@router.get(f"{_JOB}/events", dependencies=_READ, response_class=Response, summary="Follow an ingestion job")
async def follow_job(request: Request, job_id: JobId) -> Response:
    """Server-sent events: `progress` with the job whenever it has moved, `end` when nothing is left to do."""
    use: Knowledge = request.app.state.wiring
    caller = await caller_of(request, use.tenants)
    await use.jobs.get(caller, job_id)
    return EventStream(_follow(use, caller, job_id))


async def _follow(use: Knowledge, caller: Caller, job_id: str) -> AsyncIterator[bytes]:
    shown, said_at, until = "", time.monotonic(), time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < until:
        try:
            async with use.begin():
                job = Job.of(await use.jobs.get(caller, job_id))
        except DcoderError:
            # It was removed, or the database is away; whoever follows it asks again.
            return
        told = job.model_dump_json(by_alias=True)
        if told != shown:
            shown, said_at = told, time.monotonic()
            yield f"event: progress\ndata: {told}\n\n".encode()
        elif time.monotonic() - said_at > _STILL_THERE_SECONDS:
            said_at = time.monotonic()
            yield b": still there\n\n"
        if job.status != "running" and job.total:
            yield f"event: end\ndata: {told}\n\n".encode()
            return
        await asyncio.sleep(_LOOK_SECONDS)


@router.post(f"{_JOB}/cancel", dependencies=_WRITE, summary="Cancel an ingestion job")
async def cancel_job(request: Request, job_id: JobId) -> Job:
    """End what is not over; what is indexed stays. Sound to repeat."""
    use: Knowledge = request.app.state.wiring
    return Job.of(await use.jobs.cancel(await caller_of(request, use.tenants), job_id))


@router.post(f"{_JOB}/retry", status_code=202, dependencies=_WRITE, summary="Try an ingestion job's failures again")
async def retry_job(request: Request, job_id: JobId) -> Job:
    """Have every document of it indexed again that failed."""
    use: Knowledge = request.app.state.wiring
    return Job.of(await use.jobs.retry(await caller_of(request, use.tenants), job_id))


app = create_app(router, wire=knowledge)
