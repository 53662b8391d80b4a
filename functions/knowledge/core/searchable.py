"""What of a chunk is searched: its text under its headings, path and symbol, and the language it is analysed in."""

from functions.knowledge.core.analysis import DEFAULT_LANGUAGE, terms
from functions.knowledge.core.models import Chunk, IndexSettings
from functions.knowledge.core.postings import MOST_TERMS


def searchable_text(chunk: Chunk) -> str:
    """The text whose words find the chunk."""
    return "\n".join(part for part in (*chunk.headings, chunk.path, chunk.symbol, chunk.text) if part)


def analysis_language(chunk: Chunk, settings: IndexSettings) -> str:
    """The language, as ISO 639-1, whose stems the chunk is found by; code is read as English."""
    if settings.language != "auto":
        return settings.language
    return chunk.language if chunk.language and chunk.kind != "code" else DEFAULT_LANGUAGE


def chunk_terms(chunk: Chunk, settings: IndexSettings) -> list[str]:
    """The chunk's terms, as many as count."""
    return terms(searchable_text(chunk), analysis_language(chunk, settings))[:MOST_TERMS]
