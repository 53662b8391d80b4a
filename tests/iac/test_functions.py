"""A function in the cluster follows from its func.yaml and the stack."""

import re
from typing import Any

import pytest

from functions.kit.catalogue import load_catalogue
from iac.configuration.loading import parse
from iac.manifests import Manifest, SecretText, namespace_of
from iac.rooms.functions import knative_service, objects, revision_of
from iac.rooms.settings import GRANTS
from iac.stack import Platform
from tests.iac.conftest import find, stack

CATALOGUE = load_catalogue()


def service(items: list[Manifest], name: str) -> Manifest:
    found = [
        item for item in items if item["apiVersion"] == "serving.knative.dev/v1" and item["metadata"]["name"] == name
    ]
    assert len(found) == 1
    return found[0]


def container(item: Manifest) -> dict[str, Any]:
    return dict(item["spec"]["template"]["spec"]["containers"][0])


def test_one_service_and_one_account_a_function(manifests: list[Manifest]) -> None:
    services = {item["metadata"]["name"] for item in manifests if item["apiVersion"] == "serving.knative.dev/v1"}
    assert services == {function.name for function in CATALOGUE}
    accounts = {item["metadata"]["name"] for item in manifests if item["kind"] == "ServiceAccount"}
    assert services <= accounts


def test_a_service_is_what_its_manifest_says(manifests: list[Manifest]) -> None:
    for function in CATALOGUE:
        item = service(manifests, function.name)
        template = item["spec"]["template"]
        notes, spec = template["metadata"]["annotations"], template["spec"]
        assert notes["autoscaling.knative.dev/target"] == str(function.scale.target)
        assert notes["autoscaling.knative.dev/max-scale"] == str(function.scale.max)
        assert spec["containerConcurrency"] == function.concurrency
        assert spec["timeoutSeconds"] == function.timeout_seconds
        assert spec["serviceAccountName"] == function.name
        assert container(item)["image"].startswith(f"registry.example.com/dcoder/{function.context}:1.2.3@sha256:")
        assert container(item)["args"] == ["functions.kit.serve", function.name]
        assert container(item)["resources"]["limits"]["memory"] == function.resources["limits"]["memory"]
        assert "concurrency" not in container(item)["resources"]["limits"]
        assert item["metadata"]["labels"]["networking.knative.dev/visibility"] == "cluster-local"


def test_the_path_of_models_is_warm_and_the_rest_sleeps(manifests: list[Manifest]) -> None:
    def least(name: str) -> int:
        return int(
            service(manifests, name)["spec"]["template"]["metadata"]["annotations"]["autoscaling.knative.dev/min-scale"]
        )

    assert least("gateway-chat") == 1
    assert least("platform-usage") == 0


def test_a_stack_may_raise_the_bounds() -> None:
    platform = Platform(parse(stack({"functions": {"scale": {"gateway-chat": {"min": 3, "max": 80}}}})))
    made = list(objects(platform))
    notes = service(made, "gateway-chat")["spec"]["template"]["metadata"]["annotations"]
    assert notes["autoscaling.knative.dev/min-scale"] == "3"
    assert notes["autoscaling.knative.dev/max-scale"] == "80"
    budget = find(made, "PodDisruptionBudget", "gateway-chat")
    assert budget["spec"]["selector"]["matchLabels"] == {"serving.knative.dev/service": "gateway-chat"}


def test_settings_of_the_stack_reach_every_function() -> None:
    platform = Platform(parse(stack({"functions": {"settings": {"log_level": "debug"}}})))
    for item in objects(platform):
        if item["kind"] == "Service":
            assert {"name": "DCODER_LOG_LEVEL", "value": "debug"} in container(item)["env"]


def test_privileges_go_to_those_that_ask_for_them(manifests: list[Manifest]) -> None:
    for function in CATALOGUE:
        sources = {source["secretRef"]["name"] for source in container(service(manifests, function.name))["envFrom"]}
        wanted = {f"grant-{grant}" for grant in function.grants} - {"grant-audit-keys"}
        assert sources - {"platform-settings"} <= wanted, function.name
    assert "database-admin" in CATALOGUE.by_name("platform-tenants").grants
    assert not CATALOGUE.by_name("gateway-chat").grants


def test_every_grant_is_known_and_wanted() -> None:
    assert {grant for function in CATALOGUE for grant in function.grants} == set(GRANTS)


def test_every_secret_that_a_pod_names_is_made(manifests: list[Manifest]) -> None:
    made = {(namespace_of(item), item["metadata"]["name"]) for item in manifests if item["kind"] == "Secret"}
    for item in manifests:
        if item["apiVersion"] == "serving.knative.dev/v1":
            spec = item["spec"]["template"]["spec"]
            names = {source["secretRef"]["name"] for source in container(item)["envFrom"]}
            names |= {volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume}
            assert {("functions", name) for name in names} <= made


def test_settings_that_others_issue_come_later() -> None:
    given = stack()
    given["secrets"]["values"] |= {
        "flagsmithEnvironmentKey": "ser.x",
        "flagsmithAdminKey": "key",
        "flagsSdkKey": "ser.y",
    }
    platform = Platform(parse(given))
    names = {
        source["secretRef"]["name"]
        for source in container(service(list(objects(platform)), "platform-flags"))["envFrom"]
    }
    assert "grant-flagsmith-admin" in names
    before = Platform(parse(stack()))
    texts = {e["name"] for e in container(service(list(objects(before)), "platform-flags"))["env"]}
    assert "DCODER_FLAGSMITH_URL" not in texts


def test_one_change_makes_one_new_revision(platform: Platform) -> None:
    before = {f.name: revision_of(knative_service(f, platform)) for f in CATALOGUE}
    changed = Platform(parse(stack({"functions": {"scale": {"platform-usage": {"max": 7}}}})))
    after = {f.name: revision_of(knative_service(f, changed)) for f in CATALOGUE}
    assert {name for name in before if before[name] != after[name]} == {"platform-usage"}
    for name, revision in before.items():
        assert re.fullmatch(rf"{name}-[0-9a-f]{{8}}", revision)
        assert len(revision) <= 63


@pytest.mark.parametrize(("percent", "shares"), [(0, [100, 0]), (10, [90, 10]), (100, [100])])
def test_traffic_is_shared_between_the_stable_and_the_newest_revision(percent: int, shares: list[int]) -> None:
    rollout = {"stable": {"gateway-chat": "gateway-chat-00000000"}, "percent": percent}
    platform = Platform(parse(stack({"functions": {"rollout": rollout}})))
    item = knative_service(CATALOGUE.by_name("gateway-chat"), platform)
    traffic = item["spec"]["traffic"]
    assert [part["percent"] for part in traffic] == shares
    assert traffic[-1]["revisionName"] == revision_of(item)
    assert traffic[-1]["tag"] == "candidate"
    if len(traffic) == 2:
        assert traffic[0]["revisionName"] == "gateway-chat-00000000"


def test_a_function_that_did_not_change_keeps_all_its_traffic(platform: Platform) -> None:
    revision = revision_of(knative_service(CATALOGUE.by_name("gateway-chat"), platform))
    rollout = {"stable": {"gateway-chat": revision}, "percent": 0}
    same = Platform(parse(stack({"functions": {"rollout": rollout}})))
    traffic = knative_service(CATALOGUE.by_name("gateway-chat"), same)["spec"]["traffic"]
    assert [(part["revisionName"], part["percent"]) for part in traffic] == [(revision, 100)]


def test_secrets_are_templates_until_they_are_registered(manifests: list[Manifest]) -> None:
    texts = find(manifests, "Secret", "platform-settings", "functions")["stringData"]
    assert texts["DCODER_DATABASE_URL"].names == {"databaseFunctions"}
    assert all(isinstance(text, SecretText) for text in texts.values())
    assert "not-a-secret" not in str(manifests)
