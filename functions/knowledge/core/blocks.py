"""What a parsed document consists of: one text, and blocks that say what each part of it is.

The text is the blocks' own texts with a gap between each two, so that every position in it can be cited. Both are
files: the text in UTF-8, the blocks as JSON lines after one line with the outline, so that neither is ever held as a
whole by whoever stores or sends them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TextIO

BlockKind = Literal["heading", "text", "table", "code"]

GAP = "\n\n"


@dataclass(frozen=True, slots=True)
class Block:
    """A part of the parsed text.

    Attributes:
        start: first character; `end` is after the last.
        level: of a heading, from 1.
        page: from 1.
        line_start: from 1, for code.
        columns: what a table's first row says.
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    page: int | None = None
    line_start: int | None = None
    line_end: int | None = None
    symbol: str = ""
    columns: str = ""


@dataclass(frozen=True, slots=True)
class Outline:
    """What is known of a parsed document as a whole.

    Attributes:
        media_type: what it turned out to be.
        language: ISO 639-1 of text, empty if unsure; the programming language of code.
        is_picture: whether it is a picture, `picture.jpg` beside it; its text is what is written on it.
        is_described: whether a model has said what is on the picture, below what is written there.
        imports: what code imports.
    """

    media_type: str
    title: str = ""
    language: str = ""
    pages: int | None = None
    characters: int = 0
    is_code: bool = False
    is_picture: bool = False
    is_described: bool = False
    imports: Sequence[str] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)


class BlockWriter:
    """Writes the text and its blocks as they come.

    Args:
        most_characters: of the text.
        too_long: raised by when there are more.
    """

    def __init__(self, text: TextIO, blocks: TextIO, most_characters: int, too_long: Exception) -> None:
        self._text = text
        self._blocks = blocks
        self._most = most_characters
        self._too_long = too_long
        self.position = 0

    def add(self, kind: BlockKind, text: str, *, gap: str = GAP, **fields: Any) -> None:
        """Add a block; one without anything to read is left out.

        Args:
            gap: what separates it from what is before it.
        """
        text = with_plain_lines(text.replace("\x00", ""))
        if not text.strip():
            return
        if self.position:
            self._write(gap)
        start = self.position
        self._write(text)
        block = Block(kind, start, self.position, **fields)
        self._blocks.write(json.dumps({k: v for k, v in asdict(block).items() if v not in (None, "")}) + "\n")

    def _write(self, text: str) -> None:
        self.position += len(text)
        if self.position > self._most:
            raise self._too_long
        self._text.write(text)


def with_plain_lines(text: str) -> str:
    """The text with its lines ended as files of text are read back, so that positions in it stay where they are."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def write_outline(path: Path, outline: Outline) -> None:
    """Put the outline before the blocks that were written to `path`."""
    body = path.with_suffix(".body")
    path.rename(body)
    with path.open("w", encoding="utf-8") as out, body.open(encoding="utf-8") as blocks:
        out.write(json.dumps(asdict(outline)) + "\n")
        for line in blocks:
            out.write(line)
    body.unlink()


def read_outline(path: Path) -> Outline:
    """The outline of a file of blocks."""
    with path.open(encoding="utf-8") as lines:
        return Outline(**json.loads(next(lines)))


def read_blocks(path: Path) -> Iterator[Block]:
    """The blocks of a file, in order."""
    with path.open(encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            yield Block(**json.loads(line))
