"""Logto: who people are. Its applications, roles and claims follow from `stateful/logto`, by a job at every release."""

from collections.abc import Iterator

from iac.configuration.base import resources
from iac.manifests import Manifest, digest, secret
from iac.stack import IDENTITY, POSTGRES_HOST, Platform, inside
from iac.workloads import Container, Workload, http_probe

ROOM = "identity"
_SMALL = resources(("50m", "128Mi"), ("500m", "256Mi"))
_LABELS = {"app.kubernetes.io/component": "logto"}


def objects(platform: Platform) -> Iterator[Manifest]:
    """Everything of the room."""
    url = f"postgresql://logto:{{{{ logtoDatabase }}}}@{POSTGRES_HOST}:5432/logto?sslmode=no-verify"
    yield secret("logto", IDENTITY, {"DB_URL": url}, room=ROOM)
    common = {
        "PORT": "3001",
        "ADMIN_PORT": "3002",
        "ENDPOINT": platform.public("auth"),
        "ADMIN_ENDPOINT": platform.public("auth-console"),
        "TRUST_PROXY_HEADER": "1",
        "CI": "true",
        "HOME": "/tmp",  # noqa: S108
    }
    schema = Container(
        name="schema",
        image=platform.image("logto"),
        command=("sh", "-c", "npm run cli db seed -- --swe && npm run alteration deploy latest"),
        resources=resources(("100m", "256Mi"), ("1", "1Gi")),
        env=common,
        env_from=("logto",),
    )
    yield from _job("logto-schema", schema)
    server = Container(
        name="logto",
        image=platform.image("logto"),
        command=("npm", "start"),
        resources=platform.configuration.logto.resources,
        ports={"oidc": 3001, "console": 3002},
        env=common,
        env_from=("logto",),
        live=http_probe("/api/status", 3001, seconds=15, failures=4),
        ready=http_probe("/api/status", 3001),
        startup=http_probe("/api/status", 3001, seconds=5, failures=60),
    )
    yield from Workload(
        name="logto",
        namespace=IDENTITY,
        room=ROOM,
        containers=(server,),
        replicas=platform.configuration.logto.replicas,
        service={"oidc": (3001, "oidc"), "console": (3002, "console")},
        labels=_LABELS,
    ).deployment()
    if platform.configuration.secrets.has("logtoAppId"):
        yield from _sync(platform)


def _sync(platform: Platform) -> Iterator[Manifest]:
    """Brings the server in line with `stateful/logto`: applications, roles, claims, second factor, webhook."""
    texts = {"DCODER_LOGTO_APP_ID": "{{ logtoAppId }}", "DCODER_LOGTO_APP_SECRET": "{{ logtoAppSecret }}"}
    yield secret("logto-sync", IDENTITY, texts, room=ROOM)
    clients = {"ADMIN": "admin", "DELOITTE": "deloitte", "DOC_CHAT": "docs", "CODE_CHAT": "code"}
    container = Container(
        name="sync",
        image=platform.image("platform"),
        args=("stateful.logto.sync",),
        resources=_SMALL,
        env={
            "DCODER_ENVIRONMENT": "cluster",
            "DCODER_LOGTO_ENDPOINT": inside("logto", IDENTITY, 3001),
            "DCODER_PUBLIC_URL": platform.public("api"),
            "DCODER_OIDC_AUDIENCE": platform.public("api"),
            **{f"DCODER_LOGTO_{name}_URL": platform.public(host) for name, host in clients.items()},
        },
        env_from=("logto-sync",),
    )
    yield from _job("logto-sync", container)


def _job(name: str, container: Container) -> list[Manifest]:
    workload = Workload(name=name, namespace=IDENTITY, room=ROOM, containers=(container,), replicas=1, labels=_LABELS)
    return workload.job(digest(container.spec()), deadline_seconds=900, tries=10)
