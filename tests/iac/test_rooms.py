"""What is particular about each room."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from functions.kit.catalogue import ROOT as FUNCTIONS
from functions.kit.catalogue import load_catalogue
from functions.kit.object_access import session_policy
from iac.arrows import PARTIES
from iac.charts import CHARTS
from iac.configuration.loading import parse
from iac.configuration.stateful import RedisInstance
from iac.manifests import Manifest, SecretText, namespace_of, plain, pod_specs
from iac.rooms import kong, observability, postgres
from iac.rooms.alerting import ALERTS, DASHBOARDS, dashboard_files, expressions
from iac.rooms.objects import USERS
from iac.rooms.redis import settings_of
from iac.secret_values import SecretValues
from iac.stack import EDGE, PUBLIC_NAMES, Platform, third_party_images
from stateful.nats.streams import load_declarations
from stateful.objects.declaration import load_buckets
from tests.iac.conftest import find, stack

ROOT = Path(__file__).resolve().parents[2]


def test_postgres_is_encrypted_archived_and_watched(manifests: list[Manifest]) -> None:
    spec = find([i for i in manifests if i["kind"] == "Cluster"], "Cluster", "platform")["spec"]
    assert spec["instances"] == 3
    assert spec["plugins"][0]["isWALArchiver"] is True
    assert spec["postgresql"]["pg_hba"][-1] == "hostnossl all all all reject"
    assert spec["postgresql"]["parameters"]["log_min_duration_statement"] == "500ms"
    assert "CREATE EXTENSION IF NOT EXISTS vector" in spec["bootstrap"]["initdb"]["postInitTemplateSQL"]
    store = find(manifests, "ObjectStore", "platform-backups")["spec"]
    assert store["retentionPolicy"] == "30d"
    assert store["configuration"]["data"]["encryption"] == store["configuration"]["wal"]["encryption"] == "AES256"


def test_a_stack_may_begin_at_a_point_in_time() -> None:
    platform = Platform(parse(stack({"postgres": {"restore": {"targetTime": "2026-11-26 10:00:00Z"}}})))
    spec = find(list(postgres.objects(platform)), "Cluster", "platform")["spec"]
    assert spec["bootstrap"] == {
        "recovery": {"source": "origin", "recoveryTarget": {"targetTime": "2026-11-26 10:00:00Z"}}
    }
    assert spec["externalClusters"][0]["plugin"]["parameters"]["serverName"] == "platform"


def test_every_application_has_a_database_and_a_role_of_its_own(manifests: list[Manifest]) -> None:
    roles = {
        r["name"]
        for r in find([i for i in manifests if namespace_of(i) == "data"], "Cluster", "platform")["spec"]["managed"][
            "roles"
        ]
    }
    databases = {i["spec"]["name"]: i["spec"]["owner"] for i in manifests if i["kind"] == "Database"}
    assert set(databases) == set(postgres.APPLICATIONS)
    assert set(databases.values()) == roles
    logins = {
        i["stringData"]["username"].template
        for i in manifests
        if i["kind"] == "Secret" and "username" in i["stringData"]
    }
    assert roles <= logins


def test_counters_are_never_evicted_and_survive_a_restart() -> None:
    text = settings_of(RedisInstance(memory="2Gi"))
    assert "maxmemory 2gb" in text
    assert "maxmemory-policy noeviction" in text
    assert "appendonly yes\nappendfsync everysec" in text
    assert "appendonly no" in settings_of(RedisInstance(persistence=False))


def policies_of(manifests: list[Manifest]) -> dict[str, dict[str, Any]]:
    """What MinIO is told that its users may do."""
    (files,) = (
        item["data"]
        for item in manifests
        if item["kind"] == "ConfigMap" and item["metadata"]["name"].startswith("minio-policies")
    )
    return {name.removesuffix(".json"): json.loads(text) for name, text in files.items() if name.endswith(".json")}


def test_users_of_the_object_store_reach_their_buckets_alone(manifests: list[Manifest]) -> None:
    policies = policies_of(manifests)
    assert set(policies) == set(USERS)
    own = {name: set(buckets) for name, (_, _, buckets) in USERS.items()}
    own["functions"] = {bucket.name for bucket in load_buckets() if bucket.used_by == "functions"}
    for name, policy in policies.items():
        whole = {place for statement in policy["Statement"][:2] for place in statement["Resource"]}
        assert whole == {f"arn:aws:s3:::{bucket}{tail}" for bucket in own[name] for tail in ("", "/*")}
        assert '"s3:*"' not in json.dumps(policy)


def test_functions_may_do_in_minio_whatever_a_tenants_session_is_given(manifests: list[Manifest]) -> None:
    """A session of a user may do what its own policy and the user's both allow."""
    _, objects = policies_of(manifests)["functions"]["Statement"][:2]
    for bucket in (one.name for one in load_buckets() if one.tenants):
        wanted, listing = session_policy(bucket, "tenant")["Statement"]
        assert set(wanted["Action"]) <= set(objects["Action"])
        assert f"arn:aws:s3:::{bucket}/*" in objects["Resource"]
        assert listing["Action"] == ["s3:ListBucket"]
    settings = find(manifests, "Service", "knowledge-documents")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "DCODER_S3_TENANT_ROLE", "value": "user"} in settings


def test_functions_see_when_backups_ended_and_nothing_of_what_is_in_them(manifests: list[Manifest]) -> None:
    listing, reading = policies_of(manifests)["functions"]["Statement"][2:]
    assert listing["Action"] == ["s3:ListBucket"]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["postgres/*/base/*"]}}
    assert (reading["Action"], reading["Resource"]) == (
        ["s3:GetObject"],
        ["arn:aws:s3:::backups/postgres/*/base/*/backup.info"],
    )


def test_backups_are_looked_for_where_barman_leaves_them(manifests: list[Manifest]) -> None:
    check = find(manifests, "Service", "platform-backup-check")["spec"]["template"]["spec"]["containers"][0]
    (places,) = (entry["value"] for entry in check["env"] if entry["name"] == "DCODER_BACKUPS")
    stores = [item["spec"]["configuration"]["destinationPath"] for item in manifests if item["kind"] == "ObjectStore"]
    # Barman adds the server's name, which is the cluster's.
    assert {f"s3://{place.rpartition('/')[0]}" for place in places.split(",")} == set(stores)
    assert {"name": "grant-objects"} in [source["secretRef"] for source in check["envFrom"]]


def test_the_store_encrypts_with_a_key_of_256_bits(manifests: list[Manifest]) -> None:
    text = find(manifests, "Secret", "minio-root")["stringData"]["MINIO_KMS_SECRET_KEY"]
    name, _, key = text.complete(SecretValues(parse(stack()).secrets)).partition(":")
    import base64

    assert name == "dcoder-objects"
    assert len(base64.b64decode(key)) == 32


def test_streams_are_those_that_the_platform_declares(manifests: list[Manifest]) -> None:
    made = {i["spec"]["name"]: i["spec"] for i in manifests if i["kind"] == "Stream"}
    for declaration in load_declarations():
        spec = made[declaration.name]
        assert spec["subjects"] == list(declaration.subjects)
        assert (spec["maxAge"], spec["replicas"]) == (f"{declaration.max_age}s", 3)
    assert set(made) == {declaration.name for declaration in load_declarations()}
    consumers = {i["spec"]["durableName"] for i in manifests if i["kind"] == "Consumer"}
    assert consumers == {function.name for function in load_catalogue().subscribed()}


def test_nats_syncs_always(platform: Platform) -> None:
    values = next(chart for chart in CHARTS if chart.name == "nats").values(platform)
    assert values["config"]["jetstream"]["merge"] == {"sync_interval": "always"}
    assert values["config"]["cluster"] == {"enabled": True, "replicas": 3}


def test_kong_has_a_route_for_every_function_and_every_host(platform: Platform) -> None:
    services = {one["name"]: one for one in kong.configuration_of(platform)["services"]}
    assert {function.name for function in load_catalogue().http()} <= set(services)
    hosts = [host for one in services.values() for route in one["routes"] for host in route.get("hosts", ())]
    assert sorted(hosts) == sorted(platform.host(name) for name in PUBLIC_NAMES if name != "api")


def test_browsers_of_other_origins_are_the_dashboards(platform: Platform) -> None:
    pattern = kong.edge_policy(platform).cors.origin_pattern
    assert re.match(pattern, "https://admin.dcoder.example.com")
    assert not re.match(pattern, "http://localhost:3000")


def test_the_admin_api_is_reached_from_inside_alone(manifests: list[Manifest]) -> None:
    services = {
        i["metadata"]["name"]: i["spec"] for i in manifests if i["kind"] == "Service" and namespace_of(i) == EDGE
    }
    assert "type" not in services["kong-admin"]
    assert all(port["targetPort"] != "admin" for port in services["kong"]["ports"])
    policy_of_edge = find(manifests, "NetworkPolicy", "to-edge")["spec"]["ingress"]
    for rule in policy_of_edge:
        if any(port["port"] == 8001 for port in rule["ports"]):
            peers = [json.dumps(peer) for peer in rule["from"]]
            wanted = [json.dumps(PARTIES[name].peer()) for name in ("edge configuration", "edge sync")]
            assert set(peers) <= set(wanted)


def test_a_licence_comes_with_the_enterprise_edition() -> None:
    given = stack({"kong": {"edition": "enterprise"}})
    made = list(kong.objects(Platform(parse(given))))
    assert "KONG_LICENSE_DATA" in find(made, "Secret", "kong")["stringData"]
    assert find(made, "Deployment", "kong")["spec"]["template"]["spec"]["containers"][0]["image"].startswith(
        "docker.io/kong/kong-gateway:"
    )


def test_rules_and_dashboards_read_metrics_that_exist() -> None:
    sources = "".join(path.read_text() for folder in (FUNCTIONS, ROOT / "stateful") for path in folder.rglob("*.py"))
    for expression in expressions():
        for name in re.findall(r"dcoder_[a-z_]+", expression):
            base = re.sub(r"_(bucket|count|sum)$", "", name)
            assert f'"{base}"' in sources, name


def test_dashboards_and_alerts_are_those_of_the_requirements() -> None:
    assert len(DASHBOARDS) == len(dashboard_files()) == 5
    assert {"ServiceDown", "QuotaThresholds", "ManyErrors", "SlowRequests", "BackupTooOld"} <= {a.name for a in ALERTS}
    for text in dashboard_files().values():
        assert json.loads(text)["panels"]


def test_what_is_personal_is_taken_out_of_logs_and_spans(platform: Platform, manifests: list[Manifest]) -> None:
    blocked = observability.collector(platform)["processors"]["redaction"]["blocked_values"]
    said = "key dck_" + "a" * 40 + " of somebody@example.com"
    left = said
    for pattern in blocked:
        left = re.sub(pattern, "", left)
    assert left == "key  of "
    files = [i for i in manifests if i["kind"] == "ConfigMap" and i["metadata"]["name"].startswith("alloy-")]
    assert files[0]["data"]["config.alloy"].count("stage.replace") == len(blocked)


def test_every_third_party_image_is_used(manifests: list[Manifest]) -> None:
    text = json.dumps(plain(manifests)) + json.dumps(
        plain(list(kong.objects(Platform(parse(stack({"kong": {"edition": "enterprise"}}))))))
    )
    for name, image in third_party_images().items():
        assert f'"{image}@sha256' in text, name


def test_every_configuration_and_secret_that_a_pod_names_is_made(manifests: list[Manifest]) -> None:
    made = {(i["kind"], namespace_of(i), i["metadata"]["name"]) for i in manifests}
    # cert-manager makes the one, Kubernetes the other.
    made |= {("Secret", EDGE, "edge-tls"), ("ConfigMap", "observability", "kube-root-ca.crt")}
    for item in manifests:
        for pod in pod_specs(item):
            for kind, name in _named(pod):
                assert (kind, namespace_of(item), name) in made, (item["metadata"]["name"], kind, name)
            assert ("ServiceAccount", namespace_of(item), pod["serviceAccountName"]) in made


def _named(pod: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    for volume in pod.get("volumes", ()):
        if "secret" in volume:
            found.append(("Secret", volume["secret"]["secretName"]))
        if "configMap" in volume:
            found.append(("ConfigMap", volume["configMap"]["name"]))
        if "persistentVolumeClaim" in volume:
            found.append(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
    for one in pod["containers"]:
        found += [("Secret", source["secretRef"]["name"]) for source in one.get("envFrom", ())]
        variables = [variable.get("valueFrom", {}).get("secretKeyRef") for variable in one.get("env", ())]
        found += [("Secret", reference["name"]) for reference in variables if reference]
    return found


def test_every_secret_can_be_completed(manifests: list[Manifest]) -> None:
    values = SecretValues(parse(stack()).secrets)
    for item in manifests:
        if item["kind"] == "Secret":
            for text in item["stringData"].values():
                assert isinstance(text, SecretText)
                assert "{{" not in text.complete(values) or "$labels" in text.template


@pytest.mark.parametrize("name", ["loki", "tempo"])
def test_logs_and_traces_have_an_end(name: str, platform: Platform) -> None:
    text = yaml.safe_dump(getattr(observability, name)(platform))
    assert {"loki": "retention_period: 720h", "tempo": "block_retention: 168h"}[name] in text
