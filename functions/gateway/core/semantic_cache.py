"""The two tiers of the cache: the very same request, then a question that means the same."""

import logging
import time
from typing import TYPE_CHECKING

from functions.gateway.core.embeddings import Embedder
from functions.gateway.core.models import CachedAnswer, Json
from functions.gateway.core.ports import AnswerCache
from functions.gateway.core.similarity import may_share_answer
from functions.kit.errors import DcoderError

if TYPE_CHECKING:
    from functions.gateway.core.completions import Call

_logger = logging.getLogger(__name__)


class SemanticCache:
    """Finds and keeps answers. Whatever is wrong with it, the provider can still be asked."""

    def __init__(self, store: AnswerCache, embedder: Embedder) -> None:
        self._store = store
        self._embedder = embedder

    async def find(self, call: "Call") -> CachedAnswer | None:
        """An answer given before that this call may have, or None."""
        return await self.find_exact(call) or await self.find_similar(call)

    async def find_exact(self, call: "Call") -> CachedAnswer | None:
        """The answer to the very same request."""
        if call.key is None or not call.control.may_read:
            return None
        return await self._store.find_exact(call.key, call.control)

    async def find_similar(self, call: "Call") -> CachedAnswer | None:
        """The answer to a question that means the same."""
        if call.key is None or not call.control.may_read:
            return None
        if not call.key.question or not call.caller.settings.semantic_cache:
            return None
        call.vector = await self._embed(call)
        if call.vector is None:
            return None
        for candidate in await self._store.find_similar(call.key, call.vector, call.control):
            similar = candidate.answer.similarity >= call.caller.settings.cache_similarity
            if similar and may_share_answer(call.key.question, candidate.question):
                return candidate.answer
        return None

    async def store(self, call: "Call", completion: Json) -> None:
        """Keep an answer for as long as the tenant wishes."""
        if call.key is not None:
            await self._store.store(call.key, completion, call.vector, call.caller.settings.cache_ttl_seconds)

    async def _embed(self, call: "Call") -> bytes | None:
        waited = time.perf_counter()
        try:
            return await self._embedder.embed_question(call.caller, call.target.provider, call.key.question)  # type: ignore[union-attr]
        except DcoderError as error:
            _logger.warning("no embedding for the cache", extra={"reason": error.code})
            return None
        finally:
            call.provider_seconds += time.perf_counter() - waited
