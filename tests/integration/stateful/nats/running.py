"""What these tests run, and the events they publish."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import yaml

from functions.kit.catalogue import Catalogue
from functions.kit.events import Event
from functions.kit.identifiers import new_id
from stateful.nats.connection import Bus
from stateful.nats.dispatcher.consumer import FunctionConsumer
from stateful.nats.dispatcher.delivery import Delivery
from stateful.nats.dispatcher.settings import DispatcherSettings
from stateful.nats.loops import cancel
from stateful.nats.streams import load_declarations
from tests.integration.stateful.nats.servers import Server

FAST = DispatcherSettings(retry_base_seconds=0.02, retry_cap_seconds=0.2, probe_cap_seconds=0.1, ack_wait_seconds=5)


def write_function(folder: Path, subjects: tuple[str, ...], schedule: str = "") -> None:
    folder.mkdir(parents=True)
    document = {
        "specVersion": "0.36.0",
        "name": f"{folder.parent.name}-{folder.name.replace('_', '-')}",
        "runtime": "python",
        "deploy": {
            "annotations": {
                "dcoder.dev/kind": "event",
                "dcoder.dev/timeout": "5",
                **({"dcoder.dev/schedule": schedule} if schedule else {}),
            },
            "subscriptions": [{"source": "dcoder", "filters": {"type": subject}} for subject in subjects],
        },
    }
    (folder / "func.yaml").write_text(yaml.safe_dump(document))


class Running:
    """Tasks and connections of a test, ended in reverse order."""

    def __init__(self) -> None:
        self.stack = AsyncExitStack()

    def task(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self.stack.push_async_callback(cancel, [task])
        return task

    def bus(self, server: Server, name: str = "test") -> Bus:
        bus = Bus(f"nats://{server.address}", name=name, declarations=load_declarations("embedded"))
        self.task(bus.run())
        return bus

    def dispatch(
        self, catalogue: Catalogue, bus: Bus, url: str, settings: DispatcherSettings = FAST
    ) -> list[FunctionConsumer]:
        """Drive the functions of a catalogue."""
        delivery = Delivery(url)
        self.stack.push_async_callback(delivery.close)
        consumers = [FunctionConsumer(function, bus, delivery, settings) for function in catalogue.subscribed()]
        for consumer in consumers:
            self.stack.push_async_callback(consumer.drain, 0.0)
            self.task(consumer.run())
            self.task(consumer.keep_alive())
        return consumers


def event_of(subject: str = "tenant.updated", **data: object) -> Event:
    return Event(new_id(), "/dcoder/test", subject, "2026-11-01T08:00:00Z", data, request_id="request-1")


async def publish(bus: Bus, *events: Event) -> None:
    for event in events:
        await bus.publish(event.type, event.to_json(), message_id=event.id)
