"""Temporal, its console, the namespace of our workflows, and workers of agents that follow their backlog."""

from collections.abc import Iterator

from functions.kit.catalogue import ROOT
from iac.configuration.base import resources
from iac.manifests import ROOM_LABEL, Manifest, digest, manifest, secret
from iac.rooms.settings import (
    KEY_MOUNTS,
    SETTINGS,
    WRITABLE,
    grant_of_objects,
    key_volume,
    platform_keys,
    platform_settings,
    settings,
)
from iac.stack import POSTGRES_HOST, TEMPORAL_ADDRESS, WORKFLOWS, Platform
from iac.workloads import Container, Workload, http_probe, tcp_probe

ROOM = "workflows"
NAMESPACE = "dcoder"
TASK_QUEUE = "agents"
_FRONTEND = 7233
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
    yield from _namespace(platform)
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
        },
        fields={"TEMPORAL_BROADCAST_ADDRESS": "status.podIP"},
        env_from=("temporal-database",),
        live=tcp_probe(_FRONTEND, seconds=15, failures=4),
        ready=tcp_probe(_FRONTEND),
        startup=tcp_probe(_FRONTEND, seconds=5, failures=60),
        writable=("/tmp", "/etc/temporal/config"),  # noqa: S108
    )
    yield from Workload(
        name="temporal",
        namespace=WORKFLOWS,
        room=ROOM,
        containers=(container,),
        replicas=configuration.replicas,
        user=1000,
        group=1000,
        service={"frontend": (_FRONTEND, "frontend")},
        metrics=("metrics", "/metrics"),
        labels={"app.kubernetes.io/component": "temporal"},
    ).deployment()


def _namespace(platform: Platform) -> Iterator[Manifest]:
    days = platform.configuration.temporal.retention_days
    script = (
        f"until temporal operator namespace describe --namespace {NAMESPACE} >/dev/null 2>&1 || "
        f"temporal operator namespace create --namespace {NAMESPACE} --retention {days}d; do sleep 5; done\n"
        f"temporal operator namespace update --namespace {NAMESPACE} --retention {days}d"
    )
    container = Container(
        name="namespace",
        image=platform.image("temporal-tools"),
        command=("sh", "-c", script),
        resources=_SMALL,
        env={"TEMPORAL_ADDRESS": TEMPORAL_ADDRESS, "HOME": "/tmp"},  # noqa: S108
    )
    yield from _job("temporal-namespace", container, {"app.kubernetes.io/component": "temporal"})


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
    container = Container(
        name="worker",
        image=platform.image("agents"),
        args=("functions.agents.worker",),
        resources=configuration.resources,
        ports={"http": 8083},
        env={**settings(platform), "PORT": "8083"},
        env_from=(SETTINGS, "grant-objects"),
        live=http_probe("/health/live", 8083, seconds=15, failures=4),
        ready=http_probe("/health/ready", 8083),
        writable=WRITABLE,
        mounts=KEY_MOUNTS,
    )
    made = Workload(
        name="agent-worker",
        namespace=WORKFLOWS,
        room=ROOM,
        containers=(container,),
        replicas=max(1, configuration.workers_min),
        volumes=(key_volume(),),
        metrics=("http", "/metrics"),
        # Activities under way finish, or are tried again elsewhere.
        grace_seconds=120,
    ).deployment()
    for item in made:
        if item["kind"] == "Deployment":
            # KEDA says how many there are.
            del item["spec"]["replicas"]
        yield item
    yield _scaler(platform)


def _scaler(platform: Platform) -> Manifest:
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
    return manifest(
        "keda.sh/v1alpha1",
        "ScaledObject",
        "agent-worker",
        namespace=WORKFLOWS,
        labels={ROOM_LABEL: ROOM},
        spec={
            "scaleTargetRef": {"name": "agent-worker"},
            "minReplicaCount": configuration.workers_min,
            "maxReplicaCount": configuration.workers_max,
            "cooldownPeriod": 300,
            "triggers": [trigger],
        },
    )


def _job(name: str, container: Container, labels: dict[str, str]) -> list[Manifest]:
    workload = Workload(
        name=name,
        namespace=WORKFLOWS,
        room=ROOM,
        containers=(container,),
        replicas=1,
        user=1000,
        group=1000,
        labels=labels,
    )
    return workload.job(digest(container.spec()), deadline_seconds=900, tries=10)
