"""Whether two answers to what may be the same question say the same."""

import re
import struct
from collections.abc import Sequence

from functions.gateway.core.embeddings import Embedder
from functions.gateway.core.models import Caller, Json, Provider

_LEAST_SIMILARITY = 0.9
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_MOST_CHARACTERS = 4000


class AnswerJudge:
    """Compares answers by their text, their numbers, and their embeddings."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    async def agree(self, caller: Caller, provider: Provider, one: Json, other: Json) -> bool | None:
        """Whether they say the same; None when that cannot be told.

        Raises:
            DcoderError: the embedding model cannot be asked.
        """
        texts = [_text(one), _text(other)]
        if texts[0].casefold().split() == texts[1].casefold().split():
            return True
        if set(_NUMBER.findall(texts[0])) != set(_NUMBER.findall(texts[1])):
            return False
        vectors = [await self._embedder.embed_question(caller, provider, text[:_MOST_CHARACTERS]) for text in texts]
        if vectors[0] is None or vectors[1] is None:
            return None
        return cosine(vectors[0].data, vectors[1].data) >= _LEAST_SIMILARITY


def cosine(one: bytes, other: bytes) -> float:
    """The cosine of two vectors of little-endian float32; 0 when one has no length."""
    a, b = (struct.unpack(f"<{len(data) // 4}f", data) for data in (one, other))
    length = (_dot(a, a) * _dot(b, b)) ** 0.5
    return _dot(a, b) / length if length else 0.0


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(one, other, strict=True))


def _text(completion: Json) -> str:
    return str(completion["choices"][0]["message"]["content"])
