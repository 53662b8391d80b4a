"""What sessions of tenants cost: `python -m scenarios.load.objects`, on a machine where the embedded stack runs.

Prints milliseconds of a tenant's first call and of later ones, with a session and with a key that needs none, and the
memory of a tenant's view. What it stores it deletes.
"""

import argparse
import asyncio
import statistics
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import psutil

from functions.kit.objects import Objects, ObjectStorage
from functions.kit.settings import Settings
from local.embedded.stack import Stack
from local.paths import Home

BUCKET = "documents"
BODY = bytes(1024)


async def measured(call: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds."""
    begun = time.perf_counter()
    await call()
    return (time.perf_counter() - begun) * 1000


def told(what: str, values: Sequence[float]) -> str:
    """A line."""
    ordered = sorted(values)
    middle, late = statistics.median(ordered), ordered[int(len(ordered) * 0.95)]
    return f"{what:<52} p50 {middle:6.2f} ms   p95 {late:6.2f} ms   n {len(ordered)}\n"


def storages(home: Home) -> tuple[ObjectStorage, ObjectStorage]:
    """With sessions, and by the owner's key without any."""
    program = Stack.existing(home).program()

    def settings(environment: dict[str, str]) -> Settings:
        return Settings.model_validate(
            {name.removeprefix("DCODER_").lower(): value for name, value in environment.items() if "_S3_" in name}
        )

    ours = dict(program.environment)
    return (
        ObjectStorage(settings(ours)),
        ObjectStorage(settings({**ours, **program.bucket_owner, "DCODER_S3_TENANT_ROLE": "none"})),
    )


async def run(home: Home, tenants: int, calls: int) -> None:
    """All of it."""
    with_sessions, without = storages(home)
    ids = [str(uuid.uuid4()) for _ in range(tenants)]
    confined: list[Objects] = [with_sessions.bucket(BUCKET).of_tenant(each) for each in ids]
    apart: list[Objects] = [without.bucket(BUCKET).of_tenant(each) for each in ids]
    process = psutil.Process()
    await apart[0].put("warm", BODY)
    before = process.memory_info().rss
    first = [await measured(partial(objects.put, "a", BODY)) for objects in confined]
    grown = (process.memory_info().rss - before) / tenants
    second = [await measured(partial(objects.put, "b", BODY)) for objects in confined]
    kinds = (("a session", confined), ("a key", apart))
    reads: dict[str, list[float]] = {"a session": [], "a key": []}
    for number in range(calls):
        for name, found in kinds:
            reads[name].append(await measured(partial(found[number % len(found)].get, "a")))
    links = {name: [await measured(partial(found[0].presign, "a")) for _ in range(calls)] for name, found in kinds}
    sys.stdout.write(told("a tenant's first call, session included", first))
    sys.stdout.write(told("its second, on a connection that is open", second))
    for name, values in reads.items():
        sys.stdout.write(told(f"a read of 1 KiB by {name}", values))
        sys.stdout.write(told(f"a link signed by {name}, which asks nobody", links[name]))
    sys.stdout.write(f"memory of a tenant's view {grown / 1024:.0f} KiB\n")
    for objects in confined:
        for key in ("a", "b"):
            await objects.delete(key)
    await apart[0].delete("warm")
    await with_sessions.close()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m scenarios.load.objects", description=__doc__)
    parser.add_argument("--tenants", type=int, default=100)
    parser.add_argument("--calls", type=int, default=1000)
    given = parser.parse_args()
    asyncio.run(run(Home.locate(), given.tenants, given.calls))


if __name__ == "__main__":
    main()
