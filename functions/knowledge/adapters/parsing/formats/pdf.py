"""PDF: text in reading order, page by page, by PDFium; pages without text are read by OCR where that is installed."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from functions.knowledge.adapters.parsing.formats import ocr
from functions.knowledge.adapters.parsing.reading import Source
from functions.knowledge.core.blocks import BlockWriter, Outline
from functions.knowledge.core.reasons import CannotIngest, Reason

_MOST_PAGES = 20_000
_MOST_LINES = 20_000
_OCR_DPI = 200
_HEADING = 1.25


def preload() -> None:
    """Import what it needs."""
    import pypdfium2  # noqa: F401


@dataclass(slots=True)
class _Line:
    """A line of text; coordinates in points from the lower left."""

    left: float
    bottom: float
    right: float
    top: float
    text: str

    @property
    def height(self) -> float:
        return self.top - self.bottom


def read(source: Source, out: BlockWriter) -> Outline:
    """Blocks page by page; nothing of a page is kept when the next one begins."""
    import pypdfium2

    try:
        with closing(pypdfium2.PdfDocument(source.path)) as document:
            pages = len(document)
            if pages > _MOST_PAGES:
                raise CannotIngest(Reason.TOO_LARGE, f"it has {pages} pages")
            pictures = 0
            for number in range(pages):
                with closing(document[number]) as page:
                    pictures += _read_page(page, number + 1, out)
            title = (document.get_metadata_dict().get("Title") or "").strip()
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower() or "security" in str(error).lower():
            raise CannotIngest(Reason.ENCRYPTED, "it asks for a password; send it without one") from error
        raise CannotIngest(Reason.CORRUPT, f"it is not a PDF that can be read: {error}"[:300]) from error
    if not out.position and pictures:
        found = "OCR finds no text on them" if ocr.languages() else "this installation has no OCR"
        raise CannotIngest(Reason.NO_TEXT, f"its pages are pictures, and {found}")
    return Outline(source.format.value, title=title, pages=pages)


def _read_page(page: Any, number: int, out: BlockWriter) -> int:
    """Write one page; returns 1 when it shows something and has no text."""
    before = out.position
    with closing(page.get_textpage()) as text:
        lines = _lines(text)
    usual = median(line.height for line in lines) if lines else 0.0
    for paragraph in _paragraphs(_in_reading_order(lines, page.get_width())):
        content = _join(paragraph)
        if usual and len(paragraph) <= 2 and len(content) < 200 and paragraph[0].height > usual * _HEADING:
            out.add("heading", content, level=2 if paragraph[0].height < usual * 1.6 else 1, page=number)
        else:
            out.add("text", content, page=number)
    if out.position > before:
        return 0
    if next(iter(page.get_objects(max_depth=2)), None) is None:
        return 0
    for read in _scanned(page):
        out.add("text", read, page=number)
    return int(out.position == before)


def _lines(text: Any) -> list[_Line]:
    """The page's lines as PDFium divides them, each with the place of its first and its last letter."""
    from pypdfium2.raw import FPDFText_GetCharIndexFromTextIndex

    lines: list[_Line] = []
    position = 0
    for raw in text.get_text_range(errors="replace").split("\n"):
        start, position = position, position + len(raw) + 1
        content = raw.strip()
        if not content or len(lines) >= _MOST_LINES:
            continue
        first = start + len(raw) - len(raw.lstrip())
        places = [
            text.get_charbox(index)
            for index in (
                FPDFText_GetCharIndexFromTextIndex(text, at)
                for at in (first, first + len(content) // 2, first + len(content) - 1)
            )
            if index >= 0
        ]
        if places:
            left, bottom, right, top = zip(*places, strict=True)
            lines.append(_Line(min(left), min(bottom), max(right), max(top), content))
    return lines


def _in_reading_order(lines: list[_Line], width: float) -> Iterator[_Line]:
    """Lines as the document has them, which is how they are read, unless they jump up and down too much for that."""
    jumps = sum(line.bottom > last.top + last.height for last, line in pairwise(lines))
    return _in_order(lines, width) if jumps > max(3, len(lines) // 10) else iter(lines)


def _in_order(lines: list[_Line], width: float) -> Iterator[_Line]:
    """Lines in reading order: within bands that lines across the whole page part, column by column."""
    band: list[_Line] = []
    for line in sorted(lines, key=lambda each: -each.top):
        if line.left < width * 0.45 and line.right > width * 0.6:
            yield from _columns(band, width)
            band = []
            yield line
        else:
            band.append(line)
    yield from _columns(band, width)


def _columns(band: list[_Line], width: float) -> Iterator[_Line]:
    """The left column before the right one; lines of a page with one column just from top to bottom."""
    right = [line for line in band if line.left > width * 0.45]
    left = [line for line in band if line.left <= width * 0.45]
    if len(right) < 3 or len(left) < 3:
        yield from sorted(band, key=lambda line: (-round(line.top / 3), line.left))
        return
    yield from left
    yield from right


def _paragraphs(lines: Iterator[_Line]) -> Iterator[list[_Line]]:
    """Lines that stand close below each other and are of about one height."""
    held: list[_Line] = []
    for line in lines:
        if held and not _continues(held[-1], line):
            yield held
            held = []
        held.append(line)
    if held:
        yield held


def _continues(last: _Line, line: _Line) -> bool:
    gap = last.bottom - line.top
    alike = 0.75 < line.height / last.height < 1.35
    return alike and -0.6 * last.height < gap < 0.9 * last.height


def _join(lines: list[_Line]) -> str:
    """The text of a paragraph, words divided at a line's end put together."""
    text = lines[0].text
    for last, line in pairwise(lines):
        divided = last.text.endswith("-") and len(last.text) > 1 and last.text[-2].isalpha() and line.text[:1].islower()
        text = text[:-1] + line.text if divided else f"{text}\n{line.text}"
    return text


def _scanned(page: Any) -> list[str]:
    """The paragraphs that OCR reads on a page."""
    if not ocr.languages():
        return []
    scale = ocr.scale_within(page.get_width(), page.get_height(), _OCR_DPI / 72)
    return ocr.paragraphs(page.render(scale=scale).to_pil())
