"""Compresses prompts: short ones at once, long ones in a process of their own, within a time budget."""

from functools import cache
from typing import TYPE_CHECKING

import orjson
from prometheus_client import Counter

from functions.gateway.core.compression import Compressed, Level, compress
from functions.gateway.core.models import Json
from functions.gateway.core.tokens import counter
from functions.kit.offload import Offload, Unfinished

if TYPE_CHECKING:
    from functions.gateway.core.compression import Shortener

TARGET = f"{__name__}:compress_document"
# Half a millisecond; reading 16,000 takes twenty.
_SHORT_CHARACTERS = 2_000

SKIPPED = Counter("dcoder_compression_skipped_total", "Prompts left as they were for want of time.")


class CompressionProcess:
    """Port `Compressor`."""

    def __init__(self, process: Offload) -> None:
        self._process = process

    async def compress(self, messages: list[Json], level: Level, model: str, characters: int) -> Compressed | None:
        """The messages with less in them, or None where that would have taken too long."""
        if characters <= _SHORT_CHARACTERS:
            return compress(messages, level, count=counter(model))
        try:
            asked = orjson.dumps({"messages": messages, "level": level, "model": model})
            shorter, before, after = orjson.loads(await self._process.run(asked))
        except (Unfinished, TypeError):
            # Or texts that are no Unicode, which cannot be handed over.
            SKIPPED.inc()
            return None
        return Compressed(shorter or messages, before, after)


def compress_document(document: bytes) -> bytes:
    """What the process does: the messages after compression, null where they stay; tokens before and after."""
    asked = orjson.loads(document)
    done = compress(asked["messages"], asked["level"], count=counter(asked["model"]), shortener=_shortener())
    messages = done.messages if done.messages != asked["messages"] else None
    return orjson.dumps([messages, done.tokens_before, done.tokens_after])


@cache
def _shortener() -> "Shortener | None":
    """LLMLingua-2, where somebody has installed it."""
    from functions.gateway.adapters.llmlingua import LLMLinguaShortener, is_installed

    return LLMLinguaShortener() if is_installed() else None
