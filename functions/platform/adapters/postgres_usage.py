"""The usage ledger, its hourly sums and the counters of limits in the platform database."""

from collections.abc import Sequence
from typing import NamedTuple

from functions.kit.database import connection
from functions.kit.subjects import UsageRecord
from functions.platform.adapters.kpi_sums import CHANNEL, ENTER, OF_CALL, OF_CALL_TAKEN_BACK, UNCOUNTED
from functions.platform.adapters.postgres_quotas import mirroring
from functions.platform.core.models import UsageGroup, UsageQuery, UsageTotal

# One statement, so that what the ledger took and what sums and counters gained cannot differ. All inserts go in the
# order of their keys: batches that overlap then wait for each other instead of deadlocking.
# A call whose process died is entered as expired; should its end become known after all, that takes its place.
_ADD = f"""
    WITH given AS (
        SELECT DISTINCT ON ("usageId") * FROM jsonb_to_recordset($1) AS r(
            "usageId" uuid, "tenantId" uuid, "at" timestamptz, "provider" text, "model" text, "operation" text,
            "promptTokens" bigint, "completionTokens" bigint, "cached" text, "savedTokens" bigint,
            "costMicroUsd" bigint, "status" text, "apiKeyId" text, "userId" text, "requestId" text, "latencyMs" bigint,
            "estimated" bool, "groups" text[], "internal" bool, "savedMicroUsd" bigint, "compressionSavedTokens" bigint,
            "cachedPromptTokens" bigint, "cacheWriteTokens" bigint, "reasoningTokens" bigint)
        ORDER BY "usageId", "status" = 'expired'
    ), fresh AS (
        INSERT INTO usage_ledger AS l (usage_id, tenant_id, at, provider, model, operation, prompt_tokens,
                                       completion_tokens, cached, saved_tokens, cost_micro_usd, status, api_key_id,
                                       user_id, request_id, latency_ms, estimated, groups, internal, saved_micro_usd,
                                       compression_saved_tokens, cached_prompt_tokens, cache_write_tokens,
                                       reasoning_tokens)
        SELECT * FROM given ORDER BY "usageId"
        ON CONFLICT (usage_id) DO UPDATE SET
            prompt_tokens = excluded.prompt_tokens, completion_tokens = excluded.completion_tokens,
            cached = excluded.cached, saved_tokens = excluded.saved_tokens, saved_micro_usd = excluded.saved_micro_usd,
            cost_micro_usd = excluded.cost_micro_usd,
            status = excluded.status, latency_ms = excluded.latency_ms, estimated = excluded.estimated,
            compression_saved_tokens = excluded.compression_saved_tokens,
            cached_prompt_tokens = excluded.cached_prompt_tokens, cache_write_tokens = excluded.cache_write_tokens,
            reasoning_tokens = excluded.reasoning_tokens
            WHERE l.status = 'expired' AND excluded.status <> 'expired'
        RETURNING WITH (OLD AS o, NEW AS n) n.*, o.usage_id IS NOT NULL AS replaced
    ), changes AS (
        SELECT tenant_id, at, provider, model, operation, api_key_id, user_id, groups, cached,
               (status <> 'ok')::int AS failed, ({UNCOUNTED})::int AS uncounted,
               {OF_CALL}, compression_saved_tokens
        FROM fresh
        UNION ALL
        SELECT tenant_id, at, provider, model, operation, api_key_id, user_id, groups, 'miss', -1, -1,
               {OF_CALL_TAKEN_BACK}, 0
        FROM fresh WHERE replaced
    ), sums AS (
        INSERT INTO usage_hourly AS h (tenant_id, bucket, provider, model, operation, api_key_id, user_id, groups,
                                       cached, requests, failed_requests, cached_requests, uncounted_requests,
                                       prompt_tokens, completion_tokens, saved_tokens, cost_micro_usd,
                                       compression_saved_tokens, cached_prompt_tokens, cache_write_tokens,
                                       reasoning_tokens)
        SELECT tenant_id, date_trunc('hour', at, 'UTC'), provider, model, operation, api_key_id, user_id, groups,
               cached, sum(requests), sum(failed), sum(requests * (cached <> 'miss')::int), sum(uncounted),
               sum(prompt_tokens), sum(completion_tokens), sum(saved_tokens), sum(cost_micro_usd),
               sum(compression_saved_tokens), sum(cached_prompt_tokens), sum(cache_write_tokens), sum(reasoning_tokens)
        FROM changes GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9
        ON CONFLICT (tenant_id, bucket, provider, model, operation, api_key_id, user_id, groups, cached) DO UPDATE SET
            requests = h.requests + excluded.requests,
            failed_requests = h.failed_requests + excluded.failed_requests,
            cached_requests = h.cached_requests + excluded.cached_requests,
            uncounted_requests = h.uncounted_requests + excluded.uncounted_requests,
            prompt_tokens = h.prompt_tokens + excluded.prompt_tokens,
            completion_tokens = h.completion_tokens + excluded.completion_tokens,
            saved_tokens = h.saved_tokens + excluded.saved_tokens,
            cost_micro_usd = h.cost_micro_usd + excluded.cost_micro_usd,
            compression_saved_tokens = h.compression_saved_tokens + excluded.compression_saved_tokens,
            cached_prompt_tokens = h.cached_prompt_tokens + excluded.cached_prompt_tokens,
            cache_write_tokens = h.cache_write_tokens + excluded.cache_write_tokens,
            reasoning_tokens = h.reasoning_tokens + excluded.reasoning_tokens
    ), counted AS (
        SELECT q.id AS quota_id, date_trunc(q.period, c.at, 'UTC') AS window_start,
               sum(quota_amount(q.metric, (c.requests - c.uncounted)::bigint, c.prompt_tokens + c.completion_tokens,
                                c.cost_micro_usd)) AS used
        FROM changes c JOIN quotas q ON q.tenant_id = c.tenant_id AND quota_applies(
            q.subject_kind, q.subject_id, c.provider, c.model, c.api_key_id, c.user_id, c.groups)
        GROUP BY 1, 2
    ), counters AS (
        INSERT INTO quota_counters AS c (quota_id, window_start, used)
        SELECT DISTINCT ON (quota_id) * FROM counted ORDER BY quota_id, window_start DESC
        ON CONFLICT (quota_id) DO UPDATE SET
            window_start = greatest(c.window_start, excluded.window_start),
            used = CASE
                WHEN c.window_start < excluded.window_start THEN excluded.used
                WHEN c.window_start = excluded.window_start THEN c.used + excluded.used
                ELSE c.used
            END
    ), {ENTER}
    SELECT count(*) FROM fresh WHERE NOT replaced
"""  # noqa: S608 - made of our own text
_TOTALS = """
    SELECT date_trunc($4, bucket, 'UTC') AS start, {key} AS key, {subkey} AS subkey, sum(requests)::bigint AS requests,
           sum(prompt_tokens)::bigint AS prompt_tokens, sum(completion_tokens)::bigint AS completion_tokens,
           sum(cached_requests)::bigint AS cached_requests, sum(saved_tokens)::bigint AS saved_tokens,
           sum(cost_micro_usd)::bigint AS cost_micro_usd,
           sum(compression_saved_tokens)::bigint AS compression_saved_tokens,
           sum(cached_prompt_tokens)::bigint AS cached_prompt_tokens,
           sum(cache_write_tokens)::bigint AS cache_write_tokens, sum(reasoning_tokens)::bigint AS reasoning_tokens
    FROM usage_hourly {join}
    WHERE tenant_id = $1 AND bucket >= $2 AND bucket < $3
      AND ($6::timestamptz IS NULL OR (date_trunc($4, bucket, 'UTC'), {key}, {subkey}) > ($6, $7::text, $8::text))
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT $5
"""


class _Part(NamedTuple):
    """What totals have in common, as SQL."""

    key: str
    subkey: str = "''"
    join: str = ""


_PARTS: dict[UsageGroup, _Part] = {
    "model": _Part("provider", "model"),
    "provider": _Part("provider"),
    "user": _Part("coalesce(user_id, '')"),
    "apiKey": _Part("coalesce(api_key_id, '')"),
    # A call of somebody in two groups is in the totals of both.
    "group": _Part("coalesce(member_of, '')", join="LEFT JOIN LATERAL unnest(groups) AS member_of ON true"),
    "cached": _Part("cached"),
    "operation": _Part("operation"),
}


class PostgresUsage:
    """Port `Usage`."""

    async def add(self, records: Sequence[UsageRecord]) -> int:
        """Enter the records that the ledger lacks into it and the sums; returns how many those were."""
        session = await connection()
        for tenant_id in sorted({record.tenant_id for record in records}):
            await mirroring(session, tenant_id)
        rows = [record.model_dump(mode="json", by_alias=True) for record in records]
        added: int = await session.fetchval(_ADD, rows)
        for tenant_id in sorted({record.tenant_id for record in records}):
            await session.execute("SELECT pg_notify($1, $2)", CHANNEL, tenant_id)
        return added

    async def totals(self, query: UsageQuery) -> Sequence[UsageTotal]:
        """At most `query.limit` totals, ordered by start and key."""
        rows = await (await connection()).fetch(
            _TOTALS.format(**_PARTS[query.group_by]._asdict()),
            query.tenant_id,
            query.start,
            query.end,
            query.granularity,
            query.limit,
            *(query.after or (None, None, None)),
        )
        return [UsageTotal.of(dict(row)) for row in rows]
