"""A real API server with the kinds that the stacks need."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from iac import crds
from local.cluster import api_server
from local.cluster.toolchain import missing
from tests.cluster.objects import rendered


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[api_server.Cluster]:
    if not os.environ.get("DCODER_TEST_CLUSTER"):
        pytest.skip("run by `make test-cluster`, which builds an API server first")
    assert not missing(), "make test-cluster builds what is missing"
    with api_server.running(tmp_path_factory.mktemp("cluster")) as running:
        api_server.install(running, definitions())
        yield running


def definitions() -> list[dict[str, Any]]:
    """Of the published schemas those that the stack needs; kinds that nobody publishes take anything."""
    found = {(item["apiVersion"].rpartition("/")[0], item["kind"]) for item in rendered("dev")}
    needed = {(group, kind) for group, kind in found if "." in group and not group.endswith(".k8s.io")}
    known = {(each["spec"]["group"], each["spec"]["names"]["kind"]): each for each in crds.definitions()}
    served = [known[kind] for kind in sorted(needed & known.keys())]
    for group, kind in sorted(needed - known.keys()):
        assert group in crds.UNPUBLISHED, f"there is no schema of {kind} in {group}"
        served.append(_open(group, kind))
    return served


def _open(group: str, kind: str) -> dict[str, Any]:
    names = {"kind": kind, "plural": f"{kind.lower()}s", "singular": kind.lower()}
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1beta2", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names['plural']}.{group}"},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": [version]},
    }
