"""Images of others, each at one version. A variable of `.env` replaces any of them, by a digest for instance."""

_IMAGES = {
    "agenta-api": "ghcr.io/agenta-ai/agenta-api:v0.62.0",
    "agenta-services": "ghcr.io/agenta-ai/agenta-services:v0.62.0",
    "agenta-web": "ghcr.io/agenta-ai/agenta-web:v0.62.0",
    "alertmanager": "docker.io/prom/alertmanager:v0.28.1",
    "clickhouse": "docker.io/clickhouse/clickhouse-server:25.8",
    "deck": "docker.io/kong/deck:v1.53.0",
    "flagsmith": "docker.io/flagsmith/flagsmith:2.198.0",
    "grafana": "docker.io/grafana/grafana:12.3.0",
    "kong": "docker.io/library/kong:3.9.1",
    "langfuse": "docker.io/langfuse/langfuse:3",
    "langfuse-worker": "docker.io/langfuse/langfuse-worker:3",
    "logto": "docker.io/svhd/logto:1.41.0",
    "loki": "docker.io/grafana/loki:3.7.2",
    "minio": "docker.io/minio/minio:RELEASE.2025-09-07T16-13-09Z",
    "minio-client": "docker.io/minio/mc:RELEASE.2025-08-13T08-35-41Z",
    "mlflow": "ghcr.io/mlflow/mlflow:v3.9.0-full",
    "nats": "docker.io/library/nats:2.15-alpine",
    "nats-exporter": "docker.io/natsio/prometheus-nats-exporter:0.17.3",
    "nginx": "docker.io/library/nginx:1.29-alpine",
    "open-webui": "ghcr.io/open-webui/open-webui:0.12.4",
    "otel-collector": "docker.io/otel/opentelemetry-collector-contrib:0.139.0",
    "pgbouncer": "docker.io/edoburu/pgbouncer:v1.24.1-p1",
    "postgres": "docker.io/pgvector/pgvector:pg18",
    "postgres-exporter": "quay.io/prometheuscommunity/postgres-exporter:v0.18.1",
    "prometheus": "docker.io/prom/prometheus:v3.7.3",
    "redis": "docker.io/library/redis:8.2-alpine",
    "redis-exporter": "docker.io/oliver006/redis_exporter:v1.80.0-alpine",
    "supertokens": "docker.io/supertokens/supertokens-postgresql:11",
    "tempo": "docker.io/grafana/tempo:2.9.0",
    "temporal": "docker.io/temporalio/server:1.29.1",
    "temporal-tools": "docker.io/temporalio/admin-tools:1.29.1-tctl-1.18.4-cli-1.5.0",
    "temporal-ui": "docker.io/temporalio/ui:2.42.1",
}


def image(name: str) -> str:
    """The image as the Compose files name it: replaceable by `<NAME>_IMAGE`."""
    return f"${{{variable(name)}:-{_IMAGES[name]}}}"


def variable(name: str) -> str:
    """The variable that replaces an image."""
    return f"{name.upper().replace('-', '_')}_IMAGE"


def own(context: str) -> str:
    """One of our images."""
    return f"${{DCODER_REGISTRY:-dcoder}}/{context}:${{DCODER_TAG:-local}}"


def images() -> dict[str, str]:
    """Every image of others, by its variable."""
    return {variable(name): address for name, address in sorted(_IMAGES.items())}
