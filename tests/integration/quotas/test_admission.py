"""The way in to a call: who waits, who is refused with what words, and what is given back."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from functions.gateway.adapters.redis_link import RedisAway
from functions.gateway.adapters.redis_meter import RedisMeter
from functions.gateway.core import tokens
from functions.gateway.core.admission import Admission, AdmissionPolicy
from functions.gateway.core.booking import Booking
from functions.gateway.core.errors import QuotaExceeded
from functions.gateway.core.models import Caller, Provider, Target, Usage
from functions.gateway.core.prices import load_prices
from functions.gateway.core.quota import Limit
from functions.gateway.core.usage import UsageBook
from functions.kit.errors import DependencyUnavailable
from functions.kit.settings import TenantSettings
from tests.integration.quotas.gateways import TENANT, Books, Directory, Unobserved, Unsaid, limit, meters
from tests.integration.stateful.nats.servers import Server
from tests.integration.stateful.nats.waiting import eventually

pytestmark = pytest.mark.integration

TARGET = Target(Provider("openai", "openai", "https://api.openai.com/v1", "sk-x"), "gpt-4o-mini")
# One word, one message: eight tokens of prompt.
BODY: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(autouse=True)
def counting() -> None:
    tokens.warm()


class Gateway:
    """One process's way in and its books."""

    def __init__(self, meter: RedisMeter, directory: Directory, policy: AdmissionPolicy) -> None:
        self.meter = meter
        self.tasks: list[asyncio.Task[None]] = []
        self.admission = Admission(directory, meter, load_prices(), self._spawn, policy)
        self.usage = UsageBook(meter, load_prices(), self.admission.freed, Unsaid(), Unobserved())

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self.tasks.append(asyncio.create_task(work, name=name))

    async def book(self, **who: Any) -> Booking:
        given = {"tenant_id": TENANT, "api_key_id": None, "user_id": None, "request_id": "r"}
        booking = Booking(Caller(**{**given, **who}, settings=TenantSettings.of({})), TARGET)
        await self.admission.book(booking)
        return booking

    async def enter(self, *, most: int | None = None, patient: bool = True, **who: Any) -> tuple[Booking, int | None]:
        booking = await self.book(**who)
        body = {**BODY, **({"max_tokens": most} if most else {})}
        return booking, await self.admission.for_chat(booking, body, patient=patient)


@pytest.fixture
def gateways(redis_process: Server, books: Books, stack: AsyncExitStack, tmp_path: Path) -> Any:
    async def make(*limits: Limit, count: int = 1, lease_seconds: float = 60, **policy: Any) -> list[Gateway]:
        directory = Directory(*limits)
        found = await meters(stack, redis_process.port, tmp_path, count, directory, lease_seconds=lease_seconds)
        made = [Gateway(meter, directory, AdmissionPolicy(**policy)) for meter in found]
        for gateway in made:
            stack.push_async_callback(_finish, gateway.tasks)
        return made

    return make


async def _finish(tasks: list["asyncio.Task[None]"]) -> None:
    await asyncio.gather(*tasks)


async def test_an_answer_is_limited_to_what_is_left(gateways: Any, books: Books) -> None:
    budget = limit(30)
    (gateway,) = await gateways(budget)
    booking, most = await gateway.enter(most=100)
    assert (most, await books.of(budget)) == (22, (0, 30))
    await gateway.usage.record(booking, Usage(8, 5))
    assert await books.of(budget) == (13, 0)
    _, most = await gateway.enter(most=4)
    assert (most, await books.of(budget)) == (4, (13, 12))


async def test_before_a_vocabulary_is_loaded_more_is_held_and_nobody_is_refused_or_cut_for_it(
    gateways: Any, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    tight, roomy = limit(30), limit(10_000)
    for budget, held in ((tight, 30), (roomy, len("Hello") + 4 + 3 + 100)):
        monkeypatch.setattr(tokens, "_loaded", set())
        (gateway,) = await gateways(budget)
        _, most = await gateway.enter(most=100)
        # Tokens where they are scarce, bytes where nobody need count.
        assert (most, await books.of(budget)) == (22 if budget is tight else 100, (0, held))
    assert not tokens.is_loaded("gpt-4o-mini")


async def test_money_limits_an_answer_too(gateways: Any, books: Books) -> None:
    # 8 tokens at 0.15 and then 0.60 each: 1.2 micro-dollars and (10 - 1.2) / 0.6 tokens.
    budget = limit(10, metric="cost")
    (gateway,) = await gateways(budget)
    _, most = await gateway.enter()
    assert (most, await books.of(budget)) == (14, (0, 10))


async def test_without_a_limit_on_tokens_nothing_is_limited(gateways: Any) -> None:
    (gateway,) = await gateways(limit(5, metric="requests"), limit(5, hard=False))
    booking, most = await gateway.enter()
    assert (most, booking.is_held) == (None, True)


async def test_who_finds_it_used_up_is_told_at_once(gateways: Any) -> None:
    (gateway,) = await gateways(limit(2, metric="requests", subject_kind="user", subject_id="anna", window="minute"))
    for _ in range(2):
        booking, _ = await gateway.enter(user_id="anna")
        await gateway.usage.record(booking, Usage())
    await gateway.enter(user_id="ben")
    with pytest.raises(QuotaExceeded) as refused:
        await gateway.enter(user_id="anna")
    details = refused.value.details
    assert {name: details[name] for name in ("limit", "metric", "window", "used", "subject")} == {
        "limit": 2,
        "metric": "requests",
        "window": "minute",
        "used": 2,
        "subject": {"kind": "user", "id": "anna"},
    }
    assert "user anna per minute" in refused.value.message
    assert 1 <= (refused.value.retry_after or 0) <= 60
    assert details["resetsAt"].endswith(":00.000000Z")


async def test_a_last_request_under_way_refuses_at_once_and_says_soon(gateways: Any) -> None:
    (gateway,) = await gateways(limit(1, metric="requests", window="month"), wait_seconds=60)
    await gateway.enter()
    with pytest.raises(QuotaExceeded) as refused:
        await gateway.enter()
    assert (refused.value.details["used"], refused.value.details["reserved"]) == (0, 1)
    assert refused.value.retry_after == 1


async def someone_waits(gateway: Gateway, budget: Limit) -> None:
    await eventually(lambda: gateway.admission._room.occupied([budget.id]) is not None)


async def test_who_finds_tokens_held_waits_until_they_are_given_back(gateways: Any, books: Books) -> None:
    budget = limit(40)
    one, other = await gateways(budget, count=2, wait_seconds=30)
    first, most = await one.enter()
    assert most == 32
    # The one waits in the process that will give back, the other elsewhere.
    waiting = [asyncio.create_task(gateway.enter(most=4)) for gateway in (one, other)]
    await asyncio.gather(someone_waits(one, budget), someone_waits(other, budget))
    await one.usage.record(first, Usage(8, 3))
    assert [most for _, most in await asyncio.gather(*waiting)] == [4, 4]
    assert await books.of(budget) == (11, 24)


async def test_those_who_wait_come_in_turn(gateways: Any, books: Books) -> None:
    budget = limit(12)
    (gateway,) = await gateways(budget, wait_seconds=30)
    first, _ = await gateway.enter(most=1)
    order: list[int] = []

    async def come(number: int) -> None:
        booking, _ = await gateway.enter(most=1)
        order.append(number)
        gateway.admission.give_back(booking)

    coming = [asyncio.create_task(come(0))]
    await someone_waits(gateway, budget)
    coming += [asyncio.create_task(come(number)) for number in range(1, 20)]
    # Whoever comes only now finds a queue and does not pass it.
    gateway.admission.give_back(first)
    await asyncio.gather(*coming)
    assert order == list(range(20))
    await _finish(gateway.tasks)
    assert await books.of(budget) == (0, 0)


async def test_patience_ends(gateways: Any, books: Books) -> None:
    budget = limit(12)
    (gateway,) = await gateways(budget, wait_seconds=0.05)
    await gateway.enter(most=1)
    results = await asyncio.gather(*(gateway.enter(most=1) for _ in range(10)), return_exceptions=True)
    assert all(isinstance(result, QuotaExceeded) for result in results)
    assert {result.retry_after for result in results if isinstance(result, QuotaExceeded)} == {1}
    assert await books.of(budget) == (0, 9)


async def test_who_leaves_while_waiting_takes_nothing_along(gateways: Any, books: Books) -> None:
    budget = limit(12)
    (gateway,) = await gateways(budget, wait_seconds=30)
    first, _ = await gateway.enter(most=1)
    waiting = [asyncio.create_task(gateway.enter(most=1)) for _ in range(5)]
    for _ in range(3):
        await asyncio.sleep(0)
    for task in waiting[:4]:
        task.cancel()
    await asyncio.gather(*waiting[:4], return_exceptions=True)
    gateway.admission.give_back(first)
    booking, _ = await waiting[4]
    assert booking.is_held
    await _finish(gateway.tasks)
    assert await books.of(budget) == (0, 9)


async def test_an_impatient_call_does_not_wait(gateways: Any) -> None:
    (gateway,) = await gateways(limit(12), wait_seconds=60)
    await gateway.enter(most=1)
    with pytest.raises(QuotaExceeded) as refused:
        await gateway.enter(most=1, patient=False)
    assert not refused.value.is_final


async def test_a_call_that_turns_out_to_need_more_holds_that_instead(gateways: Any, books: Books) -> None:
    requests, budget = limit(1, metric="requests"), limit(100)
    (gateway,) = await gateways(requests, budget)
    booking = await gateway.book()
    await gateway.admission.for_request(booking)
    assert (await books.of(requests), await books.of(budget)) == ((0, 1), (0, 0))
    assert await gateway.admission.for_chat(booking, {**BODY, "max_tokens": 5}) == 5
    assert (await books.of(requests), await books.of(budget)) == ((0, 1), (0, 13))
    await gateway.usage.record(booking, Usage(8, 5))
    assert (await books.of(requests), await books.of(budget), await books.held()) == ((1, 0), (13, 0), (0, 0))


async def test_a_call_that_fails_gives_back(gateways: Any, books: Books) -> None:
    budget = limit(100)
    (gateway,) = await gateways(budget)
    booking, _ = await gateway.enter()
    with pytest.raises(LookupError):
        async with gateway.admission.holding(booking):
            raise LookupError
    # Before the failure is told: whoever hears of it may come again.
    assert (await books.of(budget), await books.held()) == ((0, 0), (0, 0))


async def test_a_call_that_its_caller_leaves_gives_back_behind_it(gateways: Any, books: Books) -> None:
    budget = limit(100)
    (gateway,) = await gateways(budget)
    booking, _ = await gateway.enter()
    with pytest.raises(asyncio.CancelledError):
        async with gateway.admission.holding(booking):
            raise asyncio.CancelledError
    await _finish(gateway.tasks)
    assert (await books.of(budget), await books.held()) == ((0, 0), (0, 0))


async def test_a_store_that_does_not_answer_holds_no_failure_up(
    books: Books, redis_process: Server, stack: AsyncExitStack, tmp_path: Path
) -> None:
    budget = limit(100)
    directory = Directory(budget)
    # So patient a connection that to wait for it would fail the test.
    (meter,) = await meters(stack, redis_process.port, tmp_path, 1, directory, answer_seconds=600)
    gateway = Gateway(meter, directory, AdmissionPolicy())
    booking, _ = await gateway.enter()
    redis_process.pause()
    try:
        with pytest.raises(LookupError):
            async with gateway.admission.holding(booking):
                raise LookupError
        assert not gateway.tasks[-1].done()
    finally:
        redis_process.resume()
    await _finish(gateway.tasks)
    assert (await books.of(budget), await books.held()) == ((0, 0), (0, 0))


async def test_what_lasts_stays_held_and_what_a_dead_process_held_does_not(
    gateways: Any, books: Books, redis_process: Server, stack: AsyncExitStack, tmp_path: Path
) -> None:
    budget = limit(100, metric="requests")
    living, dead = await gateways(budget, count=2, lease_seconds=0.3)
    lasting, _ = await living.enter()
    lost, _ = await dead.enter()
    keeping = asyncio.create_task(living.meter.keep())
    try:
        await eventually(lambda: _held(books, 1))
        told = await books.told("r")
        assert [(one["usageId"], one["status"], one["promptTokens"]) for one in told] == [(lost.usage_id, "expired", 0)]
        # Longer than the lease: were it not renewed, it would be given back like the other.
        until = asyncio.get_running_loop().time() + 0.7
        await eventually(lambda: asyncio.get_running_loop().time() > until)
        assert await books.of(budget) == (0, 1)
    finally:
        keeping.cancel()
    await living.usage.record(lasting, Usage(1, 1))
    assert (await books.of(budget), await books.held()) == ((1, 0), (0, 0))


async def test_what_a_redis_that_hung_holds_for_a_refused_call_is_given_back(
    books: Books, redis_process: Server, stack: AsyncExitStack, tmp_path: Path
) -> None:
    budget = limit(100)
    directory = Directory(budget)
    (meter,) = await meters(stack, redis_process.port, tmp_path, 1, directory, answer_seconds=0.3)
    gateway = Gateway(meter, directory, AdmissionPolicy())
    first, _ = await gateway.enter()
    await gateway.usage.record(first, Usage(1, 1))
    redis_process.pause()
    try:
        with pytest.raises(DependencyUnavailable):
            await gateway.enter()
        await _finish(gateway.tasks)
    finally:
        redis_process.resume()
    await eventually(lambda: _held(books, 1))
    keeping = asyncio.create_task(meter.keep())
    try:
        await eventually(lambda: _held(books, 0))
    finally:
        keeping.cancel()
    assert await books.of(budget) == (2, 0)
    assert [one["status"] for one in await books.told("r")] == ["ok"]


async def _held(books: Books, count: int) -> bool:
    return await books.held() == (count, count)


async def test_what_is_used_while_redis_is_away_counts_when_it_is_back(
    gateways: Any, books: Books, redis_process: Server
) -> None:
    budget = limit(100)
    (gateway,) = await gateways(budget)
    first, _ = await gateway.enter(most=10)
    redis_process.kill()
    await gateway.usage.record(first, Usage(8, 4))
    second = await gateway.book()
    await gateway.usage.record(second, Usage(8, 5))
    redis_process.start()

    async def replayed() -> bool:
        try:
            return bool(await gateway.meter._spool.replay_once(gateway.meter.replay) == 2)
        except RedisAway:
            return False

    await eventually(replayed)
    assert (await books.of(budget), await books.held()) == ((25, 0), (0, 0))


async def test_while_redis_is_away_hard_limits_refuse_or_let_in_as_the_operator_has_it(
    gateways: Any, books: Books, redis_process: Server
) -> None:
    (closed,) = await gateways(limit(100))
    (opened,) = await gateways(limit(100), open_without_store=True)
    (soft,) = await gateways(limit(100, hard=False))
    redis_process.kill()
    with pytest.raises(DependencyUnavailable):
        await closed.enter()
    assert (await opened.enter())[1] is None
    assert (await soft.enter())[1] is None
