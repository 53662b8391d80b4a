"""The rules as a Pulumi policy pack: started and asked as Pulumi's engine does, in the pack's own environment."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from iac.manifests import Manifest
from iac.policies.rules import RULES
from local.cluster.toolchain import PACK_REQUIREMENTS, pack_python
from tests.cluster.objects import rendered

_ADVISORY, _MANDATORY = analyzer_pb2.ADVISORY, analyzer_pb2.MANDATORY


@pytest.fixture(scope="module")
def analyzer() -> Iterator[Any]:
    if not os.environ.get("DCODER_TEST_CLUSTER"):
        pytest.skip("run by `make test-cluster`, which makes the pack's environment")
    folder = PACK_REQUIREMENTS.parent
    command = [str(pack_python()), "-u", "-m", "pulumi.policy", "127.0.0.1:1", "."]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = process.stdout.readline().strip()
            assert port.isdigit(), f"it says {port!r} in place of its port"
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield analyzer_pb2_grpc.AnalyzerStub(channel)
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def chat() -> Manifest:
    """A Knative Service of ours."""
    return next(item for item in rendered("dev") if item["metadata"]["name"] == "gateway-chat" and "spec" in item)


def judged(analyzer: Any, item: Mapping[str, Any]) -> dict[str, int]:
    """The policies that an object breaks, with what that does: 0 is told, 1 stops."""
    properties = struct_pb2.Struct()
    properties.update(dict(item))
    kind = f"kubernetes:{item['apiVersion']}:{item['kind']}"
    request = analyzer_pb2.AnalyzeRequest(
        type=kind,
        properties=properties,
        urn=f"urn:pulumi:dev::dcoder::{kind}::x",
        name="x",
        options=analyzer_pb2.AnalyzerResourceOptions(),
    )
    return {found.policyName: found.enforcementLevel for found in analyzer.Analyze(request, timeout=60).diagnostics}


def test_every_rule_is_there_for_ours_and_for_others(analyzer: Any) -> None:
    told = analyzer.GetAnalyzerInfo(empty_pb2.Empty(), timeout=60)
    names = {rule.name.replace(" ", "-") for rule in RULES}
    assert {policy.name for policy in told.policies} == names | {f"{name}-of-others" for name in names}


def test_ours_are_stopped_and_others_are_told(analyzer: Any, chat: Manifest) -> None:
    assert judged(analyzer, chat) == {"digests": _MANDATORY}, "dev takes images by tag, which production does not"
    others = {**chat, "metadata": {**chat["metadata"], "labels": {}}}
    assert judged(analyzer, others) == {"digests-of-others": _ADVISORY, "one-way-in-of-others": _ADVISORY}


def test_a_field_without_a_value_is_none(analyzer: Any, chat: Manifest) -> None:
    template = chat["spec"]["template"]
    empty = {**chat, "spec": {**chat["spec"], "template": {**template, "spec": {**template["spec"], "volumes": None}}}}
    assert judged(analyzer, empty) == {"digests": _MANDATORY}


def test_an_environment_may_be_said(analyzer: Any, chat: Manifest) -> None:
    settings = struct_pb2.Struct()
    settings.update({"environment": "dev", "byTag": True})
    config = analyzer_pb2.PolicyConfig(enforcementLevel=_MANDATORY, properties=settings)
    analyzer.Configure(analyzer_pb2.ConfigureAnalyzerRequest(policyConfig={"digests": config}), timeout=60)
    try:
        assert judged(analyzer, chat) == {}
    finally:
        analyzer.Configure(analyzer_pb2.ConfigureAnalyzerRequest(policyConfig={}), timeout=60)
