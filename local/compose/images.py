"""Images of others, each at one version. A variable of `.env` replaces any of them, by a digest for instance."""

from iac.stack import third_party_images

# Of the same release as in the cluster: `iac/images.yaml` says which.
_SHARED = ("deck", "flagsmith", "kong", "logto", "minio", "mlflow", "open-webui", "otel-collector", "redis")
# Those of containers alone, or of another build than the cluster's.
_OWN = {
    "agenta-api": "ghcr.io/agenta-ai/agenta-api:v0.62.0",
    "agenta-services": "ghcr.io/agenta-ai/agenta-services:v0.62.0",
    "agenta-web": "ghcr.io/agenta-ai/agenta-web:v0.62.0",
    "alertmanager": "docker.io/prom/alertmanager:v0.28.1",
    "clickhouse": "docker.io/clickhouse/clickhouse-server:25.8",
    "grafana": "docker.io/grafana/grafana:12.3.0",
    "langfuse": "docker.io/langfuse/langfuse:3",
    "langfuse-worker": "docker.io/langfuse/langfuse-worker:3",
    "loki": "docker.io/grafana/loki:3.7.2",
    "minio-client": "docker.io/minio/mc:RELEASE.2025-08-13T08-35-41Z",
    "nats": "docker.io/library/nats:2.15-alpine",
    "nats-exporter": "docker.io/natsio/prometheus-nats-exporter:0.17.3",
    "nginx": "docker.io/library/nginx:1.29-alpine",
    "pgbouncer": "docker.io/edoburu/pgbouncer:v1.24.1-p1",
    "postgres": "docker.io/pgvector/pgvector:pg18",
    "postgres-exporter": "quay.io/prometheuscommunity/postgres-exporter:v0.18.1",
    "prometheus": "docker.io/prom/prometheus:v3.7.3",
    "redis-exporter": "docker.io/oliver006/redis_exporter:v1.80.0-alpine",
    "supertokens": "docker.io/supertokens/supertokens-postgresql:11",
    "tempo": "docker.io/grafana/tempo:2.9.0",
    "temporal": "docker.io/temporalio/server:1.29.1",
    "temporal-tools": "docker.io/temporalio/admin-tools:1.29.1-tctl-1.18.4-cli-1.5.0",
    "temporal-ui": "docker.io/temporalio/ui:2.42.1",
}


def _all() -> dict[str, str]:
    known = third_party_images()
    return {**_OWN, **{name: known[name] for name in _SHARED}}


def image(name: str) -> str:
    """The image as the Compose files name it: replaceable by `<NAME>_IMAGE`."""
    return f"${{{variable(name)}:-{_all()[name]}}}"


def variable(name: str) -> str:
    """The variable that replaces an image."""
    return f"{name.upper().replace('-', '_')}_IMAGE"


def own(context: str) -> str:
    """One of our images."""
    return f"${{DCODER_REGISTRY:-dcoder}}/{context}:${{DCODER_TAG:-local}}"


def images() -> dict[str, str]:
    """Every image of others, by its variable."""
    return {variable(name): address for name, address in sorted(_all().items())}
