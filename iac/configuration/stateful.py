"""What remembers: sizes, replicas, retention."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from iac.configuration.base import Bytes, Replicas, Resources, Storage, Strict, Url, resources

TenantRole = Annotated[
    str,
    Field(
        pattern=r"^(user|none|arn:[a-z-]+:iam::\d*:role/[\w+=,.@/-]+)$",
        examples=["arn:aws:iam::123456789012:role/dcoder-tenants"],
    ),
]


class Backups(Strict):
    """Base backups and write-ahead logs of Postgres, encrypted, in the object store."""

    schedule: str = Field("0 0 2 * * *", description="When a base backup is made: cron with seconds, UTC.")
    retention_days: int = Field(30, ge=1, description="Days back that a point in time can be restored.")
    encryption: Literal["AES256", "aws:kms"] = Field("AES256", description="Server-side encryption of what is stored.")


class Restore(Strict):
    """A cluster that begins as another one was at a point in time."""

    server: str = Field("platform", description="Name of the cluster in the backups.")
    target_time: str | None = Field(
        None,
        pattern=r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(Z|[+-]\d\d(:\d\d)?)$",
        description="Point in time, with its zone; none restores all that was archived.",
    )


class Pooling(Strict):
    """PgBouncer in front of Postgres."""

    instances: Replicas = Field(2, description="PgBouncers.")
    mode: Literal["session", "transaction"] = Field("transaction", description="How long a client keeps a connection.")
    clients: int = Field(2000, ge=10, description="Connections of clients to one PgBouncer.")
    per_database: int = Field(15, ge=1, description="Connections to Postgres per database and role.")


class Postgres(Strict):
    """The platform's Postgres, by CloudNativePG."""

    instances: Replicas = Field(3, description="Servers: one primary, the others replicas.")
    storage: Storage = Field(Storage(size="50Gi"), description="Data of each server.")
    wal_storage: Storage = Field(Storage(size="10Gi"), description="Write-ahead log of each server.")
    resources: Resources = Field(resources(("1", "4Gi"), ("4", "8Gi")), description="Of each server.")
    max_connections: int = Field(400, ge=50, description="Connections that a server takes.")
    slow_query_milliseconds: int = Field(500, ge=0, description="Statements that take longer are logged.")
    backups: Backups = Field(Backups(), description="Backups.")
    restore: Restore | None = Field(None, description="Begin with a backup; only for a new stack.")
    pooling: Pooling = Field(Pooling(), description="PgBouncer.")


class RedisInstance(Strict):
    """One Redis server."""

    memory: Bytes = Field("2Gi", description="Data at most; the container's limit is half as much again.")
    eviction: Literal["noeviction", "volatile-lru", "volatile-ttl", "allkeys-lru", "allkeys-lfu"] = Field(
        "noeviction", description="What goes when memory is full."
    )
    persistence: bool = Field(True, description="Append-only file, synced every second, beside snapshots.")
    storage: Storage = Field(Storage(size="10Gi"), description="Its volume.")


class Redis(Strict):
    """Redis: one server for what the platform counts and caches, one for queues, one for the edge's counters."""

    platform: RedisInstance = Field(
        RedisInstance(),
        description="Cache, limits, sessions, usage. A counter that were evicted would be a wrong bill.",
    )
    queue: RedisInstance = Field(
        RedisInstance(memory="512Mi", storage=Storage(size="5Gi")),
        description="Queues of background work: Langfuse's, Agenta's, Celery's.",
    )
    edge: RedisInstance = Field(
        RedisInstance(memory="256Mi", eviction="volatile-ttl", persistence=False, storage=Storage(size="1Gi")),
        description="Kong's counters.",
    )


class Nats(Strict):
    """NATS JetStream."""

    replicas: Literal[1, 3, 5] = Field(3, description="Servers; streams have as many replicas, three at most.")
    storage: Storage = Field(Storage(size="20Gi"), description="Streams of each server.")
    resources: Resources = Field(resources(("250m", "512Mi"), ("1", "2Gi")), description="Of each server.")


class Temporal(Strict):
    """Temporal and the workers of agents."""

    replicas: Replicas = Field(2, description="Servers, each with all four of its services.")
    server_resources: Resources = Field(resources(("250m", "512Mi"), ("2", "2Gi")), description="Of each server.")
    history_shards: int = Field(512, ge=1, description="Fixed once the server has started for the first time.")
    retention_days: int = Field(30, ge=1, description="Days that closed workflows are kept.")
    workers_min: int = Field(1, ge=0, description="Workers of agents that stay without work.")
    workers_max: Replicas = Field(10, description="Workers at most.")
    backlog: int = Field(5, ge=1, description="Tasks waiting per worker before there is one more.")
    resources: Resources = Field(resources(("250m", "512Mi"), ("1", "1Gi")), description="Of each worker.")


class Background(Strict):
    """The workers of the queue."""

    workers_min: Replicas = Field(1, description="Workers that stay without work; one gives back what a dead one had.")
    workers_max: Replicas = Field(5, description="Workers at most.")
    backlog: int = Field(5, ge=1, description="Tasks waiting per worker before there is one more.")
    resources: Resources = Field(resources(("100m", "256Mi"), ("1", "512Mi")), description="Of each worker.")


class External(Strict):
    """An object store that is somebody else's to run."""

    endpoint: Url = Field(description="Its S3 endpoint.")
    region: str = Field("us-east-1", description="Its region.")
    bucket_prefix: str = Field("", description="Put before the name of every bucket, where names are global.")
    tenant_role: TenantRole = Field(
        description="Role that sessions of tenants' objects are taken in, as an ARN; `user` where the store gives "
        "sessions of a user (MinIO); `none` where it gives none."
    )
    sts_endpoint: Url | None = Field(
        None, description="Where it gives sessions; none is the endpoint itself, or AWS's own for the region."
    )


class Objects(Strict):
    """The object store: MinIO, or an external one."""

    external: External | None = Field(None, description="Use this store in place of MinIO.")
    replicas: Replicas = Field(4, description="Servers of MinIO; four are the least that survive the loss of one.")
    storage: Storage = Field(Storage(size="100Gi"), description="Volume of each server.")
    resources: Resources = Field(resources(("250m", "1Gi"), ("2", "2Gi")), description="Of each server.")

    @model_validator(mode="after")
    def _survives(self) -> Self:
        if self.replicas in {2, 3}:
            raise ValueError("`replicas` is 1, or at least 4: erasure coding needs four")
        return self
