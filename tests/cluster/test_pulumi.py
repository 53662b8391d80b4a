"""The dev stack on a real API server, by Pulumi itself."""

import json
import time

import pytest
import yaml

from functions.kit.catalogue import load_catalogue
from local.cluster.api_server import Cluster
from tests.cluster.checkout import Checkout

_SERVICES = "/apis/serving.knative.dev/v1/namespaces/functions/services"
_EDITED = "platform-kpis"
_GONE_SECONDS = 300.0


def revisions(cluster: Cluster) -> dict[str, str]:
    """Every function that the API server has, with its newest revision's name."""
    items = json.loads(cluster.call("GET", _SERVICES))["items"]
    return {item["metadata"]["name"]: item["spec"]["template"]["metadata"]["name"] for item in items}


def namespaces(cluster: Cluster) -> set[str]:
    return {item["metadata"]["name"] for item in json.loads(cluster.call("GET", "/api/v1/namespaces"))["items"]}


@pytest.mark.timeout(3600)
def test_the_stack_comes_up_holds_still_changes_by_one_function_and_goes(cluster: Cluster, checkout: Checkout) -> None:
    before = namespaces(cluster)
    made = checkout.changed("up")
    assert set(made.values()) == {"create"}
    running = revisions(cluster)
    assert running.keys() == {function.name for function in load_catalogue()}

    assert checkout.changed("preview") == {}, "a second preview finds nothing to do"

    manifest = checkout.folder / "functions" / "platform" / "kpis" / "func.yaml"
    document = yaml.safe_load(manifest.read_text())
    document["deploy"]["options"]["scale"]["max"] = 7
    manifest.write_text(yaml.safe_dump(document))
    expected = {f"kubernetes:serving.knative.dev/v1:Service::functions/{_EDITED}": "update"}
    assert checkout.changed("preview") == expected
    assert checkout.changed("up") == expected
    after = revisions(cluster)
    assert {name for name in after if after[name] != running[name]} == {_EDITED}

    gone = checkout.changed("destroy")
    assert set(gone.values()) == {"delete"}
    assert gone.keys() == made.keys()
    deadline = time.monotonic() + _GONE_SECONDS
    while namespaces(cluster) != before:
        assert time.monotonic() < deadline, f"still there: {namespaces(cluster) - before}"
