"""Flagsmith: feature flags and their console, its task processor, and the sync of the declared flags."""

from collections.abc import Iterator

from iac.configuration.base import resources
from iac.manifests import Manifest, digest, secret
from iac.stack import EDGE_URL, FLAGS, Platform, database_url, inside
from iac.workloads import Container, Workload, http_probe

ROOM = "flagsmith"
_PORT = 8000
_SMALL = resources(("50m", "128Mi"), ("500m", "256Mi"))


def objects(platform: Platform) -> Iterator[Manifest]:
    """Everything of the room."""
    texts = {
        "DATABASE_URL": database_url("flagsmith", "flagsmithDatabase"),
        "DJANGO_SECRET_KEY": "{{ flagsmithSessions }}",
    }
    yield secret("flagsmith", FLAGS, texts, room=ROOM)
    configuration = platform.configuration.flagsmith
    # The processor sends the webhooks: changes of flags reach the platform by it.
    for name, mode, replicas in (
        ("flagsmith", "serve", configuration.replicas),
        ("flagsmith-tasks", "run-task-processor", 1),
    ):
        container = _container(name, mode, platform)
        yield from Workload(
            name=name,
            namespace=FLAGS,
            room=ROOM,
            containers=(container,),
            replicas=replicas,
            service={"http": (_PORT, "http")} if name == "flagsmith" else {},
        ).deployment()
    yield from _job("flagsmith-schema", _container("schema", "migrate", platform, serves=False))
    if platform.configuration.secrets.has("flagsmithAdminKey"):
        yield from _sync(platform)


def _container(name: str, mode: str, platform: Platform, *, serves: bool = True) -> Container:
    live, ready = http_probe("/health/liveness", _PORT, seconds=15, failures=4), http_probe("/health/liveness", _PORT)
    startup = http_probe("/health/liveness", _PORT, seconds=5, failures=60)
    return Container(
        name=name,
        image=platform.image("flagsmith"),
        args=(mode,),
        resources=platform.configuration.flagsmith.resources,
        ports={"http": _PORT} if serves else {},
        env={
            "DJANGO_ALLOWED_HOSTS": f"{platform.host('flags')},flagsmith.{FLAGS}.svc.cluster.local",
            "FLAGSMITH_DOMAIN": platform.host("flags"),
            "ENV": "prod",
            "PREVENT_SIGNUP": "true",
            "TELEMETRY_DISABLED": "true",
            "USE_POSTGRES_FOR_ANALYTICS": "true",
            "TASK_RUN_METHOD": "TASK_PROCESSOR",
        },
        env_from=("flagsmith",),
        live=live if serves else None,
        ready=ready if serves else None,
        startup=startup if serves else None,
    )


def _sync(platform: Platform) -> Iterator[Manifest]:
    """Makes the flags, segments and webhook of `stateful/flagsmith/features.yaml`."""
    texts = {
        "DCODER_FLAGSMITH_ADMIN_KEY": "{{ flagsmithAdminKey }}",
        "DCODER_FLAGSMITH_ENVIRONMENT_KEY": "{{ flagsmithEnvironmentKey }}",
        "DCODER_FLAGSMITH_WEBHOOK_SECRET": "{{ flagsmithWebhook }}",
    }
    yield secret("flagsmith-sync", FLAGS, texts, room=ROOM)
    container = Container(
        name="sync",
        image=platform.image("platform"),
        args=("stateful.flagsmith.sync", "--webhook", f"{EDGE_URL}/v1/webhooks/flagsmith"),
        resources=_SMALL,
        env={"DCODER_ENVIRONMENT": "cluster", "DCODER_FLAGSMITH_URL": inside("flagsmith", FLAGS, _PORT)},
        env_from=("flagsmith-sync",),
    )
    yield from _job("flagsmith-sync", container)


def _job(name: str, container: Container) -> list[Manifest]:
    workload = Workload(name=name, namespace=FLAGS, room=ROOM, containers=(container,), replicas=1)
    return workload.job(digest(container.spec()), deadline_seconds=900, tries=10)
