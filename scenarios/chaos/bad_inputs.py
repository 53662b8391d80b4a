"""A hundred thousand bad requests: nothing answers 5xx, hangs, or shows how it is made.

`python -m scenarios.chaos.bad_inputs` sends them to the running platform, written by hand onto the socket so that no
client library tidies them up: odd heads, credentials, paths, queries and bodies, made from the documented routes by a
seed. Four in five go to the functions' hosts, where no rate limit of the edge shields them.
"""

import argparse
import asyncio
import json
import random
import re
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from rich.console import Console

from docs.generate import openapi
from scenarios.platform import ScenarioError, client, dcoder, status

_SECONDS = 30.0
_CONNECTIONS = 16
_ODD_TEXTS = ("", " ", "\x00", "\ud800", "A" * 5_000, "'; DROP TABLE tenants; --", "../../etc/passwd", "%s%n",
              "💥" * 50, "{{7*7}}", "<script>", "\u202e", "\r\nx: y", "-1", "1e400", "٣", "${jndi:x}")  # fmt: skip
_ODD_VALUES: tuple[Any, ...] = (None, True, -1, 0, 2**63, 10**40, 1.5, [], {}, [[]], {"": ""}, *_ODD_TEXTS)
# What must not show in an answer.
_TOLD = re.compile(rb"Traceback|File \"|site-packages|asyncpg\.|PostgresError|redis\.exceptions")


@dataclass(frozen=True, slots=True)
class Operation:
    """A documented route and a JSON schema of its body, if it has one."""

    method: str
    path: str
    schema: dict[str, Any] | None
    queries: tuple[str, ...]


@dataclass(slots=True)
class Findings:
    """What came back."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def note(self, request: bytes, answer: bytes) -> None:
        """Judge one answer."""
        code = int(answer[9:12]) if answer[:5] == b"HTTP/" and answer[9:12].isdigit() else 0
        self.statuses[code] += 1
        if code >= 500 or _TOLD.search(answer):
            self.wrong.append(f"{request[:300]!r} → {answer[:300]!r}")


class Generator:
    """Makes bad requests; the same seed makes the same ones.

    Args:
        credentials: those that are valid; one in three requests carries something else.
        ids: values for path parameters that exist.
    """

    def __init__(self, seed: int, credentials: list[str], ids: list[str]) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._credentials = credentials
        self._ids = ids
        document = json.loads(openapi())
        self._schemas = document.get("components", {}).get("schemas", {})
        self._operations = list(_operations(document))

    def request(self) -> bytes:
        """One request as bytes, that asks for the connection to be closed."""
        choose, operation = self._random, self._random.choice(self._operations)
        path = re.sub(r"\{[^}]+\}", lambda _: self._segment(), operation.path)
        names = [name for name in operation.queries if choose.random() < 0.5]
        query = "&".join(f"{name}={quote(self._text(), errors='replace')}" for name in names)
        body = self._body(operation) if operation.schema is not None or choose.random() < 0.1 else b""
        lines = [
            f"{operation.method} {path}{'?' + query if query else ''} HTTP/1.1".encode(),
            b"host: edge",
            b"connection: close",
            *self._headers(),
            *([b"content-type: application/json", b"content-length: %d" % len(body)] if body else ()),
        ]
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    def _segment(self) -> str:
        return self._random.choice(self._ids) if self._random.random() < 0.7 else quote(self._text(), errors="replace")

    def _text(self) -> str:
        return self._random.choice(_ODD_TEXTS)

    def _headers(self) -> Iterator[bytes]:
        choose = self._random
        if choose.random() < 0.67:
            yield b"authorization: Bearer " + choose.choice(self._credentials).encode()
        else:
            yield b"authorization: " + choose.choice(
                (b"", b"Bearer", b"Bearer \xff\xfe", b"Bearer a.b.c", b"Basic Og==", b"Bearer " + b"." * 300,
                 b"Bearer dck_" + b"a" * 40, b"Bearer eyJhbGciOiJub25lIn0.e30.", choose.randbytes(20).hex().encode())
            )  # fmt: skip
        for name in (
            "idempotency-key",
            "x-tenant-id",
            "x-request-id",
            "traceparent",
            "if-match",
            "last-event-id",
            "accept",
        ):
            if choose.random() < 0.1:
                text = self._text().encode(errors="replace").replace(b"\r\n", b"").replace(b"\x00", b"")
                yield name.encode() + b": " + text

    def _body(self, operation: Operation) -> bytes:
        choose = self._random
        if choose.random() < 0.15:
            return choose.choice((b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 5_000, b'{"a":' * 2_000, b"1" * 5_000))
        value = self._instance(operation.schema or {}, 0)
        for _ in range(choose.choice((0, 1, 1, 2, 3))):
            value = self._spoilt(value)
        return json.dumps(value).encode(errors="replace")

    def _instance(self, schema: dict[str, Any], depth: int) -> Any:
        """Something that the schema may take, more or less."""
        choose = self._random
        if "$ref" in schema:
            schema = self._schemas.get(schema["$ref"].rpartition("/")[2], {})
        if depth > 6:
            return None
        for name in ("anyOf", "oneOf", "allOf"):
            if schema.get(name):
                return self._instance(choose.choice(schema[name]), depth + 1)
        if "enum" in schema:
            return choose.choice(schema["enum"])
        if "const" in schema:
            return schema["const"]
        makers: dict[str, Callable[[], Any]] = {
            "object": lambda: {
                name: self._instance(part, depth + 1)
                for name, part in schema.get("properties", {}).items()
                if name in schema.get("required", ()) or choose.random() < 0.4
            },
            "array": lambda: [self._instance(schema.get("items", {}), depth + 1) for _ in range(choose.randint(0, 3))],
            "string": lambda: choose.choice((*self._ids, "openai/gpt-4o-mini", "name", "user", "a@example.com")),
            "integer": lambda: choose.choice((0, 1, 7, 100)),
            "number": lambda: choose.choice((0, 0.5, 1)),
            "boolean": lambda: choose.random() < 0.5,
        }
        return makers.get(schema.get("type", ""), lambda: choose.choice(_ODD_VALUES))()

    def _spoilt(self, value: Any) -> Any:
        """The value with one thing in it made wrong."""
        choose = self._random
        if isinstance(value, dict) and value and choose.random() < 0.8:
            name = choose.choice(list(value))
            change = choose.random()
            if change < 0.15:
                return {key: part for key, part in value.items() if key != name}
            if change < 0.25:
                return {**value, self._text(): choose.choice(_ODD_VALUES)}
            return {**value, name: self._spoilt(value[name])}
        if isinstance(value, list) and value and choose.random() < 0.7:
            return [self._spoilt(value[0]), *value[1:], *(value * choose.choice((0, 0, 40)))]
        return choose.choice(_ODD_VALUES)


def _operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            names = tuple(p["name"] for p in operation.get("parameters", ()) if p["in"] == "query")
            yield Operation(method.upper(), path, content.get("application/json", {}).get("schema"), names)


async def bombard(targets: list[str], make: Callable[[], bytes], count: int) -> Findings:
    """Send `count` requests, a few at a time, to the targets in turn."""
    findings, left = Findings(), iter(range(count))

    async def worker() -> None:
        for number in left:
            request = make()
            try:
                answer = await _exchange(targets[number % len(targets)], request)
            except TimeoutError:
                findings.wrong.append(f"{request[:300]!r} → no answer within {_SECONDS:.0f} s")
            else:
                findings.note(request, answer)

    await asyncio.gather(*(worker() for _ in range(_CONNECTIONS)))
    return findings


async def _exchange(target: str, request: bytes) -> bytes:
    """The first bytes of an answer; empty where the connection was closed without one."""
    parts = urlsplit(target)
    async with asyncio.timeout(_SECONDS):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            writer.write(request)
            return await reader.read(65_536)
        except ConnectionError:
            return b""
        finally:
            writer.close()


def targets_of(report: dict[str, Any]) -> list[str]:
    """The functions' hosts four times in five, the edge once."""
    hosts = [report["components"][name]["address"] for name in ("api", "llm")]
    return [*hosts, *hosts, report["edge"]]


async def _run(report: dict[str, Any], operator: str, seed: int, count: int) -> Findings:
    """Make a tenant whose things exist, and bombard."""
    async with client(report["edge"]) as platform:
        wanted = {"name": "Bad inputs", "slug": f"bad-{uuid.uuid4().hex[:12]}"}
        tenant = (await platform.as_(operator).call("POST", "/v1/tenants", wanted)).expect(201).body
    key = tenant["apiKey"]
    generator = Generator(seed, [operator, key["secret"]], [tenant["id"], key["id"], "openai"])
    return await bombard(targets_of(report), generator.request, count)


def main() -> int:
    """Bombard the running platform and print what came back."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    report = status()
    if report is None:
        raise ScenarioError("the platform does not run: dcoder up --detach")
    began = time.monotonic()
    findings = asyncio.run(_run(report, dcoder("token", "--role", "superadmin"), options.seed, options.count))
    console = Console(soft_wrap=True, highlight=False)
    console.print(
        f"{options.count} requests in {time.monotonic() - began:.0f} s: {dict(sorted(findings.statuses.items()))}"
    )
    for line in findings.wrong[:20]:
        console.print(line, style="red", markup=False)
    console.print(f"{len(findings.wrong)} wrong answers")
    return 1 if findings.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
