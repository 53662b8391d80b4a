"""Objects: MinIO with erasure coding, encryption and users who reach what is theirs alone; or an external store."""

import json
from collections.abc import Iterator
from typing import Any

from iac.configuration.base import resources
from iac.manifests import Manifest, config_map, name_of, secret
from iac.stack import DATA, OBSERVABILITY, Platform, inside
from iac.workloads import Container, Workload, claim, http_probe
from stateful.objects.access import of_functions, whole
from stateful.objects.declaration import load_buckets

ROOM = "objects"
PORT = 9000
_CONSOLE = 9001
_HEADLESS = f"minio-pods.{DATA}.svc.cluster.local"
_LIVE, _READY = "/minio/health/live", "/minio/health/ready"
_BUCKETS = load_buckets()
_FUNCTIONS = "functions"
# Who may do what in which bucket. Functions reach tenants' objects by sessions of their user: MinIO gives those no more
# than the user itself may do, which therefore is all of it, and no more than the session's own policy says.
USERS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    _FUNCTIONS: ("objectsFunctionsKey", "objectsFunctionsSecret", ()),
    "backups": ("objectsBackupsKey", "objectsBackups", ("backups",)),
    "mlflow": ("objectsMlflowKey", "objectsMlflowSecret", ("mlflow-artifacts",)),
    "langfuse": ("objectsLangfuseKey", "objectsLangfuseSecret", ("langfuse",)),
    "telemetry": ("objectsTelemetryKey", "objectsTelemetrySecret", ("loki", "tempo")),
}


def objects(platform: Platform) -> Iterator[Manifest]:
    """Everything of the room; nothing where the store is external."""
    if platform.configuration.objects.external:
        return
    yield _root()
    yield _users_secret()
    yield from _server(platform)
    yield from _users(platform)


def _policies() -> dict[str, dict[str, Any]]:
    return {
        name: of_functions(_BUCKETS) if name == _FUNCTIONS else whole(buckets)
        for name, (_, _, buckets) in USERS.items()
    }


def _root() -> Manifest:
    texts = {
        "MINIO_ROOT_USER": "dcoder-admin",
        "MINIO_ROOT_PASSWORD": "{{ objectsAdmin }}",
        "MINIO_KMS_SECRET_KEY": "dcoder-objects:{{ objectsBase64Key }}",
    }
    return secret("minio-root", DATA, texts, room=ROOM)


def _server(platform: Platform) -> Iterator[Manifest]:
    configuration = platform.configuration.objects
    many = configuration.replicas > 1
    drives = f"http://minio-{{0...{configuration.replicas - 1}}}.{_HEADLESS}:{PORT}/data" if many else "/data"
    container = Container(
        name="minio",
        image=platform.image("minio"),
        args=("server", drives, "--console-address", f":{_CONSOLE}", "--certs-dir", "/tmp/certs"),  # noqa: S108
        resources=configuration.resources,
        ports={"s3": PORT, "console": _CONSOLE},
        env={
            # Every object is encrypted (SSE-S3), whoever wrote it.
            "MINIO_KMS_AUTO_ENCRYPTION": "on",
            "MINIO_PROMETHEUS_AUTH_TYPE": "public",
            "MINIO_BROWSER_REDIRECT": "false",
            "MINIO_AUDIT_WEBHOOK_ENABLE_telemetry": "on",
            "MINIO_AUDIT_WEBHOOK_ENDPOINT_telemetry": inside("otel-collector", OBSERVABILITY, 8088) + "/minio",
            "HOME": "/tmp",  # noqa: S108
        },
        env_from=("minio-root",),
        live=http_probe(_LIVE, PORT, seconds=20, failures=4),
        ready=http_probe(_READY, PORT),
        mounts={"/data": "data"},
    )
    workload = Workload(
        name="minio",
        namespace=DATA,
        room=ROOM,
        containers=(container,),
        replicas=configuration.replicas,
        user=1000,
        group=1000,
        service={"s3": (PORT, "s3"), "console": (_CONSOLE, "console")},
        metrics=("s3", "/minio/v2/metrics/cluster"),
    )
    yield from workload.stateful_set(
        [claim("data", configuration.storage.size, platform.storage_class(configuration.storage.storage_class))]
    )


def _users_secret() -> Manifest:
    texts: dict[str, str] = {}
    for name, (key, code, _) in USERS.items():
        texts |= {f"{name.upper()}_KEY": f"{{{{ {key} }}}}", f"{name.upper()}_SECRET": f"{{{{ {code} }}}}"}
    return secret("minio-users", DATA, texts, room=ROOM)


def _users(platform: Platform) -> Iterator[Manifest]:
    """A Job that makes users and their policies with MinIO's own client, sound to repeat."""
    files = {f"{name}.json": json.dumps(written, indent=1) for name, written in _policies().items()}
    lines = [
        "set -eu",
        'until mc alias set store http://minio:9000 "$MINIO_ROOT_USER" "$MINIO_ROOT_PASSWORD"; do sleep 2; done',
        "for bucket in langfuse loki tempo; do mc mb --ignore-existing store/$bucket; done",
    ]
    for name in USERS:
        lines += [
            f"mc admin policy create store {name} /policies/{name}.json",
            f'mc admin user add store "${name.upper()}_KEY" "${name.upper()}_SECRET"',
            f'mc admin policy attach store {name} --user "${name.upper()}_KEY" || true',
        ]
    policies = config_map("minio-policies", DATA, {**files, "make-users.sh": "\n".join(lines) + "\n"}, room=ROOM)
    yield policies
    container = Container(
        name="mc",
        image=platform.image("minio-client"),
        command=("sh", "/policies/make-users.sh"),
        resources=resources(("50m", "64Mi"), ("500m", "256Mi")),
        env={"MC_CONFIG_DIR": "/tmp/mc"},  # noqa: S108
        env_from=("minio-root", "minio-users"),
        mounts={"/policies": "policies"},
    )
    yield from Workload(
        name="minio-users",
        namespace=DATA,
        room=ROOM,
        containers=(container,),
        replicas=1,
        volumes=({"name": "policies", "configMap": {"name": name_of(policies)}},),
    ).job(name_of(policies).rpartition("-")[2], deadline_seconds=600, tries=10)
