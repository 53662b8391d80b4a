"""Functions: one Knative Service per `func.yaml`, revisions that share the traffic, the settings they read."""

from collections.abc import Iterator, Mapping
from typing import Any

from functions.kit.catalogue import Function
from iac.manifests import FUNCTION_LABEL, ROOM_LABEL, Manifest, digest, manifest, plain
from iac.rooms.settings import (
    AUDIT_FOLDER,
    GRANTS,
    KEYS_FOLDER,
    SETTINGS,
    WITH_GRANT,
    WRITABLE,
    UnknownGrant,
    is_given,
    key_volume,
    settings,
)
from iac.stack import FUNCTIONS, Platform, started_anew
from iac.workloads import empty_volumes, environment, restricted, volume_name

ROOM = "functions"
_AUTOSCALING = "autoscaling.knative.dev/"


def objects(platform: Platform) -> Iterator[Manifest]:
    """Everything of the room."""
    for function in platform.catalogue:
        yield manifest(
            "v1",
            "ServiceAccount",
            function.name,
            namespace=FUNCTIONS,
            labels=_labels(function),
            automountServiceAccountToken=False,
        )
        yield knative_service(function, platform)
        if bounds(function, platform)[0] > 1:
            selector = {"matchLabels": {"serving.knative.dev/service": function.name}}
            budget = {"maxUnavailable": 1, "selector": selector}
            yield manifest(
                "policy/v1",
                "PodDisruptionBudget",
                function.name,
                namespace=FUNCTIONS,
                labels=_labels(function),
                spec=budget,
            )
    yield _monitor()


def knative_service(function: Function, platform: Platform) -> Manifest:
    """A function as a Knative Service; the revision's name follows from what it is made of."""
    template = _template(function, platform)
    revision = f"{function.name}-{digest(plain(template))}"
    template["metadata"]["name"] = revision
    return manifest(
        "serving.knative.dev/v1",
        "Service",
        function.name,
        namespace=FUNCTIONS,
        # Reached by the edge and the dispatcher alone, never from outside.
        labels={**_labels(function), "networking.knative.dev/visibility": "cluster-local"},
        spec={"template": template, "traffic": _traffic(function, revision, platform)},
    )


def revision_of(service: Manifest) -> str:
    """Name of a Knative Service's newest revision."""
    return str(service["spec"]["template"]["metadata"]["name"])


def bounds(function: Function, platform: Platform) -> tuple[int, int]:
    """Least and most instances, the stack's word before the manifest's."""
    own = platform.configuration.functions.scale.get(function.name)
    least = function.scale.min if own is None or own.min is None else own.min
    most = function.scale.max if own is None or own.max is None else own.max
    return least, max(least, most)


def _template(function: Function, platform: Platform) -> dict[str, Any]:
    least, most = bounds(function, platform)
    queue = platform.configuration.functions.queue_proxy
    scaling = {
        "min-scale": least,
        "max-scale": most,
        "metric": function.scale.metric,
        "target": function.scale.target,
        "scale-to-zero-pod-retention-period": platform.configuration.functions.retention,
    }
    sidecar = {
        "cpu-resource-request": queue.requests.cpu,
        "memory-resource-request": queue.requests.memory,
        "cpu-resource-limit": queue.limits.cpu,
        "memory-resource-limit": queue.limits.memory,
    }
    volumes = [*empty_volumes(WRITABLE), key_volume()]
    if "audit-keys" in function.grants:
        volumes.append({"name": "audit-keys", "secret": {"secretName": "grant-audit-keys", "defaultMode": 0o444}})
    return {
        "metadata": {
            "labels": {**_labels(function), "app.kubernetes.io/name": function.name},
            "annotations": {
                **{f"{_AUTOSCALING}{name}": str(value) for name, value in scaling.items()},
                **started_anew(platform),
                **{f"queue.sidecar.serving.knative.dev/{name}": value for name, value in sidecar.items()},
            },
        },
        "spec": {
            "serviceAccountName": function.name,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "containerConcurrency": function.concurrency,
            "timeoutSeconds": function.timeout_seconds,
            "containers": [_container(function, platform)],
            "volumes": volumes,
        },
    }


def _container(function: Function, platform: Platform) -> dict[str, Any]:
    texts = settings(platform) | dict(function.envs)
    mounts = [
        *({"name": volume_name(folder), "mountPath": folder} for folder in WRITABLE),
        {"name": "keys", "mountPath": KEYS_FOLDER, "readOnly": True},
    ]
    sources = [SETTINGS]
    for grant in function.grants:
        if grant not in GRANTS:
            raise UnknownGrant(f"{function.folder}/func.yaml: no grant {grant!r}; there are: {', '.join(GRANTS)}")
        texts |= WITH_GRANT.get(grant, {})
        if grant == "audit-keys":
            mounts.append({"name": "audit-keys", "mountPath": AUDIT_FOLDER, "readOnly": True})
        elif is_given(grant, platform):
            sources.append(f"grant-{grant}")
    return {
        "name": "function",
        "image": platform.image(function.context),
        "args": ["functions.kit.serve", function.name],
        "ports": [{"name": "http1", "containerPort": 8080}],
        "env": environment(texts, {}),
        "envFrom": [{"secretRef": {"name": name}} for name in sources],
        "resources": {part: _quantities(function.resources[part]) for part in ("requests", "limits")},
        "securityContext": restricted(),
        "readinessProbe": {"httpGet": {"path": "/health/ready"}, "periodSeconds": 5, "timeoutSeconds": 3},
        "livenessProbe": {
            "httpGet": {"path": "/health/live"},
            "periodSeconds": 15,
            "timeoutSeconds": 5,
            "failureThreshold": 4,
        },
        "volumeMounts": mounts,
    }


def _quantities(given: Mapping[str, str]) -> dict[str, str]:
    """Without the concurrency that Knative's manifest format has among the limits."""
    return {name: value for name, value in given.items() if name != "concurrency"}


def _traffic(function: Function, revision: str, platform: Platform) -> list[dict[str, Any]]:
    """Shares of the traffic: all to the newest, or some to it and the rest to the stable one.

    Both are reachable inside the cluster by their tag (`candidate-<function>.functions`), whatever their share is.
    """
    rollout = platform.configuration.functions.rollout
    stable = rollout.stable.get(function.name, revision)
    if stable == revision or rollout.percent == 100:
        return [{"revisionName": revision, "latestRevision": False, "percent": 100, "tag": "candidate"}]
    return [
        {"revisionName": stable, "latestRevision": False, "percent": 100 - rollout.percent, "tag": "stable"},
        {"revisionName": revision, "latestRevision": False, "percent": rollout.percent, "tag": "candidate"},
    ]


def _labels(function: Function) -> dict[str, str]:
    return {ROOM_LABEL: ROOM, FUNCTION_LABEL: function.name, "dcoder.dev/context": function.context}


def _monitor() -> Manifest:
    """Prometheus asks every instance of every function."""
    return manifest(
        "monitoring.coreos.com/v1",
        "PodMonitor",
        "functions",
        namespace=FUNCTIONS,
        labels={ROOM_LABEL: ROOM},
        spec={
            "selector": {"matchExpressions": [{"key": FUNCTION_LABEL, "operator": "Exists"}]},
            "podMetricsEndpoints": [{"portNumber": 8080, "path": "/metrics", "interval": "30s"}],
            "podTargetLabels": [FUNCTION_LABEL, "dcoder.dev/context"],
        },
    )
