"""What each component that was asked for has to be: one that goes, or loses what it was asked for, fails here."""

import json
from typing import Any

import pytest

from iac.charts import CHARTS
from iac.configuration.loading import ConfigurationError, parse
from iac.manifests import Manifest, namespace_of, plain
from iac.rendering import render
from iac.stack import EDGE, REDIS_HOSTS, Platform
from stateful.objects.declaration import load_buckets
from tests.iac.conftest import everything, find, stack

# Operators and servers that come as charts: nothing of theirs is rendered here but what they are told.
OPERATORS = {
    "cert-manager": "cert-manager",
    "cloudnative-pg": "cnpg-system",
    "keda": "keda",
    "knative-operator": "knative-operator",
    "kube-prometheus-stack": "observability",
    "nack": "data",
    "nats": "data",
    "plugin-barman-cloud": "cnpg-system",
}


def of(manifests: list[Manifest], kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = plain(find(manifests, kind, name, namespace))["spec"]
    return found


def container(manifests: list[Manifest], kind: str, name: str, of_pod: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = of(manifests, kind, name)["template"]["spec"]["containers"][of_pod]
    return found


def variables(one: dict[str, Any]) -> dict[str, str]:
    return {variable["name"]: variable.get("value", "") for variable in one["env"]}


def test_every_operator_is_installed_in_a_release_of_its_own_choice() -> None:
    assert {chart.name: chart.namespace for chart in CHARTS} == OPERATORS
    for chart in CHARTS:
        assert chart.version.lstrip("v").count(".") == 2, chart.name
        assert chart.repository.startswith("https://"), chart.name


def test_knative_serves_inside_alone_and_has_room_for_the_slowest_function(
    platform: Platform, manifests: list[Manifest]
) -> None:
    spec = of(manifests, "KnativeServing", "knative-serving")
    assert spec["high-availability"]["replicas"] == 2
    assert spec["ingress"]["kourier"] == {"enabled": True, "service-type": "ClusterIP"}
    assert spec["config"]["autoscaler"]["enable-scale-to-zero"] == "true"
    longest = max(function.timeout_seconds for function in platform.catalogue)
    assert int(spec["config"]["defaults"]["max-revision-timeout-seconds"]) >= longest
    assert of(manifests, "KnativeEventing", "knative-eventing")["high-availability"]["replicas"] == 2


def test_postgres_is_pooled_by_transaction_and_backed_up_daily(manifests: list[Manifest]) -> None:
    pooler = of(manifests, "Pooler", "platform-pooler")
    assert (pooler["cluster"]["name"], pooler["type"], pooler["instances"]) == ("platform", "rw", 2)
    assert pooler["pgbouncer"]["poolMode"] == "transaction"
    assert pooler["pgbouncer"]["parameters"]["max_client_conn"] == "2000"
    for name in ("platform", "kong"):
        daily = of(manifests, "ScheduledBackup", f"{name}-daily")
        assert (daily["schedule"], daily["cluster"]["name"]) == ("0 0 2 * * *", name)
        assert daily["pluginConfiguration"] == {"name": "barman-cloud.cloudnative-pg.io"}
        assert of(manifests, "ObjectStore", f"{name}-backups")["retentionPolicy"] == "30d"
        assert of(manifests, "PodMonitor", f"postgres-{name}")["selector"]["matchLabels"]["cnpg.io/cluster"] == name


def test_every_redis_is_a_server_of_its_own_with_an_exporter(platform: Platform, manifests: list[Manifest]) -> None:
    assert REDIS_HOSTS.keys() == {"platform", "queue", "edge"}
    for name in REDIS_HOSTS:
        pod = of(manifests, "StatefulSet", f"redis-{name}")["template"]["spec"]
        assert [one["name"] for one in pod["containers"]] == ["redis", "exporter"]
        assert pod["containers"][1]["ports"] == [{"name": "metrics", "containerPort": 9121}]
        endpoints = of(manifests, "PodMonitor", f"redis-{name}")["podMetricsEndpoints"]
        assert [(one["port"], one["path"]) for one in endpoints] == [("metrics", "/metrics")]
        (claim,) = of(manifests, "StatefulSet", f"redis-{name}")["volumeClaimTemplates"]
        assert claim["spec"]["resources"]["requests"]["storage"]
        kept = next(
            item["data"]["redis.conf"]
            for item in manifests
            if item["kind"] == "ConfigMap" and item["metadata"]["name"].startswith(f"redis-{name}-settings")
        )
        assert ("appendonly yes" in kept, "volatile-ttl" in kept) == (
            (False, True) if name == "edge" else (True, False)
        )


def test_the_object_store_is_erasure_coded_encrypted_audited_and_has_a_user_for_each_reader(
    manifests: list[Manifest],
) -> None:
    server = container(manifests, "StatefulSet", "minio")
    assert of(manifests, "StatefulSet", "minio")["replicas"] == 4
    assert "http://minio-{0...3}.minio-pods.data.svc.cluster.local:9000/data" in server["args"]
    said = variables(server)
    assert said["MINIO_KMS_AUTO_ENCRYPTION"] == said["MINIO_AUDIT_WEBHOOK_ENABLE_telemetry"] == "on"
    users = find(manifests, "Secret", "minio-users")["stringData"]
    readers = {"FUNCTIONS", "BACKUPS", "MLFLOW", "LANGFUSE", "TELEMETRY"}
    assert {name.removesuffix("_KEY") for name in users if name.endswith("_KEY")} == readers
    declared = {one.name: one for one in load_buckets()}
    assert declared.keys() >= {"documents", "mlflow-artifacts", "backups"}
    assert declared["documents"].versioned
    assert declared["documents"].keep_old_versions_days


def test_an_external_store_takes_the_place_of_ours() -> None:
    role = "arn:aws:iam::123456789012:role/dcoder-tenants"
    external = {
        "endpoint": "https://s3.example.com",
        "bucketPrefix": "acme-",
        "tenantRole": role,
        "stsEndpoint": "https://sts.example.com:8443",
    }
    given = stack({"objects": {"external": external}})
    items = everything(render(Platform(parse(given))))
    assert not [item for item in items if item["metadata"]["name"].startswith("minio")]
    stored = of(items, "ObjectStore", "platform-backups")["configuration"]
    assert stored["endpointURL"] == "https://s3.example.com"
    assert stored["destinationPath"].startswith("s3://acme-backups/")
    settings = find(items, "Secret", "grant-objects", "functions")["stringData"]
    assert {text.template for text in settings.values()} >= {"{{ externalS3AccessKey }}", "{{ externalS3SecretKey }}"}
    assert "http://minio" not in json.dumps(plain(items))
    container = find(items, "Service", "knowledge-documents")["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "DCODER_S3_TENANT_ROLE", "value": role} in container["env"]
    assert {"name": "DCODER_S3_STS_ENDPOINT", "value": "https://sts.example.com:8443"} in container["env"]
    for who in ("functions", "agent-workers"):
        egress = of(items, "NetworkPolicy", f"from-{who}")["egress"]
        anywhere = [rule for rule in egress if rule.get("to") == [{"ipBlock": {"cidr": "0.0.0.0/0"}}]]
        assert [[port["port"] for port in rule["ports"]] for rule in anywhere] == [[443, 8443]]


@pytest.mark.parametrize("role", [None, "", "admin", "arn:aws:iam::123456789012:user/dcoder"])
def test_an_external_store_says_how_tenants_are_kept_apart(role: str | None) -> None:
    external = {"endpoint": "https://s3.example.com"} | ({} if role is None else {"tenantRole": role})
    with pytest.raises(ConfigurationError, match=r"objects\.external\.tenantRole"):
        parse(stack({"objects": {"external": external}}))


def test_workers_of_agents_are_as_many_as_their_backlog_asks_for(manifests: list[Manifest]) -> None:
    assert "replicas" not in of(manifests, "Deployment", "agent-worker")
    scaler = of(manifests, "ScaledObject", "agent-worker")
    assert scaler["scaleTargetRef"] == {"name": "agent-worker"}
    assert (scaler["minReplicaCount"], scaler["maxReplicaCount"]) == (1, 10)
    (trigger,) = scaler["triggers"]
    assert trigger["type"] == "temporal"
    assert trigger["metadata"]["targetQueueSize"] == "5"


def test_the_edge_speaks_tls_with_the_certificate_of_cert_manager(manifests: list[Manifest]) -> None:
    pod = of(manifests, "Deployment", "kong")["template"]["spec"]
    (secret,) = [volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume]
    assert secret == of(manifests, "Certificate", "edge-tls")["secretName"] == "edge-tls"
    said = variables(pod["containers"][0])
    assert "8443 ssl" in said["KONG_PROXY_LISTEN"]
    assert said["KONG_PG_SSL"] == "on"
    ports = {port["port"]: port["targetPort"] for port in of(manifests, "Service", "kong", EDGE)["ports"]}
    assert ports == {80: "proxy", 443: "proxy-tls"}


@pytest.mark.parametrize(
    ("kind", "name", "count"),
    [
        ("Deployment", "agenta-api", 2),
        ("Deployment", "agenta-services", 2),
        ("Deployment", "agenta-web", 2),
        ("Deployment", "alloy", 1),
        ("Deployment", "code-chat", 1),
        ("Deployment", "doc-chat", 1),
        ("Deployment", "flagsmith", 2),
        ("Deployment", "grafana", 1),
        ("Deployment", "kong", 3),
        ("Deployment", "langfuse-web", 2),
        ("Deployment", "langfuse-worker", 2),
        ("Deployment", "logto", 2),
        ("Deployment", "mlflow", 2),
        ("Deployment", "otel-collector", 2),
        ("Deployment", "supertokens", 1),
        ("Deployment", "temporal", 2),
        ("StatefulSet", "clickhouse", 1),
        ("StatefulSet", "loki", 1),
        ("StatefulSet", "tempo", 1),
    ],
)
def test_a_server_has_as_many_processes_as_the_stack_says(
    kind: str, name: str, count: int, manifests: list[Manifest]
) -> None:
    assert of(manifests, kind, name)["replicas"] == count
    for probe in ("livenessProbe", "readinessProbe"):
        assert probe in container(manifests, kind, name)


@pytest.mark.parametrize("name", ["prometheus", "alertmanager"])
def test_metrics_and_alerts_survive_a_node(name: str, manifests: list[Manifest]) -> None:
    assert of(manifests, name.title(), name)["replicas"] == 2


def test_what_runs_more_than_once_may_lose_one_at_a_time_and_nothing_else_is_held_up(manifests: list[Manifest]) -> None:
    several = {
        (namespace_of(item), item["metadata"]["name"])
        for item in manifests
        if item["kind"] in {"Deployment", "StatefulSet"} and item["spec"].get("replicas", 0) > 1
    }
    budgets = {
        (namespace_of(item), item["metadata"]["name"]): item["spec"]
        for item in manifests
        if item["kind"] == "PodDisruptionBudget"
    }
    assert several <= budgets.keys()
    assert ("edge", "kong") in budgets
    assert {json.dumps(spec["maxUnavailable"]) for spec in budgets.values()} == {"1"}
    others = {name for namespace, name in budgets.keys() - several if namespace != "functions"}
    assert not others, "a budget for what runs once keeps its node from ever being drained"
