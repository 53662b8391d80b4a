"""Other gateways, with none of their features on, each in an environment of its own."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scenarios.load.targets import HERE, QUESTION, Target, free_port, process, run, wait_for

PEERS = HERE / ".peers"


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
    settings: dict[str, Any] = {
        "model_list": [{"model_name": "gpt-4o-mini", "litellm_params": model}],
        # It refuses to start without a key otherwise; to ask for one would only slow it down.
        "general_settings": {"dangerously_permit_weak_or_unset_master_key": True},
    }
    config.write_text(json.dumps(settings))
    command = [str(python.parent / "litellm"), "--config", str(config), "--port", str(port), "--num_workers", "1"]
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False", "LITELLM_MODE": "PRODUCTION"}
    with process([*command, "--host", "127.0.0.1"], **environment) as running:
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
        run([*uv, "venv", "--quiet", str(PEERS / name)], dict(os.environ))
        run([*uv, "pip", "install", "--quiet", "--python", str(python), *packages], dict(os.environ))
    return python
