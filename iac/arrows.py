"""Who may talk to whom: the one table that every NetworkPolicy is made of.

Nothing else is let through: each namespace of ours denies by default, in both directions. docs/architecture.md has the
same arrows by name (a test compares).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from iac.manifests import FUNCTION_LABEL, ROOM_LABEL, Manifest, manifest
from iac.stack import (
    CLIENTS,
    DATA,
    EDGE,
    FLAGS,
    FUNCTIONS,
    IDENTITY,
    LLMOPS,
    NAMESPACES,
    OBSERVABILITY,
    POSTGRES_OPERATOR,
    SCALING,
    SERVING,
    WORKFLOWS,
    Platform,
)

_NAME = "app.kubernetes.io/name"
_NAMESPACE = "kubernetes.io/metadata.name"
_CLUSTER = "cnpg.io/cluster"
_SERVING_PORTS = (8012, 8013, 8112, 8022)
# Names of parties that are no pods.
ANYONE = "anyone outside"
INTERNET = "the Internet"
KUBERNETES = "Kubernetes' API"
NODES = "nodes"
_OBJECTS = "objects"


@dataclass(frozen=True)
class Party:
    """Pods that talk or are talked to.

    Attributes:
        labels: every one of them; none for all pods of the namespace.
        labelled: a label that they have, whatever its value.
    """

    namespace: str
    labels: dict[str, str] = field(default_factory=dict)
    labelled: str | None = None

    def selector(self) -> dict[str, Any]:
        """As policies name them within their namespace."""
        selector: dict[str, Any] = {"matchLabels": self.labels} if self.labels else {}
        if self.labelled:
            selector["matchExpressions"] = [{"key": self.labelled, "operator": "Exists"}]
        return selector

    def peer(self) -> dict[str, Any]:
        """As policies of other namespaces name them."""
        peer: dict[str, Any] = {"namespaceSelector": {"matchLabels": {_NAMESPACE: self.namespace}}}
        return {**peer, "podSelector": self.selector()} if self.selector() else peer


@dataclass(frozen=True)
class Arrow:
    """One party may open connections to another, on these ports."""

    source: str
    target: str
    ports: tuple[int, ...]
    why: str


def _named(namespace: str, name: str) -> Party:
    return Party(namespace, {_NAME: name})


PARTIES: dict[str, Party] = {
    "functions": Party(FUNCTIONS, labelled=FUNCTION_LABEL),
    "tenant provisioning": Party(FUNCTIONS, {FUNCTION_LABEL: "platform-tenants"}),
    "edge sync": Party(FUNCTIONS, {FUNCTION_LABEL: "platform-edge-sync"}),
    "task queueing": Party(FUNCTIONS, {FUNCTION_LABEL: "integrations-enqueue"}),
    "task reminding": Party(FUNCTIONS, {FUNCTION_LABEL: "integrations-reminder"}),
    "background workers": _named(FUNCTIONS, "integrations-worker"),
    "dispatcher": _named(FUNCTIONS, "dispatcher"),
    "migrations": _named(FUNCTIONS, "migrate"),
    "bucket sync": _named(FUNCTIONS, "buckets"),
    "function router": Party(SERVING),
    "edge": _named(EDGE, "kong"),
    "edge configuration": Party(EDGE, {ROOM_LABEL: "kong-jobs"}),
    "edge's database": Party(EDGE, {_CLUSTER: "kong"}),
    "pooler": Party(DATA, {"cnpg.io/poolerName": "platform-pooler"}),
    "database": Party(DATA, {_CLUSTER: "platform"}),
    "database operator": Party(POSTGRES_OPERATOR),
    "cache and limits": _named(DATA, "redis-platform"),
    "queue": _named(DATA, "redis-queue"),
    "edge's counters": _named(DATA, "redis-edge"),
    "event bus": _named(DATA, "nats"),
    "event bus controller": _named(DATA, "nack"),
    "objects": _named(DATA, "minio"),
    "objects setup": _named(DATA, "minio-users"),
    "workflow server": Party(WORKFLOWS, {"app.kubernetes.io/component": "temporal"}),
    "agent workers": _named(WORKFLOWS, "agent-worker"),
    "scaler": Party(SCALING),
    "identity": Party(IDENTITY, {"app.kubernetes.io/component": "logto"}),
    "flags": Party(FLAGS, {ROOM_LABEL: "flagsmith"}),
    "experiments": _named(LLMOPS, "mlflow"),
    "prompts": Party(LLMOPS, {"app.kubernetes.io/instance": "agenta"}),
    "LLM traces": Party(LLMOPS, {"app.kubernetes.io/instance": "langfuse"}),
    "chats": Party(CLIENTS, {ROOM_LABEL: "open-webui"}),
    "dashboards": Party(CLIENTS, {ROOM_LABEL: "dashboards"}),
    "metrics": _named(OBSERVABILITY, "prometheus"),
    "monitoring operator": Party(OBSERVABILITY, {"app": "kube-prometheus-stack-operator"}),
    "cluster metrics": _named(OBSERVABILITY, "kube-state-metrics"),
    "alerts": _named(OBSERVABILITY, "alertmanager"),
    "charts": _named(OBSERVABILITY, "grafana"),
    "logs": _named(OBSERVABILITY, "loki"),
    "log reader": _named(OBSERVABILITY, "alloy"),
    "traces": _named(OBSERVABILITY, "tempo"),
    "telemetry": _named(OBSERVABILITY, "otel-collector"),
}

ARROWS: tuple[Arrow, ...] = (
    Arrow(ANYONE, "edge", (8000, 8443), "the only way in"),
    Arrow("edge", "function router", (80, 8080, 8081), "requests"),
    Arrow("edge", "edge's database", (5432,), "its configuration, consumers and credentials"),
    Arrow("edge", "edge's counters", (6379,), "rate limits"),
    Arrow("edge", "identity", (3001, 3002), "sign-in"),
    Arrow("edge", "flags", (8000,), "the flags' console"),
    Arrow("edge", "chats", (8080,), "browsers"),
    Arrow("edge", "dashboards", (3000,), "browsers"),
    Arrow("edge", "experiments", (5000,), "MLflow's pages"),
    Arrow("edge", "prompts", (3000, 8000, 8080), "Agenta's pages"),
    Arrow("edge", "LLM traces", (3000,), "Langfuse's pages"),
    Arrow("edge", "charts", (3000,), "Grafana's pages"),
    Arrow("edge", "telemetry", (4318,), "spans"),
    Arrow("edge configuration", "edge", (8001,), "routes and plugins, at every release"),
    Arrow("edge configuration", "edge's database", (5432,), "Kong's own schema"),
    Arrow("function router", "functions", (*_SERVING_PORTS, 9090), "requests, events, and how busy they are"),
    Arrow("functions", "pooler", (5432,), "the platform's and the tenants' databases"),
    Arrow("functions", "cache and limits", (6379,), "answers, limits, sessions"),
    Arrow("functions", "event bus", (4222,), "changes that every process must hear of"),
    Arrow("functions", "objects", (9000,), "documents, checkpoints"),
    Arrow("functions", "edge", (8000,), "other contexts"),
    Arrow("functions", "identity", (3001,), "signing keys, sign-in"),
    Arrow("functions", "flags", (8000,), "flags"),
    Arrow("functions", "workflow server", (7233,), "agents"),
    Arrow("functions", "telemetry", (4318,), "spans"),
    Arrow("functions", "LLM traces", (3000,), "LLM calls"),
    Arrow("functions", INTERNET, (80, 443), "providers, tools, webhooks"),
    Arrow("tenant provisioning", "database", (5432,), "makes databases and roles"),
    Arrow("edge sync", "edge", (8001,), "consumers and credentials"),
    Arrow("task queueing", "queue", (6379,), "work for the background"),
    Arrow("task reminding", "queue", (6379,), "what waits in it"),
    Arrow("background workers", "queue", (6379,), "work"),
    Arrow("background workers", "pooler", (5432,), "what tenants have registered"),
    Arrow("background workers", INTERNET, (443,), "documents at addresses"),
    Arrow("dispatcher", "event bus", (4222,), "events"),
    Arrow("dispatcher", "database", (5432,), "outboxes; it listens, which no pooler passes on"),
    Arrow("dispatcher", "cache and limits", (6379,), "usage records"),
    Arrow("dispatcher", "function router", (80, 8080, 8081), "delivers events"),
    Arrow("dispatcher", "workflow server", (7233,), "what is due"),
    Arrow("dispatcher", "telemetry", (4318,), "spans"),
    Arrow("migrations", "database", (5432,), "schemas"),
    Arrow("bucket sync", "objects", (9000,), "buckets, versions, lifecycle"),
    Arrow("pooler", "database", (5432,), "pooled connections"),
    Arrow("database", "database", (5432, 8000), "replication"),
    Arrow("database", "objects", (9000,), "backups and logs"),
    Arrow("database", KUBERNETES, (443, 6443), "CloudNativePG's instance manager"),
    Arrow("pooler", KUBERNETES, (443, 6443), "CloudNativePG's instance manager"),
    Arrow("edge's database", "edge's database", (5432, 8000), "replication"),
    Arrow("edge's database", "objects", (9000,), "backups and logs"),
    Arrow("edge's database", KUBERNETES, (443, 6443), "CloudNativePG's instance manager"),
    Arrow("database operator", "database", (5432, 8000), "looks after it"),
    Arrow("database operator", "edge's database", (5432, 8000), "looks after it"),
    Arrow("event bus", "event bus", (4222, 6222, 8222), "replication"),
    Arrow("event bus controller", "event bus", (4222,), "streams and consumers"),
    Arrow("event bus controller", KUBERNETES, (443, 6443), "reads what is declared"),
    Arrow("objects", "objects", (9000,), "erasure coding"),
    Arrow("objects", "telemetry", (8088,), "who did what to which object"),
    Arrow("objects setup", "objects", (9000,), "users and their policies"),
    Arrow(
        "workflow server",
        "workflow server",
        (6933, 6934, 6935, 6939, 7233, 7234, 7235, 7239),
        "its services, its console",
    ),
    Arrow("workflow server", "database", (5432,), "histories"),
    Arrow("agent workers", "workflow server", (7233,), "work"),
    Arrow("agent workers", "pooler", (5432,), "executions"),
    Arrow("agent workers", "event bus", (4222,), "flags and revocations"),
    Arrow("agent workers", "cache and limits", (6379,), "what functions share"),
    Arrow("agent workers", "objects", (9000,), "what is too large for histories"),
    Arrow("agent workers", "edge", (8000,), "models, search"),
    Arrow("agent workers", "telemetry", (4318,), "spans"),
    Arrow("agent workers", INTERNET, (443,), "tools"),
    Arrow("scaler", "workflow server", (7233,), "backlog of agents"),
    Arrow("scaler", "queue", (6379,), "backlog of background workers"),
    Arrow("identity", "database", (5432,), "accounts"),
    Arrow("identity", "edge", (8000,), "webhook of accounts"),
    Arrow("identity", "identity", (3001,), "its sync"),
    Arrow("identity", INTERNET, (443, 587), "mail, social sign-in, known leaked passwords"),
    Arrow("flags", "database", (5432,), "flags"),
    Arrow("flags", "edge", (8000,), "webhook of flags"),
    Arrow("flags", "flags", (8000,), "its sync"),
    Arrow("experiments", "database", (5432,), "runs"),
    Arrow("experiments", "objects", (9000,), "artifacts"),
    Arrow("prompts", "prompts", (3000, 3567, 8000, 8080), "its parts"),
    Arrow("prompts", "queue", (6379,), "its queues"),
    Arrow("prompts", "database", (5432,), "prompts"),
    Arrow("prompts", "edge", (8000,), "models"),
    Arrow("LLM traces", "LLM traces", (8123, 9000), "ClickHouse"),
    Arrow("LLM traces", "queue", (6379,), "its queues"),
    Arrow("LLM traces", "database", (5432,), "projects"),
    Arrow("LLM traces", "objects", (9000,), "events"),
    Arrow("chats", "edge", (8000, 8443), "models, documents, agents, sign-in"),
    Arrow("chats", "database", (5432,), "conversations"),
    Arrow("chats", "identity", (3001,), "sign-in"),
    Arrow("chats", INTERNET, (443,), "sign-in by its public address"),
    Arrow("dashboards", "edge", (8000,), "the platform's API"),
    Arrow("dashboards", "identity", (3001,), "sign-in"),
    Arrow("dashboards", "metrics", (9090,), "the operators' figures"),
    Arrow("dashboards", "logs", (3100,), "the operators' logs"),
    Arrow("metrics", "functions", (8080,), "scrapes"),
    Arrow("metrics", "dispatcher", (8104,), "scrapes"),
    Arrow("metrics", "edge", (8100,), "scrapes"),
    Arrow("metrics", "database", (9187,), "scrapes"),
    Arrow("metrics", "pooler", (9127,), "scrapes"),
    Arrow("metrics", "database operator", (8080,), "scrapes"),
    Arrow("metrics", "edge's database", (9187,), "scrapes"),
    Arrow("metrics", "cache and limits", (9121,), "scrapes"),
    Arrow("metrics", "queue", (9121,), "scrapes"),
    Arrow("metrics", "edge's counters", (9121,), "scrapes"),
    Arrow("metrics", "event bus", (7777,), "scrapes"),
    Arrow("metrics", "objects", (9000,), "scrapes"),
    Arrow("metrics", "workflow server", (9090,), "scrapes"),
    Arrow("metrics", "telemetry", (8888,), "scrapes"),
    Arrow("metrics", "logs", (3100,), "scrapes"),
    Arrow("metrics", "traces", (3200,), "scrapes"),
    Arrow("metrics", "agent workers", (8083,), "scrapes"),
    Arrow("metrics", "background workers", (8087,), "scrapes"),
    Arrow("metrics", "cluster metrics", (8080,), "scrapes"),
    Arrow("metrics", "alerts", (9093,), "alerts"),
    Arrow("metrics", KUBERNETES, (443, 6443), "finds what to scrape"),
    Arrow("metrics", NODES, (10250,), "how full volumes are"),
    Arrow("monitoring operator", KUBERNETES, (443, 6443), "reads what is declared"),
    Arrow("cluster metrics", KUBERNETES, (443, 6443), "reads the state of objects"),
    Arrow("alerts", "alerts", (9094,), "tell each other what was sent"),
    Arrow("alerts", INTERNET, (443,), "tells people"),
    Arrow("charts", "metrics", (9090,), "queries"),
    Arrow("charts", "logs", (3100,), "queries"),
    Arrow("charts", "traces", (3200,), "queries"),
    Arrow("charts", "alerts", (9093,), "queries"),
    Arrow("log reader", "logs", (3100,), "what pods wrote"),
    Arrow("log reader", KUBERNETES, (443, 6443), "reads what pods wrote"),
    Arrow("telemetry", "traces", (4317,), "spans"),
    Arrow("telemetry", "logs", (3100,), "records"),
    Arrow("logs", "objects", (9000,), "chunks"),
    Arrow("traces", "objects", (9000,), "blocks"),
)


def network_policies(platform: Platform) -> Iterator[Manifest]:
    """Default-deny and DNS for each namespace of ours, and what the arrows let through."""
    for namespace in NAMESPACES:
        yield _policy("default-deny", namespace, {}, ["Ingress", "Egress"])
        yield _policy("dns", namespace, {}, ["Egress"], egress=[_DNS])
    for name, party in PARTIES.items():
        if party.namespace not in NAMESPACES:
            continue
        incoming = [_rule("from", arrow, arrow.source, platform) for arrow in ARROWS if arrow.target == name]
        outgoing = [_rule("to", arrow, arrow.target, platform) for arrow in ARROWS if arrow.source == name]
        slug = name.replace("'", "").replace(" ", "-").lower()
        if incoming:
            yield _policy(f"to-{slug}", party.namespace, party.selector(), ["Ingress"], ingress=incoming)
        if outgoing:
            yield _policy(f"from-{slug}", party.namespace, party.selector(), ["Egress"], egress=outgoing)


_DNS = {
    "to": [
        {
            "namespaceSelector": {"matchLabels": {_NAMESPACE: "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }
    ],
    "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")],
}


def _rule(side: str, arrow: Arrow, other: str, platform: Platform) -> dict[str, Any]:
    external = platform.configuration.objects.external
    if side == "to" and other == _OBJECTS and external:
        # Whoever runs it, wherever it is: ports are all that is known of it and of what gives sessions.
        addresses = [urlsplit(each) for each in (external.endpoint, external.sts_endpoint) if each]
        ports = sorted({one.port or (443 if one.scheme == "https" else 80) for one in addresses})
        allowed = [{"protocol": "TCP", "port": port} for port in ports]
        return {"ports": allowed, "to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}
    rule: dict[str, Any] = {"ports": [{"protocol": "TCP", "port": port} for port in arrow.ports]}
    if peers := _peers(other, platform):
        rule[side] = peers
    return rule


def _peers(other: str, platform: Platform) -> list[dict[str, Any]]:
    cluster = platform.configuration.cluster
    if other == ANYONE:
        return []
    if other == INTERNET:
        return [{"ipBlock": {"cidr": "0.0.0.0/0", "except": list(cluster.private_networks)}}]
    if other == KUBERNETES:
        return [{"ipBlock": {"cidr": network}} for network in cluster.api_server]
    if other == NODES:
        return [{"ipBlock": {"cidr": network}} for network in cluster.private_networks]
    return [PARTIES[other].peer()]


def _policy(name: str, namespace: str, selector: dict[str, Any], types: list[str], **rules: Any) -> Manifest:
    spec = {"podSelector": selector, "policyTypes": types, **rules}
    return manifest("networking.k8s.io/v1", "NetworkPolicy", name, namespace=namespace, spec=spec)
