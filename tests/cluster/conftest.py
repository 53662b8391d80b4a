"""A real API server with the kinds that the stacks need."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iac import crds
from local.cluster import api_server
from local.cluster.toolchain import CLUSTER, PULUMI_PROGRAMS, missing
from tests.cluster.checkout import Checkout, check_out
from tests.cluster.objects import rendered


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[api_server.Cluster]:
    if not os.environ.get("DCODER_TEST_CLUSTER"):
        pytest.skip("run by `make test-cluster`, which builds an API server first")
    assert not set(missing()) & set(CLUSTER), "make test-cluster builds what is missing"
    with api_server.running(tmp_path_factory.mktemp("cluster")) as running:
        api_server.install(running, definitions())
        yield running


@pytest.fixture
def checkout(cluster: api_server.Cluster, tmp_path: Path) -> Checkout:
    """A copy of the project with a stack of its own, which Pulumi deploys."""
    needs_pulumi()
    return check_out(tmp_path, cluster.kubeconfig)


def needs_pulumi() -> None:
    """Skip, with the reason, where the cluster or Pulumi's programs are not built."""
    if not os.environ.get("DCODER_TEST_CLUSTER"):
        pytest.skip("run by `make test-cluster`, which builds an API server first")
    if absent := set(missing()) & set(PULUMI_PROGRAMS):
        pytest.skip(f"not built: {', '.join(sorted(absent))}; `python -m local.cluster.toolchain` builds them")


def definitions() -> list[dict[str, Any]]:
    """Of the published schemas those that the stack needs."""
    found = {(item["apiVersion"].rpartition("/")[0], item["kind"]) for item in rendered("dev")}
    needed = {(group, kind) for group, kind in found if "." in group and not group.endswith(".k8s.io")}
    known = {(each["spec"]["group"], each["spec"]["names"]["kind"]): each for each in crds.definitions()}
    assert needed <= known.keys(), f"there is no schema of {needed - known.keys()}"
    return [known[kind] for kind in sorted(needed)]
