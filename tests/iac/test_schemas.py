"""Every rendered object is one that an API server takes."""

import copy
import re
from typing import Any

import pytest

from iac.configuration.loading import parse
from iac.crds import missing
from iac.manifests import Manifest, containers, describe, pod_specs
from iac.rendering import render
from iac.stack import Platform
from tests.iac.conftest import everything, find, stack
from tests.iac.schemas import custom_faults, faults

VARIANTS: dict[str, dict[str, Any]] = {
    "production": {},
    "development": {"environment": "dev", "nats": {"replicas": 1}, "objects": {"replicas": 1}},
    "external stores": {
        "objects": {"external": {"endpoint": "https://s3.example.com", "tenantRole": "user"}},
        "secrets": {"source": "external"},
        "postgres": {"restore": {"targetTime": "2026-11-26 10:00:00Z"}},
    },
}

needs_definitions = pytest.mark.skipif(
    bool(missing()),
    reason=f"no schema of {', '.join(one.module for one in missing())} is fetched: `make test-iac` fetches them",
)


@pytest.fixture(params=sorted(VARIANTS))
def objects(request: pytest.FixtureRequest) -> list[Manifest]:
    return everything(render(Platform(parse(stack(VARIANTS[request.param])))))


def test_kubernetes_knows_every_field(objects: list[Manifest]) -> None:
    assert list(faults(objects)) == []


@needs_definitions
def test_custom_resources_have_fields_that_their_definitions_know(objects: list[Manifest]) -> None:
    assert list(custom_faults(objects)) == []


def test_a_wrong_field_is_found(manifests: list[Manifest]) -> None:
    wrong = copy.deepcopy(find(manifests, "Deployment", "dispatcher"))
    wrong["spec"]["replica"] = 2
    assert [fault for fault in faults([wrong]) if "replica" in fault]


@needs_definitions
def test_a_wrong_field_of_a_custom_resource_is_found(manifests: list[Manifest]) -> None:
    functions = [item for item in manifests if item["apiVersion"] == "serving.knative.dev/v1"]
    wrong = copy.deepcopy(functions[0])
    wrong["spec"]["template"]["spec"]["containerConcurency"] = 2
    assert [fault for fault in custom_faults([wrong]) if "containerConcurency" in fault]
    wrong = copy.deepcopy(find(manifests, "Stream", "dcoder"))
    wrong["spec"]["retention"] = "forever"
    assert [fault for fault in custom_faults([wrong]) if "forever" in fault]
    wrong = copy.deepcopy(find(manifests, "Consumer", "platform-quota-mirror"))
    wrong["spec"]["ackwait"] = "30s"
    assert [fault for fault in custom_faults([wrong]) if "ackwait" in fault]
    wrong = copy.deepcopy(functions[0])
    wrong["spec"]["traffic"][0]["percent"] = "all"
    assert [fault for fault in custom_faults([wrong]) if "percent" in fault]


def test_parts_of_pods_have_names_that_kubernetes_takes(objects: list[Manifest]) -> None:
    label = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
    for item in objects:
        for pod in pod_specs(item):
            names = [part["name"] for part in (*containers(pod), *pod.get("volumes", ()))]
            assert [name for name in names if not label.fullmatch(name)] == [], describe(item)
            assert len({part["name"] for part in pod.get("volumes", ())}) == len(pod.get("volumes", ())), describe(item)
