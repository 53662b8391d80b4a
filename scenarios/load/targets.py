"""What is measured: no gateway, ours with all of its features on, and peers with none of theirs."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import redis

from functions.kit.quotas import PENDING
from scenarios.platform import DCODER, ScenarioError

HERE = Path(__file__).resolve().parent


def chat(question: str, **options: Any) -> dict[str, Any]:
    """A request for a completion."""
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": question}], **options}


QUESTION = chat("Hello, what can you do for me today?")
# Means the same, and is spelled in another way each time: who asks what is being asked just now shares its answer.
SIMILAR = chat("Hello, what{gap}can{gap}you{gap}do{gap}for{gap}me{gap}today,{gap}please?")
# Of the embedded stack, what a call waits for; the rest works off what calls leave behind.
_ON_THE_PATH = {"llm", "redis", "postgres"}
_MOST_SECONDS_BEHIND = 120
# Another one each time.
UNKNOWN = chat("Hello, what can you do for me today, on occasion number {number}?")
STREAMED = chat("Hello, what can you do for me today?", stream=True, stream_options={"include_usage": True})


@dataclass(frozen=True)
class Target:
    """Something that answers chat completions.

    Attributes:
        processes: whose memory and processor time are counted.
        first: what the numbers of questions begin behind.
        state: what every answer must say of the cache; empty where there is none.
    """

    name: str
    url: str
    headers: dict[str, str]
    body: dict[str, Any] = field(default_factory=lambda: dict(QUESTION))
    processes: tuple[int, ...] = ()
    first: int = 0
    state: str = ""

    def request(self, number: int) -> bytes:
        """The request as it goes over the wire, another one each time where its question has `{number}` or `{gap}`."""
        address, content = urlsplit(self.url), _asked(json.dumps(self.body), self.first + number).encode()
        fields = {"content-type": "application/json", **self.headers}
        lines = [f"POST {address.path} HTTP/1.1", f"host: {address.netloc}", f"content-length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + content

    def cpu_seconds(self) -> float:
        """Processor time that the target's processes and their children have taken so far."""
        return sum(sum(member.cpu_times()[:2]) for member in self._family())

    def descriptors(self) -> int:
        """Open files and sockets of the target's processes."""
        return sum(psutil.Process(pid).num_fds() for pid in self.processes)

    def memory_mb(self) -> float:
        """Resident memory of the target's processes and their children."""
        return sum(member.memory_info().rss for member in self._family()) / 2**20

    def _family(self) -> Iterable[psutil.Process]:
        parents = [psutil.Process(pid) for pid in self.processes]
        return {p.pid: p for parent in parents for p in (parent, *parent.children(recursive=True))}.values()


def _asked(text: str, number: int) -> str:
    """The text with a number in it, or with gaps of one space to five that tell the number."""
    text = text.replace("{number}", str(number))
    while "{gap}" in text:
        number, more = divmod(number, 5)
        text = text.replace("{gap}", " " * (more + 1), 1)
    return text


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(command: list[str], **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block, as do those that it has begun."""
    log = (HERE / ".bench.log").open("ab")
    running = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment}, cwd=HERE)
    try:
        yield running
    finally:
        begun = psutil.Process(running.pid).children(recursive=True) if running.poll() is None else []
        running.terminate()
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        _, left = psutil.wait_procs(begun, timeout=3)
        for member in left:
            member.kill()
        log.close()


def wait_for(target: Target, seconds: float = 60.0, pause: float = 0.2) -> float:
    """Seconds until the target answers a completion.

    Raises:
        ScenarioError: it does not.
    """
    started = time.monotonic()
    request = urllib.request.Request(  # noqa: S310 - our own loopback address
        target.url, json.dumps(target.body).encode(), {"content-type": "application/json", **target.headers}
    )
    last = ""
    while time.monotonic() - started < seconds:
        try:
            with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
                response.read()
            return time.monotonic() - started
        except urllib.error.HTTPError as error:
            last = f"{error.code}: {error.read()[:200]!r}"
        except OSError as error:
            last = str(error)
        time.sleep(pause)
    raise ScenarioError(f"{target.name} does not answer: {last}")


@contextmanager
def provider() -> Iterator[Target]:
    """The mocked provider, called without a gateway."""
    port = free_port()
    with process([sys.executable, "-m", "scenarios.load.mock_provider", str(port)]) as running:
        target = Target("direct", f"http://127.0.0.1:{port}/v1/chat/completions", {}, processes=(running.pid,))
        wait_for(target)
        yield target


@dataclass(frozen=True)
class Ours:
    """Our gateway in its several roles.

    Attributes:
        environment: what its process was started with.
        beside: processes that work off what calls leave behind.
        supervisor: the process that restarts those of them that do not answer.
    """

    miss: Target
    hit: Target
    semantic: Target
    stream: Target
    environment: dict[str, str]
    beside: tuple[int, ...]
    supervisor: int

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """What follows from calls stands still within the block, and is worked off at its end.

        Redis has just rewritten its append-only file when it begins, which takes one of two cores for a second, and
        what was worked off before is on the disk.
        """
        self._rewrite()
        supervisor = psutil.Process(self.supervisor)
        supervisor.suspend()
        _tell(self.beside, psutil.Process.suspend)
        os.sync()
        try:
            yield
        finally:
            _tell(self.beside, psutil.Process.resume)
            supervisor.resume()
            with redis.Redis.from_url(self.environment["DCODER_REDIS_URL"]) as store:
                for _ in range(_MOST_SECONDS_BEHIND):
                    if not store.xlen(PENDING):
                        break
                    time.sleep(1)

    def _rewrite(self) -> None:
        with redis.Redis.from_url(self.environment["DCODER_REDIS_URL"]) as store:
            if not store.info("persistence")["aof_rewrite_in_progress"]:
                store.bgrewriteaof()
            while store.info("persistence")["aof_rewrite_in_progress"]:
                time.sleep(0.1)


@contextmanager
def ours(direct: Target) -> Iterator[Ours]:
    """Our gateway in the embedded stack, every feature on: limits, metering, cache, what was said kept, traces.

    The function is called past the edge, as the peers have none in front of them either.
    """
    base = direct.url.removesuffix("/chat/completions")
    home = HERE / ".bench-home"
    environment = {
        **os.environ,
        "DCODER_HOME": str(home),
        "DCODER_EGRESS_ALLOW": base.removeprefix("http://").removesuffix("/v1"),
        # It takes whatever is posted to it, spans too.
        "DCODER_OTLP_ENDPOINT": base,
    }
    run([DCODER, "up", "--detach", "--fresh"], environment)
    try:
        report = json.loads(run([DCODER, "status", "--json"], environment))
        token = run([DCODER, "token", "--role", "superadmin"], environment).strip()
        plain, embedding = (_tenant(report["edge"], token, base, model) for model in (None, "e"))
        url = f"{report['components']['llm']['address']}/v1/chat/completions"
        pids = (report["components"]["llm"]["pid"],)
        beside = tuple(part["pid"] for name, part in report["components"].items() if name not in _ON_THE_PATH)
        _tell(beside, lambda process: process.nice(19))
        anew = {**plain, "cache-control": "no-cache"}
        for headers, body in ((plain, QUESTION), (embedding, QUESTION)):
            wait_for(Target("ours", url, headers, body))
        yield Ours(
            Target("ours, miss", url, plain, UNKNOWN, pids, state="miss"),
            Target("ours, exact hit", url, plain, QUESTION, pids, state="hit"),
            Target("ours, semantic hit", url, embedding, SIMILAR, pids, state="semantic"),
            Target("ours, stream", url, anew, STREAMED, pids, state="miss"),
            psutil.Process(pids[0]).environ(),
            beside,
            psutil.Process(pids[0]).ppid(),
        )
    finally:
        run([DCODER, "down"], environment)
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def bare_relay(direct: Target, own: Ours) -> Iterator[Target]:
    """What does the least that a gateway in Python does, beside ours and on its Redis."""
    port = free_port()
    command = [sys.executable, "-m", "scenarios.load.bare_relay", str(port), direct.url]
    with process(command, **own.environment) as running:
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        target = Target("bare relay", url, {}, own.miss.body, processes=(running.pid,))
        wait_for(target)
        yield target


@contextmanager
def cold(warm: Ours) -> Iterator[tuple[Target, float]]:
    """The function in a fresh process of its own, as in a container, and the seconds to its first answer.

    Its bytecode is kept from one start to the next, as an image has it.
    """
    port = free_port()
    kept = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(HERE / ".bench-home" / "bytecode")}
    environment = {**warm.environment, **kept, "PORT": str(port)}
    command = [sys.executable, "-m", "functions.kit.serve", "gateway-chat"]
    began = time.perf_counter()
    with process(command, **environment) as running:
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        target = Target("ours, cold", url, warm.hit.headers, processes=(running.pid,))
        wait_for(target, pause=0.01)
        yield target, time.perf_counter() - began


def _tell(pids: Iterable[int], what: Callable[[psutil.Process], object]) -> None:
    """Do something to processes and their children."""
    for pid in pids:
        first = psutil.Process(pid)
        for one in (first, *first.children(recursive=True)):
            what(one)


def _tenant(edge: str, token: str, base: str, embedding_model: str | None) -> dict[str, str]:
    """The headers of a new tenant's calls."""
    made = _call("POST", f"{edge}/v1/tenants", token, {"name": "bench", "slug": f"bench-{time.time_ns()}"})
    key = str(made["apiKey"]["secret"])
    mocked = {"name": "mock", "kind": "openai", "apiKey": "sk-bench", "baseUrl": base}
    if embedding_model is not None:
        mocked["embeddingModel"] = embedding_model
    _call("PUT", f"{edge}/v1/tenants/{made['id']}/providers", key, {"providers": [mocked]})
    limits = [
        {"subject": {"kind": "tenant"}, "metric": metric, "window": "day", "limit": 10**12}
        for metric in ("requests", "tokens")
    ]
    _call("PUT", f"{edge}/v1/tenants/{made['id']}/quotas", key, {"quotas": limits})
    return {"authorization": f"Bearer {key}"}


def _call(method: str, url: str, credential: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {credential}", "content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        answer: dict[str, Any] = json.load(response)
    return answer


def run(command: list[str], environment: dict[str, str]) -> str:
    """What a command prints.

    Raises:
        ScenarioError: it failed.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise ScenarioError(f"{' '.join(command)}: {done.stderr.strip()[-400:] or done.stdout.strip()[-400:]}")
    return done.stdout
