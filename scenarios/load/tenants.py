"""`make bench-tenants`: a thousand tenants on the embedded Postgres, in a stack of its own.

Provisions them through the edge, with a bare `CREATE DATABASE … TEMPLATE` after every tenth as the measure, pages
through their listing, and migrates all of them: with nothing to do, one history down, and up again. Absolute times say
little on a shared machine; ratios do. `--tenants N` for fewer.
"""

import argparse
import asyncio
import os
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass

import asyncpg
from rich.console import Console
from rich.progress import track

from scenarios.platform import DCODER, Client, client, dcoder, status

console = Console(soft_wrap=True)

_MEASURE_EVERY = 10
_PAGE = 50
_DESCENDING = "kit"
# Not dropped in between: that would force a checkpoint on the server each time.
_CLONE = "CREATE DATABASE bench_clone_{} TEMPLATE tenant_template STRATEGY WAL_LOG"
_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dcoder-migrate'"


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds."""

    p50: float
    p95: float

    @classmethod
    def of(cls, seconds: list[float]) -> "Spread":
        """Of durations in seconds."""
        ordered = sorted(seconds)
        return cls(1000 * ordered[len(ordered) // 2], 1000 * ordered[int(len(ordered) * 0.95)])

    def __str__(self) -> str:
        return f"p50 {self.p50:.0f} ms, p95 {self.p95:.0f} ms"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenants", type=int, default=1000)
    count = parser.parse_args().tenants
    home = tempfile.mkdtemp(prefix="dcoder-bench-")
    os.environ["DCODER_HOME"] = home
    try:
        dcoder("up", "--detach")
        asyncio.run(measure(count))
    finally:
        subprocess.run([DCODER, "down"], check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)
    return 0


async def measure(count: int) -> None:
    """All of it, one after the other."""
    report = status() or {}
    token = dcoder("token", "--role", "superadmin")
    admin = await asyncpg.connect(report["credentials"]["postgresAdminUrl"])
    try:
        async with client(report["edge"]) as opened:
            operator = opened.as_(token)
            made, bare = await provision(operator, admin, count)
            ratio = f"{made.p50 / bare.p50:.1f}, {made.p95 / bare.p95:.1f} times the bare clone ({bare})"
            console.print(f"provisioning   {made}: {ratio}")
            pages, one = await listing(operator)
            console.print(f"listing        {pages} a page of {_PAGE}; one tenant {one}")
        await migrate(admin, count)
        size = await admin.fetchval("SELECT sum(pg_database_size(oid)) FROM pg_database WHERE datname ~ '^tenant_'")
        console.print(f"on disk        {size / count / 2**20:.1f} MB a tenant")
    finally:
        await admin.close()


async def provision(operator: Client, admin: "asyncpg.Connection[asyncpg.Record]", count: int) -> tuple[Spread, Spread]:
    """Make the tenants one by one, as an operator does, and bare clones between them."""
    made, bare = [], []
    for number in track(range(count), "provisioning", console=console, transient=True):
        began = time.perf_counter()
        (await operator.call("POST", "/v1/tenants", {"name": f"Bench {number}", "slug": f"bench-{number}"})).expect(201)
        made.append(time.perf_counter() - began)
        if number % _MEASURE_EVERY == 0:
            began = time.perf_counter()
            await admin.execute(_CLONE.format(number))
            bare.append(time.perf_counter() - began)
    return Spread.of(made), Spread.of(bare)


async def listing(operator: Client) -> tuple[Spread, Spread]:
    """Page through all of them five times; and what reading a single one takes."""
    pages, one, cursor, last = [], [], "", ""
    for _ in range(5):
        while True:
            began = time.perf_counter()
            page = (await operator.call("GET", f"/v1/tenants?limit={_PAGE}{cursor}")).expect(200).body
            pages.append(time.perf_counter() - began)
            last = page["items"][-1]["id"]
            began = time.perf_counter()
            (await operator.call("GET", f"/v1/tenants/{last}")).expect(200)
            one.append(time.perf_counter() - began)
            if page["nextCursor"] is None:
                break
            cursor = f"&cursor={page['nextCursor']}"
        cursor = ""
    return Spread.of(pages), Spread.of(one)


async def migrate(admin: "asyncpg.Connection[asyncpg.Record]", count: int) -> None:
    """The command as an operator gives it, and the most connections that it held."""
    for words, arguments in (
        ("nothing to do", ()),
        (f"{_DESCENDING} to base", ("--tenants-only", "--downgrade", _DESCENDING, "base")),
        (f"{_DESCENDING} up again", ("--tenants-only",)),
    ):
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(DCODER, "migrate", *arguments, stdout=subprocess.PIPE)
        watching = asyncio.create_task(_most_connections(admin, process))
        output, _ = await process.communicate()
        seconds = time.perf_counter() - began
        told = re.findall(r"\d+ (?:would )?change.*", output.decode())
        console.print(
            f"migrate        {words}: {seconds:.1f} s, {1000 * seconds / count:.0f} ms a tenant, "
            f"at most {await watching} connections; {told[-1] if told else process.returncode}"
        )


async def _most_connections(admin: "asyncpg.Connection[asyncpg.Record]", process: asyncio.subprocess.Process) -> int:
    most = 0
    while process.returncode is None:
        most = max(most, await admin.fetchval(_CONNECTIONS))
        await asyncio.sleep(0.05)
    return most


if __name__ == "__main__":
    raise SystemExit(main())
