"""What charts are told: names that they know, pods that arrows know, and nothing that Pod Security refuses.

Charts ignore a name that they do not know. What is written down here was seen in the charts of these versions; another
one is to be looked at by `make test-charts`, which asks the charts themselves.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from iac.arrows import ARROWS, NODES, PARTIES
from iac.charts import CHARTS, Chart
from iac.configuration.loading import parse
from iac.manifests import Manifest, plain
from iac.rooms.alerting import ALERTS
from iac.stack import DATA, NAMESPACES, OBSERVABILITY, POSTGRES_OPERATOR, Platform
from iac.workloads import restricted
from stateful.nats.streams import LARGEST_MESSAGE, load_declarations
from tests.iac.conftest import find, stack

ROOT = Path(__file__).resolve().parents[2]
BY_NAME = {chart.name: chart for chart in CHARTS}
# Given as they are to what a chart makes: what is in them is Kubernetes' to judge, or the program's own.
_PASSED_ON = {"resources", "securityContext", "containerSecurityContext", "merge", "env", "topologySpreadConstraints"}
_EACH = ("resources", "securityContext", "containerSecurityContext")

# Version, and the names that its templates read.
SEEN: dict[str, tuple[str, set[str]]] = {
    "kube-prometheus-stack": (
        "88.5.0",
        {
            "fullnameOverride",
            *(f"{part}.enabled" for part in ("prometheus", "alertmanager", "grafana", "nodeExporter")),
            *(f"kube{part}.enabled" for part in ("ApiServer", "ControllerManager", "Etcd", "Scheduler", "Proxy")),
            "coreDns.enabled",
            "defaultRules.create",
            *(f"prometheusOperator.{name}" for name in _EACH),
            "prometheusOperator.admissionWebhooks.enabled",
            "prometheusOperator.tls.enabled",
            "prometheusOperator.serviceMonitor.selfMonitor",
            "prometheusOperator.prometheusConfigReloader.resources",
            *(f"kube-state-metrics.{name}" for name in _EACH),
            "kube-state-metrics.collectors",
        },
    ),
    "cert-manager": (
        "v1.21.2",
        {
            "crds.enabled",
            *(f"{part}resources" for part in ("", "webhook.", "cainjector.", "startupapicheck.")),
        },
    ),
    "keda": ("2.21.0", {"resources"}),
    "knative-operator": (
        "v1.23.0",
        {f"knative_operator.{part}.securityContext" for part in ("knative_operator", "operator_webhook")},
    ),
    "cloudnative-pg": ("0.29.0", {"resources", "monitoring.podMonitorEnabled"}),
    "plugin-barman-cloud": ("0.6.0", {"resources"}),
    "nats": (
        "2.14.0",
        {
            "config.cluster.enabled",
            "config.cluster.replicas",
            "config.jetstream.enabled",
            "config.jetstream.fileStore.pvc.size",
            "config.jetstream.fileStore.pvc.storageClassName",
            "config.jetstream.merge",
            "config.merge",
            "container.env",
            "container.merge",
            "reloader.merge",
            "promExporter.enabled",
            "promExporter.podMonitor.enabled",
            "promExporter.merge",
            "serviceAccount.enabled",
            "serviceAccount.merge",
            "podTemplate.topologySpreadConstraints",
            "podTemplate.merge",
            "podDisruptionBudget.enabled",
            "natsBox.enabled",
        },
    ),
    "nack": (
        "0.34.0",
        {
            "jetstream.nats.url",
            "jetstream.controlLoop",
            "useLegacyNames",
            "namespaced",
            "rbacRules",
            *_EACH,
        },
    ),
}
# Of charts in namespaces of ours, which deny by default: labels of their pods, where our values lead to them.
PODS: list[tuple[str, str, dict[str, str]]] = [
    ("nats", "event bus", {"app.kubernetes.io/name": "nats", "app.kubernetes.io/component": "nats"}),
    ("nack", "event bus controller", {"app.kubernetes.io/name": "nack", "app.kubernetes.io/instance": "nack"}),
    ("kube-prometheus-stack", "monitoring operator", {"app": "kube-prometheus-stack-operator"}),
    ("kube-prometheus-stack", "cluster metrics", {"app.kubernetes.io/name": "kube-state-metrics"}),
]
# Monitors that charts make, the namespace of their pods, and the port that Prometheus asks.
SCRAPED: list[tuple[str, str, int]] = [("event bus", DATA, 7777), ("cluster metrics", OBSERVABILITY, 8080)]
SCRAPED += [("database operator", POSTGRES_OPERATOR, 8080), (NODES, "", 10250)]


@pytest.fixture(params=["dev", "staging", "prod"])
def stacked(request: pytest.FixtureRequest) -> Platform:
    """A stack file that is in the repository, with secrets and digests that are nobody's."""
    text = (ROOT / f"Pulumi.{request.param}.yaml").read_text()
    given = {name.removeprefix("dcoder:"): value for name, value in yaml.safe_load(text)["config"].items()}
    return Platform(parse({**stack(), **given, "secrets": stack()["secrets"]}))


def names(values: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, Mapping) and name not in _PASSED_ON:
            yield from names(value, f"{above}{name}.")
        else:
            yield above + name


def at(values: Mapping[str, Any], path: str) -> Any:
    for name in path.split("."):
        values = values[name]
    return values


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_a_chart_knows_every_name_that_it_is_given(chart: Chart, stacked: Platform) -> None:
    version, known = SEEN[chart.name]
    assert chart.version == version, "another version: run `make test-charts`, then write down here what it reads"
    given = set(names(plain(chart.values(stacked))))
    assert given <= known, f"{chart.name} {version} ignores {sorted(given - known)}"


@pytest.mark.parametrize(("name", "party", "labels"), PODS, ids=[party for _, party, _ in PODS])
def test_pods_of_charts_are_the_parties_that_arrows_mean(name: str, party: str, labels: dict[str, str]) -> None:
    assert PARTIES[party].namespace == BY_NAME[name].namespace
    assert PARTIES[party].labels.items() <= labels.items()


def test_every_chart_among_our_pods_is_a_party() -> None:
    assert {chart.name for chart in CHARTS if chart.namespace in NAMESPACES} == {name for name, _, _ in PODS}


def test_the_names_of_nats_and_of_its_controller_are_those_that_others_use(stacked: Platform) -> None:
    # With the names of old its pods are labelled `app` alone: no policy of ours would let them reach anything.
    assert BY_NAME["nack"].values(stacked)["useLegacyNames"] is False
    assert {"nameOverride", "fullnameOverride"}.isdisjoint(BY_NAME["nats"].values(stacked))


@pytest.mark.parametrize(("target", "namespace", "port"), SCRAPED)
def test_prometheus_may_ask_what_monitors_of_charts_tell_it_to(target: str, namespace: str, port: int) -> None:
    assert target == NODES or PARTIES[target].namespace == namespace
    assert [a for a in ARROWS if (a.source, a.target) == ("metrics", target) and port in a.ports]


def test_no_chart_waits_for_a_webhook_in_a_namespace_that_denies(stacked: Platform) -> None:
    operator = BY_NAME["kube-prometheus-stack"].values(stacked)["prometheusOperator"]
    assert operator["admissionWebhooks"] == operator["tls"] == {"enabled": False}
    assert not [chart.name for chart in CHARTS if chart.hooks and chart.namespace in NAMESPACES]


@pytest.mark.parametrize(
    ("chart", "container", "pod"),
    [
        ("nats", "container.merge.securityContext", "podTemplate.merge.spec.securityContext"),
        ("nats", "reloader.merge.securityContext", "podTemplate.merge.spec.securityContext"),
        ("nats", "promExporter.merge.securityContext", "podTemplate.merge.spec.securityContext"),
        ("nack", "containerSecurityContext", "securityContext"),
        (
            "kube-prometheus-stack",
            "prometheusOperator.containerSecurityContext",
            "prometheusOperator.securityContext",
        ),
        # Its containers lack the seccomp profile alone, and take no security context that has one.
        ("knative-operator", "", "knative_operator.knative_operator.securityContext"),
        ("knative-operator", "", "knative_operator.operator_webhook.securityContext"),
    ],
)
def test_what_charts_leave_open_is_restricted(chart: str, container: str, pod: str, stacked: Platform) -> None:
    values = BY_NAME[chart].values(stacked)
    if container:
        assert restricted().items() <= at(values, container).items()
    assert at(values, pod)["runAsNonRoot"] is True
    assert at(values, pod)["seccompProfile"] == {"type": "RuntimeDefault"}


def test_what_knative_brings_and_pod_security_refuses_is_left_out(manifests: list[Manifest]) -> None:
    # Of the manifests that the operator 1.23 has for Serving, Kourier and Eventing, it alone is not restricted.
    workloads = find(manifests, "KnativeEventing", "knative-eventing")["spec"]["workloads"]
    assert {"name": "request-reply", "replicas": 0} in workloads


def test_a_controller_reads_no_secret_that_it_has_no_need_of(stacked: Platform) -> None:
    nack = BY_NAME["nack"].values(stacked)
    assert nack["namespaced"] is True
    resources = [name for rule in yaml.safe_load(nack["rbacRules"])["rules"] for name in rule["resources"]]
    assert {"streams", "streams/status", "consumers", "consumers/status"} <= set(resources)
    monitoring = BY_NAME["kube-prometheus-stack"].values(stacked)
    assert "secrets" not in {*resources, *monitoring["kube-state-metrics"]["collectors"]}


def test_charts_come_after_those_whose_kinds_they_use() -> None:
    before: dict[str, str] = {}
    for chart in CHARTS:
        assert [before.get(name) for name in chart.after] == [chart.room] * len(chart.after)
        before[chart.name] = chart.room
    assert BY_NAME["plugin-barman-cloud"].after == ("cert-manager",)
    assert BY_NAME["cloudnative-pg"].after == ("kube-prometheus-stack",)


def test_nats_has_room_for_its_streams_and_takes_messages_of_the_same_size_everywhere(stacked: Platform) -> None:
    config = BY_NAME["nats"].values(stacked)["config"]
    size = config["jetstream"]["fileStore"]["pvc"]["size"]
    assert int(size.removesuffix("Gi")) << 30 >= sum(stream.max_bytes for stream in load_declarations())
    assert config["merge"]["max_payload"] == LARGEST_MESSAGE
    compose = (ROOT / "local" / "compose" / "config" / "nats.conf").read_text()
    assert f"max_payload: {LARGEST_MESSAGE >> 20}MB" in compose


def test_nats_reads_its_password_as_text_and_starts_anew_with_another(manifests: list[Manifest]) -> None:
    def annotations(generation: int) -> Any:
        secrets = {**stack()["secrets"], "generation": {"nats": generation}}
        values = BY_NAME["nats"].values(Platform(parse(stack({"secrets": secrets}))))
        assert values["container"]["env"]["NATS_PASSWORD"]["valueFrom"]["secretKeyRef"] == {
            "name": "nats-credentials",
            "key": "quoted",
        }
        return values["podTemplate"]["merge"]["metadata"]["annotations"]

    texts = find(manifests, "Secret", "nats-credentials", DATA)["stringData"]
    assert texts["quoted"].template == f'"{texts["password"].template}"'
    assert annotations(1) != annotations(2)


def test_an_alert_on_volumes_has_somebody_who_measures_them(manifests: list[Manifest]) -> None:
    assert [alert for alert in ALERTS if "kubelet_volume_stats" in str(alert.rule())]
    rules = find(manifests, "ClusterRole", "dcoder-prometheus")["rules"]
    assert "nodes/metrics" in {kind for rule in rules for kind in rule["resources"]}
    egress = find(manifests, "NetworkPolicy", "from-metrics")["spec"]["egress"]
    kubelets = [rule["to"] for rule in egress if {"protocol": "TCP", "port": 10250} in rule["ports"]]
    assert [{"ipBlock": {"cidr": "10.0.0.0/8"}} in peers for peers in kubelets] == [True]
