"""What is said of calls and of what limits them."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from functions.kit.events import EventData
from functions.kit.models import ApiModel
from functions.kit.quotas import Metric, SubjectKind, Window


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
