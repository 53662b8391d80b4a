"""Text in any encoding, read line by line so that a long one takes no more memory than a short one."""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from functions.knowledge.adapters.parsing.reading import Source
from functions.knowledge.adapters.parsing.sniffing import Format
from functions.knowledge.core.blocks import BlockWriter, Outline
from functions.knowledge.core.reasons import CannotIngest, Reason

_SAMPLE = 1 << 18
_PIECE = 1 << 20
# Paragraphs shorter than this are kept together, longer ones than that are split.
_LEAST, _MOST = 200, 8000
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UNDERLINE = re.compile(r"^([=\-`:'\"~^_*+#<>])\1{2,}\s*$")


def preload() -> None:
    """Import what it needs."""
    import charset_normalizer  # noqa: F401
    import langdetect

    langdetect.detect_langs("This is a sentence, so that the profiles of languages are read once.")


def read(source: Source, out: BlockWriter) -> Outline:
    """Paragraph by paragraph; in reStructuredText underlined lines are headings."""
    encoding = encoding_of(source.path)
    lines = _lines(source.path, encoding)
    if source.format is Format.RST:
        _write_rst(lines, out)
    else:
        write_paragraphs(lines, out)
    return Outline(source.format.value, notes={"encoding": encoding})


def encoding_of(path: Path) -> str:
    """How a text is encoded: by its mark, as UTF-8 if it is, otherwise by what its letters make likely."""
    with path.open("rb") as file:
        sample = file.read(_SAMPLE)
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            return encoding
    if _is_utf8(path):
        return "utf-8"
    import charset_normalizer

    best = charset_normalizer.from_bytes(sample).best()
    return best.encoding if best else "cp1252"


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while piece := file.read(_PIECE):
                if b"\x00" in piece:
                    return False
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _lines(path: Path, encoding: str) -> Iterator[str]:
    """Lines without their ends; one that is too long comes in pieces."""
    try:
        with path.open(encoding=encoding, errors="replace") as file:
            while line := file.readline(_MOST):
                yield line
    except UnicodeError as error:
        raise CannotIngest(Reason.CORRUPT, f"it is not {encoding} text") from error


def write_paragraphs(lines: Iterator[str], out: BlockWriter) -> None:
    """Write paragraphs as blocks; short ones together, long ones in parts."""
    held: list[str] = []
    size = 0
    gap = "\n\n"
    for line in lines:
        blank = not line.strip()
        if held and ((blank and size >= _LEAST) or size + len(line) > _MOST):
            out.add("text", "".join(held).rstrip("\n"), gap=gap)
            gap = "\n\n" if blank or held[-1].endswith("\n") else ""
            held, size = [], 0
        if blank and not held:
            continue
        held.append(line)
        size += len(line)
    if held:
        out.add("text", "".join(held).rstrip(), gap=gap)


def _write_rst(lines: Iterator[str], out: BlockWriter) -> None:
    levels: dict[str, int] = {}
    held: list[str] = []
    for line in lines:
        mark = _UNDERLINE.match(line)
        if mark and held and held[-1].strip() and len(line.rstrip()) >= len(held[-1].rstrip()) - 1:
            title = held.pop()
            write_paragraphs(iter(held), out)
            out.add("heading", title.strip(), level=levels.setdefault(mark[1], len(levels) + 1))
            held = []
        elif not (mark and (not held or not held[-1].strip())):
            held.append(line)
        if len(held) > _MOST:
            write_paragraphs(iter(held), out)
            held = []
    write_paragraphs(iter(held), out)
