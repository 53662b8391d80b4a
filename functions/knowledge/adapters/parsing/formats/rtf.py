"""Rich Text Format."""

import io

from functions.knowledge.adapters.parsing.formats.plain_text import write_paragraphs
from functions.knowledge.adapters.parsing.reading import Source
from functions.knowledge.core.blocks import BlockWriter, Outline


def preload() -> None:
    """Import what it needs."""
    import striprtf.striprtf  # noqa: F401


def read(source: Source, out: BlockWriter) -> Outline:
    """Its text without the marks."""
    from striprtf.striprtf import rtf_to_text

    raw = source.path.read_bytes().decode("cp1252", "replace")
    text: str = rtf_to_text(raw, errors="replace")  # type: ignore[no-untyped-call]
    write_paragraphs(io.StringIO(text), out)
    return Outline(source.format.value)
