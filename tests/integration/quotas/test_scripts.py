"""Whatever calls do in whatever order: no limit is overshot, nothing leaks, nobody is refused what is there."""

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.gateway.adapters.quota_scripts import FIRST_KEYS, RENEW
from functions.gateway.adapters.redis_link import RedisLink
from functions.gateway.adapters.redis_meter import RedisMeter
from functions.gateway.core.ports import Granted, Refused
from functions.gateway.core.quota import Hold, Limit, Need, holds
from functions.kit.quotas import HELD, RESERVATIONS, span_of
from functions.kit.subjects import UsageRecord
from tests.integration.quotas.gateways import NOON, Books, limit, meters, record
from tests.integration.stateful.nats.servers import Server

pytestmark = pytest.mark.integration

# What one token of the prompt and one of the answer cost, in thousandths of a micro-dollar.
INTO, OUT_OF = 150, 620


@dataclass
class Open:
    """A call under way in the model."""

    record: UsageRecord
    need: Need
    completion: int
    held: dict[str, int]


@dataclass
class Model:
    """What must be true, reckoned without Redis."""

    limits: list[Limit]
    used: Counter[str] = field(default_factory=Counter)
    open: list[Open] = field(default_factory=list)
    dead: list[Open] = field(default_factory=list)
    settled: int = 0

    def reserved(self, one: Limit) -> int:
        return sum(call.held.get(one.id, 0) for call in (*self.open, *self.dead))

    def left(self, hold: Hold) -> int:
        one = hold.limit
        # What dead processes held is given back before anybody is told that there is nothing.
        return one.maximum - self.used[one.id] - sum(call.held.get(one.id, 0) for call in self.open)

    def expected(self, wanted: list[Hold], completion: int) -> int | None:
        """Most tokens of an answer that fit, or None when the call does not."""
        for hold in wanted:
            fits = 0
            while fits < completion and taken(hold, fits + 1) <= self.left(hold):
                fits += 1
            completion = min(completion, fits) if hold.per_token else completion
            if taken(hold, int(bool(hold.per_token))) > self.left(hold):
                return None
        return completion

    def check(self, counted: dict[str, tuple[int, int]]) -> None:
        for one in self.limits:
            used, reserved = counted[one.id]
            assert (used, reserved) == (self.used[one.id], self.reserved(one)), one.metric
            assert not one.hard or used + reserved <= one.maximum, "overshot"


def taken(hold: Hold, completion: int) -> int:
    return -(-(hold.fixed + hold.per_token * completion) // hold.scale)


def need(prompt: int, completion: int, answers: int) -> Need:
    return Need(
        tokens=prompt, nano_usd=prompt * INTO, completion=completion, answers=answers, completion_nano_usd=OUT_OF
    )


def ended(call: Open, share: float) -> UsageRecord:
    """The call's end, having used a share of what it might."""
    completion = int(call.completion * share) * call.need.answers
    cost = (call.need.tokens * INTO + completion * OUT_OF + 500) // 1000
    changes = {"prompt_tokens": call.need.tokens, "completion_tokens": completion, "cost_micro_usd": cost}
    return call.record.model_copy(update=changes)


LIMITS = st.fixed_dictionaries(
    {
        "requests": st.integers(0, 12),
        "tokens": st.integers(0, 300),
        "cost": st.integers(0, 120),
        "soft": st.integers(1, 200),
    }
)
CALL = st.tuples(st.just("reserve"), st.integers(1, 30), st.integers(1, 60), st.integers(1, 2))
STEP = st.one_of(
    CALL,
    CALL,
    st.tuples(st.sampled_from(["settle", "again", "release", "die", "late"]), st.integers(0, 50), st.floats(0, 1)),
)


class Run:
    """One interleaving on three gateways and one Redis, compared with the model after every step."""

    def __init__(self, gateways: list[RedisMeter], books: Books, maxima: dict[str, int]) -> None:
        soft = limit(maxima["soft"], hard=False, thresholds=(50, 80, 100))
        hard = [limit(maxima[metric], metric=metric, thresholds=(80, 100)) for metric in ("requests", "tokens", "cost")]
        self.model = Model([*hard, soft])
        self.gateways = gateways
        self.books = books
        self.last: UsageRecord | None = None

    async def take(self, number: int, step: tuple[Any, ...]) -> None:
        gateway = self.gateways[number % len(self.gateways)]
        if step[0] == "reserve":
            await self.reserve(gateway, need(*step[1:]))
        elif step[0] == "again" and self.last is not None:
            await gateway.begin(self.last, self.model.limits, held=True).finish()
        elif step[0] == "late" and self.model.dead:
            await self.settle(gateway, self.model.dead.pop(step[1] % len(self.model.dead)), step[2])
        elif self.model.open and step[0] in {"settle", "release", "die"}:
            call = self.model.open.pop(step[1] % len(self.model.open))
            await self.end(gateway, step[0], call, step[2])
        await self.compare()

    async def reserve(self, gateway: RedisMeter, wanted: Need) -> None:
        model, call = self.model, record()
        needed = holds(model.limits, wanted, NOON)
        expected = model.expected(needed, wanted.completion)
        lost = call.model_copy(update={"status": "expired"})
        answer = await gateway.reserve(lost, needed, wanted.completion)
        # The script has given back what the dead held, and recorded them.
        model.settled += len(model.dead)
        model.dead.clear()
        if isinstance(answer, Refused):
            assert expected is None, "refused although it would have fitted"
            return
        assert expected is not None, "let in although it does not fit"
        assert answer == Granted(expected)
        held = {hold.limit.id: taken(hold, answer.completion) for hold in needed}
        model.open.append(Open(call, wanted, answer.completion, held))

    async def end(self, gateway: RedisMeter, how: str, call: Open, share: float) -> None:
        if how == "settle":
            await self.settle(gateway, call, share)
        elif how == "release":
            await gateway.release(call.record.usage_id)
        else:
            await self.books.die([call.record.usage_id])
            self.model.dead.append(call)

    async def settle(self, gateway: RedisMeter, call: Open, share: float) -> None:
        self.last = ended(call, share)
        await gateway.begin(self.last, self.model.limits, held=True).finish()
        self.model.settled += 1
        for one in self.model.limits:
            amounts = {
                "requests": 1,
                "tokens": self.last.prompt_tokens + self.last.completion_tokens,
                "cost": self.last.cost_micro_usd,
            }
            self.model.used[one.id] += amounts[one.metric]

    async def compare(self) -> None:
        self.model.check({one.id: await self.books.of(one) for one in self.model.limits})

    async def finish(self) -> None:
        """Everybody dies; the next to come finds nothing held."""
        await self.books.die([call.record.usage_id for call in self.model.open])
        self.model.settled += len(self.model.open) + len(self.model.dead)
        self.model.open.clear()
        self.model.dead.clear()
        await self.gateways[0].release("nobody")
        await self.gateways[0].reserve(record(status="expired"), holds([limit(0)], need(1, 1, 1), NOON), 1)
        await self.compare()
        assert await self.books.held() == (0, 0)
        told = await self.books.told("r")
        assert len(told) == len({one["usageId"] for one in told}) == self.model.settled
        await self.check_thresholds()

    async def check_thresholds(self) -> None:
        told = Counter((one["quotaId"], one["threshold"]) for one in await self.books.told("q"))
        crossed = {
            (one.id, threshold)
            for one in self.model.limits
            for threshold in one.thresholds
            if self.model.used[one.id] and self.model.used[one.id] * 100 >= one.maximum * threshold
        }
        assert told == Counter(crossed)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(maxima=LIMITS, steps=st.lists(STEP, max_size=40))
async def test_in_any_order_counts_are_right_and_refusals_just(
    redis_process: Server, books: Books, maxima: dict[str, int], steps: list[tuple[Any, ...]]
) -> None:
    await books.client.flushall()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        run = Run(await meters(stack, redis_process.port, folder, 3), books, maxima)
        for number, step in enumerate(steps):
            await run.take(number, step)
        await run.finish()


async def test_of_five_hundred_at_the_last_unit_one_gets_it(
    redis_process: Server, books: Books, stack: AsyncExitStack, tmp_path: Path
) -> None:
    gateways = await meters(stack, redis_process.port, tmp_path, 3)
    last = limit(1, metric="requests")
    wanted = holds([last], Need(), NOON)
    answers = await asyncio.gather(*(gateways[n % 3].reserve(record(status="expired"), wanted, 0) for n in range(500)))
    assert Counter(type(answer) for answer in answers) == {Granted: 1, Refused: 499}
    assert await books.of(last) == (0, 1)


async def test_at_once_from_everywhere_all_of_it_is_used_and_no_more(
    redis_process: Server, books: Books, stack: AsyncExitStack, tmp_path: Path
) -> None:
    gateways = await meters(stack, redis_process.port, tmp_path, 3)
    limits = [limit(500), limit(40, metric="requests")]

    async def call(number: int) -> int:
        gateway, one, asked = gateways[number % 3], record(), need(5, 20, 1)
        lost = one.model_copy(update={"status": "expired"})
        answer = await gateway.reserve(lost, holds(limits, asked, NOON), 20)
        if isinstance(answer, Refused):
            return 0
        await asyncio.sleep(0)
        used = {"prompt_tokens": 5, "completion_tokens": random.randint(0, answer.completion)}
        await gateway.begin(one.model_copy(update=used), limits, held=True).finish()
        return 5 + used["completion_tokens"]

    spent = sum(await asyncio.gather(*(call(number) for number in range(300))))
    used, reserved = await books.of(limits[0])
    assert (used, reserved) == (spent, 0)
    assert spent <= 500
    assert (await books.of(limits[1]))[0] <= 40
    # Either metric was used up to where not even the least call fits, or no call was refused.
    while not isinstance(
        await gateways[0].reserve(record(status="expired"), holds(limits, need(5, 1, 1), NOON), 1), Refused
    ):
        pass
    tokens, requests = [sum(await books.of(one)) for one in limits]
    assert tokens > 500 - 6 or requests == 40


async def test_a_call_that_was_given_up_counts_when_its_end_becomes_known(
    redis_process: Server, books: Books, stack: AsyncExitStack, tmp_path: Path
) -> None:
    (gateway,) = await meters(stack, redis_process.port, tmp_path, 1)
    budget, call = limit(100), record()
    lost = call.model_copy(update={"status": "expired"})
    assert isinstance(await gateway.reserve(lost, holds([budget], need(5, 20, 1), NOON), 20), Granted)
    await books.die([call.usage_id])
    other = record(status="expired")
    assert isinstance(await gateway.reserve(other, holds([budget], need(5, 95, 1), NOON), 95), Granted)
    await gateway.release(other.usage_id)
    assert [one["status"] for one in await books.told("r")] == ["expired"]
    await gateway.begin(
        call.model_copy(update={"prompt_tokens": 5, "completion_tokens": 7}), [budget], held=True
    ).finish()
    assert await books.of(budget) == (12, 0)
    assert [one["status"] for one in await books.told("r")] == ["expired", "ok"]
    assert await books.day() == {"requests": 1, "promptTokens": 5, "completionTokens": 7, "costMicroUsd": 0}


async def test_what_is_given_back_to_a_counter_that_is_gone_does_not_bring_it_back(
    redis_process: Server, books: Books, stack: AsyncExitStack, tmp_path: Path
) -> None:
    (gateway,) = await meters(stack, redis_process.port, tmp_path, 1)
    gone, begun_anew = limit(100), limit(100)
    for _ in range(2):
        call = record(status="expired")
        await gateway.reserve(call, holds([gone, begun_anew], need(5, 20, 1), NOON), 20)
        await books.client.delete(*(one.key(span_of(one.window, NOON)) for one in (gone, begun_anew)))
        await gateway.begin(record(prompt_tokens=3), [begun_anew], held=False).finish()
        await gateway.release(call.usage_id)
    assert not await books.client.exists(gone.key(span_of(gone.window, NOON)))
    assert await books.of(begun_anew) == (3, 0)


async def test_what_was_given_back_cannot_be_renewed(
    redis_process: Server, books: Books, stack: AsyncExitStack, tmp_path: Path
) -> None:
    link = RedisLink(f"redis://127.0.0.1:{redis_process.port}/0")
    stack.push_async_callback(link.close)
    await RENEW.run(link, [*FIRST_KEYS], [60_000, "gone"])
    assert await books.held() == (0, 0)


async def test_a_limit_that_was_raised_is_crossed_anew(
    redis_process: Server, books: Books, stack: AsyncExitStack, tmp_path: Path
) -> None:
    (gateway,) = await meters(stack, redis_process.port, tmp_path, 1)
    low = limit(10, thresholds=(80,))
    high = limit(100, thresholds=(80,), id=low.id)
    for one in (low, low, high, high, low):
        await gateway.begin(record(prompt_tokens=20), [one], held=False).finish()
    assert [(one["limit"], one["threshold"], one["used"]) for one in await books.told("q")] == [
        (10, 80, 20),
        (100, 80, 80),
    ]


async def test_where_redis_has_lost_the_count_it_goes_on_from_the_mirror(
    redis_process: Server, books: Books, stack: AsyncExitStack, tmp_path: Path
) -> None:
    (gateway,) = await meters(stack, redis_process.port, tmp_path, 1)
    known = limit(100, mirrored=96, mirrored_since=span_of(limit(1).window, NOON).began)
    answer = await gateway.reserve(record(status="expired"), holds([known], need(5, 20, 1), NOON), 20)
    assert isinstance(answer, Refused)
    assert (answer.used, answer.reserved) == (96, 0)


async def test_a_call_that_begins_a_window_at_its_end_counts_on_from_the_mirror(
    redis_process: Server, books: Books, stack: AsyncExitStack, tmp_path: Path
) -> None:
    (gateway,) = await meters(stack, redis_process.port, tmp_path, 1)
    span = span_of("day", NOON)
    known = limit(100, mirrored=77, mirrored_since=span.began, thresholds=(80, 90, 100))
    for tokens in (2, 2, 10):
        await gateway.begin(record(prompt_tokens=tokens), [known], held=False).finish()
    assert await books.of(known) == (91, 0)
    assert await books.client.expiretime(known.key(span)) == span.end + 3600
    assert [(one["threshold"], one["used"]) for one in await books.told("q")] == [(80, 81), (90, 91)]


async def test_what_a_former_version_holds_is_given_back(
    redis_process: Server, books: Books, stack: AsyncExitStack, tmp_path: Path
) -> None:
    (gateway,) = await meters(stack, redis_process.port, tmp_path, 1)
    limits = [limit(100), limit(9, metric="requests")]
    counters = [one.key(span_of("day", NOON)) for one in limits]
    called, died, counted = record(prompt_tokens=3), record(status="expired"), record(status="expired")
    await books.client.set(f"t:t1:usage:seen:{counted.usage_id}", "1")
    for one in (called, died, counted):
        entry = f"{one.model_dump_json(by_alias=True)}\nt:t1:usage:{NOON:%Y-%m-%d}\nt:t1:usage:seen:{one.usage_id}"
        await books.client.hset(HELD, one.usage_id, f"{entry}\n{counters[0]}\n40\n{counters[1]}\n1")
        await books.client.zadd(RESERVATIONS, {one.usage_id: 2e12})
    for counter, reserved in zip(counters, (120, 3), strict=True):
        await books.client.hset(counter, mapping={"used": 0, "reserved": reserved})
    await gateway.begin(called, limits, held=True).finish()
    assert [await books.of(one) for one in limits] == [(3, 80), (1, 2)]
    await books.die([died.usage_id, counted.usage_id])
    await gateway.reserve(record(status="expired"), holds([limit(0)], need(1, 1, 1), NOON), 1)
    assert ([await books.of(one) for one in limits], await books.held()) == ([(3, 0), (1, 0)], (0, 0))
    assert [one["usageId"] for one in await books.told("r")] == [called.usage_id, died.usage_id]


async def test_what_was_counted_is_known_by_its_minute_for_an_hour_and_more(
    redis_process: Server, books: Books, stack: AsyncExitStack, tmp_path: Path
) -> None:
    (gateway,) = await meters(stack, redis_process.port, tmp_path, 1)
    begun = NOON.replace(second=0)
    calls = [record(at=begun + timedelta(seconds=seconds), prompt_tokens=1) for seconds in (0, 59, 60)]
    # The word of an older gateway on a call that died in one of this version's.
    await books.client.set(f"t:t1:usage:begun:{int(begun.timestamp()) // 60}", "expired")
    for call in [*calls, *calls]:
        await gateway.begin(call, [], held=False).finish()
    assert len(await books.told("r")) == 3
    names = [name async for name in books.client.scan_iter("t:t1:usage:begun:*:counted")]
    assert sorted([await books.client.hlen(name) for name in names]) == [1, 2]
    assert all([3600 < await books.client.ttl(name) <= 5400 for name in names])
