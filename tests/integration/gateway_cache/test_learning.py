"""What is learned from reports: kept, atomic, and only ever within what the tenant allows."""

import asyncio
import random

import pytest

from functions.gateway.core.cache_feedback import CacheFeedback
from functions.gateway.core.cache_ports import Given
from functions.gateway.core.errors import CachedAnswerNotFound
from functions.gateway.core.models import CachedAnswer, Learned
from functions.gateway.core.semantic_cache import least_similarity
from functions.kit.settings import TenantSettings
from tests.integration.gateway_cache.stores import TENANT, Store, key, vector
from tests.integration.stateful.nats.servers import Server
from tests.platform import eventually

SETTINGS = TenantSettings()
HERE = vector(1.0)


async def given(store: Store, question: str, similarity: float, request_id: str) -> str:
    """A similar hit on a question's answer."""
    await store.keep(key(question), "an answer", HERE)
    answer = CachedAnswer({}, "semantic", similarity, 0, key(question).exact)
    await store.answers.remember_hit(key(question), request_id, answer)
    return answer.entry_id


async def test_a_wrong_answer_is_dropped_and_the_cache_asks_for_more_likeness(store: Store) -> None:
    feedback = CacheFeedback(store.book)
    await given(store, "What is TLS?", 0.87, "r1")
    report = await feedback.report(TENANT, SETTINGS, wrong=True, request_id="r1")
    assert report.similarity == pytest.approx(0.87)
    assert await store.exact(key("What is TLS?")) is None
    totals = await store.book.totals(TENANT)
    assert totals.learned is not None
    assert 0.87 < totals.learned.threshold <= 1.01
    assert totals.counted["wrong"] == 1


async def test_what_was_learned_of_an_entry_outlives_it_and_redis(store: Store, searching_redis: Server) -> None:
    feedback = CacheFeedback(store.book)
    await given(store, "What is TLS?", 0.9, "r1")
    await feedback.report(TENANT, SETTINGS, wrong=True, request_id="r1")
    await store.keep(key("What is TLS?"), "a better answer", HERE)
    await store.keep(key("What is SSH?"), "another answer", HERE)
    searching_redis.stop()
    searching_redis.start()

    async def both() -> dict[str, Learned | None]:
        found = {c.question: c.learned for c in await store.similar(key("What's TLS?"), HERE)}
        return found if len(found) == 2 else {}

    found = await eventually(both)
    learned = found["What is TLS?"]
    tenants = (await store.book.totals(TENANT)).learned
    assert learned is not None
    assert tenants is not None
    assert found["What is SSH?"] is None
    assert learned.threshold > tenants.threshold > SETTINGS.cache_similarity
    assert least_similarity(SETTINGS, learned, tenants) == learned.threshold
    other = TenantSettings(cache_similarity=0.9)
    assert least_similarity(other, learned, tenants) == 0.9


async def test_an_answer_is_reported_once_and_only_where_it_was_given(store: Store) -> None:
    feedback = CacheFeedback(store.book)
    entry = await given(store, "What is TLS?", 0.9, "r1")
    for tenant, request_id, cache_id in (("t2", "r1", entry), (TENANT, "r2", ""), (TENANT, "", "0" * 32)):
        with pytest.raises(CachedAnswerNotFound):
            await feedback.report(tenant, SETTINGS, wrong=True, request_id=request_id, cache_id=cache_id)
    reports = await asyncio.gather(
        *(feedback.report(TENANT, SETTINGS, wrong=False, request_id="r1") for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(report, Given) for report in reports) == 1
    assert (await store.book.totals(TENANT)).counted["right"] == 1
    report = await feedback.report(TENANT, SETTINGS, wrong=True, cache_id=entry)
    assert report.similarity is None
    assert await store.exact(key("What is TLS?")) is None


async def test_reports_at_once_are_all_learned_from(store: Store) -> None:
    feedback = CacheFeedback(store.book)
    entry = key("What is TLS?").exact
    await asyncio.gather(
        *(feedback.observe(TENANT, SETTINGS, Given(entry, 0.82 + n / 1000), right=True) for n in range(30))
    )
    totals = await store.book.totals(TENANT)
    assert totals.learned is not None
    one_more = await store.book.observe(TENANT, Given(entry, 0.9), right=True, evict=False)
    assert (one_more.version, len(one_more.tenants), len(one_more.entrys)) == (31, 31, 31)
    assert SETTINGS.cache_similarity_least <= totals.learned.threshold < SETTINGS.cache_similarity


@pytest.mark.parametrize("boundary", [0.83, 0.92])
async def test_hits_become_right_and_many_by_exploration(store: Store, boundary: float) -> None:
    """Similar questions come at random; above a boundary that nobody knows they mean the same. One in five is compared.

    At the end, hits are wrong no more often than is allowed, and what could have been hit mostly is.
    """
    dice = random.Random(5)
    feedback = CacheFeedback(store.book)
    settings = TenantSettings(cache_error_rate=0.02, cache_exploration=0.2)
    hits = wrong = possible = 0
    for turn in range(600):
        similarity = dice.uniform(0.78, 1.0)
        right = similarity >= boundary
        if similarity < settings.cache_similarity_least:
            continue
        if dice.random() < settings.cache_exploration:
            entry = key(f"question {dice.randrange(50)}").exact
            await feedback.observe(TENANT, settings, Given(entry, similarity), right=right)
        elif turn >= 300:
            hit = similarity >= least_similarity(settings, (await store.book.totals(TENANT)).learned)
            hits, wrong, possible = hits + hit, wrong + (hit and not right), possible + right
    assert wrong <= 0.02 * hits
    assert hits >= 0.75 * possible
