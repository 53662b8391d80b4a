"""Settings in three layers: the platform's defaults (here), the environment, the tenant's overrides.

Only a context's `wiring.py` and the programs in `local/` and `stateful/` read them.
"""

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from functions.kit.models import ApiModel

# A variable may be a file there instead, of its name in small letters: how containers are given secrets.
_SECRETS = Path("/run/secrets")

ModelAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
ModelName = Annotated[str, Field(max_length=320, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Settings(BaseSettings):
    """The platform's settings, read from `DCODER_…` variables."""

    model_config = SettingsConfigDict(
        env_prefix="DCODER_", extra="ignore", env_ignore_empty=True, secrets_dir=_SECRETS if _SECRETS.is_dir() else None
    )

    environment: Literal["embedded", "compose", "cluster"] = Field("embedded", description="Where the platform runs.")
    platform_id: str = Field("dcoder", description="Name of this installation, a label on events and telemetry.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")

    database_url: SecretStr = Field(
        SecretStr("postgresql://dcoder_platform@127.0.0.1:5432/platform"),
        description="Postgres address of the functions' role and the platform database.",
    )
    database_admin_url: SecretStr | None = Field(
        None, description="Postgres address of the provisioning role; only provisioning and migrations have it."
    )
    database_pool_size: int = Field(8, ge=1, le=100, description="Connections per database and process.")
    database_pools: int = Field(32, ge=1, description="Databases a process keeps connections to, least used dropped.")
    database_timeout_seconds: float = Field(10.0, gt=0, description="Longest statement and longest wait for one.")

    outbox_published_days: int = Field(7, ge=1, description="Days that published events are kept in the outboxes.")
    handled_events_days: int = Field(
        45, ge=1, description="Days that handled events are remembered; longer than an event can be delivered again."
    )
    outbox_stuck_seconds: int = Field(
        300,
        ge=1,
        description="Age of an event in an outbox from which on the relay is told of it again, and operators get an "
        "alert when that does not help.",
    )
    backups: str = Field(
        "",
        description="Where base backups of Postgres are, comma separated: folders, or `bucket/prefix` of a server's "
        "that Barman made; empty where none are made.",
    )
    backup_hours: float = Field(36.0, gt=0, description="Age of the newest base backup from which on it is too old.")
    archive_seconds: int = Field(
        900, ge=1, description="Longest that files of Postgres' log may wait for being archived."
    )

    redis_url: SecretStr = Field(SecretStr("redis://127.0.0.1:6379/0"), description="Redis address.")
    redis_timeout_seconds: float = Field(2.0, gt=0, description="Longest Redis command and connect.")
    queue_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/1"),
        description="Redis address of the background workers' queue; it evicts nothing.",
    )
    nats_url: SecretStr = Field(SecretStr("nats://127.0.0.1:4222"), description="NATS addresses, comma separated.")

    s3_endpoint: str = Field("", description="S3 endpoint; empty means the cloud's own.")
    s3_access_key: SecretStr | None = Field(None, description="S3 access key id.")
    s3_secret_key: SecretStr | None = Field(None, description="S3 secret access key.")
    s3_region: str = Field("us-east-1", description="S3 region.")
    s3_bucket_prefix: str = Field("", description="Put before the name of every bucket, where names are global.")
    s3_tenant_role: str = Field(
        "user",
        pattern=r"^(user|none|arn:[a-z-]+:iam::\d*:role/[\w+=,.@/-]+)$",
        description="What tenants' objects are reached with: sessions of this role, as an ARN; `user`: sessions of the "
        "access key's user, with less than it may do (MinIO); `none`: the access key itself, where the store gives no "
        "sessions.",
    )
    s3_sts_endpoint: str = Field(
        "", description="Where sessions are given; empty means the S3 endpoint, or the cloud's own for the region."
    )
    s3_session_seconds: int = Field(
        7200, ge=900, le=43_200, description="How long a session of a tenant's objects lasts; links end before it does."
    )
    s3_timeout_seconds: float = Field(10.0, gt=0, description="Longest call of the object store, or piece of a stream.")

    oidc_issuer: str = Field("", description="Issuer that tokens must name; empty refuses all tokens.")
    oidc_jwks_url: str = Field("", description="Where the issuer publishes its keys.")
    oidc_audience: str = Field("https://api.dcoder.local", description="Audience that tokens must name.")
    oidc_roles_claim: str = Field("roles", description="Claim that lists the roles.")
    oidc_tenant_claim: str = Field("tenant_id", description="Claim that names the tenant.")
    oidc_client_id: str = Field("", description="The platform as the issuer knows it; empty turns sign-in off.")
    oidc_client_secret: SecretStr | None = Field(None, description="Its secret; empty for a public client.")
    oidc_scopes: str = Field(
        "openid profile email offline_access urn:logto:scope:organizations",
        description="Scopes that are asked for at sign-in.",
    )
    public_url: str = Field("", description="Where browsers reach the edge, such as `https://api.example.com`.")
    auth_origins: str = Field(
        "",
        description="Origins of the dashboards, comma separated; port `*` for any. The edge's own is always allowed.",
    )
    session_idle_seconds: int = Field(1800, ge=60, description="A session ends when it was not used for so long.")
    session_lifetime_seconds: int = Field(
        43_200, ge=60, description="A session ends so long after sign-in, however much it is used."
    )
    logto_webhook_key: SecretStr | None = Field(
        None, description="Signing key of Logto's webhook to `/v1/webhooks/logto`; empty refuses all calls."
    )

    api_key_cache_seconds: float = Field(5.0, ge=0, description="How long a verified API key is trusted unasked.")
    api_key_stale_seconds: float = Field(
        3600.0, ge=0, description="How long a verified API key is still honoured while the database is away."
    )

    kek_file: Path | None = Field(None, description="File with the key-encryption keys.")
    service_keys_file: Path | None = Field(
        None, description="File with the keys that sign the tokens with which functions call each other for a tenant."
    )
    edge_url: str = Field(
        "http://127.0.0.1:8000", description="Where functions reach other contexts: the edge, or its internal address."
    )
    egress_allow: str = Field("", description="Extra `host:port` pairs that outgoing calls may reach, comma separated.")

    mcp_stdio_programs: dict[str, list[str]] = Field(
        {},
        description="Programs of this machine that tenants' agents may use as MCP servers, as a JSON object from name "
        "to command line; of one machine alone.",
    )

    @model_validator(mode="after")
    def _programs_are_local(self) -> Self:
        if self.mcp_stdio_programs and self.environment != "embedded":
            raise ValueError("DCODER_MCP_STDIO_PROGRAMS: programs run on one machine only")
        return self

    function_url: str = Field(
        "http://127.0.0.1:8103/fn/{name}", description="Where the dispatcher reaches event function `{name}`."
    )
    function_urls: dict[str, str] = Field(
        {}, description="The same for host groups that are elsewhere, as a JSON object from group to address."
    )
    edge_dir: Path | None = Field(None, description="Folder of the embedded edge; empty where Kong is the edge.")
    kong_admin_url: str = Field("", description="Kong's Admin API, where Kong is the edge; empty tells no Kong.")
    kong_admin_token: SecretStr | None = Field(None, description="Sent to it as `Kong-Admin-Token`.")
    kong_redis_host: str = Field("redis", description="Where Kong counts its rate limits.")
    kong_plan_rates: dict[str, int] = Field(
        {"free": 700, "standard": 6500, "enterprise": 62_000},
        description="Requests a minute that Kong lets through of a tenant, by plan; kong/base.yaml has the same.",
    )
    spool_dir: Path = Field(Path("/tmp/dcoder-spool"), description="Usage records wait here while Redis is away.")  # noqa: S108

    flags_file: Path | None = Field(None, description="Declaration of the feature flags; empty takes the release's.")
    flags_poll_seconds: float = Field(
        1.0, gt=0, description="How often flags are asked for when no event says that one changed."
    )
    flags_sdk_key: SecretStr | None = Field(
        None, description="Server key (`ser.…`) with which Flagsmith's SDKs may read all flags; empty refuses it."
    )
    flags_webhook_url: str = Field("", description="Told of every change of a platform default; empty tells nobody.")
    flags_webhook_secret: SecretStr | None = Field(None, description="Signs what is sent there.")
    flagsmith_url: str = Field("", description="Address of a Flagsmith server; empty keeps the flags in Postgres.")
    flagsmith_environment_key: SecretStr | None = Field(
        None, description="Server-side key (`ser.…`) of the environment in Flagsmith."
    )
    flagsmith_admin_key: SecretStr | None = Field(
        None, description="Organisation API key of Flagsmith, for the platform's functions that write."
    )
    flagsmith_webhook_secret: SecretStr | None = Field(
        None, description="Secret of Flagsmith's webhook to `/v1/webhooks/flagsmith`; empty refuses all calls."
    )

    provider_connect_seconds: float = Field(5.0, gt=0, description="Longest wait for a connection to a provider.")
    provider_first_byte_seconds: float = Field(
        120.0, gt=0, description="Longest wait for a provider's first byte, and between two pieces of its answer."
    )
    provider_total_seconds: float = Field(
        600.0, gt=0, description="Longest call of a provider from request to last byte, retries included."
    )
    rerank_url: str = Field(
        "", description="`/rerank` of a cross-encoder server for searches; empty has the tenant's chat model grade."
    )

    quota_when_redis_away: Literal["open", "closed"] = Field(
        "closed",
        description="Calls under a hard limit while Redis is away: let in uncounted at first, or answered 503.",
    )
    quota_completion_tokens: int = Field(
        4096, ge=1, description="Longest answer under a hard limit on tokens or cost where the call sets none."
    )
    quota_wait_seconds: float = Field(
        5.0, ge=0, le=60, description="Longest wait for tokens or money that calls under way may give back."
    )
    quota_lease_seconds: float = Field(
        60.0, gt=0, description="What a process held is given back when it was dead for so long."
    )

    cache_embedding_seconds: float = Field(
        0.5, gt=0, le=10, description="Longest wait for a question's embedding; a slower one is a cache miss."
    )
    cache_embedder_url: str = Field(
        "",
        description="OpenAI-compatible address, version included, that embeds for tenants without a model of theirs.",
    )
    cache_embedder_model: str = Field("", description="The embedding model there; empty turns it off.")
    cache_embedder_key: SecretStr | None = Field(None, description="Its key.")
    audit_keys_file: Path | None = Field(
        None, description="File with the keys that sign checkpoints of the audit trail; empty makes none."
    )
    audit_checkpoint_seconds: float = Field(300.0, gt=0, description="How often chains that grew get a checkpoint.")
    live_streams: int = Field(5000, ge=1, description="Live streams that a process keeps open at once.")
    live_streams_of_one: int = Field(
        100, ge=1, description="Of those, streams of one tenant; of the operators together, too."
    )
    compression_seconds: float = Field(
        2.0, gt=0, description="Longest that a long prompt is compressed; it goes as it is where that is too short."
    )
    compression_processes: int = Field(1, ge=1, le=16, description="Processes that compress long prompts.")
    guardrails_processes: int = Field(1, ge=1, le=16, description="Processes per function that detectors compute in.")
    guardrails_seconds: float = Field(
        10.0, gt=0, description="Longest that the detectors may compute on one call; then their process is ended."
    )
    guardrails_days: int = Field(90, ge=1, description="Days that findings are kept.")
    llm_guard_url: str = Field("", description="Address of an LLM Guard service; empty where there is none.")
    llm_guard_token: SecretStr | None = Field(None, description="Its bearer token.")

    ingestion_workers: int = Field(0, ge=0, description="Documents read at once by a process; 0: one a processor.")
    ingestion_document_bytes: int = Field(256 * 1024**2, ge=1, description="Largest document.")
    ingestion_text_bytes: int = Field(64 * 1024**2, ge=1, description="Most text that is read out of a document.")
    ingestion_parse_seconds: float = Field(300.0, gt=0, description="Longest that reading a document may take.")
    ingestion_parse_bytes: int = Field(1024**3, ge=1, description="Most memory that reading a document may take.")
    ingestion_lease_seconds: float = Field(
        30.0, gt=0, description="Another process goes on with a document when its own was silent for so long."
    )

    temporal_address: str = Field("127.0.0.1:7233", description="Temporal's frontend, `host:port`.")
    temporal_namespace: str = Field("dcoder", description="Temporal namespace of the platform's workflows.")
    temporal_tls: bool = Field(False, description="Whether Temporal is reached by TLS.")
    temporal_api_key: SecretStr | None = Field(None, description="API key for Temporal, where it asks for one.")
    temporal_timeout_seconds: float = Field(5.0, gt=0, description="Longest call of Temporal.")
    temporal_build_id: str = Field("", description="Version of the worker; empty takes the program's.")
    agents_heartbeat_seconds: float = Field(
        15.0, ge=1, description="A step of an agent that was silent for so long is tried again by another worker."
    )
    agents_concurrency: int = Field(50, ge=1, le=1000, description="Steps of agents that a worker works on at once.")

    otlp_endpoint: str = Field("", description="OTLP/HTTP endpoint of the collector; empty sends no traces.")
    langfuse_url: str = Field("", description="Address of Langfuse, told of every LLM call; empty tells nobody.")
    langfuse_public_key: str = Field("", description="Public key (`pk-lf-…`) of the project in Langfuse.")
    langfuse_secret_key: SecretStr | None = Field(None, description="Its secret key (`sk-lf-…`).")
    drain_seconds: float = Field(30.0, ge=0, description="Longest wait for open requests after SIGTERM.")


class TenantSettings(ApiModel):
    """What a tenant may override; unset fields take the platform's value."""

    compression: Literal["off", "light", "full"] = Field(
        "off", description="How far prompts are compressed; a call may ask for less by `x-compression`."
    )
    semantic_cache: bool = Field(True, description="Answer alike questions from the cache.")
    cache_similarity: float = Field(
        0.85,
        ge=0.5,
        le=1.0,
        description="Least cosine similarity of a question that may share an answer, to begin with.",
    )
    cache_similarity_least: float = Field(
        0.8, ge=0.5, le=1.0, description="Reports and exploration lower the least similarity to no less than this."
    )
    cache_similarity_most: float = Field(
        0.995, ge=0.5, le=1.0, description="Where more than this would be needed, only the same request is answered."
    )
    cache_error_rate: float = Field(
        0.01, gt=0, le=0.2, description="Share of similar hits that may be wrong, by which similarities are learned."
    )
    cache_exploration: float = Field(
        0.0, ge=0, le=0.2, description="Share of similar questions that are asked anyway, to compare the answers."
    )
    cache_ttl_seconds: int = Field(
        86_400, ge=0, le=2_592_000, description="Seconds a cached answer lives; 0 turns the cache off."
    )
    model_aliases: dict[ModelAlias, ModelName] = Field(
        default_factory=dict,
        max_length=200,
        description="The tenant's own names for models: alias to `provider/model`, or to another alias.",
    )

    @model_validator(mode="after")
    def _aliases_lead_to_models(self) -> Self:
        for alias in self.model_aliases:
            passed, name = {alias}, self.model_aliases[alias]
            while name in self.model_aliases:
                if name in passed:
                    raise ValueError(f"modelAliases: {alias} leads round in a circle")
                passed.add(name)
                name = self.model_aliases[name]
            if "/" not in name.strip("/"):
                raise ValueError(f"modelAliases: {alias} must lead to provider/model, not to {name}")
        return self

    cache_max_entries: int = Field(
        20_000, ge=0, le=1_000_000, description="Answers kept at most; the least recently given make room."
    )
    cache_max_bytes: int = Field(
        67_108_864, ge=0, le=10_737_418_240, description="Bytes kept at most, embeddings included."
    )
    cache_max_temperature: float = Field(
        1.0,
        ge=0,
        le=2,
        description="Requests with a higher temperature are neither cached nor answered from the cache.",
    )

    @model_validator(mode="after")
    def _bounds_agree(self) -> Self:
        if not self.cache_similarity_least <= self.cache_similarity <= self.cache_similarity_most:
            raise ValueError("cacheSimilarity must lie between cacheSimilarityLeast and cacheSimilarityMost")
        return self

    traced_content: Literal["none", "redacted"] = Field(
        "none", description="Whether traces carry prompts and answers, with what looks secret or personal taken out."
    )

    @classmethod
    def of(cls, overrides: dict[str, Any]) -> "TenantSettings":
        """The platform's defaults under a tenant's stored overrides; keys of other versions are ignored."""
        known = {field.alias or name for name, field in cls.model_fields.items()}
        given = {key: value for key, value in overrides.items() if key in known}
        start = given.get("cacheSimilarity")
        if isinstance(start, int | float):
            # Who sets only where to begin means no bounds that exclude it.
            given.setdefault("cacheSimilarityLeast", min(start, cls.model_fields["cache_similarity_least"].default))
            given.setdefault("cacheSimilarityMost", max(start, cls.model_fields["cache_similarity_most"].default))
        return cls.model_validate(given)


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """The process's settings.

    Raises:
        pydantic.ValidationError: a variable has a wrong value; the message names it.
    """
    return Settings()
