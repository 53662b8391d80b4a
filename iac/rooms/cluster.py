"""What every namespace has before anything runs in it: standards, quotas, denied traffic; and certificates."""

from collections.abc import Iterator
from typing import Any

from iac.arrows import network_policies
from iac.manifests import ROOM_LABEL, Manifest, manifest
from iac.stack import EDGE, NAMESPACES, OPERATORS, PUBLIC_NAMES, Platform

ROOM = "cluster"
EDGE_CERTIFICATE = "edge-tls"
ISSUER = "dcoder"
# Everything that Pod Security can do about a pod that asks for more than `restricted`.
_RESTRICTED = {
    f"pod-security.kubernetes.io/{mode}{suffix}": value
    for mode in ("enforce", "audit", "warn")
    for suffix, value in (("", "restricted"), ("-version", "latest"))
}


def objects(platform: Platform) -> Iterator[Manifest]:
    """Everything of the room."""
    for name in (*NAMESPACES, *OPERATORS):
        yield manifest("v1", "Namespace", name, labels={ROOM_LABEL: ROOM, **_RESTRICTED})
    for name in NAMESPACES:
        yield from _limits(name, platform)
    yield from network_policies(platform)
    yield from _certificates(platform)


def _limits(namespace: str, platform: Platform) -> Iterator[Manifest]:
    budget = platform.configuration.cluster.budget
    hard = {"requests.cpu": budget.cpu, "requests.memory": budget.memory, "pods": str(budget.pods)}
    yield manifest("v1", "ResourceQuota", "budget", namespace=namespace, spec={"hard": hard})
    container = {
        "type": "Container",
        "default": {"cpu": "500m", "memory": "256Mi"},
        "defaultRequest": {"cpu": "50m", "memory": "64Mi"},
    }
    yield manifest("v1", "LimitRange", "defaults", namespace=namespace, spec={"limits": [container]})


def _certificates(platform: Platform) -> Iterator[Manifest]:
    yield manifest("cert-manager.io/v1", "ClusterIssuer", ISSUER, spec=_issuer(platform))
    names = [platform.host(name) for name in PUBLIC_NAMES]
    yield manifest(
        "cert-manager.io/v1",
        "Certificate",
        EDGE_CERTIFICATE,
        namespace=EDGE,
        spec={
            "secretName": EDGE_CERTIFICATE,
            "dnsNames": names,
            "issuerRef": {"kind": "ClusterIssuer", "name": ISSUER},
            "duration": "2160h",
            "renewBefore": "720h",
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        },
    )


def _issuer(platform: Platform) -> dict[str, Any]:
    issuer = platform.configuration.cluster.issuer
    if issuer.kind == "self-signed":
        return {"selfSigned": {}}
    return {
        "acme": {
            "server": issuer.server,
            "email": issuer.email,
            "privateKeySecretRef": {"name": "acme-account"},
            "solvers": [issuer.solver],
        }
    }
