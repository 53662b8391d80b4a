"""Metrics, logs and traces: collected, kept, shown, and told of when something is wrong."""

from collections.abc import Iterator
from typing import Any

from functions.kit.catalogue import Catalogue
from local.compose.functions import BACKGROUND, PORT, WORKER
from local.compose.images import image
from local.compose.service import HEALTHY, STARTED, Port, Service, Size
from local.embedded.host import containers

_NO_SHELL = "the image has neither a shell nor a probe of its own"


def observability_services() -> Iterator[Service]:
    """All of them."""
    yield Service(
        name="prometheus",
        image=image("prometheus"),
        command=(
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
            "--storage.tsdb.retention.time=15d",
            "--storage.tsdb.retention.size=8GB",
        ),
        volumes=(
            "prometheus:/prometheus",
            "./config/prometheus.yml:/etc/prometheus/prometheus.yml:ro",
            "./config/alerts.yml:/etc/prometheus/alerts.yml:ro",
        ),
        networks=("telemetry",),
        health=("CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:9090/-/ready"),
        ports=(Port(9090, 9090),),
        size=Size(1024, 256),
    )
    yield Service(
        name="alertmanager",
        image=image("alertmanager"),
        volumes=("alertmanager:/alertmanager",),
        networks=("telemetry",),
        health=("CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:9093/-/ready"),
        ports=(Port(9093, 9093),),
        size=Size(128, 32),
    )
    yield Service(
        name="loki",
        image=image("loki"),
        command=("-config.file=/etc/loki/loki.yml",),
        volumes=("loki:/loki", "./config/loki.yml:/etc/loki/loki.yml:ro"),
        networks=("telemetry",),
        health=("CMD", "/usr/bin/loki", "-config.file=/etc/loki/loki.yml", "-health"),
        ports=(Port(3100, 3100),),
        size=Size(1024, 256),
    )
    yield Service(
        name="tempo",
        image=image("tempo"),
        command=("-config.file=/etc/tempo/tempo.yml",),
        volumes=("tempo:/var/tempo", "./config/tempo.yml:/etc/tempo/tempo.yml:ro"),
        networks=("telemetry",),
        unchecked=_NO_SHELL,
        size=Size(1024, 256),
    )
    yield Service(
        name="otel-collector",
        image=image("otel-collector"),
        command=("--config=/etc/otelcol/collector.yml",),
        # It reads what containers write where Docker keeps it, and nothing else of the machine.
        volumes=(
            "./config/collector.yml:/etc/otelcol/collector.yml:ro",
            "${DCODER_CONTAINER_LOGS:-/var/lib/docker/containers}:/var/lib/docker/containers:ro",
            "otel-collector:/var/lib/otelcol",
        ),
        networks=("telemetry",),
        after={"loki": HEALTHY, "tempo": STARTED},
        unchecked=_NO_SHELL,
        user="0:0",
        size=Size(512, 128),
    )
    yield Service(
        name="grafana",
        image=image("grafana"),
        environment={
            "GF_SECURITY_ADMIN_PASSWORD__FILE": "/run/secrets/grafana_admin_password",
            "GF_USERS_ALLOW_SIGN_UP": "false",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
            "GF_SERVER_ROOT_URL": "${GRAFANA_URL:-http://localhost:8086}",
        },
        secrets=("grafana_admin_password",),
        volumes=("grafana:/var/lib/grafana", "./config/grafana:/etc/grafana/provisioning/datasources:ro"),
        networks=("edge", "telemetry"),
        after={"prometheus": HEALTHY, "loki": HEALTHY},
        health=("CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:3000/api/health"),
        ports=(Port(8086, 3000, public=True),),
        size=Size(512, 128),
    )


def scrapes(catalogue: Catalogue) -> dict[str, Any]:
    """Prometheus' configuration: every process of ours, and an exporter for each server."""
    names = [*containers(catalogue), "dispatcher"]
    workers = [worker for context, worker in (("agents", WORKER), ("integrations", BACKGROUND)) if context in names]
    ours = [f"{name}:{PORT}" for name in (*names, *workers)]
    others = {
        "kong": ("kong:8100", "/metrics"),
        "postgres": ("postgres-exporter:9187", "/metrics"),
        "redis": ("redis-exporter:9121", "/metrics"),
        "nats": ("nats-exporter:7777", "/metrics"),
        "minio": ("minio:9000", "/minio/v2/metrics/cluster"),
        "temporal": ("temporal:9090", "/metrics"),
        "loki": ("loki:3100", "/metrics"),
        "tempo": ("tempo:3200", "/metrics"),
        "otel-collector": ("otel-collector:8888", "/metrics"),
        "prometheus": ("127.0.0.1:9090", "/metrics"),
    }
    jobs: list[dict[str, Any]] = [{"job_name": "functions", "static_configs": [{"targets": ours}]}]
    for name, (target, path) in others.items():
        jobs.append({"job_name": name, "metrics_path": path, "static_configs": [{"targets": [target]}]})
    return {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": ["/etc/prometheus/alerts.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": ["alertmanager:9093"]}]}]},
        "scrape_configs": jobs,
    }
