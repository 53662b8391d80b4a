"""When somebody is told, and what Grafana shows: rules and dashboards over the metrics that exist."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_ERRORS = 'sum by (function) (rate(dcoder_requests_total{status=~"5.."}[5m]))'
_ALL = "sum by (function) (rate(dcoder_requests_total[5m]))"
_P95 = "histogram_quantile(0.95, sum by (le, function) (rate(dcoder_request_seconds_bucket[5m])))"


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule: it fires when the expression holds for so long."""

    name: str
    expression: str
    minutes: int
    severity: str
    summary: str

    def rule(self) -> dict[str, Any]:
        """As Prometheus has it."""
        return {
            "alert": self.name,
            "expr": self.expression,
            "for": f"{self.minutes}m",
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "runbook": "docs/runbook.md"},
        }


ALERTS: tuple[Alert, ...] = (
    Alert("ServiceDown", "up == 0", 3, "critical", "{{ $labels.job }} at {{ $labels.instance }} does not answer"),
    Alert("ManyErrors", f"{_ERRORS} / {_ALL} > 0.05", 5, "critical", "more than 5 % of {{ $labels.function }} fail"),
    Alert("SlowRequests", f"{_P95} > 5", 10, "warning", "p95 of {{ $labels.function }} is above 5 s"),
    Alert(
        "SlowGateway",
        "histogram_quantile(0.95, sum by (le) (rate(dcoder_llm_overhead_seconds_bucket[5m]))) > 0.1",
        10,
        "warning",
        "p95 of the gateway's own time is above 100 ms",
    ),
    Alert("QuotaRefusals", "sum(rate(dcoder_quota_refusals_total[5m])) > 1", 10, "warning", "limits refuse many calls"),
    Alert(
        "QuotaThresholds",
        "increase(dcoder_relay_thresholds_total[15m]) > 0",
        0,
        "info",
        "a quota's threshold is crossed",
    ),
    Alert(
        "EventsWait", "dcoder_dispatch_lag > 1000", 10, "warning", "{{ $value }} events wait for {{ $labels.function }}"
    ),
    Alert(
        "DeadLetters",
        "increase(dcoder_dispatch_dead_letters_total[15m]) > 0",
        0,
        "warning",
        "{{ $labels.function }} refuses events",
    ),
    Alert(
        "TasksWait",
        "max(min_over_time(dcoder_background_waiting[30m])) > 0",
        0,
        "warning",
        "the background workers' queue has not been empty for half an hour",
    ),
    Alert("OutboxWaits", "dcoder_relay_waiting_seconds > 300", 5, "critical", "{{ $labels.what }} waits for the relay"),
    Alert(
        "DatabaseFull",
        "sum by (cluster) (cnpg_backends_total)"
        ' / max by (cluster) (cnpg_pg_settings_setting{name="max_connections"}) > 0.85',
        5,
        "warning",
        "Postgres is running out of connections",
    ),
    Alert(
        "BackupTooOld",
        "time() - cnpg_collector_last_available_backup_timestamp > 129600",
        10,
        "critical",
        "the last backup of {{ $labels.cluster }} is older than 36 hours",
    ),
    Alert(
        "LogsNotArchived",
        "cnpg_pg_stat_archiver_seconds_since_last_archival > 900",
        10,
        "critical",
        "write-ahead logs are not archived",
    ),
    Alert(
        "RedisFull", "redis_memory_used_bytes / redis_memory_max_bytes > 0.9", 5, "critical", "Redis has no room left"
    ),
    Alert(
        "VolumeFull",
        "kubelet_volume_stats_available_bytes / kubelet_volume_stats_capacity_bytes < 0.1",
        10,
        "critical",
        "a volume is full",
    ),
)

# Dashboard to (panel, expression, unit).
DASHBOARDS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Platform overview": (
        ("Requests a second", "sum(rate(dcoder_requests_total[5m]))", "reqps"),
        ("Errors", f"sum({_ERRORS}) / sum({_ALL})", "percentunit"),
        ("LLM calls a second", "sum(rate(dcoder_llm_calls_total[5m]))", "reqps"),
        ("Cost an hour (USD)", "sum(increase(dcoder_llm_cost_micro_usd_total[1h])) / 1e6", "currencyUSD"),
        ("Events that wait", "sum(dcoder_dispatch_lag)", "short"),
        ("Live streams", "sum(dcoder_live_streams)", "short"),
    ),
    "Health by service": (
        ("Requests", _ALL, "reqps"),
        ("Errors", f"{_ERRORS} / {_ALL}", "percentunit"),
        ("Requests under way", "sum by (function) (dcoder_requests_in_flight)", "short"),
        ("Events handled", "sum by (function, outcome) (rate(dcoder_dispatch_events_total[5m]))", "ops"),
        ("Instances", 'count by (function) (up{namespace="functions"} == 1)', "short"),
    ),
    "LLM usage and costs": (
        ("Calls", "sum by (provider, model) (rate(dcoder_llm_calls_total[5m]))", "reqps"),
        ("Tokens", "sum by (kind) (rate(dcoder_llm_tokens_total[5m]))", "short"),
        (
            "Cost an hour (USD)",
            "sum by (provider, model) (increase(dcoder_llm_cost_micro_usd_total[1h])) / 1e6",
            "currencyUSD",
        ),
        ("Failures", "sum by (provider, code) (rate(dcoder_llm_failures_total[5m]))", "reqps"),
        ("Refused by limits", "sum by (metric, window) (rate(dcoder_quota_refusals_total[5m]))", "reqps"),
    ),
    "Cache hit rates": (
        (
            "Hit rate",
            'sum(rate(dcoder_llm_calls_total{cache!~"miss|off|none"}[5m])) / sum(rate(dcoder_llm_calls_total[5m]))',
            "percentunit",
        ),
        ("By tier", "sum by (cache) (rate(dcoder_llm_calls_total[5m]))", "reqps"),
        ("Tokens saved", 'sum(rate(dcoder_llm_tokens_total{kind="saved"}[5m]))', "short"),
        ("Tokens compressed", 'sum(rate(dcoder_llm_tokens_total{kind="compressed"}[5m]))', "short"),
    ),
    "Latency": (
        ("p95 by function", _P95, "s"),
        ("p50 by function", _P95.replace("0.95", "0.5"), "s"),
        (
            "Provider, p95",
            "histogram_quantile(0.95, sum by (le, provider) (rate(dcoder_llm_provider_seconds_bucket[5m])))",
            "s",
        ),
        (
            "First chunk, p95",
            "histogram_quantile(0.95, sum by (le) (rate(dcoder_llm_first_chunk_seconds_bucket[5m])))",
            "s",
        ),
        (
            "The gateway's own time, p95",
            "histogram_quantile(0.95, sum by (le) (rate(dcoder_llm_overhead_seconds_bucket[5m])))",
            "s",
        ),
    ),
}


def expressions() -> Iterator[str]:
    """Every expression, of rules and panels."""
    yield from (alert.expression for alert in ALERTS)
    yield from (expression for panels in DASHBOARDS.values() for _, expression, _ in panels)


def dashboard_files() -> dict[str, str]:
    """Grafana's dashboards by file name."""
    return {f"{_slug(title)}.json": json.dumps(_dashboard(title), indent=1) for title in DASHBOARDS}


def _dashboard(title: str) -> dict[str, Any]:
    return {
        "uid": f"dcoder-{_slug(title)}",
        "title": title,
        "tags": ["dcoder"],
        "timezone": "utc",
        "schemaVersion": 41,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "panels": [_panel(index, *panel) for index, panel in enumerate(DASHBOARDS[title])],
    }


def _panel(index: int, title: str, expression: str, unit: str) -> dict[str, Any]:
    return {
        "id": index + 1,
        "type": "timeseries",
        "title": title,
        "datasource": {"type": "prometheus", "uid": "prometheus"},
        "gridPos": {"h": 8, "w": 12, "x": 12 * (index % 2), "y": 8 * (index // 2)},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [{"refId": "A", "expr": expression}],
    }


def _slug(title: str) -> str:
    return title.lower().replace(" ", "-")
