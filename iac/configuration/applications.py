"""The applications around the functions."""

from typing import Literal

from pydantic import Field

from iac.configuration.base import Replicas, Resources, Storage, Strict, resources


class Application(Strict):
    """Something that serves HTTP and keeps its data elsewhere."""

    replicas: Replicas = Field(2, description="Processes.")
    resources: Resources = Field(resources(("100m", "256Mi"), ("1", "1Gi")), description="Of each.")


class Kong(Strict):
    """The edge."""

    edition: Literal["free", "enterprise"] = Field("free", description="Kong 3.9, or a later one with a licence.")
    replicas: Replicas = Field(3, description="Proxies.")
    resources: Resources = Field(resources(("500m", "512Mi"), ("2", "1Gi")), description="Of each.")
    service_type: Literal["LoadBalancer", "NodePort", "ClusterIP"] = Field(
        "LoadBalancer", description="How the edge is reached from outside of the cluster."
    )
    service_annotations: dict[str, str] = Field({}, description="What the cloud's load balancer wants to know.")
    database_instances: Replicas = Field(2, description="Servers of Kong's own Postgres.")
    database_storage: Storage = Field(Storage(size="5Gi"), description="Data of each.")


class Logto(Application):
    """Sign-in."""


class Flagsmith(Application):
    """Feature flags."""


class Mlflow(Application):
    """Experiments and models."""


class Agenta(Application):
    """Prompts."""


class Langfuse(Application):
    """Traces of LLM calls."""

    clickhouse_storage: Storage = Field(Storage(size="50Gi"), description="Data of ClickHouse.")
    clickhouse_resources: Resources = Field(
        resources(("500m", "2Gi"), ("4", "8Gi")), description="Of ClickHouse, one server."
    )


class Chat(Application):
    """One Open WebUI."""

    replicas: Replicas = Field(1, description="Processes; more than one needs a storage class that many may write to.")
    name: str = Field("D.Coder", max_length=64, description="What the pages are called.")
    storage: Storage = Field(Storage(size="10Gi"), description="Uploads of its own and its cache.")


class Clients(Strict):
    """What people look at."""

    doc_chat: Chat = Field(Chat(name="D.Coder Doc Chat"), description="Open WebUI for documents.")
    code_chat: Chat = Field(Chat(name="D.Coder Code Chat"), description="Open WebUI for code.")
    admin: Application = Field(Application(), description="The tenants' dashboard.")
    deloitte: Application = Field(Application(), description="The operators' dashboard.")


class Observability(Strict):
    """Metrics, logs, traces."""

    metrics_days: int = Field(15, ge=1, description="Days that metrics are kept.")
    metrics_storage: Storage = Field(Storage(size="50Gi"), description="Volume of each Prometheus.")
    logs_days: int = Field(30, ge=1, description="Days that logs are kept.")
    logs_storage: Storage = Field(Storage(size="50Gi"), description="Volume of Loki.")
    traces_days: int = Field(7, ge=1, description="Days that traces are kept.")
    traces_storage: Storage = Field(Storage(size="20Gi"), description="Volume of Tempo.")
    replicas: Replicas = Field(2, description="Prometheus, Alertmanager and collectors, of each so many.")
    resources: Resources = Field(
        resources(("250m", "1Gi"), ("2", "4Gi")), description="Of each Prometheus, of Loki and of Tempo."
    )
