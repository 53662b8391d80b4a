"""Temporal, its console, the namespace of our workflows, and workers of agents that follow their backlog."""

from collections.abc import Iterator

from functions.kit.catalogue import ROOT
from iac.configuration.base import resources
from iac.manifests import Manifest, config_map, digest, name_of, secret
from iac.rooms.settings import grant_of_objects, platform_keys, platform_settings, settings
from iac.stack import POSTGRES_HOST, TEMPORAL_ADDRESS, WORKFLOWS, Platform
from iac.workers import Workers
from iac.workloads import USER, Container, Workload, http_probe, tcp_probe
from stateful.temporal.declaration import SERVER_SETTINGS, load_declaration

ROOM = "workflows"
NAMESPACE = load_declaration().namespace.name
TASK_QUEUE = "agents"
_SETTINGS_FOLDER = "/etc/temporal/dcoder"
_FRONTEND = 7233
# Of Temporal's own images.
_THEIR_USER = 1000
_SYNC = resources(("100m", "128Mi"), ("500m", "256Mi"))
_SMALL = resources(("50m", "64Mi"), ("500m", "256Mi"))
_SCHEMA = "/etc/temporal/schema/postgresql/v12"
_SQL = (
    "temporal-sql-tool --plugin postgres12 --tls --tls-disable-host-verification "
    f"--ep {POSTGRES_HOST} -p 5432 -u temporal"
)


def objects(platform: Platform) -> Iterator[Manifest]:
    """Everything of the room."""
    texts = {"POSTGRES_PWD": "{{ temporalDatabase }}", "SQL_PASSWORD": "{{ temporalDatabase }}"}
    yield secret("temporal-database", WORKFLOWS, texts, room=ROOM)
    yield from _schema(platform)
    yield from _server(platform)
    yield from _sync(platform)
    yield from _console(platform)
    if (ROOT / "agents" / "worker").is_dir():
        yield platform_settings(platform, WORKFLOWS)
        yield platform_keys(WORKFLOWS)
        yield grant_of_objects(platform, WORKFLOWS)
        yield from _workers(platform)


def _schema(platform: Platform) -> Iterator[Manifest]:
    lines = ["set -eu"]
    for database, folder in (("temporal", "temporal"), ("temporal_visibility", "visibility")):
        lines += [
            f"{_SQL} --db {database} setup-schema -v 0.0 || true",
            f"{_SQL} --db {database} update-schema -d {_SCHEMA}/{folder}/versioned",
        ]
    container = Container(
        name="schema",
        image=platform.image("temporal-tools"),
        command=("sh", "-c", "\n".join(lines)),
        resources=_SMALL,
        env_from=("temporal-database",),
    )
    yield from _job("temporal-schema", container, {"app.kubernetes.io/component": "temporal"})


def _server(platform: Platform) -> Iterator[Manifest]:
    configuration = platform.configuration.temporal
    files = config_map("temporal", WORKFLOWS, {SERVER_SETTINGS.name: SERVER_SETTINGS.read_text()}, room=ROOM)
    yield files
    container = Container(
        name="temporal",
        image=platform.image("temporal"),
        resources=configuration.server_resources,
        ports={"frontend": _FRONTEND, "metrics": 9090},
        env={
            "DB": "postgres12",
            "DB_PORT": "5432",
            "POSTGRES_USER": "temporal",
            "POSTGRES_SEEDS": POSTGRES_HOST,
            "SQL_TLS_ENABLED": "true",
            "SQL_HOST_VERIFICATION": "false",
            "BIND_ON_IP": "0.0.0.0",  # noqa: S104 - a container's contract
            "NUM_HISTORY_SHARDS": str(configuration.history_shards),
            "PROMETHEUS_ENDPOINT": "0.0.0.0:9090",
            "DYNAMIC_CONFIG_FILE_PATH": f"{_SETTINGS_FOLDER}/{SERVER_SETTINGS.name}",
        },
        fields={"TEMPORAL_BROADCAST_ADDRESS": "status.podIP"},
        env_from=("temporal-database",),
        live=tcp_probe(_FRONTEND, seconds=15, failures=4),
        ready=tcp_probe(_FRONTEND),
        startup=tcp_probe(_FRONTEND, seconds=5, failures=60),
        writable=("/tmp", "/etc/temporal/config"),  # noqa: S108
        mounts={_SETTINGS_FOLDER: "settings"},
    )
    yield from Workload(
        name="temporal",
        namespace=WORKFLOWS,
        room=ROOM,
        containers=(container,),
        replicas=configuration.replicas,
        user=1000,
        group=1000,
        volumes=({"name": "settings", "configMap": {"name": name_of(files)}},),
        service={"frontend": (_FRONTEND, "frontend")},
        metrics=("metrics", "/metrics"),
        labels={"app.kubernetes.io/component": "temporal"},
    ).deployment()


def _sync(platform: Platform) -> Iterator[Manifest]:
    """The namespace and the schedules of functions, as declared: at each release."""
    days = platform.configuration.temporal.retention_days
    container = Container(
        name="sync",
        image=platform.image("platform"),
        args=("stateful.temporal.sync", "--wait", "300", "--retention-days", str(days)),
        resources=_SYNC,
        env=settings(platform),
    )
    yield from _job("temporal-sync", container, {"app.kubernetes.io/component": "temporal"}, user=USER)


def _console(platform: Platform) -> Iterator[Manifest]:
    """For operators, by `kubectl port-forward`: it knows no sign-in of ours."""
    container = Container(
        name="ui",
        image=platform.image("temporal-ui"),
        resources=_SMALL,
        ports={"http": 8080},
        env={"TEMPORAL_ADDRESS": TEMPORAL_ADDRESS, "TEMPORAL_UI_PORT": "8080"},
        live=http_probe("/healthz", 8080, seconds=30),
        ready=http_probe("/healthz", 8080),
        writable=("/tmp", "/home/ui-server/config"),  # noqa: S108
    )
    yield from Workload(
        name="temporal-ui",
        namespace=WORKFLOWS,
        room=ROOM,
        containers=(container,),
        replicas=1,
        user=5000,
        group=5000,
        service={"http": (8080, "http")},
        labels={"app.kubernetes.io/component": "temporal"},
    ).deployment()


def _workers(platform: Platform) -> Iterator[Manifest]:
    configuration = platform.configuration.temporal
    trigger = {
        "type": "temporal",
        "metadata": {
            "endpoint": TEMPORAL_ADDRESS,
            "namespace": NAMESPACE,
            "taskQueue": TASK_QUEUE,
            "queueTypes": "workflow,activity",
            "targetQueueSize": str(configuration.backlog),
            "activationTargetQueueSize": "0",
        },
    }
    yield from Workers(
        name="agent-worker",
        namespace=WORKFLOWS,
        room=ROOM,
        context="agents",
        program="functions.agents.worker",
        port=8083,
        grant="grant-objects",
        size=configuration,
        trigger=trigger,
        # Another image is another version: executions move to it once it works.
        env={"DCODER_TEMPORAL_BUILD_ID": digest(platform.image("agents"))},
    ).objects(platform)


def _job(name: str, container: Container, labels: dict[str, str], *, user: int = _THEIR_USER) -> list[Manifest]:
    workload = Workload(
        name=name,
        namespace=WORKFLOWS,
        room=ROOM,
        containers=(container,),
        replicas=1,
        user=user,
        group=user,
        labels=labels,
    )
    return workload.job(digest(container.spec()), deadline_seconds=900, tries=10)
