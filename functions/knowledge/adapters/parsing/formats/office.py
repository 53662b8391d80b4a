"""Office documents, web pages, mail and Markdown, by Unstructured."""

import zipfile
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from functions.knowledge.adapters.parsing.formats.plain_text import encoding_of
from functions.knowledge.adapters.parsing.reading import Source
from functions.knowledge.adapters.parsing.sniffing import Format
from functions.knowledge.core.blocks import BlockWriter, Outline
from functions.knowledge.core.reasons import CannotIngest, Reason

_LEFT_OUT = {"PageBreak", "PageNumber", "Header", "Footer"}
_DEEPEST = 6
# The language is told later, once, of the whole text.
_UNASKED = [""]


def preload() -> None:
    """Import Unstructured's readers, which takes seconds."""
    for kind in (Format.DOCX, Format.PPTX, Format.HTML, Format.MARKDOWN, Format.EML, Format.MSG):
        _partitioner(kind)


def read(source: Source, out: BlockWriter) -> Outline:
    """Element by element as Unstructured tells them: headings, text, tables."""
    try:
        elements = _partitioner(source.format)(source)
    except (KeyError, ValueError, zipfile.BadZipFile, OSError) as error:
        raise CannotIngest(Reason.CORRUPT, f"it cannot be read: {error}"[:300]) from error
    title = write_elements(elements, out)
    pages = max((element.metadata.page_number or 0 for element in elements), default=0)
    return Outline(source.format.value, title=title, pages=pages or None)


def write_elements(elements: Iterable[Any], out: BlockWriter, *, page: int | None = None) -> str:
    """Write Unstructured's elements as blocks; returns the first heading."""
    title = ""
    for element in elements:
        if element.category in _LEFT_OUT:
            continue
        where = page or element.metadata.page_number
        depth = element.metadata.category_depth
        if element.category == "Title" and depth is not None:
            # Without a depth it only looked like a title to a rule of thumb.
            title = title or element.text.strip()
            out.add("heading", element.text, level=min(depth + 1, _DEEPEST), page=where)
        elif element.category == "Table" and (rows := _rows(element.metadata.text_as_html)):
            out.add("table", "\n".join(rows), page=where, columns=rows[0][:500])
        else:
            gap = "\n" if element.category == "ListItem" else "\n\n"
            out.add("text", element.text, page=where, gap=gap)
    return title


def _rows(html: str | None) -> list[str]:
    """A table's rows, cells with a bar between them."""
    if not html:
        return []
    import lxml.html

    rows = []
    for row in lxml.html.fragment_fromstring(html, create_parent=True).iter("tr"):
        cells = [" ".join(cell.text_content().split()) for cell in row.iter("td", "th")]
        if any(cells):
            rows.append(" | ".join(cells))
    return rows


@lru_cache(maxsize=16)
def _partitioner(kind: Format) -> Callable[[Source], list[Any]]:
    _spare_the_language_model()
    return _PARTITIONERS[kind]()


@lru_cache(maxsize=1)
def _spare_the_language_model() -> None:
    """Let Unstructured's rules of thumb do without the model that they would download.

    They ask whether a line has a verb, in English; what a heading is, the formats themselves say.
    """
    import spacy
    from unstructured.nlp import tokenize

    plain = spacy.blank("en")
    plain.add_pipe("sentencizer")
    plain.max_length = 1 << 30
    tokenize._load_spacy_model = lambda: plain  # noqa: SLF001
    tokenize.pos_tag("Warm")


def _docx() -> Callable[[Source], list[Any]]:
    from unstructured.partition.docx import partition_docx

    return lambda source: list(partition_docx(filename=str(source.path), languages=_UNASKED))


def _pptx() -> Callable[[Source], list[Any]]:
    from unstructured.partition.pptx import partition_pptx

    return lambda source: list(partition_pptx(filename=str(source.path), languages=_UNASKED))


def _html() -> Callable[[Source], list[Any]]:
    return lambda source: html_elements(source.path.read_bytes().decode(encoding_of(source.path), "replace"))


def _markdown() -> Callable[[Source], list[Any]]:
    from unstructured.partition.md import partition_md

    return lambda source: list(
        partition_md(
            text=source.path.read_bytes().decode(encoding_of(source.path), "replace") or " ", languages=_UNASKED
        )
    )


def _eml() -> Callable[[Source], list[Any]]:
    from unstructured.partition.email import partition_email

    return lambda source: _mail(partition_email(filename=str(source.path), include_headers=False, languages=_UNASKED))


def _msg() -> Callable[[Source], list[Any]]:
    from unstructured.partition.msg import partition_msg

    return lambda source: _mail(partition_msg(filename=str(source.path), languages=_UNASKED))


def html_elements(html: str) -> list[Any]:
    """The elements of a page; what its declaration says of its encoding no longer holds."""
    from unstructured.partition.html import partition_html

    return list(partition_html(text=html, languages=_UNASKED)) if html.strip() else []


def _mail(elements: list[Any]) -> list[Any]:
    """A mail's elements after one that says who wrote what about to whom."""
    from unstructured.documents.elements import NarrativeText

    if not elements:
        return []
    told = elements[0].metadata
    pairs = (("Subject", told.subject), ("From", told.sent_from), ("To", told.sent_to))
    lines = [f"{name}: {', '.join(value) if isinstance(value, list) else value}" for name, value in pairs if value]
    return [NarrativeText("\n".join(lines)), *elements] if lines else elements


_PARTITIONERS: dict[Format, Callable[[], Callable[[Source], list[Any]]]] = {
    Format.DOCX: _docx,
    Format.PPTX: _pptx,
    Format.HTML: _html,
    Format.MARKDOWN: _markdown,
    Format.EML: _eml,
    Format.MSG: _msg,
}
