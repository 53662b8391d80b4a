"""What the program registers with Pulumi: every object, under its room, with secrets that stay secret."""

from typing import Any

import pytest

from iac.charts import CHARTS
from iac.configuration.loading import parse
from iac.manifests import Manifest, namespace_of
from iac.rendering import ROOMS, render
from iac.stack import Platform
from tests.iac.conftest import ROOT_SECRET, everything, stack
from tests.iac.recording import Registered, program, record

BARE: dict[str, Any] = {
    "cluster": {"domain": "dcoder.example.com", "charts": False, "waits": False},
    "secrets": {"source": "external"},
}


@pytest.fixture(scope="module")
def registered() -> list[Registered]:
    return record(stack())


@pytest.fixture(scope="module")
def bare() -> list[Registered]:
    return record(stack(BARE))


def named(items: list[Registered], kind: str, name: str) -> Registered:
    found = [one for one in items if one.kind == f"kubernetes:{kind}" and one.name == name]
    assert len(found) == 1, [one.name for one in items if one.kind == f"kubernetes:{kind}"]
    return found[0]


def test_every_object_is_registered_once(bare: list[Registered]) -> None:
    def title(item: Manifest) -> str:
        return (
            f"{namespace_of(item)}/{item['metadata']['name']}" if namespace_of(item) else str(item["metadata"]["name"])
        )

    wanted = {
        ("ExternalSecret" if item["kind"] == "Secret" else item["kind"], title(item))
        for item in everything(render(Platform(parse(stack(BARE)))))
    }
    made = [(one.kind.rpartition(":")[2], one.name) for one in bare if one.kind.startswith("kubernetes:")]
    assert len(made) == len(set(made))
    assert set(made) == wanted


def test_each_room_is_one_component(registered: list[Registered]) -> None:
    rooms = [one.name for one in registered if one.kind.startswith("dcoder:rooms:")]
    assert sorted(rooms) == sorted(room.name for room in ROOMS)


def test_nothing_is_registered_before_its_namespace(bare: list[Registered]) -> None:
    objects = [one for one in bare if one.kind.startswith("kubernetes:")]
    places = {one.name: place for place, one in enumerate(objects) if one.kind == "kubernetes:core/v1:Namespace"}
    inside = [(place, one) for place, one in enumerate(objects) if "/" in one.name]
    assert inside
    for place, one in inside:
        assert places[one.name.split("/")[0]] < place, one.name


def test_what_a_chart_needs_is_registered_before_it(registered: list[Registered]) -> None:
    # Pulumi waits for a chart's pods, which wait for the Secrets that they name.
    names = [one.name for one in registered]
    assert names.index("data/nats-credentials") < names.index("nats")
    for chart in CHARTS:
        for other in chart.after:
            assert names.index(other) < names.index(chart.name)


def test_fields_reach_kubernetes_under_their_own_names(registered: list[Registered]) -> None:
    deployment = named(registered, "apps/v1:Deployment", "functions/dispatcher").inputs
    assert deployment["spec"]["template"]["spec"]["automountServiceAccountToken"] is False
    assert deployment["metadata"]["namespace"] == "functions"
    account = named(registered, "core/v1:ServiceAccount", "functions/gateway-chat").inputs
    assert account["automountServiceAccountToken"] is False
    service = named(registered, "serving.knative.dev/v1:Service", "functions/gateway-chat").inputs
    assert service["spec"]["template"]["spec"]["containerConcurrency"] == 80
    assert service["metadata"]["annotations"] == {"pulumi.com/waitFor": "condition=Ready"}


def test_a_job_that_failed_is_run_anew(registered: list[Registered]) -> None:
    jobs = [one for one in registered if one.kind == "kubernetes:batch/v1:Job"]
    assert {one.name.rpartition("/")[2].rpartition("-")[0] for one in jobs} >= {"migrate", "buckets"}
    for one in jobs:
        assert one.inputs["metadata"]["annotations"] == {"pulumi.com/replaceUnready": "true"}


def test_secrets_are_complete_and_marked(registered: list[Registered]) -> None:
    secrets = [one for one in registered if one.kind == "kubernetes:core/v1:Secret"]
    assert secrets
    for one in secrets:
        assert one.is_secret("stringData"), one.name
        assert "{{" not in str(one.revealed("stringData")), one.name
    plain = [one for one in registered if one.kind != "kubernetes:core/v1:Secret"]
    assert ROOT_SECRET not in str(registered)
    url: str = named(secrets, "core/v1:Secret", "functions/platform-settings").revealed("stringData")[
        "DCODER_REDIS_URL"
    ]
    assert url.split(":")[2].split("@", maxsplit=1)[0] not in str(plain)


def test_a_store_of_secrets_gets_the_same_templates(bare: list[Registered]) -> None:
    assert not [one for one in bare if one.kind == "kubernetes:core/v1:Secret"]
    spec = named(bare, "external-secrets.io/v1:ExternalSecret", "functions/platform-settings").inputs["spec"]
    assert "{{ .redisPlatform }}" in spec["target"]["template"]["data"]["DCODER_REDIS_URL"]
    assert {"secretKey": "redisPlatform", "remoteRef": {"key": "dcoder/redisPlatform"}} in spec["data"]


def test_nothing_waits_where_nothing_becomes_ready(bare: list[Registered]) -> None:
    for one in bare:
        if one.kind.startswith("kubernetes:"):
            assert one.inputs["metadata"]["annotations"]["pulumi.com/skipAwait"] == "true", one.name


def test_charts_are_installed_or_left_out(registered: list[Registered], bare: list[Registered]) -> None:
    def installed(items: list[Registered]) -> dict[str, dict[str, Any]]:
        return {one.name: one.inputs for one in items if one.kind.startswith("kubernetes:helm.sh/")}

    assert installed(bare) == {}
    found = installed(registered)
    assert set(found) == {chart.name for chart in CHARTS}
    for chart in CHARTS:
        assert found[chart.name]["version"] == chart.version


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"postgres": {"instances": "many"}}, "dcoder:postgres.instances"),
        ({"digests": {}}, "dcoder:digests."),
        ({"postgress": {"instances": 3}}, "dcoder:postgress: is not a setting"),
        ({"postgres": {"instances": 1}}, "one server of Postgres"),
    ],
)
def test_a_wrong_stack_registers_nothing_and_says_why(overrides: dict[str, Any], says: str) -> None:
    done = program(stack(overrides))
    assert done.returncode != 0
    assert done.stdout == ""
    assert "RunError" in done.stderr
    assert says in done.stderr
