"""Knative Serving and Eventing, by its operator."""

from collections.abc import Iterator

from iac.manifests import ROOM_LABEL, Manifest, manifest
from iac.stack import EVENTING, SERVING, Platform

ROOM = "knative"
_LABELS = {ROOM_LABEL: ROOM}
# Knative's own defaults; a function that needs more raises them for all.
_LEAST_TIMEOUT = 600
_LEAST_CONCURRENCY = 1000


def objects(platform: Platform) -> Iterator[Manifest]:
    """Everything of the room."""
    functions = platform.catalogue.functions
    longest = max(_LEAST_TIMEOUT, *(function.timeout_seconds for function in functions))
    busiest = max(_LEAST_CONCURRENCY, *(function.concurrency for function in functions))
    replicas = 1 if platform.configuration.environment == "dev" else 2
    yield manifest(
        "operator.knative.dev/v1beta1",
        "KnativeServing",
        "knative-serving",
        namespace=SERVING,
        labels=_LABELS,
        spec={
            "high-availability": {"replicas": replicas},
            "ingress": {"kourier": {"enabled": True, "service-type": "ClusterIP"}},
            "config": {
                "network": {
                    "ingress-class": "kourier.ingress.networking.knative.dev",
                    "default-external-scheme": "http",
                },
                "domain": {"svc.cluster.local": ""},
                "defaults": {
                    "max-revision-timeout-seconds": str(longest),
                    "container-concurrency-max-limit": str(busiest),
                    "enable-service-links": "false",
                },
                "autoscaler": {"enable-scale-to-zero": "true", "scale-to-zero-grace-period": "30s"},
                "features": {"secure-pod-defaults": "enabled"},
                "gc": {"min-non-active-revisions": "2", "max-non-active-revisions": "5"},
                "observability": {"metrics-protocol": "prometheus"},
                # Images are named by digest already; asking each registry again would need its credentials.
                "deployment": {"registries-skipping-tag-resolving": _registry(platform)},
            },
        },
    )
    # Functions get their events from the dispatcher; Eventing is there for what companies add themselves.
    yield manifest(
        "operator.knative.dev/v1beta1",
        "KnativeEventing",
        "knative-eventing",
        namespace=EVENTING,
        labels=_LABELS,
        spec={
            "high-availability": {"replicas": replicas},
            # Its container gives up no rights, so Pod Security refuses it; nothing here answers requests by events.
            "workloads": [{"name": "request-reply", "replicas": 0}],
        },
    )


def _registry(platform: Platform) -> str:
    return platform.configuration.registry.partition("/")[0]
