"""`python -m scenarios.load.ingestion`: 1,000 mixed documents through the platform, beside the plain libraries.

Starts a platform of its own. Tells how many documents a second are indexed, from the upload to the last passage, beside
Unstructured and LlamaIndex's SentenceSplitter called as their guides have it (read and cut alone, nothing stored), in
one process and in one a processor; what another tenant notices of it: its searches, and its one document among the
thousand; how much memory a very long text and a PDF of many pages take; and what becomes of awkward documents where
those for measuring are at hand. Fails when a document does not end, or fails without a reason. `--documents N` chooses.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import aiohttp
from rich.console import Console

from scenarios.load import documents
from scenarios.load.own_platform import megabytes, own_platform, plain
from scenarios.platform import ScenarioError

console = Console(soft_wrap=True)
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "documents"
MODEL = "openai/text-embedding-3-small"
_AT_ONCE = 8
_LOOK_EVERY = 1.0
_TRIES = 5
_PARTS = ("many", "large", "awkward")
# The embedded embedding model makes a handful of passages a second, and the documents for measuring have seven hundred.
_PATIENCE = 900.0
# A text of 1,200 pages, and room for a parser's own.
_MOST_MEGABYTES = 1024
_OVER = {"indexed", "failed", "cancelled", "superseded"}

Given = Sequence[tuple[str, bytes]]


@dataclass(frozen=True)
class Outcome:
    """What came of a job: seconds, documents by status, failures by reason, most megabytes that ingestion had."""

    seconds: float
    counts: dict[str, int]
    reasons: dict[str, int]
    megabytes: float

    def is_whole(self, count: int) -> bool:
        """Whether every document ended, and each that failed says why."""
        over = sum(self.counts.get(status, 0) for status in ("indexed", "failed"))
        return over == count and self.counts.get("failed", 0) == sum(self.reasons.values())


class Librarian:
    """A tenant of the platform, and a corpus of its own."""

    def __init__(self, http: aiohttp.ClientSession, edge: str, key: str, corpus: str = "") -> None:
        self._http = http
        self._edge = edge
        self._headers = {"authorization": f"Bearer {key}"}
        self._corpus = corpus

    async def ask(self, method: str, path: str, **arguments: Any) -> Any:
        """One call that must work."""
        async with self._http.request(method, self._edge + path, headers=self._headers, **arguments) as response:
            answer = await response.json()
            if response.status >= 300:
                raise ScenarioError(f"{method} {path}: {response.status} {str(answer)[:300]}")
            return answer

    async def tenant(self, simulator: str, **settings: str) -> "Librarian":
        """A new tenant with a corpus, made by the operator."""
        name = f"bench-{time.time_ns()}"
        made = await self.ask("POST", "/v1/tenants", json={"name": name, "slug": name})
        other = Librarian(self._http, self._edge, made["apiKey"]["secret"])
        provider = {"name": "openai", "kind": "openai", "apiKey": "sk-bench", "baseUrl": f"{simulator}/openai/v1"}
        await other.ask("PUT", f"/v1/tenants/{made['id']}/providers", json={"providers": [provider]})
        other._corpus = (await other.ask("POST", "/v1/corpora", json={"name": "Bench", "settings": settings}))["id"]
        return other

    async def upload(self, name: str, content: bytes, **fields: str) -> str:
        """Add a document, again when the platform cannot take it now; its id."""
        left = _TRIES
        while True:
            form = aiohttp.FormData({"corpusId": self._corpus, **fields})
            form.add_field("file", content, filename=name)
            try:
                return str((await self.ask("POST", "/v1/documents", data=form))["id"])
            except ScenarioError:
                left -= 1
                if not left:
                    raise
            await asyncio.sleep(2)

    async def ingest(self, given: Given, pid: int, look_every: float = 0.2) -> Outcome:
        """Have documents indexed; returns when nothing is left to do.

        Args:
            look_every: seconds between two looks at how much memory it takes.
        """
        job = (await self.ask("POST", "/v1/ingestion-jobs", json={"corpusId": self._corpus}))["id"]
        waiting, started = iter(given), time.monotonic()

        async def upload() -> None:
            for name, content in waiting:
                await self.upload(name, content, jobId=job)

        async with megabytes(pid, look_every) as peak:
            await asyncio.gather(*(upload() for _ in range(_AT_ONCE)))
            async with asyncio.timeout(_PATIENCE):
                now = await self._until(f"/v1/ingestion-jobs/{job}", {"completed"}, 0.2)
        return Outcome(time.monotonic() - started, now["counts"], await self._reasons(job), max(peak))

    async def _until(self, path: str, over: set[str], every: float) -> Any:
        while (now := await self.ask("GET", path))["status"] not in over:  # noqa: ASYNC110 - it is another process's
            await asyncio.sleep(every)
        return now

    async def _reasons(self, job: str) -> dict[str, int]:
        reasons: Counter[str] = Counter()
        cursor: str | None = ""
        while cursor is not None:
            page = await self.ask("GET", f"/v1/ingestion-jobs/{job}/documents?status=failed&limit=100{cursor}")
            reasons.update(item["reason"] for item in page["items"] if item["reason"])
            cursor = f"&cursor={page['nextCursor']}" if page["nextCursor"] else None
        return dict(reasons)

    async def indexed_after(self, content: bytes) -> float:
        """Seconds until a document that is added now can be found."""
        started = time.monotonic()
        document = await self.upload(f"{started}.txt", content)
        await self._until(f"/v1/documents/{document}", _OVER, 0.05)
        return time.monotonic() - started

    async def searches(self, until: asyncio.Event) -> list[float]:
        """Milliseconds of searches, one after the other with a little time between."""
        found = []
        while not until.is_set():
            started = time.perf_counter()
            await self.ask("POST", "/v1/search", json={"query": "ships that pass the lighthouse"})
            found.append((time.perf_counter() - started) * 1000)
            await asyncio.sleep(0.05)
        return found


async def measure(status: dict[str, Any], mixed: Given, parts: set[str]) -> float:
    """Everything that is asked of the platform; returns documents a second."""
    pid = int(status["components"]["ingestion"]["pid"])
    simulator = status["components"]["simulator"]["address"]
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as http:
        operator = Librarian(http, status["edge"], status["token"])
        rate = await measure_many(operator, simulator, pid, mixed) if "many" in parts else 0.0
        if "large" in parts:
            await measure_large(operator, simulator, pid)
        if "awkward" in parts:
            await measure_awkward(operator, simulator, pid)
        return rate


async def measure_many(operator: Librarian, simulator: str, pid: int, mixed: Given) -> float:
    """A thousand documents by themselves, then a part of them while another tenant works; documents a second."""
    guest, crowd = await operator.tenant(simulator), await operator.tenant(simulator)
    await guest.ingest([(f"{number}.txt", documents.text(number + 3)) for number in range(50)], pid)
    alone = await guest.indexed_after(documents.text(100))
    idle, _ = await beside(guest, asyncio.sleep(10))
    outcome = await crowd.ingest(mixed, pid, _LOOK_EVERY)
    rate = float(len(mixed) / outcome.seconds)
    console.print(f"platform: {len(mixed)} documents in {outcome.seconds:.1f} s, {rate:.1f}/s, {outcome.counts}")
    console.print(f"  failures by reason: {outcome.reasons}; ingestion took up to {outcome.megabytes:.0f} MB")
    some = mixed[: max(50, len(mixed) // 3)]
    among = asyncio.create_task(later(guest.indexed_after(documents.text(101))))
    busy, again = await beside(guest, (await operator.tenant(simulator)).ingest(some, pid, _LOOK_EVERY))
    console.print(f"  another tenant's searches meanwhile: {shown(busy)}; before: {shown(idle)}")
    console.print(f"  another tenant's one document among them: {await among:.1f} s; by itself: {alone:.1f} s")
    if not (outcome.is_whole(len(mixed)) and again.is_whole(len(some))):
        raise ScenarioError("a document did not end, or failed without a reason")
    return rate


async def measure_large(operator: Librarian, simulator: str, pid: int) -> None:
    """Memory that very long documents take."""
    for name, content in (("1,200 pages.txt", documents.text(36_000)), ("600 pages.pdf", documents.pdf(600))):
        large = await (await operator.tenant(simulator)).ingest([(name, content)], pid)
        taken = f"{large.seconds:.1f} s, {large.megabytes:.0f} MB"
        console.print(f"{name} ({len(content) / 2**20:.1f} MB): {taken}, {large.counts}")
        if large.counts != {"indexed": 1} or large.megabytes > _MOST_MEGABYTES:
            raise ScenarioError(f"{name} is not indexed within {_MOST_MEGABYTES} MB")


async def measure_awkward(operator: Librarian, simulator: str, pid: int) -> None:
    """Awkward documents that others have collected, embedded as well."""
    if not SHARED.is_dir():
        console.print("the documents for measuring are not here")
        return
    given = [(path.name, path.read_bytes()) for path in sorted(SHARED.iterdir()) if path.name != "SOURCE.txt"]
    librarian = await operator.tenant(simulator, embeddingModel=MODEL)
    outcome = await librarian.ingest(given, pid)
    console.print(f"awkward documents, embedded: {outcome.seconds:.1f} s, {outcome.counts}, {outcome.reasons}")
    if not outcome.is_whole(len(given)):
        raise ScenarioError("an awkward document did not end, or failed without a reason")


async def beside(librarian: Librarian, work: Awaitable[Any]) -> tuple[list[float], Any]:
    """Latencies of searches while something is done, and what it gives."""
    done = asyncio.Event()
    asking = asyncio.create_task(librarian.searches(done))
    try:
        result = await work
    except BaseException:
        asking.cancel()
        raise
    done.set()
    return await asking, result


async def later(work: Awaitable[float]) -> float:
    """Do something when the others are well under way."""
    await asyncio.sleep(5)
    return await work


def shown(latencies: list[float]) -> str:
    """Median and 95th percentile."""
    return f"p50 {median(latencies):.1f} ms, p95 {quantiles(latencies, n=20)[-1]:.1f} ms"


def compare(mixed: Given, rate: float) -> None:
    """The same documents by the libraries alone."""
    with tempfile.TemporaryDirectory() as name:
        for path, content in mixed:
            (Path(name) / path).write_bytes(content)
        for processes in dict.fromkeys((1, os.cpu_count() or 1)):
            told = plain(Path(name), processes)
            theirs = told["read"] / told["seconds"]
            console.print(
                f"Unstructured and LlamaIndex, {processes} at once: {told['read']} documents in "
                f"{told['seconds']:.1f} s, {theirs:.1f}/s, {told['failed']} failed; "
                f"the platform does {rate / theirs:.2f} times as many"
            )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--only", action="append", choices=_PARTS, help="may be repeated; all of them by default")
    options = parser.parse_args()
    parts = set(options.only or _PARTS)
    mixed = documents.mixed(options.documents)
    with own_platform() as status:
        rate = asyncio.run(measure(status, mixed, parts))
    if "many" in parts:
        compare(mixed, rate)
    return 0


if __name__ == "__main__":
    sys.exit(main())
