"""The rules, each over one object."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from iac.manifests import Manifest, containers, is_function, namespace_of, pod_specs
from iac.stack import NAMESPACES

_PINNED = re.compile(r"@sha256:[0-9a-f]{64}$")
_NO_BYTES = "@sha256:" + "0" * 64
_LOOKS_SECRET = re.compile(r"(PASSWORD|SECRET|TOKEN|PRIVATE_KEY|ACCESS_KEY|API_KEY)$")
_PLAIN_VOLUMES = {"emptyDir", "secret", "configMap", "persistentVolumeClaim", "projected", "downwardAPI", "ephemeral"}
_BROAD = {"*"}


@dataclass(frozen=True, slots=True)
class Demands:
    """What is demanded of one stack.

    Attributes:
        by_tag: images may be taken by their tag, in the environment `dev` alone.
    """

    environment: str = "prod"
    by_tag: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One demand.

    Attributes:
        judge: the faults of an object, in words; nothing where it is as it should be.
        why: what it prevents.
    """

    name: str
    why: str
    judge: Callable[[Manifest, Demands], Iterator[str]]


def _restricted_pod(item: Manifest, _: Demands) -> Iterator[str]:
    for pod in pod_specs(item):
        for name in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.get(name):
                yield f"the pod has {name}"
        context = pod.get("securityContext", {})
        # Knative takes no security context of the pod; its containers say it all.
        if not is_function(item) and context.get("runAsNonRoot") is not True:
            yield "the pod may run as root (securityContext.runAsNonRoot)"
        if not is_function(item) and context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield "the pod has no seccomp profile"
        if context.get("runAsUser") == 0:
            yield "the pod runs as user 0"
        for volume in pod.get("volumes", ()):
            if strange := set(volume) - {"name"} - _PLAIN_VOLUMES:
                yield f"the pod has a volume of kind {', '.join(sorted(strange))}"


def _restricted_container(item: Manifest, _: Demands) -> Iterator[str]:
    for pod in pod_specs(item):
        for one in containers(pod):
            context = one.get("securityContext", {})
            yield from (f"container {one['name']} {fault}" for fault in _container_faults(context))
            for port in one.get("ports", ()):
                if "hostPort" in port:
                    yield f"container {one['name']} takes port {port['hostPort']} of its node"


def _container_faults(context: dict[str, Any]) -> Iterator[str]:
    if context.get("privileged"):
        yield "is privileged"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges (allowPrivilegeEscalation)"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "may write to its image (readOnlyRootFilesystem)"
    if context.get("runAsNonRoot") is not True or context.get("runAsUser") == 0:
        yield "may run as root (runAsNonRoot)"
    if context.get("capabilities", {}) != {"drop": ["ALL"]}:
        yield "has capabilities (capabilities.drop: [ALL])"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "has no seccomp profile"


def _limited(item: Manifest, _: Demands) -> Iterator[str]:
    for pod in pod_specs(item):
        for one in containers(pod):
            resources = one.get("resources", {})
            for part in ("requests", "limits"):
                for what in ("cpu", "memory"):
                    if what not in resources.get(part, {}):
                        yield f"container {one['name']} has no {part}.{what}"
        for volume in pod.get("volumes", ()):
            if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
                yield f"volume {volume['name']} has no size"


def _no_token(item: Manifest, _: Demands) -> Iterator[str]:
    if item["kind"] == "ServiceAccount" and item.get("automountServiceAccountToken") is not False:
        yield "its token is mounted by default"
    for pod in pod_specs(item):
        if pod.get("serviceAccountName") in {None, "default"}:
            yield "the pod runs as the namespace's default service account"
        if pod.get("automountServiceAccountToken") is not False:
            yield "the pod is given the token of its service account"


def _pinned(item: Manifest, demands: Demands) -> Iterator[str]:
    if demands.by_tag and demands.environment == "dev":
        return
    for where, image in _images(item):
        if not _PINNED.search(image) or image.endswith(_NO_BYTES):
            yield f"{where} takes {image}, which names no bytes"


def _images(item: Manifest) -> Iterator[tuple[str, str]]:
    for pod in pod_specs(item):
        yield from ((f"container {one['name']}", one["image"]) for one in containers(pod))
    if item["kind"] == "Cluster":
        yield "the server", item["spec"]["imageName"]


def _no_secret_in_plain_sight(item: Manifest, _: Demands) -> Iterator[str]:
    for pod in pod_specs(item):
        for one in containers(pod):
            for variable in one.get("env", ()):
                if variable.get("value") and _LOOKS_SECRET.search(variable["name"]):
                    yield f"container {one['name']} has {variable['name']} as plain text"


def _probed(item: Manifest, _: Demands) -> Iterator[str]:
    if item["kind"] not in {"Deployment", "StatefulSet", "DaemonSet"} and not is_function(item):
        return
    for pod in pod_specs(item):
        first = pod["containers"][0]
        for probe in ("livenessProbe", "readinessProbe"):
            if probe not in first:
                yield f"container {first['name']} has no {probe}"


def _restricted_namespace(item: Manifest, _: Demands) -> Iterator[str]:
    labels = item["metadata"].get("labels", {})
    if item["kind"] == "Namespace" and labels.get("pod-security.kubernetes.io/enforce") != "restricted":
        yield "Pod Security does not enforce `restricted`"


def _one_way_in(item: Manifest, _: Demands) -> Iterator[str]:
    if item["kind"] == "Service" and not is_function(item):
        outside = item["spec"].get("type", "ClusterIP") in {"LoadBalancer", "NodePort"}
        if outside and (namespace_of(item), item["metadata"]["name"]) != ("edge", "kong"):
            yield "it is reachable from outside; the edge is the only way in"
    if item["kind"] in {"Ingress", "HTTPRoute", "Gateway"}:
        yield f"a {item['kind']} goes past the edge"
    if is_function(item) and item["metadata"]["labels"].get("networking.knative.dev/visibility") != "cluster-local":
        yield "the function is reachable from outside"


def _least_privilege(item: Manifest, _: Demands) -> Iterator[str]:
    if item["kind"] in {"ClusterRoleBinding", "RoleBinding"} and item["roleRef"]["name"] in {"cluster-admin", "admin"}:
        yield f"it binds {item['roleRef']['name']}"
    if item["kind"] not in {"Role", "ClusterRole"}:
        return
    for rule in item.get("rules", ()):
        if _BROAD & {*rule.get("verbs", ()), *rule.get("resources", ()), *rule.get("apiGroups", ())}:
            yield "it allows everything of a kind (`*`)"
        writes = set(rule.get("verbs", ())) - {"get", "list", "watch"}
        if "secrets" in rule.get("resources", ()) or (item["kind"] == "ClusterRole" and writes):
            yield "it may read secrets, or change objects of every namespace"


def _in_a_known_namespace(item: Manifest, _: Demands) -> Iterator[str]:
    if any(True for _ in pod_specs(item)) and namespace_of(item) not in NAMESPACES:
        yield "pods of ours run in the platform's namespaces alone, which have policies and quotas"


def _survives(item: Manifest, demands: Demands) -> Iterator[str]:
    if demands.environment != "prod":
        return
    if item["kind"] == "Cluster" and item["spec"]["instances"] < 2:
        yield "one server of Postgres is no server when its node is gone"
    if item["kind"] == "Stream" and item["spec"]["replicas"] < 3:
        yield "events are kept once"


RULES: tuple[Rule, ...] = (
    Rule("restricted pod", "a pod that reaches its node", _restricted_pod),
    Rule("restricted container", "a container that can change itself or gain privileges", _restricted_container),
    Rule("limits", "one pod that starves the others", _limited),
    Rule("no token", "a break-in that may ask Kubernetes", _no_token),
    Rule("digests", "an image that changes under its tag", _pinned),
    Rule("secrets", "a password in an object that many may read", _no_secret_in_plain_sight),
    Rule("probes", "traffic for what cannot serve it", _probed),
    Rule("namespaces", "pods that admission lets through", _restricted_namespace),
    Rule("one way in", "a door beside the edge", _one_way_in),
    Rule("least privilege", "rights that nobody needs", _least_privilege),
    Rule("known namespaces", "pods without policies and quotas", _in_a_known_namespace),
    Rule("survival", "a loss with the loss of one node", _survives),
)
