"""The cache's Redis as one gateway process has it, and questions to put into it."""

import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import redis.asyncio

from functions.gateway.adapters.redis_cache import RedisAnswerCache
from functions.gateway.adapters.redis_cache_admin import RedisCacheBook
from functions.gateway.adapters.redis_link import RedisLink
from functions.gateway.core.fingerprint import cache_key
from functions.gateway.core.models import (
    CacheControl,
    CacheKey,
    CachePolicy,
    Candidate,
    Provider,
    QuestionVector,
    Target,
)
from tests.integration.stateful.nats.servers import Server

TENANT = "t1"
ANYTHING = CacheControl()
ROOM = CachePolicy(ttl_seconds=60, max_entries=100, max_bytes=1_000_000)


@dataclass(frozen=True)
class Store:
    """One process's way to Redis."""

    client: "redis.asyncio.Redis"
    link: RedisLink
    answers: RedisAnswerCache
    book: RedisCacheBook

    @classmethod
    @asynccontextmanager
    async def on(cls, server: Server, **options: float) -> "AsyncIterator[Store]":
        link = RedisLink(f"redis://{server.address}", rest_seconds=0.0, **options)
        async with redis.asyncio.Redis(port=server.port, protocol=2, socket_timeout=3) as client:
            yield cls(client, link, RedisAnswerCache(link), RedisCacheBook(link))
            await link.close()

    async def keep(
        self, asked: CacheKey, text: str, at: QuestionVector | None = None, room: CachePolicy = ROOM
    ) -> None:
        await self.answers.store(asked, completion(text), at, room)

    async def exact(self, asked: CacheKey) -> str | None:
        found = (await self.answers.find_exact(asked, ANYTHING)).answer
        return None if found is None else str(found.completion["choices"][0]["message"]["content"])

    async def similar(self, asked: CacheKey, at: QuestionVector) -> list[Candidate]:
        return (await self.answers.find_similar(asked, at, ANYTHING))[0]


def key(question: str, *, tenant: str = TENANT, provider: str = "openai", model: str = "m", **options: Any) -> CacheKey:
    target = Target(Provider(provider, "openai", "https://api.openai.com/v1", "k"), model)
    made = cache_key(tenant, target, {"messages": [{"role": "user", "content": question}], **options})
    assert made is not None
    return made


def vector(*numbers: float, model: str = "minilm") -> QuestionVector:
    filled: Sequence[float] = [*numbers, *[0.0] * (8 - len(numbers))]
    return QuestionVector(struct.pack(f"<{len(filled)}f", *filled), model)


def longer(of: QuestionVector) -> QuestionVector:
    return replace(of, data=of.data * 2)


def completion(text: str) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    return {"id": "c", "choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}
