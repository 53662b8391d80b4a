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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from scenarios.platform import DCODER, ScenarioError

HERE = Path(__file__).resolve().parent
PEERS = HERE / ".peers"
QUESTION = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello, what can you do for me today?"}]}


@dataclass(frozen=True)
class Target:
    """Something that answers chat completions.

    Attributes:
        processes: whose memory is counted.
    """

    name: str
    url: str
    headers: dict[str, str]
    body: dict[str, Any] = field(default_factory=lambda: dict(QUESTION))
    processes: tuple[int, ...] = ()

    def memory_mb(self) -> float:
        """Resident memory of the target's processes and their children."""
        families = [psutil.Process(pid) for pid in self.processes]
        members = {p.pid: p for family in families for p in (family, *family.children(recursive=True))}
        return sum(p.memory_info().rss for p in members.values()) / 2**20


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(command: list[str], **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block."""
    log = (PEERS.parent / ".bench.log").open("ab")
    running = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment}, cwd=HERE)
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        log.close()


def wait_for(target: Target, seconds: float = 60.0) -> float:
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
        time.sleep(0.2)
    raise ScenarioError(f"{target.name} does not answer: {last}")


@contextmanager
def provider() -> Iterator[Target]:
    """The mocked provider, called without a gateway."""
    port = free_port()
    with process([sys.executable, "-m", "scenarios.load.mock_provider", str(port)]) as running:
        target = Target("direct", f"http://127.0.0.1:{port}/v1/chat/completions", {}, processes=(running.pid,))
        wait_for(target)
        yield target


@contextmanager
def ours(direct: Target) -> Iterator[tuple[Target, Target]]:
    """Our gateway in the embedded stack, every feature on: on cache misses, and on exact hits.

    The function is called past the edge, as the peers have none in front of them either.
    """
    base = direct.url.removesuffix("/chat/completions")
    pair = base.removeprefix("http://").removesuffix("/v1")
    home = HERE / ".bench-home"
    environment = {**os.environ, "DCODER_HOME": str(home), "DCODER_EGRESS_ALLOW": pair}
    _run([DCODER, "up", "--detach", "--fresh"], environment)
    try:
        report = json.loads(_run([DCODER, "status", "--json"], environment))
        key = _tenant(report["edge"], _run([DCODER, "token", "--role", "superadmin"], environment).strip(), base)
        url = f"{report['components']['llm']['address']}/v1/chat/completions"
        pids = (report["components"]["llm"]["pid"],)
        credential = {"authorization": f"Bearer {key}"}
        # `no-cache` asks the provider each time and still stores the answer: the whole path of a miss.
        miss = Target("ours, miss", url, {**credential, "cache-control": "no-cache"}, processes=pids)
        hit = Target("ours, exact hit", url, credential, processes=pids)
        for target in (miss, hit):
            wait_for(target)
        yield miss, hit
    finally:
        _run([DCODER, "down"], environment)
        shutil.rmtree(home, ignore_errors=True)


def _tenant(edge: str, token: str, base: str) -> str:
    made = _call("POST", f"{edge}/v1/tenants", token, {"name": "bench", "slug": f"bench-{time.time_ns()}"})
    key = str(made["apiKey"]["secret"])
    mocked = {"name": "mock", "kind": "openai", "apiKey": "sk-bench", "baseUrl": base}
    _call("PUT", f"{edge}/v1/tenants/{made['id']}/providers", key, {"providers": [mocked]})
    return key


def _call(method: str, url: str, credential: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {credential}", "content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        answer: dict[str, Any] = json.load(response)
    return answer


@contextmanager
def portkey(direct: Target) -> Iterator[Target]:
    """Portkey's gateway (Node)."""
    port = free_port()
    base = direct.url.removesuffix("/chat/completions")
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": base, "authorization": "Bearer sk-x"}
    script = str(HERE / "node_modules/@portkey-ai/gateway/build/start-server.js")
    with process(["node", script, "--headless", f"--port={port}"], NODE_ENV="production") as running:
        target = Target("Portkey", f"http://127.0.0.1:{port}/v1/chat/completions", headers, processes=(running.pid,))
        wait_for(target)
        yield target


@contextmanager
def litellm(direct: Target) -> Iterator[Target]:
    """LiteLLM's proxy, one worker, in a virtual environment of its own."""
    python = _environment("litellm", ["litellm[proxy]"])
    port = free_port()
    base = direct.url.removesuffix("/chat/completions")
    config = PEERS / "litellm.json"
    model = {"model": "openai/gpt-4o-mini", "api_base": base, "api_key": "sk-x"}
    config.write_text(json.dumps({"model_list": [{"model_name": "gpt-4o-mini", "litellm_params": model}]}))
    command = [str(python.parent / "litellm"), "--config", str(config), "--port", str(port), "--num_workers", "1"]
    settings = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False", "LITELLM_MODE": "PRODUCTION"}
    with process([*command, "--host", "127.0.0.1"], **settings) as running:
        target = Target("LiteLLM", f"http://127.0.0.1:{port}/v1/chat/completions", {}, processes=(running.pid,))
        wait_for(target, 120)
        yield target


@contextmanager
def mlflow(direct: Target) -> Iterator[Target]:
    """MLflow's AI gateway, one worker, in a virtual environment of its own."""
    python = _environment("mlflow", ["mlflow[gateway]"])
    port = free_port()
    base = direct.url.removesuffix("/chat/completions")
    config = PEERS / "mlflow.json"
    model = {"provider": "openai", "name": "gpt-4o-mini", "config": {"openai_api_key": "sk-x", "openai_api_base": base}}
    config.write_text(json.dumps({"endpoints": [{"name": "chat", "endpoint_type": "llm/v1/chat", "model": model}]}))
    command = [str(python.parent / "mlflow"), "gateway", "start", "--config-path", str(config), "--port", str(port)]
    with process([*command, "--host", "127.0.0.1", "--workers", "1"]) as running:
        body = {"messages": QUESTION["messages"]}
        url = f"http://127.0.0.1:{port}/gateway/chat/invocations"
        target = Target("MLflow gateway", url, {}, body, processes=(running.pid,))
        wait_for(target, 120)
        yield target


PEER_TARGETS = {"portkey": portkey, "litellm": litellm, "mlflow": mlflow}


def _environment(name: str, packages: list[str]) -> Path:
    """The interpreter of a peer's own environment, made at its first use."""
    python = PEERS / name / "bin" / "python"
    if not python.exists():
        print(f"installing {name} …", flush=True)
        uv = [sys.executable, "-m", "uv"]
        _run([*uv, "venv", "--quiet", str(PEERS / name)], dict(os.environ))
        _run([*uv, "pip", "install", "--quiet", "--python", str(python), *packages], dict(os.environ))
    return python


def _run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise ScenarioError(f"{' '.join(command)}: {done.stderr.strip()[-400:] or done.stdout.strip()[-400:]}")
    return done.stdout
