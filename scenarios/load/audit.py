"""What the audit chain costs: transactions that end with a record, on one chain, on many, and without any.

`python -m scenarios.load.audit`, against a platform that runs (`dcoder up --detach`). Ratios are to the same
transactions without a record in the same run.
"""

import asyncio
import time
import uuid

import asyncpg

from functions.kit.audit import canonical
from functions.kit.clock import rfc3339, utc_now
from functions.kit.database import APPEND_AUDIT
from local.cli.lifecycle import running_state
from local.embedded.stack import Stack
from local.paths import Home

_CALLERS = (1, 8, 32)
_SECONDS = 3.0
# What a small mutating call does besides.
_FACT = """
    INSERT INTO idempotency_keys (scope, key, fingerprint, state, created_at, locked_until)
    VALUES ('bench', $1, '', 'running', now() - interval '2 days', now())
"""


async def main() -> None:
    """Measure and print."""
    home = Home.locate()
    running_state(home)
    url = Stack.existing(home).disclosed()["postgresUrl"]
    print("callers  without  many chains  one chain   (transactions a second)")
    for callers in _CALLERS:
        own = [str(uuid.uuid4()) for _ in range(callers)]
        bare = await _rate(url, [None] * callers)
        many = await _rate(url, own)
        one = await _rate(url, own[:1] * callers)
        print(
            f"{callers:7}  {bare:7.0f}  {many:6.0f} ({many / bare:4.2f})  {one:4.0f} ({one / bare:4.2f}),"
            f" {1000 * callers / one:.1f} ms a call"
        )


async def _rate(url: str, chains: list[str] | list[None]) -> float:
    until = time.monotonic() + _SECONDS
    began = time.monotonic()
    counts = await asyncio.gather(*(_call(url, chain, until) for chain in chains))
    return sum(counts) / (time.monotonic() - began)


async def _call(url: str, chain: str | None, until: float) -> int:
    said = {
        "v": 1,
        "time": rfc3339(utc_now()),
        "action": "bench",
        "resource": "/",
        "outcome": "success",
        "requestId": "b",
    }
    session = await asyncpg.connect(url)
    count = 0
    try:
        while time.monotonic() < until:
            async with session.transaction():
                await session.execute(_FACT, uuid.uuid4().hex)
                if chain is not None:
                    await session.execute(APPEND_AUDIT, chain, canonical(said))
            count += 1
        await session.execute("DELETE FROM idempotency_keys WHERE scope = 'bench'")
    finally:
        await session.close()
    return count


if __name__ == "__main__":
    asyncio.run(main())
