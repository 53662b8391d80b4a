"""Cuts a parsed document into chunks: along its structure, by sentences, or by length; code along its symbols.

A chunk is a stretch of the parsed text, so that its position is exact; what it stands under is told beside it.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from functions.knowledge.core.blocks import Block
from functions.knowledge.core.models import ChunkKind, ChunkSettings

# A token is a piece of a word, a letter of a script that writes no spaces, or a mark; close to what models count.
_TOKEN = re.compile(r"[\u2e80-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]|[^\W_]{1,12}|_+|[^\w\s]")
_SENTENCE_END = re.compile("(?<=[.!?\u2026])[\"'\u201d\u2019)\\]]*\\s+|(?<=[\u3002\uff01\uff1f])|\\n+")
_SPACE = re.compile(r"\s+")
_STRETCH = 100_000

Split = Callable[[str, ChunkSettings], Iterable[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class Cut:
    """A stretch of the parsed text that becomes a chunk."""

    start: int
    end: int
    kind: ChunkKind
    headings: tuple[str, ...] = ()
    page: int | None = None
    line_start: int | None = None
    line_end: int | None = None
    symbol: str = ""
    columns: str = ""


def count_tokens(text: str) -> int:
    """How many tokens a text has, as `ChunkSettings.max_tokens` counts them."""
    return sum(1 for _ in _TOKEN.finditer(text))


def split_sentences(text: str) -> list[str]:
    """A text's sentences, with what separates them, so that together they are the text."""
    ends = [0, *(match.end() for match in _SENTENCE_END.finditer(text)), len(text)]
    return [text[start:end] for start, end in pairwise(ends) if end > start]


def cut(text: str, blocks: Iterable[Block], settings: ChunkSettings, sentences: Split) -> Iterator[Cut]:
    """The chunks of a document, in order.

    Args:
        text: the parsed text that the blocks are of.
        sentences: splits a stretch for the strategy `sentence`.
    """
    for section in _sections(text, blocks):
        if section.blocks[0].kind == "code":
            yield from _cut_code(text, section, settings)
        elif settings.strategy == "structure":
            yield from _cut_structure(text, section, settings)
        else:
            split = sentences if settings.strategy == "sentence" else windows
            yield from _cut_stretch(text, section, settings, split)


@dataclass(slots=True)
class _Section:
    """Blocks under the same headings that are cut together."""

    headings: tuple[str, ...]
    blocks: list[Block]


def _sections(text: str, blocks: Iterable[Block]) -> Iterator[_Section]:
    """Blocks grouped by what they stand under; a heading begins a section, a table and code are ones of their own."""
    path: list[tuple[int, str]] = []
    section: _Section | None = None
    for block in blocks:
        if block.kind == "heading":
            path = [entry for entry in path if entry[0] < block.level]
            path.append((block.level, _SPACE.sub(" ", text[block.start : block.end]).strip()[:200]))
        titled = section is not None and all(each.kind == "heading" for each in section.blocks)
        alone = block.kind == "code" or (block.kind == "table" and not titled)
        if section and not alone and block.kind != "heading" and section.blocks[-1].kind not in {"table", "code"}:
            section.blocks.append(block)
            continue
        if section and block.kind == "heading" and titled:
            # Headings right after each other begin the same section.
            section.blocks.append(block)
            section.headings = tuple(entry[1] for entry in path)
            continue
        if section:
            yield section
        section = _Section(tuple(entry[1] for entry in path), [block])
    if section:
        yield section


def _cut_structure(text: str, section: _Section, settings: ChunkSettings) -> Iterator[Cut]:
    """Whole blocks together as long as they fit; a longer one is split at its sentences."""
    held: list[Block] = []
    tokens = 0
    for block in section.blocks:
        size = count_tokens(text[block.start : block.end])
        if held and tokens + size > settings.max_tokens and not all(each.kind == "heading" for each in held):
            yield _joined(section, held)
            held = _carried(text, held, settings)
            tokens = sum(count_tokens(text[each.start : each.end]) for each in held)
            if tokens + size > settings.max_tokens:
                held, tokens = [], 0
        if tokens + size > settings.max_tokens:
            # A heading stays with what is under it.
            stretch = replace(block, start=held[0].start) if held else block
            for start, end in windows(text[stretch.start : stretch.end], settings):
                yield _one(section, stretch, stretch.start + start, stretch.start + end)
            held, tokens = [], 0
        else:
            held.append(block)
            tokens += size
    if held:
        yield _joined(section, held)


def _carried(text: str, held: Sequence[Block], settings: ChunkSettings) -> list[Block]:
    """The end of a chunk that the next one begins with: its last sentences, as far as the overlap goes."""
    last = held[-1]
    if not settings.overlap_tokens or last.kind != "text":
        return []
    start = _overlap_start(text[last.start : last.end], settings.overlap_tokens)
    return [replace(last, start=last.start + start)] if start is not None else []


def _overlap_start(text: str, most: int) -> int | None:
    starts = [0, *(match.end() for match in _SENTENCE_END.finditer(text))]
    best: int | None = None
    for start in reversed([start for start in starts if start < len(text)]):
        if count_tokens(text[start:]) > most:
            break
        best = start
    return best


def _cut_stretch(text: str, section: _Section, settings: ChunkSettings, split: Split) -> Iterator[Cut]:
    for blocks in _stretches(section.blocks):
        first, starts = blocks[0], [block.start for block in blocks]
        for start, end in split(text[first.start : blocks[-1].end], settings):
            begin = first.start + start
            within = blocks[bisect_right(starts, begin) - 1]
            yield replace(_one(section, first, begin, first.start + end), page=within.page)


def _stretches(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Blocks in groups that are not so long that splitting them takes much memory."""
    held: list[Block] = []
    for block in blocks:
        if held and block.end - held[0].start > _STRETCH:
            yield held
            held = []
        held.append(block)
    yield held


def windows(text: str, settings: ChunkSettings) -> Iterator[tuple[int, int]]:
    """Stretches of at most `max_tokens`, each ending with a sentence where that keeps it at least half full."""
    tokens = [match.span() for match in _TOKEN.finditer(text)]
    if not tokens:
        return
    ends = sorted({match.start() for match in _SENTENCE_END.finditer(text)})
    starts_of = [span[0] for span in tokens]
    first, most = 0, settings.max_tokens
    while first < len(tokens):
        last = min(first + most, len(tokens)) - 1
        if last < len(tokens) - 1:
            limit, least = tokens[last][1], tokens[min(first + most // 2, last)][1]
            at = bisect_right(ends, limit) - 1
            if at >= 0 and ends[at] >= least:
                last = max(first, bisect_right(starts_of, ends[at] - 1) - 1)
        yield starts_of[first], tokens[last][1]
        if last == len(tokens) - 1:
            return
        following = last + 1
        overlap = min(settings.overlap_tokens, (following - first) // 2)
        first = following - overlap


def _cut_code(text: str, section: _Section, settings: ChunkSettings) -> Iterator[Cut]:
    """One symbol a chunk; a longer one is split between lines."""
    block = section.blocks[0]
    body = text[block.start : block.end]
    if count_tokens(body) <= settings.max_tokens:
        yield _one(section, block, block.start, block.end)
        return
    for start, end in line_windows(body, settings.max_tokens):
        line = (block.line_start or 1) + body.count("\n", 0, start)
        cut_ = _one(section, block, block.start + start, block.start + end)
        yield replace(cut_, line_start=line, line_end=line + body.count("\n", start, end))


def line_windows(body: str, most: int) -> Iterator[tuple[int, int]]:
    """Stretches of whole lines of at most so many tokens; a longer line is split wherever that is."""
    bounds = [0, *(match.end() for match in re.finditer(r"\n", body)), len(body)]
    start, tokens = 0, 0
    for begin, end in pairwise(bounds):
        size = count_tokens(body[begin:end])
        if tokens and tokens + size > most:
            yield _trimmed(body, start, begin)
            start, tokens = begin, 0
        if size > most:
            for first, last in windows(body[begin:end], ChunkSettings(max_tokens=most, overlap_tokens=0)):
                yield begin + first, begin + last
            start, tokens = end, 0
        else:
            tokens += size
    if tokens:
        yield _trimmed(body, start, len(body))


def _trimmed(body: str, start: int, end: int) -> tuple[int, int]:
    stretch = body[start:end]
    return start + len(stretch) - len(stretch.lstrip("\n")), end - len(stretch) + len(stretch.rstrip())


def _joined(section: _Section, held: Sequence[Block]) -> Cut:
    first = next((block for block in held if block.kind != "heading"), held[0])
    return replace(_one(section, first, held[0].start, held[-1].end), page=held[0].page)


def _one(section: _Section, block: Block, start: int, end: int) -> Cut:
    kinds: dict[str, ChunkKind] = {"table": "table", "code": "code"}
    return Cut(
        start=start,
        end=end,
        kind=kinds.get(block.kind, "text"),
        headings=section.headings,
        page=block.page,
        line_start=block.line_start,
        line_end=block.line_end,
        symbol=block.symbol,
        columns=block.columns,
    )
