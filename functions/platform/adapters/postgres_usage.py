"""The usage ledger and its hourly sums in the platform database."""

from collections.abc import Sequence

from functions.kit.database import connection
from functions.kit.subjects import UsageRecord
from functions.platform.core.models import UsageQuery, UsageTotal

# One statement, so that what the ledger took and what the sums gained cannot differ. Both inserts go in the order of
# their keys: batches that overlap then wait for each other instead of deadlocking.
_ADD = """
    WITH given AS (
        SELECT * FROM jsonb_to_recordset($1) AS r(
            "usageId" uuid, "tenantId" uuid, "at" timestamptz, "provider" text, "model" text, "operation" text,
            "promptTokens" bigint, "completionTokens" bigint, "cached" text, "savedTokens" bigint,
            "costMicroUsd" bigint, "status" text, "apiKeyId" text, "userId" text, "requestId" text, "latencyMs" bigint,
            "estimated" bool)
    ), fresh AS (
        INSERT INTO usage_ledger (usage_id, tenant_id, at, provider, model, operation, prompt_tokens, completion_tokens,
                                  cached, saved_tokens, cost_micro_usd, status, api_key_id, user_id, request_id,
                                  latency_ms, estimated)
        SELECT * FROM given ORDER BY "usageId"
        ON CONFLICT (usage_id) DO NOTHING
        RETURNING *
    ), sums AS (
        INSERT INTO usage_hourly AS h (tenant_id, bucket, provider, model, operation, api_key_id, user_id, requests,
                                       failed_requests, cached_requests, prompt_tokens, completion_tokens, saved_tokens,
                                       cost_micro_usd)
        SELECT tenant_id, date_trunc('hour', at, 'UTC'), provider, model, operation, api_key_id, user_id, count(*),
               count(*) FILTER (WHERE status <> 'ok'), count(*) FILTER (WHERE cached <> 'miss'), sum(prompt_tokens),
               sum(completion_tokens), sum(saved_tokens), sum(cost_micro_usd)
        FROM fresh GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
        ON CONFLICT (tenant_id, bucket, provider, model, operation, api_key_id, user_id) DO UPDATE SET
            requests = h.requests + excluded.requests,
            failed_requests = h.failed_requests + excluded.failed_requests,
            cached_requests = h.cached_requests + excluded.cached_requests,
            prompt_tokens = h.prompt_tokens + excluded.prompt_tokens,
            completion_tokens = h.completion_tokens + excluded.completion_tokens,
            saved_tokens = h.saved_tokens + excluded.saved_tokens,
            cost_micro_usd = h.cost_micro_usd + excluded.cost_micro_usd
    )
    SELECT count(*) FROM fresh
"""
_TOTALS = """
    SELECT date_trunc($4, bucket, 'UTC') AS start, provider, model, sum(requests)::bigint AS requests,
           sum(prompt_tokens)::bigint AS prompt_tokens, sum(completion_tokens)::bigint AS completion_tokens,
           sum(cached_requests)::bigint AS cached_requests, sum(saved_tokens)::bigint AS saved_tokens,
           sum(cost_micro_usd)::bigint AS cost_micro_usd
    FROM usage_hourly
    WHERE tenant_id = $1 AND bucket >= $2 AND bucket < $3
      AND ($6::timestamptz IS NULL OR (date_trunc($4, bucket, 'UTC'), provider, model) > ($6, $7::text, $8::text))
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT $5
"""


class PostgresUsage:
    """Port `Usage`."""

    async def add(self, records: Sequence[UsageRecord]) -> int:
        """Enter the records that the ledger lacks into it and the sums; returns how many those were."""
        rows = [record.model_dump(mode="json", by_alias=True) for record in records]
        added: int = await (await connection()).fetchval(_ADD, rows)
        return added

    async def totals(self, query: UsageQuery) -> Sequence[UsageTotal]:
        """At most `query.limit` totals, ordered by start, provider and model."""
        rows = await (await connection()).fetch(
            _TOTALS,
            query.tenant_id,
            query.start,
            query.end,
            query.granularity,
            query.limit,
            *(query.after or (None, None, None)),
        )
        return [UsageTotal.of(dict(row)) for row in rows]
