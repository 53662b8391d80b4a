"""What pods write: read through Kubernetes' API by Alloy, with what is personal taken out, and kept in Loki."""

from collections.abc import Iterator
from typing import Any

from iac.configuration.base import resources
from iac.manifests import ROOM_LABEL, Manifest, config_map, manifest, name_of
from iac.stack import OBSERVABILITY, Platform, inside
from iac.workloads import Container, Workload, http_probe

ROOM = "observability"
_LABELS = {ROOM_LABEL: ROOM}
_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a folder
# What nobody may read in logs and spans, whoever wrote it: addresses, keys, tokens.
REDACTED = (
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}",
    r"dck_[0-9A-Za-z]{40}",
    r"sk-[A-Za-z0-9_-]{20,}",
    r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+",
)


def log_reader(platform: Platform) -> Iterator[Manifest]:
    """Alloy; it takes no folder of a node, so it needs no privilege there."""
    files = config_map("alloy", OBSERVABILITY, {"config.alloy": alloy(platform)}, room=ROOM)
    yield files
    yield from reader_of("alloy", [("", ["pods", "pods/log", "namespaces"])])
    container = Container(
        name="alloy",
        image=platform.image("alloy"),
        args=("run", "/etc/alloy/config.alloy", "--storage.path=/tmp/alloy", "--server.http.listen-addr=0.0.0.0:12345"),
        resources=resources(("100m", "256Mi"), ("1", "1Gi")),
        ports={"http": 12345},
        live=http_probe("/-/healthy", 12345, seconds=15, failures=4),
        ready=http_probe("/-/ready", 12345),
        mounts={"/etc/alloy": "settings", _TOKEN: "token"},
    )
    volumes = ({"name": "settings", "configMap": {"name": name_of(files)}}, _token())
    yield from Workload(
        name="alloy",
        namespace=OBSERVABILITY,
        room=ROOM,
        containers=(container,),
        replicas=1,
        volumes=volumes,
        recreate=True,
    ).deployment()


def alloy(platform: Platform) -> str:
    """Its settings: pods of the platform's namespaces, redacted, to Loki."""
    redact = "\n".join(
        f'  stage.replace {{\n    expression = "({_quoted(pattern)})"\n    replace = "[redacted]"\n  }}'
        for pattern in REDACTED
    )
    return f"""discovery.kubernetes "pods" {{
  role = "pod"
}}
discovery.relabel "ours" {{
  targets = discovery.kubernetes.pods.targets
  rule {{
    source_labels = ["__meta_kubernetes_pod_label_app_kubernetes_io_part_of"]
    regex = "dcoder"
    action = "keep"
  }}
  rule {{
    source_labels = ["__meta_kubernetes_namespace"]
    target_label = "namespace"
  }}
  rule {{
    source_labels = ["__meta_kubernetes_pod_label_app_kubernetes_io_name"]
    target_label = "app"
  }}
  rule {{
    source_labels = ["__meta_kubernetes_pod_container_name"]
    target_label = "container"
  }}
}}
loki.source.kubernetes "pods" {{
  targets = discovery.relabel.ours.output
  forward_to = [loki.process.redact.receiver]
}}
loki.process "redact" {{
{redact}
  stage.static_labels {{
    values = {{ environment = "{platform.configuration.environment}" }}
  }}
  forward_to = [loki.write.loki.receiver]
}}
loki.write "loki" {{
  endpoint {{
    url = "{inside("loki", OBSERVABILITY, 3100)}/loki/api/v1/push"
  }}
}}
"""


def _quoted(pattern: str) -> str:
    return pattern.replace("\\", "\\\\")


def _token() -> dict[str, Any]:
    """A token that lives an hour and is for the API server alone, in place of the one that is mounted by default."""
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    return {"name": "token", "projected": {"sources": sources, "defaultMode": 0o444}}


def reader_of(name: str, wanted: list[tuple[str, list[str]]]) -> Iterator[Manifest]:
    """Lets a service account read objects of these groups, and change nothing."""
    rules = [{"apiGroups": [group], "resources": kinds, "verbs": ["get", "list", "watch"]} for group, kinds in wanted]
    rbac = "rbac.authorization.k8s.io"
    yield manifest(f"{rbac}/v1", "ClusterRole", f"dcoder-{name}", labels=_LABELS, rules=rules)
    yield manifest(
        f"{rbac}/v1",
        "ClusterRoleBinding",
        f"dcoder-{name}",
        labels=_LABELS,
        roleRef={"apiGroup": rbac, "kind": "ClusterRole", "name": f"dcoder-{name}"},
        subjects=[{"kind": "ServiceAccount", "name": name, "namespace": OBSERVABILITY}],
    )
