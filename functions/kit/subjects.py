"""The subjects of the event bus and what each one says: the only contract between contexts besides HTTP."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from functions.kit.events import EventData
from functions.kit.models import ApiModel
from functions.kit.quotas import Metric, SubjectKind, Window
from functions.kit.schedules import DUE


class TenantCreated(EventData):
    """A tenant is provisioned: its database exists and its first API key works."""

    subject: ClassVar[str] = "tenant.created"
    tenant_id: str
    name: str
    slug: str
    plan: str
    region: str | None = None
    database: str


class TenantUpdated(EventData):
    """Something about a tenant that others cache has changed."""

    subject: ClassVar[str] = "tenant.updated"
    tenant_id: str
    changed: list[str] = Field(description="Names of the fields that changed.")


class AuditRecorded(EventData):
    """A call changed something in a tenant's database; its record was committed there and goes on to its chain."""

    subject: ClassVar[str] = "audit.recorded"
    chain: str = Field(description="The tenant's id, or `platform`.")
    record: str = Field(description="Canonical JSON, as docs/audit.md describes it.")


class ProviderUpdated(EventData):
    """A tenant's provider configuration has changed."""

    subject: ClassVar[str] = "provider.updated"
    tenant_id: str
    providers: list[str] = Field(description="Names of the providers there are now.")


class UsageRecord(ApiModel):
    """One metered call. Tokens are the provider's own count unless `estimated`."""

    usage_id: str
    tenant_id: str
    at: datetime = Field(description="When the call began; it counts in the windows that this lies in.")
    provider: str
    model: str
    operation: Literal["chat", "embeddings"]
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    cached_prompt_tokens: int = Field(0, ge=0, description="Of the prompt, those that the provider's own cache had.")
    cache_write_tokens: int = Field(0, ge=0, description="Of the prompt, those that the provider's cache has kept.")
    reasoning_tokens: int = Field(0, ge=0, description="Of the answer, the model's thoughts.")
    cached: Literal["miss", "hit", "semantic"] = "miss"
    saved_tokens: int = Field(0, ge=0, description="Tokens that a cached answer did not cost.")
    saved_micro_usd: int = Field(0, ge=0, description="What those tokens would have cost by the price table.")
    cost_micro_usd: int = Field(ge=0, description="Millionths of a US dollar.")
    status: Literal["ok", "error", "cancelled", "expired"] = Field(
        "ok", description="`expired`: the process died during the call, so nobody knows what it used."
    )
    api_key_id: str | None = None
    user_id: str | None = None
    groups: list[str] = Field(default_factory=list, description="Groups that the caller was in.")
    request_id: str = ""
    latency_ms: int = Field(0, ge=0)
    estimated: bool = False
    compression_saved_tokens: int = Field(0, ge=0, description="Tokens less of the prompt, by compression.")
    internal: bool = Field(
        False, description="Made by the platform for a caller's call: its tokens and cost count, it is no request."
    )

    @property
    def counts_as_request(self) -> bool:
        """Whether limits on requests count it: not what its provider never answered, or nobody knows the end of."""
        unanswered = self.status == "error" and not self.prompt_tokens + self.completion_tokens
        return not (self.internal or unanswered or self.status == "expired")


class QuotaUpdated(EventData):
    """Calls were metered; consumers count each record once by its `usageId`."""

    subject: ClassVar[str] = "quota.updated"
    tenant_id: str
    records: list[UsageRecord] = Field(min_length=1, max_length=1000)


class LlmCall(UsageRecord):
    """A call that has ended, and what was said in it where the tenant's guardrails are on."""

    content: str | None = Field(
        None,
        description="Base64 of request and answer, sealed with the tenant's data key; null where nothing is examined.",
    )


class LlmCompleted(EventData):
    """Calls have ended: whole, streamed, from the cache, abandoned or failed; each is said once by its `usageId`."""

    subject: ClassVar[str] = "llm.completed"
    tenant_id: str
    calls: list[LlmCall] = Field(min_length=1, max_length=1000)


class GuardrailFinding(ApiModel):
    """Something that a detector saw in a call, without the secret itself."""

    kind: Literal["prompt_injection", "pii", "secret", "unsafe_content"]
    type: str = Field(description="What it is, e.g. `EMAIL_ADDRESS` or `instruction_override`.")
    detector: str
    rule: str = Field(description="Which of the detector's rules, or which model.")
    severity: Literal["low", "medium", "high", "critical"]
    score: float = Field(ge=0, le=1, description="Confidence.")
    count: int = Field(ge=1, description="How often the same value was found in the call.")
    where: Literal["request", "tool", "answer"] = Field(description="`tool`: in a tool's result.")
    excerpt: str = Field(description="The surroundings, everything personal or secret replaced by its type.")


class GuardrailAlerted(EventData):
    """Guardrails found something in a call, which went on all the same: said once per call."""

    subject: ClassVar[str] = "guardrail.alerted"
    tenant_id: str
    usage_id: str
    request_id: str
    at: datetime = Field(description="When the call began.")
    api_key_id: str | None = None
    user_id: str | None = None
    provider: str
    model: str
    mode: Literal["detect"] = "detect"
    severity: Literal["low", "medium", "high", "critical"] = Field(description="Of the gravest finding.")
    findings: list[GuardrailFinding] = Field(min_length=1, max_length=50)
    dropped: int = Field(0, ge=0, description="Findings beyond those told.")


class QuotaSubject(ApiModel):
    """What a limit is on."""

    kind: SubjectKind
    id: str | None = Field(None, description="Null for the tenant itself; a model as `model` or `provider/model`.")


class QuotaChanged(EventData):
    """A tenant's limits are others than before."""

    subject: ClassVar[str] = "quota.changed"
    tenant_id: str
    version: int = Field(description="Grows with every change of any tenant's limits.")


class QuotaThreshold(EventData):
    """A tenant's use has crossed a threshold of a limit: said once per limit, threshold and window."""

    subject: ClassVar[str] = "quota.threshold"
    tenant_id: str
    quota_id: str
    limited: QuotaSubject = Field(alias="subject", description="What the limit is on.")
    metric: Metric
    window: Window
    window_start: datetime
    threshold: int = Field(description="Per cent of the limit.")
    used: int = Field(description="When it was crossed: requests, tokens, or millionths of a US dollar.")
    limit: int


class PolicyUpdated(EventData):
    """Access policies have changed: a tenant's, or the platform's own."""

    subject: ClassVar[str] = "policy.updated"
    tenant_id: str | None = Field(description="The tenant whose policies they are; null for the platform's.")
    version: int = Field(description="Grows with every change of any policies.")


class FlagState(ApiModel):
    """What a feature flag is: for the platform, or for one tenant."""

    enabled: bool
    value: Any = Field(None, description="String, integer, boolean or JSON, as the flag is declared.")
    percentage: float | None = Field(None, description="Of tenants or users the flag is on for; null for all.")


class FlagUpdated(EventData):
    """A feature flag has changed: its default, or what it is for one tenant."""

    subject: ClassVar[str] = "flag.updated"
    name: str
    tenant_id: str | None = Field(None, description="Null when the platform's default has changed.")
    previous: FlagState
    current: FlagState
    changed_by: str = Field(description="Subject of the credential, or `flagsmith` where it was changed there.")


class KeyCreated(EventData):
    """A tenant has an API key more."""

    subject: ClassVar[str] = "key.created"
    tenant_id: str
    key_id: str


class KeyRotated(EventData):
    """An API key has a new secret."""

    subject: ClassVar[str] = "key.rotated"
    tenant_id: str
    key_id: str
    grace_seconds: int = Field(description="How long the secret before it is still good.")


class KeyRevoked(EventData):
    """An API key is no longer good."""

    subject: ClassVar[str] = "key.revoked"
    tenant_id: str
    key_id: str


class UserUpdated(EventData):
    """A tenant's user was registered, changed or removed."""

    subject: ClassVar[str] = "user.updated"
    tenant_id: str
    user_id: str
    status: Literal["invited", "active", "deactivated", "removed"]
    changed: list[str] = Field(description="Names of the fields that changed; all of them for a new user.")


class AccountEnded(EventData):
    """An account was suspended or deleted at the identity provider, with whatever tenants it had to do."""

    subject: ClassVar[str] = "account.ended"
    account: str = Field(description="The account, as tokens name it (claim `sub`).")
    reason: Literal["suspended", "deleted"]


class GroupUpdated(EventData):
    """A tenant's group was made, changed or removed, or has other members."""

    subject: ClassVar[str] = "group.updated"
    tenant_id: str
    group_id: str
    changed: list[str] = Field(description="Names of the fields that changed, `members` among them; empty: removed.")


AlertKind = Literal["quota", "guardrail", "provider", "system"]
AlertSeverity = Literal["info", "warning", "critical"]
AlertStatus = Literal["open", "acknowledged", "resolved"]


class Alert(ApiModel):
    """Something that somebody should look at, and how far they are."""

    id: str
    tenant_id: str | None = Field(description="Null for what concerns the platform itself.")
    kind: AlertKind
    severity: AlertSeverity
    status: AlertStatus
    title: str
    details: dict[str, Any] = Field(description="Depends on the kind: docs/alerts.md.")
    count: int = Field(ge=1, description="How often it was seen since it was raised.")
    raised_at: datetime
    last_seen_at: datetime
    updated_at: datetime = Field(description="When anything of it changed last.")
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    assigned_to: str | None = Field(None, description="The user who is to see to it.")
    assigned_at: datetime | None = None
    assigned_by: str | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = Field(None, description="`system` where it went away by itself.")
    note: str = Field("", description="What was said when it was resolved.")


class AlertRaised(EventData):
    """There is a new alert."""

    subject: ClassVar[str] = "alert.raised"
    alert: Alert


class AlertUpdated(EventData):
    """An alert was acknowledged, assigned or resolved, got graver, or was seen twice as often as last said."""

    subject: ClassVar[str] = "alert.updated"
    alert: Alert


class SystemSignal(EventData):
    """The platform itself fails at something, or no longer does."""

    subject: ClassVar[str] = "system.signal"
    condition: Literal["dead_letter", "lag", "backlog"]
    name: str = Field(
        description="The function whose events are set aside or wait; of a backlog, what waits to become events: "
        "`usage`, `platform-outbox`, `tenant-outboxes`."
    )
    state: Literal["failing", "recovered"]
    value: int = Field(
        ge=0,
        description="Deliveries that the dead letter had, events that wait, or seconds that the oldest has waited.",
    )
    limit: int = Field(ge=0, description="Of `value`, from which on it is failing.")
    detail: str = ""


class ScheduleDue(EventData):
    """A scheduled function is due; it alone is told."""

    subject: ClassVar[str] = DUE
    function: str
    due: datetime


class DocumentUploaded(EventData):
    """A document has a new version, which is to be indexed."""

    subject: ClassVar[str] = "document.uploaded"
    tenant_id: str
    corpus_id: str
    document_id: str
    job_id: str | None = Field(None, description="The ingestion job it belongs to.")


class DocumentQueued(EventData):
    """A document that is there already is to be indexed: again, or in another index."""

    subject: ClassVar[str] = "document.queued"
    tenant_id: str
    corpus_id: str
    document_id: str
    job_id: str | None = Field(None, description="The ingestion job it belongs to.")


class DocumentIndexed(EventData):
    """A version of a document can be found in an index."""

    subject: ClassVar[str] = "document.indexed"
    tenant_id: str
    corpus_id: str
    document_id: str
    version: int
    index_id: str
    chunks: int = Field(ge=0, description="How many passages it has.")


class DocumentFailed(EventData):
    """A version of a document cannot be indexed; what the index had of the document before stays."""

    subject: ClassVar[str] = "document.failed"
    tenant_id: str
    corpus_id: str
    document_id: str
    version: int
    index_id: str
    reason: str = Field(description="Stable code of what is wrong, such as `encrypted`.")
    detail: str


class DocumentDeleted(EventData):
    """A document, or a corpus with all its documents, was removed."""

    subject: ClassVar[str] = "document.deleted"
    tenant_id: str
    corpus_id: str
    document_id: str | None = Field(description="Null for the whole corpus.")
    versions: list[str] = Field(description="Ids of the versions that the document had.")


class ToolCompleted(EventData):
    """An agent has called a tool, which did what it was asked or did not; what it said is examined by guardrails."""

    subject: ClassVar[str] = "tool.completed"
    tenant_id: str
    usage_id: str = Field(description="UUID of the call, the same however often it is tried.")
    execution_id: str
    tool: str
    at: datetime = Field(description="When the call began.")
    duration_ms: int = Field(ge=0)
    error_code: str | None = Field(None, description="What went wrong, by its code; null where nothing did.")
    truncated: bool = False
    user_id: str | None = None
    api_key_id: str | None = None
    content: str | None = Field(
        None, description="Base64 of what it said, sealed with the tenant's data key; null where nothing is examined."
    )


class ToolChanged(EventData):
    """An MCP server offers tools that are new or other than those an admin has accepted: they are held back."""

    subject: ClassVar[str] = "tool.changed"
    tenant_id: str
    server: str
    new: list[str] = Field(description="Names of those never seen before.")
    changed: list[str] = Field(description="Names of those whose description or schema is another than accepted.")


class AgentMetrics(ApiModel):
    """What an execution has used, all its runs together."""

    steps: int = Field(ge=0)
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    micro_usd: int = Field(ge=0, description="Spent on models, in millionths of a US dollar.")
    llm_calls: int = Field(ge=0)
    tool_calls: int = Field(ge=0)


class AgentRequested(EventData):
    """Somebody wants a graph executed, or an execution that failed run again."""

    subject: ClassVar[str] = "agent.requested"
    tenant_id: str
    execution_id: str
    graph_id: str
    run: int = Field(ge=1, description="Counts from 1; each retry is one more.")


class AgentStarted(EventData):
    """A run of an execution is being worked on."""

    subject: ClassVar[str] = "agent.started"
    tenant_id: str
    execution_id: str
    graph_id: str
    run: int = Field(ge=1)
    started_at: datetime


class AgentCompleted(EventData):
    """An execution has come to its end."""

    subject: ClassVar[str] = "agent.completed"
    tenant_id: str
    execution_id: str
    graph_id: str
    run: int = Field(ge=1)
    metrics: AgentMetrics
    duration_ms: int = Field(ge=0, description="Since the run started, waiting for people included.")


class AgentFailed(EventData):
    """A run of an execution has failed, or was cancelled."""

    subject: ClassVar[str] = "agent.failed"
    tenant_id: str
    execution_id: str
    graph_id: str
    run: int = Field(ge=1)
    metrics: AgentMetrics
    duration_ms: int = Field(ge=0, description="Since the run started, waiting for people included.")
    code: str = Field(description="Stable code of what went wrong; `cancelled` where somebody ended it.")
    reason: str


def all_subjects() -> Iterator[type[EventData]]:
    """Every event of the platform, by subject."""
    yield from sorted(EventData.__subclasses__(), key=lambda kind: kind.subject)
