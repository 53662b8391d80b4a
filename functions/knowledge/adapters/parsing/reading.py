"""Reads a document of any kind into text and blocks."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from functions.knowledge.adapters.parsing.sniffing import Format, sniff
from functions.knowledge.core.blocks import BlockWriter, Outline, write_outline
from functions.knowledge.core.reasons import CannotIngest, Reason

Reader = Callable[["Source", BlockWriter], Outline]

_FORMATS = "functions.knowledge.adapters.parsing.formats"
# Which module reads a format; each has `read(source, out)`.
_READERS = {
    Format.TEXT: "plain_text",
    Format.RST: "plain_text",
    Format.JSON: "plain_text",
    Format.XML: "xml_text",
    Format.CSV: "csv_rows",
    Format.CODE: "code",
    Format.PDF: "pdf",
    Format.DOCX: "office",
    Format.PPTX: "office",
    Format.HTML: "office",
    Format.MARKDOWN: "office",
    Format.EML: "office",
    Format.MSG: "office",
    Format.XLS: "old_workbook",
    Format.XLSX: "workbook",
    Format.ODT: "open_document",
    Format.EPUB: "epub",
    Format.RTF: "rtf",
    Format.IMAGE: "picture",
}
_SAMPLE = 20_000


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may come out of a document, in bytes."""

    text: int
    unpacked: int


@dataclass(frozen=True, slots=True)
class Source:
    """A document to read.

    Attributes:
        folder: where a reader may leave files besides.
        name: the document's own, a path perhaps.
    """

    path: Path
    folder: Path
    name: str
    format: Format
    bounds: Bounds


def preload() -> None:
    """Import every reader and the libraries it needs."""
    for module in dict.fromkeys(_READERS.values()):
        importlib.import_module(f"{_FORMATS}.{module}").preload()
    # Its profiles of languages take most of a second to load, which no child is to do again.
    _detect("The keeper counts the ships that pass.")


def read(folder: Path, name: str, media_type: str, bounds: Bounds) -> Outline:
    """Read `original` of the folder; write `text` and `blocks`.

    Raises:
        CannotIngest: it is not one that can be read.
    """
    path = folder / "original"
    if not path.stat().st_size:
        raise CannotIngest(Reason.EMPTY, "the document has no content")
    source = Source(path, folder, name, sniff(path, name, media_type, bounds.unpacked), bounds)
    reader: Reader = importlib.import_module(f"{_FORMATS}.{_READERS[source.format]}").read
    too_long = CannotIngest(Reason.TOO_LARGE, f"it has more text than {bounds.text} bytes")
    with (
        (folder / "text").open("w", encoding="utf-8", errors="replace", newline="\n") as text,
        (folder / "blocks").open("w", encoding="utf-8") as blocks,
    ):
        out = BlockWriter(text, blocks, bounds.text, too_long)
        outline = reader(source, out)
    if not out.position and not outline.is_picture:
        raise CannotIngest(Reason.EMPTY, "there is no text in it")
    language = outline.language or _language(folder / "text")
    outline = replace(outline, characters=out.position, language=language)
    write_outline(folder / "blocks", outline)
    return outline


def _language(path: Path) -> str:
    """ISO 639-1 of a text, by its beginning; empty where that is too little to tell."""
    with path.open(encoding="utf-8") as text:
        sample = text.read(_SAMPLE)
    return _detect(sample) if sum(character.isalpha() for character in sample) >= 20 else ""


def _detect(sample: str) -> str:
    import langdetect

    langdetect.DetectorFactory.seed = 0
    try:
        return str(langdetect.detect(sample))[:2]
    except langdetect.LangDetectException:
        return ""
