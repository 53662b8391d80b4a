"""Metrics by Prometheus, alerts, logs in Loki, traces in Tempo, the collector, and Grafana over all of them."""

from collections.abc import Iterator
from typing import Any

import yaml

from iac.configuration.base import Storage, resources
from iac.manifests import ROOM_LABEL, Manifest, config_map, manifest, name_of, secret
from iac.rooms.alerting import ALERTS, dashboard_files
from iac.rooms.logs import REDACTED, log_reader, reader_of
from iac.stack import OBSERVABILITY, Platform, inside
from iac.workloads import USER, Container, Workload, claim, http_probe

ROOM = "observability"
_LABELS = {ROOM_LABEL: ROOM}
_MONITORING = "monitoring.coreos.com/v1"
_ANY = "0.0.0.0"  # noqa: S104 - a container's contract
_IDS = {"runAsUser": USER, "runAsGroup": USER, "fsGroup": USER}
_SMALL = resources(("100m", "128Mi"), ("1", "512Mi"))


def objects(platform: Platform) -> Iterator[Manifest]:
    """Everything of the room."""
    yield from _prometheus(platform)
    yield from _alertmanager(platform)
    observed = platform.configuration.observability
    yield from _store("loki", 3100, loki(platform), observed.logs_storage, platform)
    yield from _store("tempo", 3200, tempo(platform), observed.traces_storage, platform)
    yield from _collector(platform)
    yield from _grafana(platform)
    yield from log_reader(platform)


def _prometheus(platform: Platform) -> Iterator[Manifest]:
    observed = platform.configuration.observability
    yield manifest(
        "v1",
        "ServiceAccount",
        "prometheus",
        namespace=OBSERVABILITY,
        labels=_LABELS,
        automountServiceAccountToken=False,
    )
    yield from reader_of(
        "prometheus",
        [("", ["services", "endpoints", "pods", "nodes/metrics"]), ("discovery.k8s.io", ["endpointslices"])],
    )
    everywhere: dict[str, Any] = {}
    yield _labelled(
        _MONITORING,
        "Prometheus",
        "prometheus",
        spec={
            "replicas": observed.replicas,
            "image": platform.image("prometheus"),
            "serviceAccountName": "prometheus",
            "retention": f"{observed.metrics_days}d",
            "resources": observed.resources.spec(),
            "securityContext": _pod_context(),
            "podMetadata": {"labels": _LABELS},
            "storage": _template(observed.metrics_storage, platform),
            "podMonitorSelector": everywhere,
            "podMonitorNamespaceSelector": everywhere,
            "serviceMonitorSelector": everywhere,
            "serviceMonitorNamespaceSelector": everywhere,
            "ruleSelector": everywhere,
            "alerting": {
                "alertmanagers": [{"namespace": OBSERVABILITY, "name": "alertmanager-operated", "port": "web"}]
            },
        },
    )
    rules = [{"name": "platform", "rules": [alert.rule() for alert in ALERTS]}]
    yield _labelled(_MONITORING, "PrometheusRule", "platform", spec={"groups": rules})


def _alertmanager(platform: Platform) -> Iterator[Manifest]:
    told = platform.configuration.secrets.has("alertWebhookUrl")
    receiver: dict[str, Any] = {"name": "people"}
    if told:
        receiver["webhook_configs"] = [{"url": "{{ alertWebhookUrl }}", "send_resolved": True}]
    settings = {
        "route": {"receiver": "people", "group_by": ["alertname", "function"], "repeat_interval": "4h"},
        "receivers": [receiver],
    }
    yield secret("alertmanager-settings", OBSERVABILITY, {"alertmanager.yaml": yaml.safe_dump(settings)}, room=ROOM)
    yield manifest(
        "v1",
        "ServiceAccount",
        "alertmanager",
        namespace=OBSERVABILITY,
        labels=_LABELS,
        automountServiceAccountToken=False,
    )
    yield _labelled(
        _MONITORING,
        "Alertmanager",
        "alertmanager",
        spec={
            "replicas": platform.configuration.observability.replicas,
            "image": platform.image("alertmanager"),
            "serviceAccountName": "alertmanager",
            "automountServiceAccountToken": False,
            "configSecret": "alertmanager-settings",
            "resources": _SMALL.spec(),
            "securityContext": _pod_context(),
            "podMetadata": {"labels": _LABELS},
        },
    )


def loki(platform: Platform) -> dict[str, Any]:
    """Loki in one process, chunks in the object store."""
    days = platform.configuration.observability.logs_days
    return {
        "auth_enabled": False,
        "server": {"http_listen_port": 3100, "log_level": "warn"},
        "common": {
            "path_prefix": "/data",
            "replication_factor": 1,
            "ring": {"kvstore": {"store": "inmemory"}},
            "storage": {"s3": _s3("loki", platform, "access_key_id", "secret_access_key", "bucketnames")},
        },
        "schema_config": {
            "configs": [
                {
                    "from": "2026-01-01",
                    "store": "tsdb",
                    "object_store": "s3",
                    "schema": "v13",
                    "index": {"prefix": "index_", "period": "24h"},
                }
            ]
        },
        "limits_config": {
            "retention_period": f"{days * 24}h",
            "allow_structured_metadata": True,
            "volume_enabled": True,
        },
        "compactor": {"working_directory": "/data/compactor", "retention_enabled": True, "delete_request_store": "s3"},
        "analytics": {"reporting_enabled": False},
    }


def tempo(platform: Platform) -> dict[str, Any]:
    """Tempo in one process, blocks in the object store."""
    days = platform.configuration.observability.traces_days
    return {
        "server": {"http_listen_port": 3200, "log_level": "warn"},
        "distributor": {"receivers": {"otlp": {"protocols": {"grpc": {"endpoint": "0.0.0.0:4317"}}}}},
        "compactor": {"compaction": {"block_retention": f"{days * 24}h"}},
        "storage": {
            "trace": {
                "backend": "s3",
                "wal": {"path": "/data/wal"},
                "s3": _s3("tempo", platform, "access_key", "secret_key", "bucket"),
            }
        },
        "usage_report": {"reporting_enabled": False},
    }


def _s3(bucket: str, platform: Platform, key: str, code: str, where: str) -> dict[str, Any]:
    external = platform.configuration.objects.external
    endpoint = external.endpoint if external else inside("minio", "data", 9000)
    return {
        "endpoint": endpoint.split("://", 1)[1],
        where: f"{external.bucket_prefix if external else ''}{bucket}",
        key: "${S3_ACCESS_KEY}",
        code: "${S3_SECRET_KEY}",
        "insecure": endpoint.startswith("http://"),
        **({"s3forcepathstyle": True} if bucket == "loki" else {"forcepathstyle": True}),
    }


def _store(name: str, port: int, settings: dict[str, Any], storage: Storage, platform: Platform) -> Iterator[Manifest]:
    external = platform.configuration.objects.external
    key, code = (
        ("externalS3AccessKey", "externalS3SecretKey")
        if external
        else ("objectsTelemetryKey", "objectsTelemetrySecret")
    )
    yield secret(
        name, OBSERVABILITY, {"S3_ACCESS_KEY": f"{{{{ {key} }}}}", "S3_SECRET_KEY": f"{{{{ {code} }}}}"}, room=ROOM
    )
    files = config_map(f"{name}-settings", OBSERVABILITY, {f"{name}.yaml": yaml.safe_dump(settings)}, room=ROOM)
    yield files
    ports = {"http": port} | ({"otlp": 4317} if name == "tempo" else {})
    container = Container(
        name=name,
        image=platform.image(name),
        args=(f"-config.file=/etc/{name}/{name}.yaml", "-config.expand-env=true"),
        resources=platform.configuration.observability.resources,
        ports=ports,
        env_from=(name,),
        live=http_probe("/metrics", port, seconds=30, failures=4),
        ready=http_probe("/ready", port),
        mounts={f"/etc/{name}": "settings", "/data": "data"},
    )
    workload = Workload(
        name=name,
        namespace=OBSERVABILITY,
        room=ROOM,
        containers=(container,),
        replicas=1,
        volumes=({"name": "settings", "configMap": {"name": name_of(files)}},),
        service={which: (number, which) for which, number in ports.items()},
        metrics=("http", "/metrics"),
        grace_seconds=60,
    )
    yield from workload.stateful_set([claim("data", storage.size, platform.storage_class(storage.storage_class))])


def collector(platform: Platform) -> dict[str, Any]:
    """The collector: spans to Tempo, audit records of the object store to Loki, both without what is personal."""
    processors = {
        "memory_limiter": {"check_interval": "1s", "limit_mib": 400, "spike_limit_mib": 100},
        "redaction": {"allow_all_keys": True, "blocked_values": list(REDACTED)},
        "resource": {
            "attributes": [
                {"key": "deployment.environment.name", "value": platform.configuration.environment, "action": "upsert"}
            ]
        },
        "batch": {},
    }
    steps = list(processors)
    return {
        "receivers": {
            "otlp": {"protocols": {"grpc": {"endpoint": "0.0.0.0:4317"}, "http": {"endpoint": "0.0.0.0:4318"}}},
            "webhookevent/minio": {"endpoint": "0.0.0.0:8088", "path": "/minio"},
        },
        "processors": processors,
        "exporters": {
            "otlp/tempo": {"endpoint": f"tempo.{OBSERVABILITY}.svc.cluster.local:4317", "tls": {"insecure": True}},
            "otlphttp/loki": {"endpoint": f"{inside('loki', OBSERVABILITY, 3100)}/otlp"},
        },
        "extensions": {"health_check": {"endpoint": "0.0.0.0:13133"}},
        "service": {
            "extensions": ["health_check"],
            "telemetry": {
                "metrics": {"readers": [{"pull": {"exporter": {"prometheus": {"host": _ANY, "port": 8888}}}}]}
            },
            "pipelines": {
                "traces": {"receivers": ["otlp"], "processors": steps, "exporters": ["otlp/tempo"]},
                "logs": {
                    "receivers": ["otlp", "webhookevent/minio"],
                    "processors": steps,
                    "exporters": ["otlphttp/loki"],
                },
            },
        },
    }


def _collector(platform: Platform) -> Iterator[Manifest]:
    text = yaml.safe_dump(collector(platform), sort_keys=False)
    files = config_map("otel-collector", OBSERVABILITY, {"collector.yaml": text}, room=ROOM)
    yield files
    ports = {"otlp-grpc": 4317, "otlp-http": 4318, "minio-audit": 8088, "metrics": 8888, "health": 13133}
    container = Container(
        name="collector",
        image=platform.image("otel-collector"),
        args=("--config=/etc/otelcol/collector.yaml",),
        resources=_SMALL,
        ports=ports,
        live=http_probe("/", 13133, seconds=15, failures=4),
        ready=http_probe("/", 13133),
        mounts={"/etc/otelcol": "settings"},
    )
    yield from Workload(
        name="otel-collector",
        namespace=OBSERVABILITY,
        room=ROOM,
        containers=(container,),
        replicas=platform.configuration.observability.replicas,
        volumes=({"name": "settings", "configMap": {"name": name_of(files)}},),
        service={name: (port, name) for name, port in ports.items() if name != "health"},
        metrics=("metrics", "/metrics"),
    ).deployment()


def _grafana(platform: Platform) -> Iterator[Manifest]:
    texts = {"GF_SECURITY_ADMIN_PASSWORD": "{{ grafanaAdministrator }}", "GF_SECURITY_SECRET_KEY": "{{ grafanaKey }}"}
    yield secret("grafana", OBSERVABILITY, texts, room=ROOM)
    sources = config_map("grafana-sources", OBSERVABILITY, {"sources.yaml": yaml.safe_dump(_sources())}, room=ROOM)
    provider = {"name": "dcoder", "type": "file", "options": {"path": "/var/lib/dashboards"}}
    found = yaml.safe_dump({"apiVersion": 1, "providers": [provider]})
    providers = config_map("grafana-providers", OBSERVABILITY, {"providers.yaml": found}, room=ROOM)
    dashboards = config_map("grafana-dashboards", OBSERVABILITY, dashboard_files(), room=ROOM)
    yield from (sources, providers, dashboards)
    container = Container(
        name="grafana",
        image=platform.image("grafana"),
        resources=_SMALL,
        ports={"http": 3000},
        env={
            "GF_SERVER_ROOT_URL": platform.public("grafana"),
            "GF_USERS_ALLOW_SIGN_UP": "false",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        },
        env_from=("grafana",),
        live=http_probe("/api/health", 3000, seconds=15, failures=4),
        ready=http_probe("/api/health", 3000),
        # Everything that is shown comes from files: there is nothing to keep.
        writable=("/tmp", "/var/lib/grafana", "/var/log/grafana"),  # noqa: S108
        mounts={
            "/etc/grafana/provisioning/datasources": "sources",
            "/etc/grafana/provisioning/dashboards": "providers",
            "/var/lib/dashboards": "dashboards",
        },
    )
    named = {"sources": sources, "providers": providers, "dashboards": dashboards}
    yield from Workload(
        name="grafana",
        namespace=OBSERVABILITY,
        room=ROOM,
        containers=(container,),
        replicas=1,
        user=472,
        group=472,
        volumes=tuple({"name": name, "configMap": {"name": name_of(files)}} for name, files in named.items()),
        service={"http": (3000, "http")},
    ).deployment()


def _sources() -> dict[str, Any]:
    urls = {
        "prometheus": inside("prometheus-operated", OBSERVABILITY, 9090),
        "loki": inside("loki", OBSERVABILITY, 3100),
        "tempo": inside("tempo", OBSERVABILITY, 3200),
        "alertmanager": inside("alertmanager-operated", OBSERVABILITY, 9093),
    }
    extra = {"alertmanager": {"implementation": "prometheus"}}
    sources = [
        {
            "name": kind.title(),
            "uid": kind,
            "type": kind,
            "access": "proxy",
            "url": url,
            "jsonData": extra.get(kind, {}),
        }
        for kind, url in urls.items()
    ]
    return {"apiVersion": 1, "datasources": sources}


def _template(storage: Any, platform: Platform) -> dict[str, Any]:
    return {
        "volumeClaimTemplate": {
            "spec": claim("data", storage.size, platform.storage_class(storage.storage_class))["spec"]
        }
    }


def _pod_context() -> dict[str, Any]:
    return {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, **_IDS}


def _labelled(api_version: str, kind: str, name: str, **body: Any) -> Manifest:
    return manifest(api_version, kind, name, namespace=OBSERVABILITY, labels=_LABELS, **body)
