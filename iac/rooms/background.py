"""Workers of the queue, which follow its length: what takes longer in the background than an event may."""

from collections.abc import Iterator

from functions.integrations.adapters.celery_queue import QUEUE
from iac.manifests import ROOM_LABEL, Manifest, manifest
from iac.rooms.settings import KEY_MOUNTS, QUEUE_DATABASE, SETTINGS, WRITABLE, key_volume, settings
from iac.stack import FUNCTIONS, REDIS_HOSTS, Platform
from iac.workloads import Container, Workload, http_probe, scaled

ROOM = "background"
WORKER = "integrations-worker"
_PORT = 8087


def objects(platform: Platform) -> Iterator[Manifest]:
    """Everything of the room."""
    configuration = platform.configuration.background
    container = Container(
        name="worker",
        image=platform.image("integrations"),
        args=("stateful.celery",),
        resources=configuration.resources,
        ports={"http": _PORT},
        env={**settings(platform), "PORT": str(_PORT)},
        env_from=(SETTINGS, "grant-queue"),
        live=http_probe("/health/live", _PORT, seconds=15, failures=4),
        ready=http_probe("/health/ready", _PORT, seconds=10),
        writable=WRITABLE,
        mounts=KEY_MOUNTS,
    )
    made = Workload(
        name=WORKER,
        namespace=FUNCTIONS,
        room=ROOM,
        containers=(container,),
        replicas=configuration.workers_min,
        volumes=(key_volume(),),
        metrics=("http", "/metrics"),
        # A task under way is finished, or comes to another worker.
        grace_seconds=120,
    ).deployment()
    yield from scaled(made)
    yield _scaler(platform)


def _scaler(platform: Platform) -> Manifest:
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
    return manifest(
        "keda.sh/v1alpha1",
        "ScaledObject",
        WORKER,
        namespace=FUNCTIONS,
        labels={ROOM_LABEL: ROOM},
        spec={
            "scaleTargetRef": {"name": WORKER},
            # Never none: what a dead worker had begun is given back to the list by another one.
            "minReplicaCount": configuration.workers_min,
            "maxReplicaCount": configuration.workers_max,
            "cooldownPeriod": 300,
            "triggers": [trigger],
        },
    )
