"""What the cache saves a hundred people: `make bench-cache`, or `python -m scenarios.load.cache_hits [--seconds 60]`.

A hundred users ask a thousand questions a minute of a platform of their own, whose provider is the simulator and whose
embeddings are MiniLM's. What a hit should have answered is known: one whose answer was made for another topic is wrong.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from scenarios.load.questions import Asked, questions
from scenarios.platform import DCODER, Client, Reply, ScenarioError, client

_USERS = 100
_PER_MINUTE = 1_000
_LEAST_HIT_RATE = 0.4


@dataclass
class Tally:
    """What came of the questions.

    Attributes:
        topics: what each cached answer was made for.
        overheads: milliseconds that no provider was waited for, by tier.
    """

    states: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    topics: dict[str, int] = field(default_factory=dict)
    overheads: dict[str, list[float]] = field(default_factory=dict)
    seen: list[tuple[Asked, str, str]] = field(default_factory=list)

    def add(self, asked: Asked, reply: Reply) -> None:
        """Take in an answer."""
        state, entry = reply.headers["x-dcoder-cache"], reply.headers["x-dcoder-cache-id"]
        self.states[state] += 1
        self.overheads.setdefault(state, []).append(float(reply.headers["x-dcoder-overhead-ms"]))
        if state == "miss":
            self.topics[entry] = asked.topic
        else:
            self.seen.append((asked, state, entry))

    def judge(self) -> None:
        """Find the wrong hits, once all is known."""
        self.wrong = [asked.text for asked, _, entry in self.seen if self.topics.get(entry, asked.topic) != asked.topic]


def main() -> int:
    """Ask, and print what came of it; the exit status is 1 when too little was hit or anything wrongly."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to ask, at a thousand a minute")
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    with platform() as report:
        tally, overview = asyncio.run(ask(report, options.seconds, options.seed))
    return show(tally, overview)


@contextmanager
def platform() -> Iterator[dict[str, Any]]:
    """A platform of its own."""
    home = tempfile.mkdtemp(prefix="dcoder-cache-hits-")
    os.environ["DCODER_HOME"] = home
    try:
        _run("up", "--detach", "--fresh")
        yield {**json.loads(_run("status", "--json")), "token": _run("token", "--role", "superadmin").strip()}
    finally:
        subprocess.run([DCODER, "down"], capture_output=True, check=False, timeout=120)
        shutil.rmtree(home, ignore_errors=True)


async def ask(report: dict[str, Any], seconds: float, seed: int) -> tuple[Tally, dict[str, Any]]:
    """Everything that is asked, and the cache's own view of it."""
    tally, dice = Tally(), random.Random(seed)  # noqa: S311 - a load
    stream = questions(dice)
    async with client(report["edge"]) as anybody:
        tenant_id, key = await _tenant(anybody.as_(report["token"]), report)
        tenant = anybody.as_(key)
        free = asyncio.Semaphore(_USERS)
        started = time.monotonic()
        async with asyncio.TaskGroup() as users:
            due = 0.0
            while due < seconds:
                await asyncio.sleep(max(0.0, started + due - time.monotonic()))
                await free.acquire()
                users.create_task(_asked(tenant, next(stream), tally, free))
                due += dice.expovariate(_PER_MINUTE / 60)
        await asyncio.sleep(1.5)
        overview = (await tenant.call("GET", f"/v1/tenants/{tenant_id}/cache")).expect(200).body
    tally.judge()
    return tally, overview


def show(tally: Tally, overview: dict[str, Any]) -> int:
    """The figures."""
    total = tally.states.total()
    hits = total - tally.states["miss"]
    print(f"{total} questions, {len(set(tally.topics.values()))} topics: {hits / total:.1%} hits")
    for state in ("hit", "semantic", "miss"):
        if tally.states[state]:
            median = statistics.median(tally.overheads[state])
            print(f"  {state:9} {tally.states[state]:5}  {tally.states[state] / total:6.1%}  {median:.2f} ms overhead")
    print(f"wrong hits: {len(tally.wrong)} of {hits}")
    for text in tally.wrong:
        print(f"  {text}")
    print(f"saved: {overview['savedTokens']} tokens, ${overview['savedMicroUsd'] / 1e6:.4f}")
    print(f"kept: {overview['entries']} entries, {overview['bytes']} bytes")
    return int(hits < _LEAST_HIT_RATE * total or len(tally.wrong) > 0.01 * hits)


async def _asked(tenant: Client, asked: Asked, tally: Tally, free: asyncio.Semaphore) -> None:
    body = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": asked.text}]}
    try:
        tally.add(asked, (await tenant.call("POST", "/v1/chat/completions", body)).expect(200))
    finally:
        free.release()


async def _tenant(operator: Client, report: dict[str, Any]) -> tuple[str, str]:
    slug = f"cache-{time.time_ns()}"
    made = (await operator.call("POST", "/v1/tenants", {"name": "cache", "slug": slug})).expect(201).body
    simulator = report["components"]["simulator"]["address"]
    provider = {
        "name": "openai",
        "kind": "openai",
        "apiKey": "sk-sim",
        "baseUrl": f"{simulator}/openai/v1",
        "embeddingModel": "text-embedding-3-small",
    }
    key = str(made["apiKey"]["secret"])
    path = f"/v1/tenants/{made['id']}/providers"
    (await operator.as_(key).call("PUT", path, {"providers": [provider]})).expect(200)
    return str(made["id"]), key


def _run(*arguments: str) -> str:
    done = subprocess.run([DCODER, *arguments], capture_output=True, text=True, check=False, timeout=180)
    if done.returncode:
        raise ScenarioError(f"dcoder {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
