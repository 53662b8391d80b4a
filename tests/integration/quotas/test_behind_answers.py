"""A call is sent to the books ahead of its answer, which waits for them only where they are away."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, cast

import pytest

from functions.gateway.adapters.redis_cache import RedisAnswerCache
from functions.gateway.adapters.redis_cache_admin import RedisCacheBook
from functions.gateway.adapters.redis_link import RedisAway, RedisLink
from functions.gateway.adapters.redis_meter import RedisMeter
from functions.gateway.core.admission import Admission
from functions.gateway.core.cache_feedback import CacheFeedback
from functions.gateway.core.call import Answer
from functions.gateway.core.completions import Completions
from functions.gateway.core.embeddings import Embedder
from functions.gateway.core.models import CacheControl, Caller, Json, Provider, Target
from functions.gateway.core.ports import ChatWire
from functions.gateway.core.prices import load_prices
from functions.gateway.core.semantic_cache import SemanticCache
from functions.gateway.core.usage import UsageBook
from functions.kit.errors import DependencyUnavailable
from functions.kit.settings import TenantSettings
from tests.integration.quotas.gateways import TENANT, Books, Directory, Unobserved, Unsaid, limit, meters
from tests.integration.stateful.nats.servers import Server
from tests.integration.stateful.nats.waiting import eventually

pytestmark = pytest.mark.integration

BODY: Json = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 9}
CALLER = Caller(TENANT, None, None, "r", TenantSettings.of({"semanticCache": False}))
USED = {"prompt_tokens": 8, "completion_tokens": 4, "total_tokens": 12}


class Providers:
    """Port `ProviderDirectory`: one."""

    async def providers(self, tenant_id: str) -> tuple[Provider, ...]:
        return (Provider("openai", "openai", "https://api.openai.com/v1", "sk-x"),)


class Wire:
    """Port `ChatWire`: answers when the test lets it."""

    def __init__(self) -> None:
        self.asked = asyncio.Semaphore(0)
        self.may_answer = asyncio.Semaphore(0)
        self.before: Callable[[], None] = lambda: None
        self.more: Json = {}

    async def complete(self, target: Target, body: Json) -> Json:
        self.asked.release()
        await self.may_answer.acquire()
        self.before()
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi."}}
        return {
            "id": "c",
            "object": "chat.completion",
            "model": "gpt-4o-mini",
            "choices": [choice],
            "usage": USED,
            **self.more,
        }


class Process:
    """A gateway's completions on a Redis, with what it does behind them."""

    def __init__(self, completions: Callable[[Any], Completions], wire: Wire, meter: RedisMeter) -> None:
        self.wire = wire
        self.meter = meter
        self.link = meter._link
        self.behind: list[asyncio.Task[None]] = []
        self._completions = completions(self._spawn)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self.behind.append(asyncio.create_task(work, name=name))

    async def ask(self) -> Answer:
        return await self._completions.complete(CALLER, BODY, CacheControl())

    async def finish(self) -> None:
        while undone := [task for task in self.behind if not task.done()]:
            await asyncio.gather(*undone)


@pytest.fixture
def process(redis_process: Server, books: Books, stack: AsyncExitStack, tmp_path: Path) -> Any:
    async def make(budget: Any) -> Process:
        directory = Directory(budget)
        # So patient a connection that to wait for it would fail the test.
        (meter,) = await meters(stack, redis_process.port, tmp_path, 1, directory, answer_seconds=600)
        link, prices, wire = meter._link, load_prices(), Wire()

        def completions(spawn: Any) -> Completions:
            admission = Admission(directory, meter, prices, spawn)
            embedder = cast("Embedder", None)  # the tenant has no semantic tier
            feedback = CacheFeedback(RedisCacheBook(link))
            cache = SemanticCache(RedisAnswerCache(link), embedder, feedback, embedding_seconds=1, spawn=spawn)
            return Completions(
                Providers(),
                {"openai": cast("ChatWire", wire)},
                cache,
                admission=admission,
                usage=UsageBook(meter, prices, admission.freed, Unsaid(), Unobserved()),
                contents=Unsaid(),
                compressor=cast("Any", None),  # and no compression
                spawn=spawn,
                natives={},
            )

        made = Process(completions, wire, meter)
        stack.push_async_callback(made.finish)
        return made

    return make


async def test_an_answer_does_not_wait_for_its_counting(process: Any, books: Books, redis_process: Server) -> None:
    budget = limit(100)
    one = await process(budget)
    one.wire.before = redis_process.pause
    one.wire.may_answer.release()
    try:
        answer = await one.ask()
        assert answer.call.booking.cost_micro_usd > 0
        assert any(not task.done() for task in one.behind)
    finally:
        redis_process.resume()
    await one.finish()
    assert (await books.of(budget), await books.held()) == ((12, 0), (0, 0))
    assert (await one.ask()).call.state == "hit"
    await one.finish()
    assert (await books.day())["requests"] == 2


async def test_nobody_waits_for_an_answer_that_cannot_be_kept(process: Any, books: Books) -> None:
    one = await process(limit(100))
    deep: Json = {}
    for _ in range(254):
        deep = {"x": deep}
    one.wire.more = {"x": deep}
    one.wire.may_answer.release()
    await one.ask()
    await one.finish()
    assert [name async for name in books.client.scan_iter("*:flight:*")] == []
    assert (await books.held()) == (0, 0)


async def test_while_redis_is_away_the_record_is_on_disk_before_the_answer(
    process: Any, books: Books, redis_process: Server, tmp_path: Path
) -> None:
    budget = limit(100)
    one = await process(budget)
    asking = asyncio.create_task(one.ask())
    await one.wire.asked.acquire()
    redis_process.kill()
    await eventually(lambda: _is_away(one.link), what="the connection's end to be noticed")
    one.wire.may_answer.release()
    answer = await asking
    assert answer.call.booking.usage_id in await asyncio.to_thread(_written, tmp_path)
    redis_process.start()


async def test_what_is_kept_nowhere_is_not_answered(
    process: Any, books: Books, redis_process: Server, tmp_path: Path
) -> None:
    one = await process(limit(100))
    asking = asyncio.create_task(one.ask())
    await one.wire.asked.acquire()
    redis_process.kill()
    await eventually(lambda: _is_away(one.link), what="the connection's end to be noticed")
    # No folder can be made where a file is, as none can be written on a disk that is full.
    (tmp_path / "spool-0").write_text("")
    one.wire.may_answer.release()
    with pytest.raises(DependencyUnavailable, match="nowhere"):
        await asking
    assert not one.meter._held, "it would be renewed for ever"
    redis_process.start()


async def _is_away(link: RedisLink) -> bool:
    begun = link.send(b"*1\r\n$4\r\nPING\r\n")
    if begun is not None:
        with suppress(RedisAway):
            await begun
    return begun is None


def _written(folder: Path) -> str:
    return "".join(path.read_text() for path in folder.rglob("*") if path.is_file())


async def _are_held(books: Books, count: int) -> bool:
    return (await books.held())[0] == count


async def test_who_leaves_does_not_take_the_answer_from_those_who_ask_the_same(process: Any, books: Books) -> None:
    one = await process(limit(1000, metric="requests"))
    first = asyncio.create_task(one.ask())
    await one.wire.asked.acquire()
    others = [asyncio.create_task(one.ask()) for _ in range(3)]
    # The others have been let in, and wait for the first one's answer.
    await eventually(lambda: _are_held(books, 4))
    first.cancel()
    await one.wire.asked.acquire()
    one.wire.may_answer.release()
    answers = await asyncio.gather(*others)
    assert all(answer.call.provider_seconds for answer in answers), "theirs who wait for the provider, too"
    assert sorted(answer.call.state for answer in answers) == ["hit", "hit", "miss"]
    with pytest.raises(asyncio.CancelledError):
        await first
    await one.finish()
    assert (await books.held()) == (0, 0)
    assert one.wire.asked.locked()
