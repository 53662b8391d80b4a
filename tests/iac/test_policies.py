"""What breaks a rule is named; what the rooms render breaks none."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from iac.configuration.loading import parse
from iac.manifests import Manifest, manifest
from iac.policies import PolicyViolation, enforce, violations
from iac.policies.rules import RULES
from iac.rendering import Rendered, render
from iac.stack import Platform
from local.cluster.toolchain import PACK_REQUIREMENTS
from tests.iac.conftest import find, stack

CONFIGURATION = parse(stack())
PACK = PACK_REQUIREMENTS.parent


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_what_is_rendered_breaks_no_rule(environment: str) -> None:
    platform = Platform(parse(stack({"environment": environment})))
    enforce(render(platform), platform.configuration)


def pod(item: Manifest) -> dict[str, Any]:
    return dict(item["spec"]["template"]["spec"])


def put(place: Callable[[Manifest], dict[str, Any]], key: str, value: Any) -> Callable[[Manifest], None]:
    def change(item: Manifest) -> None:
        place(item)[key] = value

    return change


def drop(place: Callable[[Manifest], dict[str, Any]], key: str) -> Callable[[Manifest], None]:
    def change(item: Manifest) -> None:
        del place(item)[key]

    return change


def spec(item: Manifest) -> dict[str, Any]:
    found: dict[str, Any] = item["spec"]["template"]["spec"]
    return found


def first(item: Manifest) -> dict[str, Any]:
    found: dict[str, Any] = spec(item)["containers"][0]
    return found


def context(item: Manifest) -> dict[str, Any]:
    found: dict[str, Any] = first(item)["securityContext"]
    return found


VIOLATIONS: list[tuple[str, Callable[[Manifest], None], str]] = [
    ("restricted pod", put(spec, "hostNetwork", True), "hostNetwork"),
    ("restricted pod", put(spec, "securityContext", {}), "may run as root"),
    ("restricted pod", put(lambda i: spec(i)["securityContext"], "runAsUser", 0), "user 0"),
    ("restricted pod", put(spec, "volumes", [{"name": "x", "hostPath": {"path": "/"}}]), "hostPath"),
    ("restricted container", put(context, "privileged", True), "is privileged"),
    ("restricted container", put(context, "allowPrivilegeEscalation", True), "may gain privileges"),
    ("restricted container", drop(context, "readOnlyRootFilesystem"), "may write to its image"),
    ("restricted container", put(context, "runAsNonRoot", False), "may run as root"),
    ("restricted container", put(context, "runAsUser", 0), "may run as root"),
    ("restricted container", put(context, "capabilities", {"drop": ["ALL"], "add": ["NET_ADMIN"]}), "capabilities"),
    ("restricted container", drop(context, "seccompProfile"), "no seccomp profile"),
    ("restricted container", put(first, "ports", [{"containerPort": 1, "hostPort": 1}]), "port 1 of its node"),
    ("limits", drop(lambda i: first(i)["resources"]["limits"], "memory"), "no limits.memory"),
    ("limits", put(spec, "volumes", [{"name": "x", "emptyDir": {}}]), "has no size"),
    ("no token", put(spec, "automountServiceAccountToken", True), "given the token"),
    ("no token", drop(spec, "serviceAccountName"), "default service account"),
    ("digests", put(first, "image", "registry.example.com/platform:1.2.3"), "names no bytes"),
    ("digests", put(first, "image", f"registry.example.com/platform@sha256:{0:064x}"), "names no bytes"),
    ("secrets", put(first, "env", [{"name": "DB_PASSWORD", "value": "hush"}]), "plain text"),
    ("probes", drop(first, "readinessProbe"), "no readinessProbe"),
    ("known namespaces", put(lambda i: i["metadata"], "namespace", "default"), "namespaces alone"),
]


@pytest.mark.parametrize(("rule", "change", "says"), VIOLATIONS, ids=[f"{v[0]}: {v[2]}" for v in VIOLATIONS])
def test_a_pod_that_breaks_a_rule_is_named(
    rule: str, change: Callable[[Manifest], None], says: str, manifests: list[Manifest]
) -> None:
    wrong = copy.deepcopy(find(manifests, "Deployment", "dispatcher"))
    change(wrong)
    found = [fault for fault in violations([wrong], CONFIGURATION) if f": {rule}: " in fault]
    assert any(says in fault for fault in found), found
    assert all("Deployment" in fault for fault in found)


OBJECTS: list[tuple[str, Manifest, str]] = [
    ("no token", manifest("v1", "ServiceAccount", "x", namespace="data"), "mounted by default"),
    ("namespaces", manifest("v1", "Namespace", "x"), "does not enforce"),
    ("one way in", manifest("v1", "Service", "x", namespace="data", spec={"type": "LoadBalancer"}), "only way in"),
    ("one way in", manifest("networking.k8s.io/v1", "Ingress", "x", namespace="data", spec={}), "past the edge"),
    (
        "least privilege",
        manifest("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "x", roleRef={"name": "cluster-admin"}),
        "binds cluster-admin",
    ),
    (
        "least privilege",
        manifest("rbac.authorization.k8s.io/v1", "Role", "x", rules=[{"verbs": ["*"], "resources": ["pods"]}]),
        "everything of a kind",
    ),
    (
        "least privilege",
        manifest("rbac.authorization.k8s.io/v1", "Role", "x", rules=[{"verbs": ["get"], "resources": ["secrets"]}]),
        "read secrets",
    ),
    (
        "survival",
        manifest("postgresql.cnpg.io/v1", "Cluster", "x", namespace="data", spec={"instances": 1, "imageName": "x"}),
        "one server",
    ),
    ("survival", manifest("jetstream.nats.io/v1beta2", "Stream", "x", spec={"replicas": 1}), "kept once"),
]


@pytest.mark.parametrize(("rule", "item", "says"), OBJECTS, ids=[f"{o[0]}: {o[2]}" for o in OBJECTS])
def test_an_object_that_breaks_a_rule_is_named(rule: str, item: Manifest, says: str) -> None:
    assert [fault for fault in violations([item], CONFIGURATION) if f": {rule}: " in fault and says in fault]


def test_every_rule_has_an_object_that_breaks_it() -> None:
    assert {name for name, *_ in VIOLATIONS} | {name for name, *_ in OBJECTS} == {rule.name for rule in RULES}


def test_a_namespace_with_pods_and_no_default_deny_is_named(manifests: list[Manifest]) -> None:
    dispatcher = find(manifests, "Deployment", "dispatcher")
    assert "Namespace functions: network: it does not deny by default" in list(violations([dispatcher], CONFIGURATION))


def test_a_function_reachable_from_outside_is_named(manifests: list[Manifest]) -> None:
    wrong = copy.deepcopy(next(item for item in manifests if item["apiVersion"] == "serving.knative.dev/v1"))
    del wrong["metadata"]["labels"]["networking.knative.dev/visibility"]
    assert any("the function is reachable from outside" in fault for fault in violations([wrong], CONFIGURATION))


def test_one_violation_stops_the_whole_stack(rendered: tuple[Rendered, ...]) -> None:
    room = next(one for one in rendered if one.room.name == "functions")
    others = [one for one in rendered if one is not room]
    wrong = copy.deepcopy(room.manifests)
    next(item for item in wrong if item["apiVersion"] == "serving.knative.dev/v1")["spec"]["template"]["spec"][
        "containers"
    ][0]["image"] = "somewhere/else:latest"
    with pytest.raises(PolicyViolation, match=r"digests: container function takes somewhere/else:latest"):
        enforce((*others, Rendered(room.room, wrong, ())), CONFIGURATION)


@pytest.mark.parametrize("environment", ["dev", "staging"])
def test_the_policy_pack_may_be_told_of_an_environment(environment: str) -> None:
    told = json.loads((PACK / f"{environment}.json").read_text())
    names = {rule.name.replace(" ", "-") for rule in RULES}
    assert {name.removesuffix("-of-others") for name in told} <= names
    assert {settings["environment"] for settings in told.values()} == {environment}


def test_tags_are_enough_for_development_alone() -> None:
    given = stack({"environment": "dev", "digests": {}})
    given["cluster"] = {**given["cluster"], "pullByTag": True}
    platform = Platform(parse(given))
    enforce(render(platform), platform.configuration)
