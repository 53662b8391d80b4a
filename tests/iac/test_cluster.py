"""What every namespace has before anything runs in it, and who may talk to whom."""

import re
import sys
from pathlib import Path

import pytest

from iac.arrows import ANYONE, ARROWS, INTERNET, KUBERNETES, NODES, PARTIES
from iac.configuration.loading import parse
from iac.manifests import Manifest, namespace_of, pod_specs
from iac.rooms import cluster
from iac.stack import NAMESPACES, OPERATORS, PUBLIC_NAMES, Platform
from tests.iac.conftest import find, stack

ROOT = Path(__file__).resolve().parents[2]
_ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$")


def test_namespaces_enforce_the_restricted_standard(manifests: list[Manifest]) -> None:
    made = {item["metadata"]["name"]: item["metadata"]["labels"] for item in manifests if item["kind"] == "Namespace"}
    assert set(made) == {*NAMESPACES, *OPERATORS}
    for labels in made.values():
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_every_namespace_of_ours_denies_by_default_and_has_limits(manifests: list[Manifest]) -> None:
    for namespace in NAMESPACES:
        own = {(i["kind"], i["metadata"]["name"]): i for i in manifests if namespace_of(i) == namespace}
        denied = own["NetworkPolicy", "default-deny"]["spec"]
        assert denied == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        assert own["ResourceQuota", "budget"]["spec"]["hard"]["requests.memory"] == "128Gi"
        assert own["LimitRange", "defaults"]["spec"]["limits"][0]["default"]["memory"]


def test_every_arrow_is_open_at_both_ends(manifests: list[Manifest]) -> None:
    opened: dict[str, set[tuple[str, int]]] = {"ingress": set(), "egress": set()}
    for item in manifests:
        if item["kind"] == "NetworkPolicy":
            for side, ports in opened.items():
                for rule in item["spec"].get(side, ()):
                    ports.update((item["metadata"]["name"], port["port"]) for port in rule["ports"])
    for arrow in ARROWS:
        for port in arrow.ports:
            if arrow.target in PARTIES and PARTIES[arrow.target].namespace in NAMESPACES:
                assert (f"to-{slug(arrow.target)}", port) in opened["ingress"], arrow
            if arrow.source in PARTIES and PARTIES[arrow.source].namespace in NAMESPACES:
                assert (f"from-{slug(arrow.source)}", port) in opened["egress"], arrow


def slug(name: str) -> str:
    return name.replace("'", "").replace(" ", "-").lower()


def test_arrows_begin_and_end_at_known_parties_and_each_is_there_once() -> None:
    known = {*PARTIES, ANYONE, INTERNET, KUBERNETES, NODES}
    assert {arrow.source for arrow in ARROWS} | {arrow.target for arrow in ARROWS} == known
    pairs = [(arrow.source, arrow.target) for arrow in ARROWS]
    assert len(pairs) == len(set(pairs))
    assert [arrow.target for arrow in ARROWS if arrow.source == ANYONE] == ["edge"]


def test_architecture_has_the_same_arrows() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    section = text.split("## Who talks to whom", 1)[1].split("\n## ", 1)[0]
    written = set()
    for line in section.splitlines():
        if (row := _ROW.match(line)) and not set(row[1]) <= set("-") and row[1] != "From":
            written |= {(row[1], target.strip()) for target in row[2].split(",")}
    assert written == {(arrow.source, arrow.target) for arrow in ARROWS}


def test_what_calls_providers_reaches_no_private_network(manifests: list[Manifest]) -> None:
    egress = find(manifests, "NetworkPolicy", "from-functions")["spec"]["egress"]
    blocks = [peer["ipBlock"] for rule in egress for peer in rule.get("to", ()) if "ipBlock" in peer]
    assert [block["cidr"] for block in blocks] == ["0.0.0.0/0"]
    assert "169.254.0.0/16" in blocks[0]["except"]
    assert "10.0.0.0/8" in blocks[0]["except"]


def test_pods_of_ours_are_parties_of_the_table(manifests: list[Manifest]) -> None:
    """A pod that no party selects may talk to nobody: it was forgotten."""
    for item in manifests:
        for _ in pod_specs(item):
            labels = item["spec"].get("template", item).get("metadata", {}).get("labels", {})
            selecting = [
                name
                for name, party in PARTIES.items()
                if party.namespace == namespace_of(item)
                and party.labels.items() <= labels.items()
                and (party.labelled is None or party.labelled in labels)
            ]
            assert selecting, item["metadata"]["name"]


def test_the_certificate_names_every_public_address(manifests: list[Manifest]) -> None:
    names = find(manifests, "Certificate", cluster.EDGE_CERTIFICATE)["spec"]["dnsNames"]
    assert names == [f"{name}.dcoder.example.com" for name in PUBLIC_NAMES]


def test_certificates_may_come_from_an_acme_authority() -> None:
    issuer = {"kind": "acme", "email": "a@example.com", "solver": {"dns01": {"route53": {"region": "eu-west-1"}}}}
    platform = Platform(parse(stack({"cluster": {"domain": "example.com", "issuer": issuer}})))
    made = find(list(cluster.objects(platform)), "ClusterIssuer", "dcoder")["spec"]["acme"]
    assert made["solvers"] == [issuer["solver"]]
    assert made["email"] == "a@example.com"


@pytest.mark.parametrize("path", sorted((ROOT / "iac").iterdir()), ids=lambda path: path.name)
def test_no_module_hides_one_of_python(path: Path) -> None:
    # Pulumi runs `iac/` as a folder: its modules come first when anything is imported.
    assert path.stem not in sys.stdlib_module_names
