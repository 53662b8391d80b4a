"""What is looked for in what Helm renders: values that change nothing, and pods that are refused."""

import copy
import functools
import http.server
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from iac.charts import CHARTS, Chart
from iac.configuration.loading import parse
from iac.manifests import Manifest, is_function
from iac.stack import DATA, Platform
from iac.workloads import restricted
from local.cluster import charts
from local.cluster.toolchain import helm
from tests.iac.conftest import find, stack

_DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}, labels: }
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app.kubernetes.io/name: {{ .Values.name }}}}
  template:
    metadata: {labels: {app.kubernetes.io/name: {{ .Values.name }}}}
    spec:
      volumes:
      containers:
        - name: server
          image: example.com/server:1
          securityContext: {{ toJson .Values.container }}
"""


_REFUSED = "server 1.2.3: Deployment data/server: container server"
REFUSED = [
    f"{_REFUSED} may gain privileges (allowPrivilegeEscalation)",
    f"{_REFUSED} may run as root (runAsNonRoot)",
    f"{_REFUSED} has capabilities (capabilities.drop: [ALL])",
    f"{_REFUSED} has no seccomp profile",
]


def test_our_own_pods_pass(manifests: list[Manifest]) -> None:
    pods = [
        item for item in manifests if item["kind"] in {"Deployment", "StatefulSet", "Job"} and not is_function(item)
    ]
    assert pods
    assert [fault for item in pods for fault in charts.pod_faults(item)] == []


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("spec", "template", "metadata", "labels"), {"app": "dispatcher"}, "no party"),
        (("spec", "template", "spec", "hostNetwork"), True, "hostNetwork"),
        (("spec", "template", "spec", "volumes"), [{"name": "node", "hostPath": {"path": "/"}}], "hostPath"),
        (("spec", "template", "spec", "containers", 0, "securityContext"), {}, "may gain privileges"),
        (
            ("spec", "template", "spec", "containers", 0, "securityContext", "capabilities"),
            {"drop": ["ALL"], "add": ["NET_ADMIN"]},
            "has capabilities",
        ),
    ],
)
def test_a_pod_that_is_refused_is_found(
    path: tuple[Any, ...], value: Any, says: str, manifests: list[Manifest]
) -> None:
    wrong: Any = copy.deepcopy(find(manifests, "Deployment", "dispatcher"))
    place = wrong
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    assert [fault for fault in charts.pod_faults(wrong) if says in fault]


def test_each_value_is_replaced_once() -> None:
    values = {"a": {"b": True, "c": 1}, "d": ["x"], "e": "text"}
    found = dict(charts.changed(values))
    assert found["a.b"] == {**values, "a": {"b": False, "c": 1}}
    assert found["a.c"] == {**values, "a": {"b": True, "c": 2}}
    assert set(found) == {"a.b", "a.c", "d", "e"}
    assert values not in found.values()


def test_stacks_of_the_checkout_need_no_secret() -> None:
    for name in charts.STACKS:
        assert [chart.values(charts.platform(name)) for chart in CHARTS]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a repository with one chart, which we wrote."""
    if not os.environ.get("DCODER_TEST_CLUSTER"):
        pytest.skip("run by `make test-charts`, which builds Helm first")
    folder = tmp_path_factory.mktemp("repository")
    chart = folder / "server"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("{apiVersion: v2, name: server, version: 1.2.3}\n")
    (chart / "values.yaml").write_text("{replicas: 1, name: nats, container: {}}\n")
    (chart / "templates" / "deployment.yaml").write_text(_DEPLOYMENT)
    program = str(helm(print))
    subprocess.run([program, "package", str(chart), "--destination", str(folder)], check=True, timeout=60)
    subprocess.run([program, "repo", "index", str(folder)], check=True, timeout=60)
    serve = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def found(repository: str, folder: Path, platform: Platform, values: dict[str, Any]) -> list[str]:
    smaller = Platform(parse(stack({"environment": "dev"})))

    def of(chosen: Platform) -> dict[str, Any]:
        return values if chosen is platform else {}

    chart = Chart("server", "server", repository, "1.2.3", DATA, "events", of)
    tool = charts.Helm(helm(print), folder)
    found = charts.findings(tool, {"prod": platform, "dev": smaller}, [chart])
    # In the other stack the chart has its own values, with which its pod is refused.
    return [line for line in dict.fromkeys(found) if line.startswith("server")]


def test_values_that_a_chart_takes_are_no_findings(repository: str, tmp_path: Path, platform: Platform) -> None:
    assert found(repository, tmp_path, platform, {"replicas": 3, "container": restricted()}) == REFUSED


def test_a_value_that_a_chart_ignores_and_a_pod_that_is_refused(
    repository: str, tmp_path: Path, platform: Platform
) -> None:
    lines = found(repository, tmp_path, platform, {"replica": 3, "name": "other"})
    assert "server 1.2.3: replica changes nothing" in lines
    assert [line for line in lines if "no party" in line]
    assert set(REFUSED) <= set(lines)
    assert not [line for line in lines if ": name changes" in line]


def test_a_version_that_is_not_there_is_named(repository: str, tmp_path: Path, platform: Platform) -> None:
    chart = Chart("server", "server", repository, "1.2.3", DATA, "events", lambda _: {})
    with pytest.raises(charts.ChartError, match=r"9\.9\.9"):
        charts.Helm(helm(print), tmp_path).render(replace(chart, version="9.9.9"), {})
