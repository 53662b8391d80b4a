"""The two tiers of the cache: the very same request, then a question that means the same."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from functions.gateway.core.answers_agree import AnswerJudge
from functions.gateway.core.cache_feedback import CacheFeedback
from functions.gateway.core.cache_ports import Given
from functions.gateway.core.embeddings import Embedder
from functions.gateway.core.models import CachedAnswer, CacheKey, CachePolicy, Candidate, Json, Learned, QuestionVector
from functions.gateway.core.ports import AnswerCache
from functions.gateway.core.similarity import may_share_answer
from functions.kit.errors import DcoderError
from functions.kit.settings import TenantSettings

if TYPE_CHECKING:
    from functions.gateway.core.call import Call

_logger = logging.getLogger(__name__)
_LOOK_AGAIN_SECONDS = 0.05
_MOST_LOOKS = 600


class SemanticCache:
    """Finds and keeps answers. Whatever is wrong with it, the provider can still be asked.

    Args:
        embedding_seconds: longest wait for a question's embedding; it is used for storing when it comes later.
        spawn: runs work in the background, owned by the process.
    """

    def __init__(
        self,
        store: AnswerCache,
        embedder: Embedder,
        feedback: CacheFeedback,
        *,
        embedding_seconds: float,
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._feedback = feedback
        self._judge = AnswerJudge(embedder)
        self._embedding_seconds = embedding_seconds
        self._spawn = spawn

    async def find(self, call: "Call") -> CachedAnswer | None:
        """An answer given before that this call may have, or None."""
        return await self.find_exact(call) or await self.find_similar(call)

    def begin_exact(self, call: "Call") -> "asyncio.Future[Any] | None":
        """Begin to look for what `find_exact` finds, so that it is found beside what else is asked of the store."""
        return (
            None if call.key is None or not call.control.may_read else self._store.begin_exact(call.key, _token(call))
        )

    async def find_exact(self, call: "Call", begun: "asyncio.Future[Any] | None" = None) -> CachedAnswer | None:
        """The answer to the very same request; when another process asks for it just now, once that has it."""
        if call.key is None or not call.control.may_read:
            return None
        token = _token(call)
        found = await self._store.find_exact(call.key, call.control, token, begun)
        if not found.is_theirs:
            call.is_leading = found.is_mine
            return found.answer
        waited = time.perf_counter()
        for _ in range(_MOST_LOOKS):
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            found = await self._store.find_exact(call.key, call.control, token)
            if not found.is_theirs:
                break
        call.provider_seconds += time.perf_counter() - waited
        call.is_leading = found.is_mine
        return found.answer

    async def find_similar(self, call: "Call") -> CachedAnswer | None:
        """The answer to a question that means the same."""
        key, settings = call.key, call.caller.settings
        if key is None or not call.control.may_read:
            return None
        if key.question and settings.semantic_cache and self._embedder.can_embed(call.providers):
            found = await self._similar(call, key)
            if found is not None:
                self.let_others(call)
                return found
        self._store.note(call.caller.tenant_id, {"miss": 1})
        return None

    def store(self, call: "Call", key: CacheKey, completion: Json) -> Coroutine[Any, Any, bool]:
        """Keep an answer for as long as the tenant wishes: begun at once, as far as it can be, and to be waited for.

        Returns:
            whether whoever waits for it has been let.
        """
        settings = call.caller.settings
        policy = CachePolicy(settings.cache_ttl_seconds, settings.cache_max_entries, settings.cache_max_bytes)
        if call.vector is None:
            return self._store.store(key, completion, None, policy)
        return self._store_similar(call, key, completion, policy, call.vector)

    def let_others(self, call: "Call") -> None:
        """The call will keep no answer: whoever waits for it may ask."""
        if call.is_leading and call.key is not None:
            call.is_leading = False
            self._spawn(self._store.land(call.key, call.booking.usage_id), "cache-land")

    def served(
        self, call: "Call", answer: CachedAnswer, saved_tokens: int, saved_micro_usd: int
    ) -> Coroutine[Any, Any, None] | None:
        """Count an answer that was given.

        Args:
            saved_tokens: what asking a provider would have taken.
            saved_micro_usd: what it would have cost.

        Returns:
            what remembers, behind the answer, which one it was; None where that cannot be told.
        """
        counted = {answer.state: 1, "savedTokens": saved_tokens, "savedMicroUsd": saved_micro_usd}
        self._store.note(call.caller.tenant_id, counted, answer.entry_id or None)
        if call.key is None or not answer.entry_id:
            return None
        return self._store.remember_hit(call.key, call.caller.request_id, answer)

    async def _store_similar(
        self,
        call: "Call",
        key: CacheKey,
        completion: Json,
        policy: CachePolicy,
        vector: "asyncio.Future[QuestionVector | None]",
    ) -> bool:
        is_let = await self._store.store(key, completion, await vector, policy)
        if call.compared is not None:
            await self._compare(call, call.compared, completion)
        return is_let

    async def _similar(self, call: "Call", key: CacheKey) -> CachedAnswer | None:
        call.vector = asyncio.get_running_loop().create_future()
        self._spawn(self._embed(call, key, call.vector), "question-embedding")
        waited = time.perf_counter()
        await asyncio.wait({call.vector}, timeout=self._embedding_seconds)
        call.provider_seconds += time.perf_counter() - waited
        vector = call.vector.result() if call.vector.done() else None
        if vector is None:
            return None
        candidates, learned = await self._store.find_similar(key, vector, call.control)
        for candidate in candidates:
            if candidate.answer.similarity < call.caller.settings.cache_similarity_least:
                return None
            if may_share_answer(key.question, candidate.question):
                return self._decide(call, candidate, learned)
        return None

    def _decide(self, call: "Call", candidate: Candidate, learned: Learned | None) -> CachedAnswer | None:
        """Whether the answer is near enough, by what was learned of it, else of the tenant's, else by the setting."""
        settings = call.caller.settings
        if settings.cache_exploration and random.random() < settings.cache_exploration:  # noqa: S311 - a sample
            call.compared = candidate.answer
            return None
        least = least_similarity(settings, candidate.learned, learned)
        return candidate.answer if candidate.answer.similarity >= least else None

    async def _compare(self, call: "Call", cached: CachedAnswer, completion: Json) -> None:
        """Learn from an answer that was asked for although one was there."""
        caller = call.caller
        try:
            agree = await self._judge.agree(caller, call.target.provider, cached.completion, completion)
            if agree is not None:
                given = Given(cached.entry_id, cached.similarity)
                await self._feedback.observe(caller.tenant_id, caller.settings, given, right=agree)
        except DcoderError as error:
            _logger.info("two answers were not compared", extra={"reason": error.code})

    async def _embed(self, call: "Call", key: CacheKey, vector: "asyncio.Future[QuestionVector | None]") -> None:
        found = None
        try:
            found = await self._embedder.embed_question(call.caller, call.target.provider, key.question)
        except DcoderError as error:
            _logger.warning("no embedding for the cache", extra={"reason": error.code})
        finally:
            vector.set_result(found)


def _token(call: "Call") -> str:
    return call.booking.usage_id if call.may_wait and call.control.may_store else ""


def least_similarity(settings: TenantSettings, *learned: Learned | None) -> float:
    """The first of what was learned under the tenant's present settings, else its setting."""
    for found in learned:
        if found is not None and found.start == settings.cache_similarity:
            return max(found.threshold, settings.cache_similarity_least)
    return settings.cache_similarity
