"""The dev stack's objects on a real API server: accepted, the same again, changed by one function, gone."""

import shutil
import time
from pathlib import Path

import pytest
import yaml

from iac.manifests import Manifest, describe
from local.cluster.api_server import Cluster, ClusterError, Objects
from local.paths import PROJECT
from tests.cluster.objects import rendered

_EDITED = "platform-kpis"
_GONE_SECONDS = 300.0


def namespaces_first(items: list[Manifest]) -> list[Manifest]:
    return sorted(items, key=lambda item: item["kind"] != "Namespace")


@pytest.mark.timeout(1800)
def test_the_stack_is_accepted_holds_still_changes_by_one_function_and_goes(cluster: Cluster, tmp_path: Path) -> None:
    objects = Objects(cluster)
    items = namespaces_first(rendered("dev"))
    made = {describe(item): objects.apply(item) for item in items}
    assert len(made) == len(items)
    assert {describe(item): objects.apply(item) for item in items} == made, "the same again changes nothing"

    functions = tmp_path / "functions"
    shutil.copytree(PROJECT / "functions", functions)
    manifest = functions / "platform" / "kpis" / "func.yaml"
    document = yaml.safe_load(manifest.read_text())
    document["deploy"]["options"]["scale"]["max"] = 7
    manifest.write_text(yaml.safe_dump(document))
    edited = namespaces_first(rendered("dev", functions))
    changed = {describe(item): objects.apply(item) for item in edited}
    assert {name for name in changed if changed[name] != made.get(name)} == {f"Service functions/{_EDITED}"}

    for item in reversed(edited):
        objects.delete(item)
    deadline = time.monotonic() + _GONE_SECONDS
    while left := [describe(item) for item in edited if objects.exists(item)]:
        assert time.monotonic() < deadline, f"still there: {left[:10]}"


def test_what_a_schema_refuses_is_not_stored(cluster: Cluster) -> None:
    body = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "x", "namespace": "default"},
        "spec": {"template": 7},
    }
    with pytest.raises(ClusterError, match=r"spec\.template"):
        Objects(cluster).apply(body)
    assert not Objects(cluster).exists(body)
