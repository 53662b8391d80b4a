"""Calls of tools, told as the calls of models are, so that both are examined and stored alike."""

from functions.kit.subjects import LlmCall, LlmCompleted, ToolCompleted

# What findings in them name as provider; the tool stands where a model does.
PROVIDER = "tools"


def as_calls(completed: ToolCompleted) -> LlmCompleted:
    """One call of the tool, under the id of its execution where a request's would be."""
    call = LlmCall(
        usage_id=completed.usage_id,
        tenant_id=completed.tenant_id,
        at=completed.at,
        provider=PROVIDER,
        model=completed.tool,
        operation="chat",
        prompt_tokens=0,
        completion_tokens=0,
        cost_micro_usd=0,
        api_key_id=completed.api_key_id,
        user_id=completed.user_id,
        request_id=completed.execution_id,
        latency_ms=completed.duration_ms,
        content=completed.content,
    )
    return LlmCompleted(tenant_id=completed.tenant_id, calls=[call])
