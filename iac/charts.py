"""Every Helm chart that the platform takes, in one table: which, from where, and with what values.

Operators and the NATS server come as charts; everything else is rendered by the rooms. Values name only what differs
from a chart's defaults. Most charts ignore names that they do not know: `make test-charts` finds those.
`cluster.charts: false` leaves all of them out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from iac.manifests import SecretText
from iac.stack import (
    CERTIFICATES,
    DATA,
    KNATIVE_OPERATOR,
    NATS_HOST,
    OBSERVABILITY,
    POSTGRES_OPERATOR,
    SCALING,
    Platform,
    started_anew,
)
from iac.workloads import restricted
from stateful.nats.streams import LARGEST_MESSAGE

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart in a room.

    Attributes:
        repository: where Helm finds it.
        hooks: it relies on Helm's hooks, so Helm itself has to install it.
        after: charts of the same room that bring the kinds of what it makes.
    """

    name: str
    chart: str
    repository: str
    version: str
    namespace: str
    room: str
    values: Callable[[Platform], Values]
    hooks: bool = False
    after: tuple[str, ...] = ()


_SMALL = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}}
_POD = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def _cert_manager(_: Platform) -> Values:
    parts = {"resources": _SMALL}
    return {"crds": {"enabled": True}, **parts, "webhook": parts, "cainjector": parts, "startupapicheck": parts}


def _monitoring(_: Platform) -> Values:
    """The operator, its definitions and the cluster's own metrics; servers are objects of ours."""
    off = {"enabled": False}
    nobody = {**_POD, "runAsUser": 65534, "runAsGroup": 65534}
    unasked = dict.fromkeys(_UNASKED, off)
    return {
        "fullnameOverride": "kube-prometheus-stack",
        "prometheus": off,
        "alertmanager": off,
        "grafana": off,
        # It needs the node's network and files, which no namespace of ours allows.
        "nodeExporter": off,
        "defaultRules": {"create": False},
        **unasked,
        "prometheusOperator": {
            "resources": _SMALL,
            "securityContext": nobody,
            "containerSecurityContext": restricted(),
            # A webhook and the jobs that set it up would need to be reached in a namespace that denies by default.
            "admissionWebhooks": off,
            "tls": off,
            "serviceMonitor": {"selfMonitor": False},
            "prometheusConfigReloader": {"resources": _SMALL},
        },
        "kube-state-metrics": {
            "resources": _SMALL,
            "securityContext": nobody,
            "containerSecurityContext": restricted(),
            "collectors": list(_COLLECTED),
        },
    }


# Nobody reads what these say of themselves, and no arrow of ours lets Prometheus ask them.
_UNASKED = ("kubeApiServer", "kubeControllerManager", "coreDns", "kubeEtcd", "kubeScheduler", "kubeProxy")
# What has a state that somebody may ask for. Secrets and what configures are left out: it would read their contents.
_COLLECTED = (
    "cronjobs",
    "daemonsets",
    "deployments",
    "horizontalpodautoscalers",
    "jobs",
    "namespaces",
    "nodes",
    "persistentvolumeclaims",
    "persistentvolumes",
    "poddisruptionbudgets",
    "pods",
    "replicasets",
    "resourcequotas",
    "services",
    "statefulsets",
)


def _knative_operator(_: Platform) -> Values:
    # Its containers are restricted by themselves except for this, without which Pod Security refuses them.
    pod = {"securityContext": _POD}
    return {"knative_operator": {"knative_operator": pod, "operator_webhook": pod}}


def _postgres_operator(_: Platform) -> Values:
    return {"resources": _SMALL, "monitoring": {"podMonitorEnabled": True}}


def _postgres_archiver(_: Platform) -> Values:
    return {"resources": _SMALL}


def _keda(_: Platform) -> Values:
    return {"resources": {"operator": _SMALL, "metricServer": _SMALL, "webhooks": _SMALL}}


def _nats(platform: Platform) -> Values:
    nats = platform.configuration.nats
    storage = {"size": nats.storage.size, **platform.storage_class(nats.storage.storage_class)}
    container = {"securityContext": restricted(1000)}
    beside = {"merge": {**container, "resources": _SMALL}}
    clustered = nats.replicas > 1
    return {
        "config": {
            "cluster": {"enabled": clustered, "replicas": nats.replicas},
            "jetstream": {
                "enabled": True,
                "fileStore": {"pvc": storage},
                # By default NATS syncs every two minutes, and a power failure takes what it has acknowledged since.
                "merge": {"sync_interval": "always"},
            },
            "merge": {
                "authorization": {"user": "dcoder", "password": "<< $NATS_PASSWORD >>"},
                # As on a laptop and in Compose: by itself NATS refuses what has more than 1 MB.
                "max_payload": LARGEST_MESSAGE,
            },
        },
        "container": {
            # NATS reads a variable as it reads its configuration: without quotes, digits would be a number.
            "env": {"NATS_PASSWORD": {"valueFrom": {"secretKeyRef": {"name": "nats-credentials", "key": "quoted"}}}},
            "merge": {**container, "resources": nats.resources.spec()},
        },
        "reloader": beside,
        "promExporter": {"enabled": True, "podMonitor": {"enabled": True}, **beside},
        "serviceAccount": {"enabled": True, "merge": {"automountServiceAccountToken": False}},
        "podTemplate": {
            # A stream is lost for as long as most of its servers are: not two of them on one node where there are more.
            "topologySpreadConstraints": {
                "kubernetes.io/hostname": {"maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}
            }
            if clustered
            else {},
            "merge": {
                "metadata": {"annotations": started_anew(platform)},
                "spec": {
                    "automountServiceAccountToken": False,
                    "securityContext": {**_POD, "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000},
                },
            },
        },
        "podDisruptionBudget": {"enabled": clustered},
        "natsBox": {"enabled": False},
    }


def _nack(_: Platform) -> Values:
    return {
        "jetstream": {
            "nats": {"url": SecretText(f"nats://dcoder:{{{{ nats }}}}@{NATS_HOST}:4222")},
            "controlLoop": True,
        },
        # Otherwise its pods have no label by which `iac/arrows.py` knows them.
        "useLegacyNames": False,
        "namespaced": True,
        # By itself it may read every Secret, for accounts that are objects; ours is in its address.
        "rbacRules": yaml.safe_dump({"rules": _NACK_RULES}),
        "securityContext": {**_POD, "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000},
        "containerSecurityContext": restricted(1000),
        "resources": _SMALL,
    }


_NACK_RULES = [
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "update", "patch"]},
    {
        "apiGroups": ["jetstream.nats.io"],
        "resources": [
            part
            for kind in ("streams", "consumers", "keyvalues", "objectstores", "accounts")
            for part in (kind, f"{kind}/status", f"{kind}/finalizers")
        ],
        "verbs": ["create", "get", "list", "watch", "patch", "update", "delete"],
    },
]


CHARTS: tuple[Chart, ...] = (
    Chart(
        "kube-prometheus-stack",
        "kube-prometheus-stack",
        "https://prometheus-community.github.io/helm-charts",
        "88.5.0",
        OBSERVABILITY,
        "cluster",
        _monitoring,
    ),
    Chart(
        "cert-manager",
        "cert-manager",
        "https://charts.jetstack.io",
        "v1.21.2",
        CERTIFICATES,
        "cluster",
        _cert_manager,
        hooks=True,
    ),
    Chart("keda", "keda", "https://kedacore.github.io/charts", "2.21.0", SCALING, "cluster", _keda),
    Chart(
        "knative-operator",
        "knative-operator",
        "https://knative.github.io/operator",
        "v1.23.0",
        KNATIVE_OPERATOR,
        "knative",
        _knative_operator,
    ),
    Chart(
        "cloudnative-pg",
        "cloudnative-pg",
        "https://cloudnative-pg.github.io/charts",
        "0.29.0",
        POSTGRES_OPERATOR,
        "cluster",
        _postgres_operator,
        after=("kube-prometheus-stack",),
    ),
    Chart(
        "plugin-barman-cloud",
        "plugin-barman-cloud",
        "https://cloudnative-pg.github.io/charts",
        "0.6.0",
        POSTGRES_OPERATOR,
        "cluster",
        _postgres_archiver,
        after=("cert-manager",),
    ),
    Chart("nats", "nats", "https://nats-io.github.io/k8s/helm/charts", "2.14.0", DATA, "events", _nats),
    Chart("nack", "nack", "https://nats-io.github.io/k8s/helm/charts", "0.34.0", DATA, "events", _nack),
)


def charts(room: str, platform: Platform) -> Iterator[Chart]:
    """The charts of a room; none where the stack installs none."""
    if platform.configuration.cluster.charts:
        yield from (chart for chart in CHARTS if chart.room == room)
