"""Each deliverable of the requirements' infrastructure sections has an object, or a file, that delivers it.

Documentation is tested in tests/unit/docs. What is delivered by another part of the project names its file.
"""

from pathlib import Path

import pytest

from iac.manifests import Manifest

ROOT = Path(__file__).resolve().parents[2]

# Section, deliverable, and the objects (kind, name) or files that deliver it.
INVENTORY: list[tuple[str, str, list[tuple[str, str]], list[str]]] = [
    ("8.1", "PostgreSQL", [("Cluster", "platform")], []),
    ("8.1", "database per tenant", [("Secret", "grant-database-admin")], ["stateful/postgres/migrate.py"]),
    ("8.1", "pgvector", [("Cluster", "platform")], []),
    ("8.1", "backups with encryption", [("ObjectStore", "platform-backups")], []),
    ("8.1", "daily, kept 30 days", [("ScheduledBackup", "platform-daily")], []),
    ("8.1", "point-in-time recovery", [("ObjectStore", "platform-backups")], ["docs/deployment.md"]),
    ("8.1", "PgBouncer", [("Pooler", "platform-pooler")], []),
    ("8.1", "monitoring and slow queries", [("PodMonitor", "postgres-platform")], []),
    ("8.2", "Redis", [("StatefulSet", "redis-platform")], []),
    ("8.2", "sessions, limits, cache", [("StatefulSet", "redis-platform")], []),
    ("8.2", "rate limits of the edge", [("StatefulSet", "redis-edge")], []),
    ("8.2", "broker of queues", [("StatefulSet", "redis-queue")], []),
    ("8.2", "monitoring", [("PodMonitor", "redis-platform")], []),
    ("8.2", "Celery workers", [("Deployment", "integrations-worker"), ("ScaledObject", "integrations-worker")], []),
    ("8.2", "Celery's settings", [("PodMonitor", "integrations-worker")], ["stateful/celery/app.py"]),
    ("8.3", "MinIO, highly available", [("StatefulSet", "minio")], []),
    ("8.3", "buckets, versions, lifecycle", [], ["stateful/objects/buckets.yaml"]),
    ("8.3", "policies", [("Secret", "minio-users")], []),
    ("8.3", "tenants kept apart", [("Secret", "minio-users")], ["stateful/objects/access.py"]),
    ("8.3", "encryption", [("Secret", "minio-root")], []),
    ("8.3", "monitoring", [("PodMonitor", "minio")], []),
    ("8.4", "Logto", [("Deployment", "logto")], []),
    ("8.4", "applications, roles, claims, second factor, webhook", [], ["stateful/logto/logto.yaml"]),
    ("8.5", "Flagsmith", [("Deployment", "flagsmith"), ("Deployment", "flagsmith-tasks")], []),
    ("8.5", "flags", [], ["stateful/flagsmith/features.yaml"]),
    ("8.6", "Temporal", [("Deployment", "temporal")], []),
    ("8.6", "workers of agents", [("Deployment", "agent-worker"), ("ScaledObject", "agent-worker")], []),
    ("8.6", "visibility UI", [("Deployment", "temporal-ui")], []),
    ("8.7", "JetStream streams", [("Stream", "dcoder"), ("Stream", "calls"), ("Stream", "dlq")], []),
    ("8.7", "consumers", [("Consumer", "platform-quota-mirror")], []),
    ("8.7", "delivery", [("Deployment", "dispatcher")], []),
    ("8.8", "Loki with retention", [("StatefulSet", "loki")], []),
    ("8.8", "Prometheus", [("Prometheus", "prometheus")], []),
    ("8.8", "scraping of all services", [("PodMonitor", "functions"), ("PodMonitor", "kong")], []),
    ("8.8", "Grafana", [("Deployment", "grafana")], []),
    ("8.8", "OpenTelemetry Collector", [("Deployment", "otel-collector")], []),
    ("8.8", "traces", [("StatefulSet", "tempo")], []),
    ("8.8", "Langfuse", [("Deployment", "langfuse-web"), ("StatefulSet", "clickhouse")], []),
    ("8.8", "alert rules", [("PrometheusRule", "platform"), ("Alertmanager", "alertmanager")], []),
    ("8.8", "log redaction", [("Deployment", "alloy")], []),
    ("9.1", "Compose", [], ["local/compose/docker-compose.yml", "local/compose/docker-compose.dev.yml"]),
    ("9.3", "TLS at the edge", [("Certificate", "edge-tls"), ("ClusterIssuer", "dcoder")], []),
    ("9.3", "secrets", [("Secret", "platform-settings"), ("Secret", "platform-keys")], []),
    ("9.3", "segmentation", [("NetworkPolicy", "to-functions"), ("NetworkPolicy", "from-functions")], []),
    ("9.3", "security headers, CORS", [("Deployment", "kong")], ["kong/base.yaml"]),
    ("service 1", "Kong, its own Postgres", [("Deployment", "kong"), ("Cluster", "kong")], []),
    ("service 2", "Agenta, MLflow", [("Deployment", "agenta-api"), ("Deployment", "mlflow")], []),
    ("service 7", "chats", [("Deployment", "doc-chat"), ("Deployment", "code-chat")], []),
    ("service 7", "dashboards", [("Deployment", "admin-dashboard"), ("Deployment", "deloitte-dashboard")], []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("section", "deliverable", "objects", "files"), INVENTORY, ids=[f"{i[0]} {i[1]}" for i in INVENTORY]
)
def test_a_deliverable_is_there(
    section: str, deliverable: str, objects: list[tuple[str, str]], files: list[str], manifests: list[Manifest]
) -> None:
    assert objects or files, f"{section} {deliverable}"
    made = {(item["kind"], item["metadata"]["name"]) for item in manifests}
    assert set(objects) <= made
    for file in files:
        assert (ROOT / file).exists(), file


def test_every_section_is_in_the_table() -> None:
    assert {f"8.{number}" for number in range(1, 9)} | {"9.1", "9.3"} <= {section for section, *_ in INVENTORY}
