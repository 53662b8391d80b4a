"""Jobs: documents that are ingested together, watched, cancelled and tried again as one."""

from functions.kit.clock import utc_now
from functions.kit.cursors import decode_cursor, encode_cursor, id_in_cursor
from functions.kit.errors import InvalidRequest
from functions.kit.identifiers import is_id, new_id
from functions.kit.subjects import DocumentQueued
from functions.knowledge.core.access import Caller, readable_corpus, readable_job, sliced
from functions.knowledge.core.errors import JobCancelled
from functions.knowledge.core.models import Job, JobItem, Slice, Status
from functions.knowledge.core.ports import Corpora, Events, Jobs


class ManageJobs:
    """Begins, watches, cancels and repeats jobs."""

    def __init__(self, corpora: Corpora, jobs: Jobs, events: Events) -> None:
        self._corpora = corpora
        self._jobs = jobs
        self._events = events

    async def create(self, caller: Caller, corpus_id: str) -> Job:
        """Begin a job, to which documents are then added.

        Raises:
            CorpusNotFound: there is none, or not for the caller.
        """
        corpus = await readable_corpus(self._corpora, caller, corpus_id)
        job = Job(new_id(), corpus.id, None, "upload", {}, caller.name, utc_now(), None)
        await self._jobs.add(caller.space, job)
        return job

    async def get(self, caller: Caller, job_id: str) -> Job:
        """One job.

        Raises:
            JobNotFound: there is none, or not for the caller.
        """
        return await readable_job(self._corpora, self._jobs, caller, job_id)

    async def page(self, caller: Caller, corpus_id: str | None, limit: int, cursor: str | None) -> Slice[Job]:
        """The caller's jobs, newest first.

        Raises:
            CorpusNotFound: one is named and there is none, or not for the caller.
        """
        if corpus_id is not None:
            await readable_corpus(self._corpora, caller, corpus_id)
        before = id_in_cursor(cursor)
        found = list(await self._jobs.page(caller.space, caller.reader, corpus_id, limit + 1, before))
        return sliced(found, limit, [job.id for job in found])

    async def items(
        self, caller: Caller, job_id: str, status: Status | None, limit: int, cursor: str | None
    ) -> Slice[JobItem]:
        """A job's documents, each with what is wrong with it.

        Raises:
            JobNotFound: there is none, or not for the caller.
        """
        job = await readable_job(self._corpora, self._jobs, caller, job_id)
        after = None
        if cursor is not None:
            document_id, index_id = map(str, decode_cursor(cursor, str, str))
            if not (is_id(document_id) and is_id(index_id)):
                raise InvalidRequest("cursor is not valid", details={"parameter": "cursor"})
            after = (document_id, index_id)
        found = list(
            await self._jobs.items(caller.space, caller.reader, job.id, status=status, limit=limit + 1, after=after)
        )
        last = found[limit - 1] if len(found) > limit else None
        return Slice(found[:limit], encode_cursor(last.document_id, last.index_id) if last else None)

    async def cancel(self, caller: Caller, job_id: str) -> Job:
        """End what is not over; what is indexed stays. Sound to repeat.

        Raises:
            JobNotFound: there is none, or not for the caller.
        """
        job = await readable_job(self._corpora, self._jobs, caller, job_id)
        await self._jobs.cancel(caller.space, job.id)
        return await readable_job(self._corpora, self._jobs, caller, job_id)

    async def retry(self, caller: Caller, job_id: str) -> Job:
        """Have every document that failed done again.

        Raises:
            JobNotFound: there is none, or not for the caller.
            JobCancelled: it was cancelled.
        """
        job = await readable_job(self._corpora, self._jobs, caller, job_id)
        if job.status == "cancelled":
            raise JobCancelled("the job was cancelled")
        for document_id in await self._jobs.retry(caller.space, job_id=job.id):
            data = DocumentQueued(
                tenant_id=caller.space.tenant_id, corpus_id=job.corpus_id, document_id=document_id, job_id=job.id
            )
            self._events.publish(data, caller.space)
        return await readable_job(self._corpora, self._jobs, caller, job_id)
