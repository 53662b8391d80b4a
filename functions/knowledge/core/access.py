"""Who asks, and what they may see: what a caller may not see does not exist for them."""

from dataclasses import dataclass

from functions.kit.cursors import encode_cursor
from functions.kit.identifiers import is_id
from functions.kit.service_tokens import OnBehalf
from functions.knowledge.core.errors import CorpusNotFound, DocumentNotFound, IndexNotFound, JobNotFound
from functions.knowledge.core.models import Corpus, DocumentState, Index, Item, Job, Reader, Slice, Space
from functions.knowledge.core.ports import Corpora, Documents, Jobs


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever makes a request.

    Attributes:
        behalf: for whom the gateway is asked later.
        name: subject of the credential.
    """

    space: Space
    reader: Reader
    behalf: OnBehalf
    name: str


async def readable_corpus(corpora: Corpora, caller: Caller, corpus_id: str, *, lock: bool = False) -> Corpus:
    """The corpus, if the caller may read it.

    Raises:
        CorpusNotFound: there is none, or not for the caller.
    """
    corpus = await corpora.find(caller.space, corpus_id, lock=lock) if is_id(corpus_id) else None
    if corpus is None or not caller.reader.may_read(corpus.groups):
        raise CorpusNotFound("there is no such corpus")
    return corpus


async def readable_index(corpora: Corpora, caller: Caller, index_id: str, *, lock: bool = False) -> Index:
    """The index, if the caller may read its corpus.

    Raises:
        IndexNotFound: there is none, or not for the caller.
    """
    index = await corpora.find_index(caller.space, index_id, lock=lock) if is_id(index_id) else None
    corpus = await corpora.find(caller.space, index.corpus_id) if index else None
    if index is None or corpus is None or not caller.reader.may_read(corpus.groups):
        raise IndexNotFound("there is no such index")
    return index


async def readable_document(
    corpora: Corpora, documents: Documents, caller: Caller, document_id: str, *, lock: bool = False
) -> DocumentState:
    """The document, if the caller may read it and its corpus.

    Raises:
        DocumentNotFound: there is none, or not for the caller.
    """
    state = await documents.find(caller.space, document_id, lock=lock) if is_id(document_id) else None
    corpus = await corpora.find(caller.space, state.document.corpus_id) if state else None
    if state is None or corpus is None or not caller.reader.may_read(corpus.groups, state.document.groups):
        raise DocumentNotFound("there is no such document")
    return state


async def readable_job(corpora: Corpora, jobs: Jobs, caller: Caller, job_id: str) -> Job:
    """The job, if the caller may read its corpus.

    Raises:
        JobNotFound: there is none, or not for the caller.
    """
    job = await jobs.find(caller.space, job_id) if is_id(job_id) else None
    corpus = await corpora.find(caller.space, job.corpus_id) if job else None
    if job is None or corpus is None or not caller.reader.may_read(corpus.groups):
        raise JobNotFound("there is no such job")
    return job


def sliced(found: list[Item], limit: int, ids: list[str]) -> Slice[Item]:
    """A page of what was asked for with one row more than the limit.

    Args:
        ids: of the rows found, in their order.
    """
    more = len(found) > limit
    return Slice(found[:limit], encode_cursor(ids[limit - 1]) if more else None)
