"""Cuts the files of a parsed document into a file of chunks: one JSON line each."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from functions.knowledge.core.blocks import read_blocks
from functions.knowledge.core.cutting import count_tokens, cut, split_sentences
from functions.knowledge.core.models import ChunkSettings
from functions.knowledge.core.reasons import CannotIngest, Reason

_SPACE = re.compile(r"\s*")


def preload() -> None:
    """Import LlamaIndex, which takes seconds."""
    _splitter(256, 32)


def cut_files(folder: Path, settings: ChunkSettings) -> None:
    """Read `text` and `blocks` of the folder, write `chunks`.

    Raises:
        CannotIngest: there is nothing in it to find.
    """
    text = (folder / "text").read_text(encoding="utf-8")
    count = 0
    with (folder / "chunks").open("w", encoding="utf-8") as out:
        for piece in cut(text, read_blocks(folder / "blocks"), settings, sentences):
            passage = text[piece.start : piece.end]
            if not any(character.isalnum() for character in passage):
                continue
            fields: dict[str, Any] = {key: value for key, value in asdict(piece).items() if value not in (None, "", ())}
            out.write(json.dumps({**fields, "text": passage}) + "\n")
            count += 1
    if not count:
        raise CannotIngest(Reason.EMPTY, "there is no text in it")


def sentences(text: str, settings: ChunkSettings) -> Iterator[tuple[int, int]]:
    """Stretches of whole sentences by LlamaIndex's `SentenceSplitter`, found again at their places in the text."""
    start = end = 0
    for passage in _splitter(settings.max_tokens, settings.overlap_tokens).split_text(text):
        # Where the same words come more than once it is the last place that leaves nothing out.
        gap = _SPACE.match(text, end)
        latest = gap.end() if gap else end
        at = text.rfind(passage, start, latest + len(passage))
        if at < 0:
            at = text.find(passage, end)
        if at >= 0:
            start, end = at, at + len(passage)
            yield start, end


@lru_cache(maxsize=4)
def _splitter(most: int, overlap: int) -> Any:
    from llama_index.core.node_parser import SentenceSplitter

    return SentenceSplitter(
        chunk_size=most,
        chunk_overlap=overlap,
        tokenizer=lambda text: [0] * count_tokens(text),
        # Its own asks NLTK for a model of English.
        chunking_tokenizer_fn=split_sentences,
    )
