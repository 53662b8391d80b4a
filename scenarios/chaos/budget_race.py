"""Five hundred calls at the last of a quota, on three gateways of which one is killed.

`python -m scenarios.chaos.budget_race` runs it on the running platform and fails unless the quota is not overshot,
nobody is refused what is there, and nothing stays held.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
import asyncpg
import redis.asyncio
from rich.console import Console

from scenarios.chaos.gateways import Gateway, environment_of, gateways
from scenarios.platform import ScenarioError, client, dcoder, eventually, status

LEASE_SECONDS = 3.0
_SLOW_MS = 1_500
_MODEL = "openai/gpt-4o-mini"
# A limit of nothing on a model that nobody calls: once a gateway refuses it, it knows all limits stored with it.
_SIGNAL = {"subject": {"kind": "model", "id": "nobody-calls-this"}, "metric": "requests", "window": "day", "limit": 0}


@dataclass(frozen=True, slots=True)
class Place:
    """A running platform."""

    edge: str
    simulator: str
    operator_token: str
    redis_url: str
    database_url: str
    environment: dict[str, str]

    @classmethod
    def of(cls, report: dict[str, Any], operator_token: str) -> "Place":
        """From `dcoder status --json`."""
        credentials, components = report["credentials"], report["components"]
        return cls(
            edge=report["edge"],
            simulator=components["simulator"]["address"],
            operator_token=operator_token,
            redis_url=credentials["redisUrl"],
            database_url=credentials["postgresUrl"],
            environment={
                **environment_of(components["llm"]["pid"]),
                "DCODER_QUOTA_LEASE_SECONDS": str(LEASE_SECONDS),
            },
        )


@dataclass(slots=True)
class Outcome:
    """What came of a race.

    Attributes:
        lost: calls whose gateway died before it answered.
        overshoot: how far what was counted is above the limit.
        false_refusals: calls that were refused although what they needed was there.
        expired: calls that the ledger has as given up.
        leaked: what is still held at the end.
    """

    name: str
    limit: int
    answered: int = 0
    refused: int = 0
    lost: int = 0
    used: int = 0
    false_refusals: int = 0
    expired: int = 0
    leaked: int = 0

    @property
    def overshoot(self) -> int:
        """How far what was counted is above the limit."""
        return max(0, self.used - self.limit)

    def take(self, replies: "Sequence[Reply]") -> None:
        """Count the answers of a wave."""
        self.answered += sum(reply.status == 200 for reply in replies)
        self.refused += sum(reply.status == 429 for reply in replies)
        self.lost += sum(reply.status == 0 for reply in replies)
        self.false_refusals += sum(reply.is_false_refusal for reply in replies)
        strange = [reply for reply in replies if reply.status not in {0, 200, 429}]
        if strange:
            raise ScenarioError(f"{len(strange)} strange answers, the first: {strange[0]}")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of a gateway; status 0 when it died before."""

    status: int
    details: dict[str, Any]

    @property
    def is_false_refusal(self) -> bool:
        """Refused although what the call needs was neither used nor held."""
        said = self.details
        return self.status == 429 and bool(said["used"] + said["reserved"] + said["needed"] <= said["limit"])


@dataclass(frozen=True, slots=True)
class Runner:
    """One tenant with a limit, and the gateways that race for it."""

    place: Place
    session: aiohttp.ClientSession
    running: list[Gateway]
    tenant: dict[str, Any]
    outcome: Outcome

    async def ask(self, gateway: Gateway, number: int, **options: Any) -> Reply:
        """One call that no cache answers."""
        body = {"model": _MODEL, "messages": [{"role": "user", "content": f"Who gets unit {number}?"}], **options}
        headers = {"authorization": f"Bearer {self.tenant['apiKey']['secret']}", "cache-control": "no-store"}
        try:
            async with self.session.post(
                f"{gateway.address}/v1/chat/completions", json=body, headers=headers
            ) as answer:
                said = await answer.json()
                return Reply(answer.status, said.get("error", {}).get("details", {}))
        except aiohttp.ClientError:
            return Reply(0, {})

    async def wave(self, on: Sequence[Gateway], count: int, **options: Any) -> list[Reply]:
        """Many calls at once."""
        return await asyncio.gather(*(self.ask(on[n % len(on)], n, **options) for n in range(count)))

    async def slow(self, milliseconds: int) -> None:
        """Let the provider take its time, so that calls are under way when a gateway dies; 0 for none."""
        rules, key = f"{self.place.simulator}/_sim/faults", _provider_key(self.tenant)
        async with self.session.delete(rules, params={"key": key}) as answer:
            answer.raise_for_status()
        if milliseconds:
            async with self.session.post(rules, json={"key": key, "latencyMs": milliseconds}) as answer:
                answer.raise_for_status()

    async def is_held(self, amount: int) -> bool:
        """Whether calls under way hold so much."""
        return await _counted(self.place, self.tenant["id"], "reserved") >= amount

    async def close(self) -> Outcome:
        """Wait until what the dead held has expired and was entered, then count."""

        async def nothing_held() -> bool:
            return await _counted(self.place, self.tenant["id"], "reserved") == 0

        try:
            await eventually(nothing_held, "the end of all reservations", 4 * LEASE_SECONDS)
        except ScenarioError:
            self.outcome.leaked = await _counted(self.place, self.tenant["id"], "reserved")
        self.outcome.used = await _counted(self.place, self.tenant["id"], "used")
        return self.outcome

    async def expired(self) -> int:
        """How many calls the ledger has as given up."""
        connection = await asyncpg.connect(self.place.database_url, timeout=5)
        try:
            query = "SELECT count(*) FROM usage_ledger WHERE tenant_id = $1 AND status = 'expired'"
            return int(await connection.fetchval(query, self.tenant["id"]))
        finally:
            await connection.close()


async def last_unit(place: Place, callers: int = 500) -> Outcome:
    """The call that is left is under way on the gateway that is killed; after it one more may call, and no other."""
    async with _racing(place, Outcome("last unit", 1), "requests") as race:
        victim, *others = race.running
        await race.slow(60_000)
        holder = asyncio.create_task(race.ask(victim, -1))
        await eventually(lambda: race.is_held(1), "the first call")
        crowd = asyncio.create_task(race.wave(race.running, callers))
        await asyncio.sleep(0.2)
        victim.kill()
        race.outcome.take([await holder, *await crowd])
        if race.outcome.answered:
            raise ScenarioError("somebody got the unit that another held")
        await race.slow(0)
        await eventually(lambda: _is(race.expired, 1), "the ledger's word of the dead call", 20)
        race.outcome.take(await race.wave(others, callers))
        outcome = await race.close()
        outcome.expired = await race.expired()
        if outcome.answered != 1:
            raise ScenarioError(f"{outcome.answered} calls got the last unit")
        return outcome


async def many_units(place: Place, units: int = 200, callers: int = 500) -> Outcome:
    """A gateway is killed with many calls under way: what it held comes back, to the last unit."""
    async with _racing(place, Outcome("many units", units), "requests") as race:
        victim, *others = race.running
        await race.slow(_SLOW_MS)
        crowd = asyncio.create_task(race.wave(race.running, callers))
        await eventually(lambda: race.is_held(units), "all units under way")
        victim.kill()
        race.outcome.take(await crowd)
        missing = units - race.outcome.answered
        if not missing:
            raise ScenarioError("no call died with its gateway")
        await race.slow(0)
        await eventually(lambda: _is(race.expired, missing), "the ledger's word of the dead calls", 20)
        race.outcome.take(await race.wave(others, callers))
        outcome = await race.close()
        outcome.expired = await race.expired()
        if outcome.answered != units:
            raise ScenarioError(f"{outcome.answered} calls were answered for {units} units")
        return outcome


async def tokens(place: Place, budget: int = 3_000, callers: int = 500) -> Outcome:
    """The same in tokens, where nobody knows beforehand how much of what is held will be used."""
    async with _racing(place, Outcome("tokens", budget), "tokens") as race:
        victim, *others = race.running
        await race.slow(300)
        crowd = asyncio.create_task(race.wave(race.running, callers, max_tokens=30))
        await eventually(lambda: race.is_held(budget // 2), "half of the tokens under way")
        victim.kill()
        race.outcome.take(await crowd)
        await race.slow(0)

        async def used_up() -> bool:
            reply = await race.ask(others[0], int(time.time() * 1000), max_tokens=30)
            race.outcome.take([reply])
            return reply.status == 429 and not reply.details["reserved"]

        await eventually(used_up, "the end of the tokens", 60)
        outcome = await race.close()
        outcome.expired = await race.expired()
        return outcome


@asynccontextmanager
async def _racing(place: Place, outcome: Outcome, metric: str) -> AsyncIterator[Runner]:
    """A tenant with a limit, and three gateways that know of it."""
    timeout = aiohttp.ClientTimeout(total=120)
    async with (
        gateways(3, place.environment) as running,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session,
    ):
        race = Runner(place, session, running, await _tenant(place, metric, outcome.limit), outcome)
        for gateway in running:
            await eventually(partial(_knows, race, gateway), "a gateway's knowing of the limit", 5)
        yield race


async def _knows(race: Runner, gateway: Gateway) -> bool:
    body = {"model": "openai/nobody-calls-this", "messages": [{"role": "user", "content": "Anybody there?"}]}
    headers = {"authorization": f"Bearer {race.tenant['apiKey']['secret']}"}
    async with race.session.post(f"{gateway.address}/v1/chat/completions", json=body, headers=headers) as answer:
        return answer.status == 429


async def _is(count: Any, expected: int) -> bool:
    return bool(await count() == expected)


async def _tenant(place: Place, metric: str, limit: int) -> dict[str, Any]:
    slug = f"race-{uuid.uuid4().hex[:12]}"
    async with client(place.edge) as platform:
        operator = platform.as_(place.operator_token)
        tenant: dict[str, Any] = (
            (await operator.call("POST", "/v1/tenants", {"name": slug, "slug": slug})).expect(201).body
        )
        provider = {"name": "openai", "kind": "openai", "apiKey": _provider_key(tenant)}
        provider["baseUrl"] = f"{place.simulator}/openai/v1"
        path = f"/v1/tenants/{tenant['id']}"
        (await operator.call("PUT", f"{path}/providers", {"providers": [provider]})).expect(200)
        quota = {"subject": {"kind": "tenant"}, "metric": metric, "window": "day", "limit": limit}
        (await operator.call("PUT", f"{path}/quotas", {"quotas": [quota, _SIGNAL]})).expect(200)
    return tenant


def _provider_key(tenant: dict[str, Any]) -> str:
    return f"sk-race-{tenant['slug']}"


async def _counted(place: Place, tenant_id: str, field: str) -> int:
    """What Redis counts of the tenant's limits together."""
    async with redis.asyncio.Redis.from_url(place.redis_url, protocol=2, socket_timeout=5) as connection:
        keys = [key async for key in connection.scan_iter(f"t:{tenant_id}:quota:*", count=1000)]
        return sum([int(await connection.hget(key, field) or 0) for key in keys])


async def main() -> None:
    """Run all three races on the platform that runs here.

    Raises:
        ScenarioError: one did not end as it must.
    """
    report = status()
    if report is None:
        raise ScenarioError("the platform does not run: dcoder up --detach")
    place = Place.of(report, dcoder("token", "--role", "superadmin"))
    console = Console(highlight=False, soft_wrap=True)
    for race in (last_unit, many_units, tokens):
        outcome = await race(place)
        console.print(
            f"{outcome.name}: limit {outcome.limit}, used {outcome.used}, answered {outcome.answered}, refused "
            f"{outcome.refused}, lost {outcome.lost}, expired {outcome.expired} | overshoot {outcome.overshoot}, "
            f"false refusals {outcome.false_refusals}, leaked {outcome.leaked}"
        )
        if outcome.overshoot or outcome.false_refusals or outcome.leaked:
            raise ScenarioError(f"{outcome.name}: overshot, refused in vain, or leaked")


if __name__ == "__main__":
    asyncio.run(main())
