"""The stages of ingestion: what each makes, and where it keeps it."""

import hashlib
import json
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from functions.kit.errors import NotFound
from functions.kit.service_tokens import OnBehalf
from functions.knowledge.core.blocks import GAP, Block, Outline, read_blocks, read_outline, with_plain_lines
from functions.knowledge.core.ingest_ports import Begin, Embeddings, Fetcher, Models, Parser, Vector
from functions.knowledge.core.layout import blocks_key, chunks_key, original_key, text_key, version_folder
from functions.knowledge.core.models import Chunk, EmbeddedChunk, Space, Stage, Work
from functions.knowledge.core.ports import ChunkStore, Corpora, Documents, Files, Storage
from functions.knowledge.core.reasons import CannotIngest, Reason

_BATCH = 32
_PIECE = 1 << 20


class Stages:
    """Does one stage. Files in the folder are a cache of objects: each is fetched when it is not there.

    Args:
        most_bytes: of a document.
    """

    def __init__(
        self,
        begin: Begin,
        corpora: Corpora,
        documents: Documents,
        *,
        chunks: ChunkStore,
        storage: Storage,
        parser: Parser,
        models: Models,
        embeddings: Embeddings,
        fetcher: Fetcher,
        most_bytes: int,
    ) -> None:
        self._begin = begin
        self._corpora = corpora
        self._documents = documents
        self._chunks = chunks
        self._storage = storage
        self._parser = parser
        self._models = models
        self._embeddings = embeddings
        self._fetcher = fetcher
        self._most_bytes = most_bytes

    async def perform(self, stage: Stage, space: Space, work: Work, folder: Path) -> None:
        """Do a stage, the last excepted.

        Raises:
            CannotIngest: the document is in the way.
            NotNow: what is needed will be there later.
            DependencyUnavailable: what is needed is away.
        """
        do = {Stage.STORE: self._store, Stage.PARSE: self._parse, Stage.CHUNK: self._chunk, Stage.EMBED: self._embed}
        await do[stage](space, work, folder)

    async def index(self, space: Space, work: Work, folder: Path) -> int:
        """Replace what the index has of the document, within the unit of work; returns how many chunks it has then."""
        return await self._chunks.replace_document(
            space, work.index, work.document, work.version, self._embedded(space, work, folder)
        )

    async def fetch_chunks(self, space: Space, work: Work, folder: Path) -> None:
        """Have the chunks in the folder, and the outline."""
        files = self._storage.of(space)
        await _have(files, chunks_key(work.corpus.id, work.version.id, work.index.settings.chunking), folder / "chunks")
        await _have(files, blocks_key(work.corpus.id, work.version.id), folder / "blocks")

    async def clear_if_gone(self, space: Space, work: Work) -> None:
        """Remove what was stored for a document after it was removed."""
        async with self._begin():
            gone = await self._documents.find(space, work.document.id) is None
        if gone:
            await self._storage.of(space).remove(version_folder(work.corpus.id, work.version.id))

    async def _store(self, space: Space, work: Work, folder: Path) -> None:
        """The content in the object store, counted and hashed."""
        if work.version.content_hash is not None:
            return
        files, key = self._storage.of(space), original_key(work.corpus.id, work.version.id)
        path = folder / "original"
        source = work.document.source_uri
        pieces = self._fetcher.fetch(source, self._most_bytes) if source else files.stream(key)
        digest, size = hashlib.sha256(), 0
        try:
            with path.open("wb") as out:
                async for piece in pieces:
                    size += len(piece)
                    # An upload's address is good for a while after it was completed.
                    if size > self._most_bytes:
                        raise CannotIngest(Reason.TOO_LARGE, f"it has more than {self._most_bytes} bytes")
                    digest.update(piece)
                    out.write(piece)
        except NotFound as error:
            raise CannotIngest(Reason.CONTENT_MISSING, "its content is not in the object store") from error
        if source:
            await files.put(key, _pieces(path))
        async with self._begin():
            await self._documents.note_content(space, work.version.id, digest.hexdigest(), size)

    async def _parse(self, space: Space, work: Work, folder: Path) -> None:
        """The text and its blocks; they are of the version alone, so another index finds them made."""
        files = self._storage.of(space)
        text, blocks = text_key(work.corpus.id, work.version.id), blocks_key(work.corpus.id, work.version.id)
        if await _there(files, blocks) and not await self._wants_description(files, blocks, work, folder):
            return
        try:
            await _have(files, original_key(work.corpus.id, work.version.id), folder / "original", self._most_bytes)
        except NotFound as error:
            raise CannotIngest(Reason.CONTENT_MISSING, "its content is not in the object store") from error
        settings, kind = work.index.settings.chunking, work.version.media_type
        await self._parser.parse(folder, work.document.name, kind, settings, tenant_id=space.tenant_id)
        outline = read_outline(folder / "blocks")
        if outline.is_picture:
            await self._describe(space, work, folder, outline)
        await files.put(text, _pieces(folder / "text"))
        # Last, because whoever finds it takes both to be there.
        await files.put(blocks, _pieces(folder / "blocks"))

    async def _wants_description(self, files: Files, blocks: str, work: Work, folder: Path) -> bool:
        """Whether it is a picture that was only read, and the index names a model that describes it."""
        if work.index.settings.caption_model is None:
            return False
        await _have(files, blocks, folder / "blocks")
        outline = read_outline(folder / "blocks")
        if not outline.is_picture or outline.is_described:
            return False
        (folder / "blocks").unlink()
        await files.remove(chunks_key(work.corpus.id, work.version.id, work.index.settings.chunking))
        return True

    async def _describe(self, space: Space, work: Work, folder: Path, outline: Outline) -> None:
        """Add what a model says of a picture to what is written on it, whose place in the text stays as it is."""
        written = (folder / "text").read_text(encoding="utf-8")
        model = work.index.settings.caption_model
        if model is None:
            if written:
                return
            raise CannotIngest(
                Reason.NO_CAPTION_MODEL, "no text is read on it, and the index names no model that describes pictures"
            )
        behalf = OnBehalf.stored(work.behalf, space.tenant_id)
        told = await self._models.describe(behalf, model, (folder / "picture.jpg").read_bytes())
        caption = with_plain_lines(told).strip()
        if not caption and not written:
            raise CannotIngest(Reason.EMPTY, "the model says nothing about the picture")
        parts = list(read_blocks(folder / "blocks"))
        if caption:
            start = len(written) + len(GAP) if written else 0
            written += f"{GAP}{caption}" if written else caption
            parts.append(Block("text", start, len(written)))
        (folder / "text").write_text(written, encoding="utf-8")
        lines = [vars_of(replace(outline, characters=len(written), is_described=True)), *map(vars_of, parts)]
        (folder / "blocks").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")

    async def _chunk(self, space: Space, work: Work, folder: Path) -> None:
        files = self._storage.of(space)
        key = chunks_key(work.corpus.id, work.version.id, work.index.settings.chunking)
        if not (folder / "chunks").is_file():
            if await _there(files, key):
                return
            await _have(files, text_key(work.corpus.id, work.version.id), folder / "text")
            await _have(files, blocks_key(work.corpus.id, work.version.id), folder / "blocks")
            await self._parser.cut(folder, work.index.settings.chunking, tenant_id=space.tenant_id)
        await files.put(key, _pieces(folder / "chunks"))

    async def _embed(self, space: Space, work: Work, folder: Path) -> None:
        """Every chunk's embedding among the kept ones; each batch is kept when it is there."""
        model = work.index.settings.embedding_model
        if model is None:
            return
        await self.fetch_chunks(space, work, folder)
        behalf = OnBehalf.stored(work.behalf, space.tenant_id)
        dimensions: int | None = None
        for batch in _batches(work, folder):
            wanted = {embedding_hash(chunk): chunk for chunk in batch}
            async with self._begin():
                known = await self._embeddings.known(space, model, list(wanted))
            missing = {key: chunk for key, chunk in wanted.items() if key not in known}
            if missing:
                vectors = await self._models.embed(behalf, model, [embedded_text(c) for c in missing.values()])
                made = dict(zip(missing, vectors, strict=True))
                async with self._begin():
                    await self._embeddings.keep(space, model, made)
                known = {**known, **made}
            dimensions = dimensions or len(next(iter(known.values())))
        if dimensions and work.index.dimensions is None:
            async with self._begin():
                await self._corpora.set_dimensions(space, work.index.id, dimensions)

    async def _embedded(self, space: Space, work: Work, folder: Path) -> AsyncIterator[Sequence[EmbeddedChunk]]:
        model = work.index.settings.embedding_model
        for batch in _batches(work, folder):
            vectors: dict[bytes, Vector] = {}
            if model is not None:
                vectors = dict(await self._embeddings.known(space, model, [embedding_hash(chunk) for chunk in batch]))
            yield [EmbeddedChunk(chunk, vectors[embedding_hash(chunk)] if model else None) for chunk in batch]


def embedded_text(chunk: Chunk) -> str:
    """What of a chunk is embedded: the text under the headings, or the code under the place it is at."""
    if chunk.kind == "code":
        above = " ".join(part for part in (chunk.path, chunk.symbol) if part)
    else:
        above = " > ".join(chunk.headings)
    return f"{above}\n{chunk.text}" if above else chunk.text


def embedding_hash(chunk: Chunk) -> bytes:
    """By what a chunk's embedding is kept."""
    return hashlib.sha256(embedded_text(chunk).encode("utf-8", "replace")).digest()


def read_chunks(work: Work, folder: Path) -> Iterator[Chunk]:
    """The chunks that lie in the folder, under ids that are the same each time."""
    outline = read_outline(folder / "blocks")
    with (folder / "chunks").open(encoding="utf-8") as lines:
        for ordinal, line in enumerate(lines):
            yield _chunk(work, outline, ordinal, json.loads(line))


def _chunk(work: Work, outline: Outline, ordinal: int, cut: dict[str, Any]) -> Chunk:
    extra: dict[str, Any] = {"imports": list(outline.imports)} if outline.imports else {}
    if columns := cut.get("columns"):
        extra["columns"] = columns
    settings = work.index.settings
    text_language = outline.language if settings.language == "auto" else settings.language
    headings = tuple(cut.get("headings", ()))
    titled = outline.title and outline.title not in headings
    return Chunk(
        id=str(uuid.uuid5(uuid.UUID(work.version.id), f"{work.index.id}/{ordinal}")),
        document_id=work.document.id,
        version=work.version.number,
        ordinal=ordinal,
        text=cut["text"],
        kind="image" if outline.is_picture else cut["kind"],
        char_start=cut["start"],
        char_end=cut["end"],
        headings=(outline.title, *headings) if titled else headings,
        path=work.document.name,
        symbol=cut.get("symbol", ""),
        line_start=cut.get("line_start"),
        line_end=cut.get("line_end"),
        page=cut.get("page"),
        language=outline.language if outline.is_code else text_language,
        metadata={**work.document.metadata, **extra},
        groups=work.document.groups,
    )


def _batches(work: Work, folder: Path) -> Iterator[Sequence[Chunk]]:
    chunks = read_chunks(work, folder)
    while batch := list(islice(chunks, _BATCH)):
        yield batch


def vars_of(record: Block | Outline) -> dict[str, Any]:
    """A record's fields, as a line of the file of blocks."""
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


async def _there(files: Files, key: str) -> bool:
    try:
        await files.size(key)
    except NotFound:
        return False
    return True


async def _have(files: Files, key: str, path: Path, most_bytes: int | None = None) -> None:
    """Have an object as a file.

    Raises:
        NotFound: there is none.
        CannotIngest: it has more bytes than it may.
    """
    if path.is_file():  # noqa: ASYNC240 - it is in a folder of our own
        return
    partial, size = path.with_suffix(".part"), 0
    with partial.open("wb") as out:
        async for piece in files.stream(key):
            size += len(piece)
            if most_bytes is not None and size > most_bytes:
                raise CannotIngest(Reason.TOO_LARGE, f"it has more than {most_bytes} bytes")
            out.write(piece)
    partial.rename(path)


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
