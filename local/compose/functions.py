"""The functions as containers: one of each context for its HTTP functions, one of each group of its event functions."""

from collections.abc import Iterator, Mapping
from typing import Any

from functions.kit.catalogue import Catalogue, Function
from local.compose.images import own
from local.compose.service import DONE, HEALTHY, Port, Service, Size
from local.embedded.host import containers

PORT = 8080
WORKER = "agents-worker"
BACKGROUND = "integrations-worker"
# What the requirements call a service has its port there; in the container all listen on the same.
PUBLISHED = {"gateway": 8080, "platform": 8082, "agents": 8083, "knowledge": 8084, "integrations": 8085}
# Contexts whose functions call addresses outside: providers, documents, tools, webhooks.
CALL_OUT = frozenset({"gateway", "platform", "agents", "knowledge", "integrations"})
# How a function is reached: its name leads to the container that hosts it.
FUNCTION_URL = "http://{name}:8080"
_DRAIN_SECONDS = 40
# An answer of 400 and above is raised, and ends Python with 1.
_PROBE = "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/health/ready', timeout=4)"
_SECRETS = (
    "dcoder_database_url",
    "dcoder_redis_url",
    "dcoder_nats_url",
    "dcoder_s3_access_key",
    "dcoder_s3_secret_key",
    "dcoder_langfuse_public_key",
    "dcoder_langfuse_secret_key",
    "kek",
    "service_keys",
    "audit_keys",
)
_QUEUE = "dcoder_queue_url"
_PRIVILEGED = "dcoder_database_admin_url"
BACKUP_CHECK = "platform-backup-check"
_AFTER = {"migrate": DONE, "redis": HEALTHY, "nats": HEALTHY, "buckets": DONE}


def settings() -> dict[str, str]:
    """The platform's settings in Compose; what is secret comes from files."""
    return {
        "DCODER_ENVIRONMENT": "compose",
        "DCODER_PLATFORM_ID": "${DCODER_PLATFORM_ID:-dcoder}",
        "DCODER_LOG_LEVEL": "${DCODER_LOG_LEVEL:-info}",
        "DCODER_S3_ENDPOINT": "http://minio:9000",
        "DCODER_OIDC_ISSUER": "${DCODER_LOGTO_URL:-http://logto.localhost:3004}/oidc",
        "DCODER_OIDC_JWKS_URL": "http://logto:3004/oidc/jwks",
        "DCODER_OIDC_CLIENT_ID": "${DCODER_OIDC_CLIENT_ID:-}",
        "DCODER_OIDC_CLIENT_SECRET": "${DCODER_OIDC_CLIENT_SECRET:-}",
        "DCODER_LOGTO_WEBHOOK_KEY": "${DCODER_LOGTO_WEBHOOK_KEY:-}",
        "DCODER_PUBLIC_URL": "${DCODER_PUBLIC_URL:-http://localhost:8000}",
        "DCODER_AUTH_ORIGINS": "${DCODER_AUTH_ORIGINS:-http://localhost:*}",
        "DCODER_EDGE_URL": "http://kong:8000",
        "DCODER_EGRESS_ALLOW": "${DCODER_EGRESS_ALLOW:-}",
        "DCODER_FUNCTION_URL": f"{FUNCTION_URL}/fn/{{name}}",
        "DCODER_KONG_ADMIN_URL": "http://kong-admin:8001",
        "DCODER_TEMPORAL_ADDRESS": "temporal:7233",
        "DCODER_FLAGSMITH_URL": "${DCODER_FLAGSMITH_URL:-}",
        "DCODER_FLAGSMITH_ENVIRONMENT_KEY": "${DCODER_FLAGSMITH_ENVIRONMENT_KEY:-}",
        "DCODER_FLAGSMITH_ADMIN_KEY": "${DCODER_FLAGSMITH_ADMIN_KEY:-}",
        "DCODER_FLAGSMITH_WEBHOOK_SECRET": "${DCODER_FLAGSMITH_WEBHOOK_SECRET:-}",
        "DCODER_OTLP_ENDPOINT": "http://otel-collector:4318",
        "DCODER_LANGFUSE_URL": "http://langfuse:3000",
        "DCODER_KEK_FILE": "/run/secrets/kek",
        "DCODER_SERVICE_KEYS_FILE": "/run/secrets/service_keys",
        "DCODER_AUDIT_KEYS_FILE": "/run/secrets/audit_keys",
    }


def function_services(catalogue: Catalogue) -> Iterator[Service]:
    """A container for every group of functions that share one."""
    for name, hosted in containers(catalogue).items():
        yield _hosting(name, hosted)
        if name == "agents":
            yield _worker()
        if name == "integrations":
            yield _background()


def platform_programs() -> Iterator[Service]:
    """What is no function: migrations, buckets, the delivery of events."""
    common: dict[str, Any] = {"environment": settings(), "ours": True, "networks": ("data", "app")}
    yield Service(
        name="migrate",
        image=own("platform"),
        command=("stateful.postgres.migrate",),
        secrets=(*_SECRETS, _PRIVILEGED),
        after={"postgres": HEALTHY},
        size=Size(512, 128),
        job=True,
        **common,
    )
    yield Service(
        name="buckets",
        image=own("objects"),
        build=_build("objects"),
        command=("stateful.objects.sync",),
        secrets=("minio_root_password:dcoder_s3_secret_key",),
        environment={"DCODER_S3_ENDPOINT": "http://minio:9000", "DCODER_S3_ACCESS_KEY": "dcoder"},
        after={"minio": HEALTHY},
        size=Size(256, 64),
        job=True,
        networks=("data",),
        ours=True,
    )
    yield Service(
        name="schedules",
        image=own("platform"),
        command=("stateful.temporal.sync", "--wait", "120"),
        environment=settings(),
        after={"temporal": HEALTHY},
        size=Size(256, 64),
        job=True,
        networks=("app",),
        ours=True,
    )
    yield Service(
        name="dispatcher",
        image=own("platform"),
        command=("stateful.nats.dispatcher",),
        # Delivers to functions by name, hears of outboxes by LISTEN: past the pooler.
        secrets=("dcoder_database_direct_url:dcoder_database_url", *_SECRETS[1:]),
        volumes=("spool-dispatcher:/var/lib/dcoder/spool",),
        after=_AFTER,
        health=("CMD", "python", "-c", _PROBE),
        size=Size(512, 128, 2.0),
        grace_seconds=_DRAIN_SECONDS,
        **{**common, "networks": ("data", "app", "telemetry"), "environment": {**settings(), "PORT": str(PORT)}},
    )


def _hosting(name: str, hosted: tuple[Function, ...]) -> Service:
    context = hosted[0].context
    is_http = hosted[0].kind == "http"
    networks = ["app", "data", "telemetry", *(["egress"] if context in CALL_OUT else [])]
    # Only the platform's own functions provision databases and tell Kong of tenants.
    secrets = (*_SECRETS, _PRIVILEGED) if context == "platform" else _SECRETS
    queues = any("queue" in function.grants for function in hosted)
    secrets = (*secrets, _QUEUE) if queues else secrets
    networks += ["kong-admin"] if context == "platform" and not is_http else []
    published = PUBLISHED.get(context) if is_http else None
    first = name == context
    # The function that looks after backups reads their names, and no more.
    looks = any(function.name == BACKUP_CHECK for function in hosted)
    return Service(
        name=name,
        image=own(context),
        build=_build(context) if first else {},
        command=("local.embedded.host", "--container", name),
        environment={**settings(), **({"DCODER_BACKUPS": "/archive/base"} if looks else {}), "PORT": str(PORT)},
        secrets=secrets,
        volumes=(f"spool-{name}:/var/lib/dcoder/spool", *(("postgres-archive:/archive:ro",) if looks else ())),
        networks=tuple(networks),
        aliases={"app": tuple(function.name for function in hosted if function.name != name)},
        after={**_AFTER, "pgbouncer": HEALTHY, **({"redis-queue": HEALTHY} if queues else {})},
        health=("CMD", "python", "-c", _PROBE),
        size=_size(hosted),
        ports=(Port(published, PORT),) if published else (),
        ours=True,
        grace_seconds=_DRAIN_SECONDS,
        dev=_development(context),
    )


def _worker() -> Service:
    """Works on what agents' functions have begun: a program of the same image, driven by Temporal."""
    return Service(
        name=WORKER,
        image=own("agents"),
        command=("functions.agents.worker",),
        environment={**settings(), "PORT": str(PORT)},
        secrets=_SECRETS,
        volumes=(f"spool-{WORKER}:/var/lib/dcoder/spool",),
        networks=("app", "data", "telemetry", "egress"),
        after={**_AFTER, "pgbouncer": HEALTHY, "schedules": DONE},
        health=("CMD", "python", "-c", _PROBE),
        size=Size(1024, 256, 2.0),
        ours=True,
        grace_seconds=_DRAIN_SECONDS,
        dev=_development("agents"),
    )


def _background() -> Service:
    """Works on what functions have put into the queue: a program of the same image, one of Celery."""
    return Service(
        name=BACKGROUND,
        image=own("integrations"),
        command=("stateful.celery",),
        environment={**settings(), "PORT": str(PORT)},
        secrets=(*_SECRETS, _QUEUE),
        volumes=(f"spool-{BACKGROUND}:/var/lib/dcoder/spool",),
        networks=("app", "data", "telemetry", "egress"),
        after={**_AFTER, "pgbouncer": HEALTHY, "redis-queue": HEALTHY},
        health=("CMD", "python", "-c", _PROBE),
        size=Size(512, 128),
        ours=True,
        grace_seconds=_DRAIN_SECONDS,
        dev=_development("integrations"),
    )


def _build(context: str) -> Mapping[str, Any]:
    return {
        "context": "../..",
        "args": {"CONTEXT": context, "BASE": "${DCODER_BASE:-docker.io/library/python:3.11-slim-bookworm}"},
    }


def _development(context: str) -> Mapping[str, Any]:
    """The working tree instead of what the image has."""
    folders = ("functions/kit", f"functions/{context}")
    return {
        "environment": {"DCODER_LOG_LEVEL": "debug", "DCODER_EGRESS_ALLOW": "simulator:8105"},
        "volumes": [f"../../{folder}:/app/{folder}:ro" for folder in folders],
    }


def _size(hosted: tuple[Function, ...]) -> Size:
    """One process: as much as the largest of its functions may have, twice over where there are others."""
    limits = [_mebibytes(function.resources["limits"].get("memory", "256Mi")) for function in hosted]
    requests = [_mebibytes(function.resources["requests"].get("memory", "128Mi")) for function in hosted]
    cpus = max(float(function.resources["limits"].get("cpu", "1")) for function in hosted)
    return Size(min(sum(limits), 2 * max(limits)), max(requests), max(cpus, 1.0))


def _mebibytes(text: str) -> int:
    number = int(text[:-2])
    return number * {"Mi": 1, "Gi": 1024}[text[-2:]]
