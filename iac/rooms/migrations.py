"""What runs once per release before functions do: schemas and buckets."""

from collections.abc import Iterator

from iac.configuration.base import resources
from iac.manifests import Manifest, digest
from iac.rooms.settings import (
    BUCKETS_SETTINGS,
    DISPATCHER_SETTINGS,
    KEY_MOUNTS,
    SETTINGS,
    WRITABLE,
    key_volume,
    settings,
)
from iac.stack import FUNCTIONS, Platform
from iac.workloads import Container, Workload

ROOM = "migrations"
_RESOURCES = resources(("200m", "256Mi"), ("1", "512Mi"))
# A thousand tenants take some minutes; a lock that another run holds is waited for.
_MIGRATE_SECONDS = 3600
_BUCKETS_SECONDS = 600


def objects(platform: Platform) -> Iterator[Manifest]:
    """Everything of the room."""
    migrate = Container(
        name="migrate",
        image=platform.image("platform"),
        args=("stateful.postgres.migrate", "--wait", "300"),
        resources=_RESOURCES,
        env=settings(platform),
        env_from=(SETTINGS, DISPATCHER_SETTINGS, "grant-database-admin"),
        writable=WRITABLE,
        mounts=KEY_MOUNTS,
    )
    yield from _once("migrate", migrate, _MIGRATE_SECONDS)
    buckets = Container(
        name="buckets",
        image=platform.image("objects"),
        args=("stateful.objects.sync", "--wait", "300"),
        resources=_RESOURCES,
        env=settings(platform),
        env_from=(BUCKETS_SETTINGS,),
        writable=WRITABLE,
    )
    yield from _once("buckets", buckets, _BUCKETS_SECONDS)


def _once(name: str, container: Container, seconds: int) -> list[Manifest]:
    """A Job for what the container is made of: the same release runs it once, another one anew."""
    volumes = (key_volume(),) if container.mounts else ()
    workload = Workload(name=name, namespace=FUNCTIONS, room=ROOM, containers=(container,), replicas=1, volumes=volumes)
    return workload.job(digest(container.spec()), deadline_seconds=seconds)
