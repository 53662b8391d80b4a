"""A stack file as typed models: what it may say, its defaults, and what is wrong with it."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from iac.configuration.applications import (
    Agenta,
    Clients,
    Flagsmith,
    Kong,
    Langfuse,
    Logto,
    Mlflow,
    Observability,
)
from iac.configuration.base import Digest, Strict
from iac.configuration.cluster import Cluster, Secrets
from iac.configuration.functions import Dispatcher, Functions
from iac.configuration.stateful import Background, Nats, Objects, Postgres, Redis, Temporal

Registry = Annotated[str, Field(pattern=r"^[a-z0-9.:-]+(/[a-z0-9._-]+)*$", examples=["registry.example.com/dcoder"])]


class Configuration(Strict):
    """All of a stack file; every field is one key below `dcoder:`."""

    environment: Literal["dev", "staging", "prod"] = Field(description="What is demanded of the stack: see policies.")
    registry: Registry = Field(description="Where the platform's own images are, without their names.")
    release: str = Field("latest", pattern=r"^[\w.-]{1,128}$", description="Tag of the platform's own images.")
    digests: dict[str, Digest] = Field({}, description="Digest of every image, by its name in `iac/images.yaml`.")
    cluster: Cluster = Field(description="The cluster.")
    secrets: Secrets = Field(description="Secrets.")
    functions: Functions = Field(Functions(), description="Functions.")
    dispatcher: Dispatcher = Field(Dispatcher(), description="Dispatcher and relay.")
    postgres: Postgres = Field(Postgres(), description="Postgres.")
    redis: Redis = Field(Redis(), description="Redis.")
    nats: Nats = Field(Nats(), description="NATS.")
    temporal: Temporal = Field(Temporal(), description="Temporal.")
    background: Background = Field(Background(), description="Workers of the queue.")
    objects: Objects = Field(Objects(), description="Objects.")
    kong: Kong = Field(Kong(), description="The edge.")
    logto: Logto = Field(Logto(), description="Sign-in.")
    flagsmith: Flagsmith = Field(Flagsmith(), description="Feature flags.")
    mlflow: Mlflow = Field(Mlflow(), description="Experiments.")
    agenta: Agenta = Field(Agenta(), description="Prompts.")
    langfuse: Langfuse = Field(Langfuse(), description="Traces of LLM calls.")
    clients: Clients = Field(Clients(), description="Chats and dashboards.")
    observability: Observability = Field(Observability(), description="Metrics, logs, traces.")

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if self.cluster.pull_by_tag and self.environment != "dev":
            raise ValueError("`cluster.pullByTag` is for the environment dev alone: name digests")
        return self
