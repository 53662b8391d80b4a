"""Workers of the queue, which follow its length: what takes longer in the background than an event may."""

from collections.abc import Iterator

from functions.integrations.adapters.celery_queue import QUEUE
from iac.manifests import Manifest
from iac.rooms.settings import QUEUE_DATABASE
from iac.stack import FUNCTIONS, REDIS_HOSTS, Platform
from iac.workers import Workers

ROOM = "background"
WORKER = "integrations-worker"


def objects(platform: Platform) -> Iterator[Manifest]:
    """Everything of the room."""
    configuration = platform.configuration.background
    trigger = {
        "type": "redis",
        "metadata": {
            "address": f"{REDIS_HOSTS['queue']}:6379",
            "passwordFromEnv": "DCODER_QUEUE_PASSWORD",
            "databaseIndex": str(QUEUE_DATABASE),
            "listName": QUEUE,
            "listLength": str(configuration.backlog),
        },
    }
    # Never none, as the stack file sees to: what a dead worker had begun is given back to the list by another one.
    yield from Workers(
        name=WORKER,
        namespace=FUNCTIONS,
        room=ROOM,
        context="integrations",
        program="stateful.celery",
        port=8087,
        grant="grant-queue",
        size=configuration,
        trigger=trigger,
        env={},
    ).objects(platform)
