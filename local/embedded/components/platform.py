"""The platform's own processes: function hosts, dispatcher, simulator, migration."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.embedded.component import Component, Stage
from local.embedded.probes import http_probe

HOSTS = ("llm", "api", "events", "ingestion")
# Of these, those that the dispatcher alone calls.
EVENT_HOSTS = ("events", "ingestion")
# Room for the longest drain of a function's open streams, and for closing its connections after it.
_DRAIN_SECONDS = 35.0


@dataclass(frozen=True, slots=True)
class Program:
    """How the platform's Python programs are started.

    Attributes:
        environment: settings that every one of them reads.
        privileged: those that only provisioning and migration have.
        bucket_owner: those of who makes buckets.
    """

    folder: Path
    version: str
    environment: Mapping[str, str]
    privileged: Mapping[str, str]
    bucket_owner: Mapping[str, str]

    def command(self, module: str, *arguments: str) -> tuple[str, ...]:
        """Runs a module; the working directory is not searched for modules."""
        return (sys.executable, "-P", "-m", module, *arguments)

    def server(
        self, name: str, module: str, *arguments: str, port: int, after: tuple[str, ...], stage: Stage, grace: float
    ) -> Component:
        """A program that listens on a port and answers `/health/ready`."""
        # Tenants are provisioned by HTTP functions; no other process holds the provisioning role.
        extra = self.privileged if name == "api" else {}
        return Component(
            name=name,
            address=f"http://127.0.0.1:{port}",
            command=self.command(module, *arguments),
            environment={**self.environment, **extra, "PORT": str(port)},
            folder=self.folder,
            ports=(name,),
            version=self.version,
            after=after,
            probe=http_probe(port),
            stage=stage,
            grace=grace,
        )

    def host(self, group: str, port: int) -> Component:
        """A host of functions."""
        stage = Stage.EVENTS if group in EVENT_HOSTS else Stage.TRAFFIC
        needs = ("redis", "nats", "migrate")
        return self.server(
            group, "local.embedded.host", group, port=port, after=needs, stage=stage, grace=_DRAIN_SECONDS
        )

    def dispatcher(self, port: int) -> Component:
        """Delivers events to functions and relays outboxes."""
        needs = ("redis", "nats", "migrate")
        return self.server(
            "dispatcher", "stateful.nats.dispatcher", port=port, after=needs, stage=Stage.TRAFFIC, grace=_DRAIN_SECONDS
        )

    def worker(self, port: int) -> Component:
        """Works on agents' executions; a step that has begun is finished."""
        return self.server(
            "agents-worker",
            "functions.agents.worker",
            port=port,
            after=("temporal", "redis", "migrate"),
            stage=Stage.TRAFFIC,
            grace=_DRAIN_SECONDS,
        )

    def background(self, port: int) -> Component:
        """Works on what is in the queue; a task that has begun is finished."""
        return self.server(
            "integrations-worker",
            "stateful.celery",
            port=port,
            after=("redis", "migrate"),
            stage=Stage.TRAFFIC,
            grace=_DRAIN_SECONDS,
        )

    def simulator(self, port: int) -> Component:
        """Stands in for the LLM providers."""
        return self.server("simulator", "local.simulator", port=port, after=(), stage=Stage.SIMULATION, grace=5)

    def migration(self) -> Component:
        """Brings every database to the newest schema, then ends."""
        return Component(
            name="migrate",
            address="",
            command=self.command("stateful.postgres.migrate"),
            environment={**self.environment, **self.privileged},
            folder=self.folder,
            after=("postgres",),
            version=self.version,
            stage=Stage.TRAFFIC,
        )

    def schedules(self) -> Component:
        """Brings Temporal's namespace and schedules in line, then ends. Nothing waits for it."""
        return Component(
            name="schedules",
            address="",
            command=self.command("stateful.temporal.sync"),
            environment=self.environment,
            folder=self.folder,
            after=("temporal",),
            version=self.version,
            stage=Stage.TRAFFIC,
        )

    def buckets(self) -> Component:
        """Makes the buckets that are missing, then ends. Nothing waits for it: without objects calls go on."""
        return Component(
            name="buckets",
            address="",
            command=self.command("stateful.objects.sync"),
            environment={**self.environment, **self.bucket_owner},
            folder=self.folder,
            after=("s3",),
            version=self.version,
            stage=Stage.TRAFFIC,
        )
