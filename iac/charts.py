"""Every Helm chart that the platform takes, in one table: which, from where, and with what values.

Operators and the NATS server come as charts; everything else is rendered by the rooms. Values name only what differs
from a chart's defaults. `cluster.charts: false` leaves all of them out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

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
)
from iac.workloads import restricted

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart in a room.

    Attributes:
        repository: where Helm finds it.
        hooks: it relies on Helm's hooks, so Helm itself has to install it.
    """

    name: str
    chart: str
    repository: str
    version: str
    namespace: str
    room: str
    values: Callable[[Platform], Values]
    hooks: bool = False


_SMALL = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}}
_POD = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def _nothing(_: Platform) -> Values:
    return {}


def _cert_manager(_: Platform) -> Values:
    parts = {"resources": _SMALL}
    return {"crds": {"enabled": True}, **parts, "webhook": parts, "cainjector": parts, "startupapicheck": parts}


def _monitoring(_: Platform) -> Values:
    """The operator, its definitions and the cluster's own metrics; servers are objects of ours."""
    off = {"enabled": False}
    component = {"resources": _SMALL, "securityContext": {**_POD, "runAsUser": 65534, "runAsGroup": 65534}}
    return {
        "fullnameOverride": "kube-prometheus-stack",
        "prometheus": off,
        "alertmanager": off,
        "grafana": off,
        # It needs the node's network and files, which no namespace of ours allows.
        "nodeExporter": off,
        "defaultRules": {"create": False},
        "prometheusOperator": {**component, "containerSecurityContext": restricted()},
        "kube-state-metrics": {"resources": _SMALL, "securityContext": {**_POD, "runAsUser": 65534}},
    }


def _postgres_operator(_: Platform) -> Values:
    return {"resources": _SMALL, "monitoring": {"podMonitorEnabled": True}}


def _keda(_: Platform) -> Values:
    return {"resources": {"operator": _SMALL, "metricServer": _SMALL, "webhooks": _SMALL}}


def _nats(platform: Platform) -> Values:
    nats = platform.configuration.nats
    password = {"name": "nats-credentials", "key": "password"}
    storage = {"size": nats.storage.size, **platform.storage_class(nats.storage.storage_class)}
    hardened = {"merge": {"securityContext": restricted(1000)}}
    return {
        "config": {
            "cluster": {"enabled": nats.replicas > 1, "replicas": nats.replicas},
            "jetstream": {
                "enabled": True,
                "fileStore": {"pvc": storage},
                # By default NATS syncs every two minutes, and a power failure takes what it has acknowledged since.
                "merge": {"sync_interval": "always"},
            },
            "merge": {"authorization": {"user": "dcoder", "password": "<< $NATS_PASSWORD >>"}},
        },
        "container": {
            "env": {"NATS_PASSWORD": {"valueFrom": {"secretKeyRef": password}}},
            "merge": {"resources": nats.resources.spec(), "securityContext": restricted(1000)},
        },
        "reloader": hardened,
        "promExporter": {"enabled": True, "podMonitor": {"enabled": True}, **hardened},
        "podTemplate": {
            "merge": {
                "spec": {
                    "automountServiceAccountToken": False,
                    "securityContext": {**_POD, "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000},
                }
            }
        },
        "podDisruptionBudget": {"enabled": nats.replicas > 1},
        "natsBox": {"enabled": False},
    }


def _nack(_: Platform) -> Values:
    return {
        "jetstream": {
            "enabled": True,
            "nats": {"url": SecretText(f"nats://dcoder:{{{{ nats }}}}@{NATS_HOST}:4222")},
            "additionalArgs": ["--control-loop"],
            "resources": _SMALL,
            "securityContext": restricted(1000),
        }
    }


CHARTS: tuple[Chart, ...] = (
    Chart(
        "kube-prometheus-stack",
        "kube-prometheus-stack",
        "https://prometheus-community.github.io/helm-charts",
        "88.5.0",
        OBSERVABILITY,
        "cluster",
        _monitoring,
        hooks=True,
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
        _nothing,
    ),
    Chart(
        "cloudnative-pg",
        "cloudnative-pg",
        "https://cloudnative-pg.github.io/charts",
        "0.29.0",
        POSTGRES_OPERATOR,
        "cluster",
        _postgres_operator,
    ),
    Chart(
        "plugin-barman-cloud",
        "plugin-barman-cloud",
        "https://cloudnative-pg.github.io/charts",
        "0.6.0",
        POSTGRES_OPERATOR,
        "cluster",
        _nothing,
    ),
    Chart("nats", "nats", "https://nats-io.github.io/k8s/helm/charts", "2.14.0", DATA, "events", _nats),
    Chart("nack", "nack", "https://nats-io.github.io/k8s/helm/charts", "0.34.0", DATA, "events", _nack),
)


def charts(room: str, platform: Platform) -> Iterator[Chart]:
    """The charts of a room; none where the stack installs none."""
    if platform.configuration.cluster.charts:
        yield from (chart for chart in CHARTS if chart.room == room)
