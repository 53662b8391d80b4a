"""What may be found: only what is in the very same scope, whatever its names are, and whatever happens to Redis."""

import asyncio
import itertools
import random
from typing import Any

import pytest

from functions.gateway.adapters.redis_cache import ANSWERS, base
from functions.gateway.core.models import CachePolicy, QuestionVector
from functions.kit.identifiers import new_id
from tests.integration.gateway_cache.stores import ANYTHING, ROOM, TENANT, Store, completion, key, longer, vector
from tests.integration.stateful.nats.servers import Server
from tests.platform import eventually

HERE = vector(1.0)
HOSTILE = [
    "openai", "OpenAI", "openai ", "openai,azure", "openai|azure", "a}) | (@tenant:{*", "*", "open*", "-openai",
    "$tenant", "a\\b", "a:b", "a b", "'", '"', "é", "\x00", "@scope:{x}",
]  # fmt: skip


async def test_an_answer_is_found_again_by_its_request_and_by_a_question_like_it(store: Store) -> None:
    await store.keep(key("What is TLS?"), "a protocol", HERE)
    assert await store.exact(key("What is TLS?")) == "a protocol"
    (found,) = await store.similar(key("What's TLS?"), vector(1.0, 0.1))
    assert found.question == "What is TLS?"
    assert 0.99 < found.answer.similarity < 1
    assert found.answer.entry_id == key("What is TLS?").exact


async def test_an_answer_is_on_its_way_before_it_is_waited_for(store: Store) -> None:
    await store.keep(key("Which lake is the largest?"), "the Caspian Sea")
    keeping = store.answers.store(key("What is TLS?"), completion("a protocol"), None, ROOM)

    async def kept() -> bool:
        return await store.exact(key("What is TLS?")) == "a protocol"

    try:
        assert await eventually(kept)
    finally:
        await keeping


async def test_an_answer_is_kept_by_a_redis_that_has_forgotten_how(store: Store) -> None:
    await store.keep(key("Which lake is the largest?"), "the Caspian Sea")
    await store.client.script_flush()
    await store.keep(key("What is TLS?"), "a protocol")
    assert await store.exact(key("What is TLS?")) == "a protocol"


async def test_an_answer_nested_too_deep_to_be_written_is_not_kept(store: Store) -> None:
    deep: dict[str, Any] = {}
    for _ in range(254):
        deep = {"x": deep}
    await store.answers.store(key("What is TLS?"), deep, None, ROOM)
    await store.answers.store(key("What is TLS?"), deep, HERE, ROOM)
    assert (await store.answers.find_exact(key("What is TLS?"), ANYTHING)).answer is None


async def test_nothing_of_another_tenant_is_found_even_by_the_same_words(store: Store) -> None:
    tenants = ["t1", "t1:cache:entry", "t", "t1,t2", "*", "t1}|{t2"]
    for tenant in tenants:
        await store.keep(key("What is TLS?", tenant=tenant), tenant, HERE)
    for tenant in tenants:
        found = await store.similar(key("What's TLS?", tenant=tenant), HERE)
        assert {c.answer.completion["choices"][0]["message"]["content"] for c in found} <= {tenant}
        assert await store.exact(key("What is TLS?", tenant=tenant)) == tenant
    assert len(await store.similar(key("What's TLS?", tenant="t1"), HERE)) == 1
    assert await store.similar(key("What's TLS?", tenant="t2"), HERE) == []
    assert await store.exact(key("What is TLS?", tenant="t2")) is None


async def test_names_are_told_apart_whatever_they_are_made_of(store: Store) -> None:
    pairs = list(itertools.product(HOSTILE, HOSTILE))[:: len(HOSTILE) // 2 + 1]
    for provider, model in pairs:
        await store.keep(key("What is TLS?", provider=provider, model=model), f"{provider} {model}", HERE)
    for provider, model in pairs:
        (found,) = await store.similar(key("What's TLS?", provider=provider, model=model), HERE)
        assert found.answer.completion["choices"][0]["message"]["content"] == f"{provider} {model}"
        assert await store.exact(key("What is TLS?", provider=provider, model=model)) == f"{provider} {model}"


async def test_in_a_large_scope_the_nearest_are_found_too(store: Store) -> None:
    room = CachePolicy(60, 10_000, 100_000_000)
    dice = random.Random(3)
    points = [vector(*(dice.gauss(0, 1) for _ in range(8))) for _ in range(1100)]
    await asyncio.gather(*(store.keep(key(f"point {n}"), "x", point, room) for n, point in enumerate(points)))
    found = [(await store.similar(key("another"), point))[0].question for point in points[:100]]
    assert sum(name == f"point {n}" for n, name in enumerate(found)) >= 98


async def test_what_has_just_expired_is_not_there(store: Store) -> None:
    await store.keep(key("What is TLS?"), "a protocol", HERE)
    await store.keep(key("What was TLS?"), "another", HERE)
    entry = f"{ANSWERS}{base(TENANT)}{key('What is TLS?').exact}"
    # Redis takes nothing out that has expired while writers wait, and the index goes on telling of it.
    await store.client.pexpire(entry, 20)
    await store.client.client_pause(10_000, all=False)
    try:
        await eventually(lambda: _is_gone(store, entry))
        assert [found.question for found in await store.similar(key("What's TLS?"), HERE)] == ["What was TLS?"]
    finally:
        await store.client.client_unpause()


async def _is_gone(store: Store, entry: str) -> bool:
    return not await store.client.exists(entry)


async def test_other_conditions_are_another_scope(store: Store) -> None:
    await store.keep(key("What is TLS?", temperature=0.2), "cool", HERE)
    assert await store.similar(key("What's TLS?"), HERE) == []
    assert len(await store.similar(key("What's TLS?", temperature=0.2), HERE)) == 1


async def test_vectors_of_other_models_are_never_compared(store: Store) -> None:
    await store.keep(key("What is TLS?"), "a protocol", HERE)
    assert await store.similar(key("What's TLS?"), vector(1.0, model="other")) == []
    assert await store.similar(key("What's TLS?"), longer(HERE)) == []
    await store.keep(key("What is a TLS?"), "long", longer(HERE))
    (found,) = await store.similar(key("What's TLS?"), longer(HERE))
    assert found.question == "What is a TLS?"


@pytest.mark.parametrize("loss", ["flush", "drop index", "kill"])
async def test_the_index_comes_back_whatever_happened_to_redis(
    store: Store, searching_redis: Server, loss: str
) -> None:
    await store.keep(key("What is TLS?"), "a protocol", HERE)
    assert await store.similar(key("What's TLS?"), HERE)
    if loss == "flush":
        await store.client.flushall()
    elif loss == "drop index":
        await store.link.execute("FT.DROPINDEX", "cached:8")
    else:
        searching_redis.kill()
        assert await store.similar(key("What's TLS?"), HERE) == []
        await store.keep(key("What is lost?"), "nothing", HERE)
        searching_redis.start()

    async def found() -> bool:
        await store.keep(key("What is SSH?"), "another", HERE)
        return "What is SSH?" in {c.question for c in await store.similar(key("What's SSH?"), HERE)}

    assert await eventually(found)


async def test_without_vector_search_the_same_request_is_still_answered(plain_store: Store) -> None:
    await plain_store.keep(key("What is TLS?"), "a protocol", HERE)
    assert await plain_store.exact(key("What is TLS?")) == "a protocol"
    assert await plain_store.similar(key("What's TLS?"), HERE) == []


async def test_the_least_recently_given_make_room(store: Store) -> None:
    room = CachePolicy(60, 3, 1_000_000)
    for number in range(3):
        await store.keep(key(f"question {number}"), str(number), HERE, room)
    store.answers.note("t1", {"hit": 1}, key("question 0").exact)
    task = asyncio.create_task(store.answers.keep())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.keep(key("question 3"), "3", HERE, room)
    assert [await store.exact(key(f"question {n}")) for n in range(4)] == ["0", None, "2", "3"]
    totals = await store.book.totals("t1")
    assert (totals.entries, totals.counted["evicted"], totals.counted["hit"]) == (3, 1, 1)


async def test_the_room_in_bytes_holds_however_many_store_at_once(store: Store) -> None:
    room = CachePolicy(60, 1000, 20_000)
    await asyncio.gather(*(store.keep(key(f"question {n}"), "x" * 900, HERE, room) for n in range(60)))
    totals = await store.book.totals("t1")
    assert totals.counted["bytes"] <= 20_000
    assert totals.counted["evicted"] == 60 - totals.entries
    sizes = [int(size) for size in await store.client.hvals("t:t1:cache:sizes")]
    assert (len(sizes), sum(sizes)) == (totals.entries, totals.counted["bytes"])
    await store.keep(key("too large"), "x" * 30_000, HERE, room)
    assert await store.exact(key("too large")) is None


async def test_an_answer_that_is_kept_anew_takes_the_formers_place(store: Store) -> None:
    asked, room = key("What is TLS?"), CachePolicy(60, 1, 1_000_000)
    await store.keep(asked, "x" * 900, HERE, room)
    await store.keep(asked, "a protocol", None, room)
    assert (await store.exact(asked), await store.similar(key("What's TLS?"), HERE)) == ("a protocol", [])
    totals, sizes = await store.book.totals("t1"), await store.client.hvals("t:t1:cache:sizes")
    assert (totals.entries, totals.counted) == (1, {"bytes": int(sizes[0])})
    assert totals.counted["bytes"] < 900
    await store.keep(asked, "x" * 900, HERE, CachePolicy(60, 1, 800))
    assert (await store.exact(asked), (await store.book.totals("t1")).counted["bytes"]) == (None, 0)


async def test_an_answer_kept_anew_with_a_vector_is_found_by_it_and_counted_once(store: Store) -> None:
    asked = key("What is TLS?")
    assert not await store.book.holds("t1", asked.exact)
    await store.keep(asked, "a protocol")
    assert await store.book.holds("t1", asked.exact)
    await store.keep(asked, "a protocol of two layers", HERE)
    assert await store.book.holds("t1", asked.exact)
    assert await store.exact(asked) == "a protocol of two layers"
    assert len(await store.similar(key("What's TLS?"), HERE)) == 1
    totals, sizes = await store.book.totals("t1"), await store.client.hvals("t:t1:cache:sizes")
    assert (totals.entries, totals.counted) == (1, {"bytes": int(sizes[0])})
    assert await store.book.flush("t1", "openai", "") == 1
    assert await store.client.keys("*cache:*") == [b"t:t1:cache:totals"]


async def test_of_many_some_make_room_at_once(store: Store) -> None:
    room = CachePolicy(60, 128, 10_000_000)
    for number in range(129):
        await store.keep(key(f"question {number}"), "x", None, room)
    totals = await store.book.totals("t1")
    assert (totals.entries, totals.counted["evicted"]) == (127, 2)
    assert [await store.exact(key(f"question {n}")) for n in (0, 1, 2, 128)] == [None, None, "x", "x"]
    sizes = [int(size) for size in await store.client.hvals("t:t1:cache:sizes")]
    assert (len(sizes), sum(sizes)) == (127, totals.counted["bytes"])
    assert len(await store.client.keys("t:t1:cache:plain:*")) == 127


async def test_what_was_used_and_is_there_no_more_makes_room_as_well(store: Store) -> None:
    await store.client.zadd("t:t1:cache:used", {"gone": 1})
    for number in range(2):
        await store.keep(key(f"question {number}"), str(number), HERE, CachePolicy(60, 1, 1_000_000))
    assert [await store.exact(key(f"question {n}")) for n in range(2)] == [None, "1"]
    assert (await store.book.totals("t1")).entries == 1


async def test_a_redis_that_is_nearly_full_keeps_no_more_answers(store: Store) -> None:
    await store.keep(key("before"), "x")
    used = (await store.client.info("memory"))["used_memory"]
    await store.client.config_set("maxmemory", round(used * 1.2))
    keeping = asyncio.create_task(store.answers.keep())
    try:

        async def refused() -> bool:
            asked = key(f"question {new_id()}")
            await store.keep(asked, "x")
            return await store.exact(asked) is None

        assert await eventually(refused)
        assert await store.exact(key("before")) == "x"
    finally:
        keeping.cancel()
        await store.client.config_set("maxmemory", 0)


async def test_what_expired_takes_no_room(store: Store) -> None:
    await store.keep(key("short"), "x", HERE, CachePolicy(1, 10, 100_000))
    await store.client.pexpire(f"answer:t:t1:cache:{key('short').exact}", 1)
    await store.client.zadd("t:t1:cache:expires", {key("short").exact: 1})
    totals = await store.book.totals("t1")
    assert (totals.entries, totals.counted["bytes"]) == (0, 0)


@pytest.mark.parametrize("at", [HERE, None])
async def test_a_flush_takes_what_it_names_and_nothing_of_others(store: Store, at: QuestionVector | None) -> None:
    for provider, model in (("a", "m"), ("a", "n"), ("b", "m")):
        await store.keep(key("What is TLS?", provider=provider, model=model), provider + model, at)
    await store.keep(key("What is TLS?", tenant="t2"), "theirs", at)
    assert await store.book.flush("t1", "a", "m") == 1
    assert await store.book.flush("t1", "", "m") == 1
    assert await store.book.flush("t1", "", "") == 1
    assert (await store.book.totals("t1")).entries == 0
    assert await store.similar(key("What's TLS?", provider="a", model="n"), HERE) == []
    assert await store.exact(key("What is TLS?", tenant="t2")) == "theirs"


async def test_one_process_asks_and_the_others_wait_for_it(store: Store, searching_redis: Server) -> None:
    asked = key("What is TLS?")
    async with Store.on(searching_redis) as other:
        mine = await store.answers.find_exact(asked, ANYTHING, "one")
        theirs = await other.answers.find_exact(asked, ANYTHING, "two")
        assert (mine.is_mine, theirs.is_theirs) == (True, True)
        await other.answers.land(asked, "two")
        assert (await other.answers.find_exact(asked, ANYTHING, "two")).is_theirs
        await store.answers.land(asked, "one")
        assert (await other.answers.find_exact(asked, ANYTHING, "two")).is_mine
        await other.keep(asked, "a protocol")
        assert await store.exact(asked) == "a protocol"
        # Whoever asks once the answer is dropped need not wait for a lease that nobody holds.
        await store.book.flush(TENANT, "", "")
        assert (await store.answers.find_exact(asked, ANYTHING, "three")).is_mine


async def test_nobody_waits_for_a_call_that_ended_while_redis_hung(store: Store, searching_redis: Server) -> None:
    asked = key("What is TLS?")
    flight = f"{base(TENANT)}flight:{asked.exact}"
    async with Store.on(searching_redis, timeout_seconds=0.3) as hurried:
        assert await hurried.exact(asked) is None
        searching_redis.pause()
        try:
            assert (await hurried.answers.find_exact(asked, ANYTHING, "one")).is_mine, "it cannot be told"
            await hurried.answers.land(asked, "one")
        finally:
            searching_redis.resume()

        async def is_held() -> bool:
            return bool(await store.client.exists(flight))

        async def is_free() -> bool:
            return not await is_held()

        assert await eventually(is_held), "it ran what it was sent"
        keeping = asyncio.create_task(hurried.answers.keep())
        try:
            assert await eventually(is_free)
        finally:
            keeping.cancel()
        assert await store.client.ttl(flight) == -2


async def test_what_was_never_sent_leads_nobody(store: Store, searching_redis: Server) -> None:
    searching_redis.kill()
    found = await store.answers.find_exact(key("What is TLS?"), ANYTHING, "one")
    assert (found.answer, found.is_mine, found.is_theirs) == (None, False, False)


async def test_a_command_that_cannot_be_sent_shifts_nobody_s_reply(store: Store) -> None:
    for name in ("mine", "yours"):
        await store.link.execute("SET", name, name)
    with pytest.raises(TypeError):
        await store.link.execute("SET", "mine", True)
    asked = [asyncio.ensure_future(store.link.execute("GET", name)) for name in ("mine", "yours")]
    assert [await reply for reply in asked] == [b"mine", b"yours"]
