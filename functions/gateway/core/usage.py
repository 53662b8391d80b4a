"""Counts what was used, in tokens and millionths of a dollar."""

import time

from functions.gateway.core.models import CacheState, Caller, Target, Usage
from functions.gateway.core.ports import Meter, Prices
from functions.kit.clock import utc_now
from functions.kit.identifiers import new_id
from functions.kit.subjects import UsageRecord


class UsageBook:
    """Turns calls into usage records."""

    def __init__(self, meter: Meter, prices: Prices) -> None:
        self._meter = meter
        self._prices = prices

    async def record(
        self,
        caller: Caller,
        target: Target,
        usage: Usage,
        *,
        started: float,
        operation: str = "chat",
        status: str = "ok",
    ) -> None:
        """Count a call that a provider answered.

        Args:
            started: `time.perf_counter()` at the call's start.
        """
        await self._settle(caller, target, started, usage=usage, operation=operation, status=status)

    async def record_cached(
        self, caller: Caller, target: Target, state: CacheState, saved: Usage, *, started: float
    ) -> None:
        """Count a call that the cache answered: no tokens, no cost, and what it saved."""
        await self._settle(caller, target, started, usage=Usage(), cached=state, saved_tokens=saved.total_tokens)

    async def _settle(
        self,
        caller: Caller,
        target: Target,
        started: float,
        *,
        usage: Usage,
        operation: str = "chat",
        status: str = "ok",
        cached: CacheState = "miss",
        saved_tokens: int = 0,
    ) -> None:
        record = UsageRecord.model_validate(
            {
                "usageId": new_id(),
                "tenantId": caller.tenant_id,
                "at": utc_now(),
                "provider": target.provider.name,
                "model": target.model,
                "operation": operation,
                "promptTokens": usage.prompt_tokens,
                "completionTokens": usage.completion_tokens,
                "cached": cached,
                "savedTokens": saved_tokens,
                "costMicroUsd": self._prices.cost_micro_usd(target.provider.kind, target.model, usage),
                "status": status,
                "apiKeyId": caller.api_key_id,
                "userId": caller.user_id,
                "requestId": caller.request_id,
                "latencyMs": round((time.perf_counter() - started) * 1000),
                "estimated": usage.estimated,
            }
        )
        await self._meter.settle(record)
