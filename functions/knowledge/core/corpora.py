"""Corpora: made with their first index, described, removed with all that is in them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict

from functions.kit.clock import utc_now
from functions.kit.cursors import id_in_cursor
from functions.kit.identifiers import new_id
from functions.kit.subjects import DocumentDeleted
from functions.knowledge.core.access import Caller, readable_corpus, sliced
from functions.knowledge.core.models import Corpus, Index, IndexSettings, IndexStatus, Slice
from functions.knowledge.core.ports import ChunkStore, Corpora, Events


class CorpusChanges(TypedDict, total=False):
    """What of a corpus is to change."""

    name: str
    description: str
    groups: Sequence[str]
    metadata: Mapping[str, Any]


class ManageCorpora:
    """Makes, finds, changes and removes corpora."""

    def __init__(self, corpora: Corpora, chunks: ChunkStore, events: Events) -> None:
        self._corpora = corpora
        self._chunks = chunks
        self._events = events

    async def create(self, caller: Caller, fields: CorpusChanges, settings: IndexSettings) -> Corpus:
        """Make a corpus with an index that is at once the active one, having nothing to index.

        Raises:
            CorpusNameTaken: another has the name.
        """
        now = utc_now()
        index = Index(new_id(), new_id(), settings, IndexStatus.ACTIVE, None, now, now)
        corpus = Corpus(
            id=index.corpus_id,
            name=fields["name"],
            description=fields.get("description", ""),
            groups=fields.get("groups", ()),
            metadata=fields.get("metadata", {}),
            active_index_id=index.id,
            created_by=caller.name,
            created_at=now,
            updated_at=now,
        )
        await self._corpora.add(caller.space, corpus)
        await self._corpora.add_index(caller.space, index)
        return corpus

    async def get(self, caller: Caller, corpus_id: str) -> Corpus:
        """One corpus.

        Raises:
            CorpusNotFound: there is none, or not for the caller.
        """
        return await readable_corpus(self._corpora, caller, corpus_id)

    async def page(self, caller: Caller, limit: int, cursor: str | None) -> Slice[Corpus]:
        """The caller's corpora, newest first."""
        found = list(await self._corpora.page(caller.space, caller.reader, limit + 1, id_in_cursor(cursor)))
        return sliced(found, limit, [corpus.id for corpus in found])

    async def change(self, caller: Caller, corpus_id: str, changes: CorpusChanges) -> Corpus:
        """Change what is given and leave the rest.

        Raises:
            CorpusNotFound: there is none, or not for the caller.
            CorpusNameTaken: another has the name.
        """
        corpus = await readable_corpus(self._corpora, caller, corpus_id, lock=True)
        return await self._corpora.change(caller.space, replace(corpus, **changes))

    async def remove(self, caller: Caller, corpus_id: str) -> None:
        """Remove a corpus, its documents and its indexes; objects go soon after.

        Raises:
            CorpusNotFound: there is none, or not for the caller.
        """
        corpus = await readable_corpus(self._corpora, caller, corpus_id, lock=True)
        before: str | None = None
        while indexes := await self._corpora.indexes(caller.space, caller.reader, corpus.id, 100, before):
            for index in indexes:
                await self._chunks.drop_index(caller.space, index.id)
            before = indexes[-1].id
        await self._corpora.remove(caller.space, corpus.id)
        deleted = DocumentDeleted(tenant_id=caller.space.tenant_id, corpus_id=corpus.id, document_id=None, versions=[])
        self._events.publish(deleted, caller.space)
