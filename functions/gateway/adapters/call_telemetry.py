"""What Prometheus is told of calls, and that traces are.

Labels are bounded: a provider by its kind, a model by its family in the price table, all others as `other`. Figures by
tenant, user or key are the ledger's, and the traces'.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from prometheus_client import Counter, Histogram

from functions.gateway.adapters.call_spans import tell_ended, tell_failed
from functions.gateway.core.booking import Booking
from functions.gateway.core.usage import Said
from functions.kit.subjects import UsageRecord
from functions.kit.tallies import Spread, Spreads, Tallies, Tally
from functions.kit.telemetry import is_tracing

_OURS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5)
_THEIRS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_LABELS = ("provider", "model")

CALLS = Tallies("dcoder_llm_calls_total", "Calls that were counted.", [*_LABELS, "operation", "cache", "status"])
FAILURES = Counter("dcoder_llm_failures_total", "Calls that ended without anything to count.", [*_LABELS, "code"])
TOKENS = Tallies("dcoder_llm_tokens_total", "Tokens used, or saved by cache or compression.", [*_LABELS, "kind"])
COST = Tallies("dcoder_llm_cost_micro_usd_total", "Cost in millionths of a US dollar.", _LABELS)
OVERHEAD = Spreads("dcoder_llm_overhead_seconds", "Of a call, not waited for a provider.", ["cache"], buckets=_OURS)
PROVIDER = Spreads(
    "dcoder_llm_provider_seconds", "Waited for the provider, to the last byte.", _LABELS, buckets=_THEIRS
)
FIRST = Spreads("dcoder_llm_first_chunk_seconds", "From asking to a stream's first chunk.", _LABELS, buckets=_THEIRS)
WAITED = Histogram("dcoder_llm_queue_seconds", "Waited for what other calls hold of a limit.", buckets=_OURS)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Meters:
    """The metrics of calls that have their labels in common; to look them up costs more than to count."""

    calls: Tally
    prompt: Tally
    completion: Tally
    saved: Tally
    compressed: Tally
    cost: Tally
    overhead: Spread
    provider: Spread
    first: Spread


class CallTelemetry:
    """Port `CallObserver`.

    Args:
        family: a model's name in the price table, by kind of provider and model; empty where it has none.
    """

    def __init__(self, family: Callable[[str, str], str]) -> None:
        self._family = family

    def ended(self, booking: Booking, record: UsageRecord, said: Said | None) -> None:
        """A call was counted."""
        target = booking.target
        kind, family = target.provider.kind, self._family(target.provider.kind, target.model) or "other"
        meters = _meters(kind, family, record.operation, record.cached, record.status)
        meters.calls.value += 1
        meters.prompt.value += record.prompt_tokens
        meters.completion.value += record.completion_tokens
        if record.saved_tokens:
            meters.saved.value += record.saved_tokens
        if record.compression_saved_tokens:
            meters.compressed.value += record.compression_saved_tokens
        meters.cost.value += record.cost_micro_usd
        if booking.queued_seconds:
            WAITED.observe(booking.queued_seconds)
        if said is not None:
            meters.overhead.observe(said.overhead_seconds)
            if record.cached == "miss":
                meters.provider.observe(said.provider_seconds)
            if said.first_chunk_seconds is not None:
                meters.first.observe(said.first_chunk_seconds)
        if is_tracing():
            try:
                tell_ended(booking, record, said)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with a span, the call was answered and counted
                _warn(error)

    def failed(self, booking: Booking, code: str) -> None:
        """A call has ended without anything to count."""
        target = booking.target
        kind, family = target.provider.kind, self._family(target.provider.kind, target.model) or "other"
        FAILURES.labels(kind, family, code).inc()
        if is_tracing():
            try:
                tell_failed(booking, code)
            except Exception as error:  # noqa: BLE001 - as above
                _warn(error)


def _warn(error: Exception) -> None:
    # Not its message: that may quote the prompt.
    _logger.warning("a call was not traced", extra={"reason": type(error).__name__})


@lru_cache(maxsize=2048)
def _meters(kind: str, family: str, operation: str, cached: str, status: str) -> _Meters:
    return _Meters(
        calls=CALLS.labels(kind, family, operation, cached, status),
        prompt=TOKENS.labels(kind, family, "prompt"),
        completion=TOKENS.labels(kind, family, "completion"),
        saved=TOKENS.labels(kind, family, "saved"),
        compressed=TOKENS.labels(kind, family, "compressed"),
        cost=COST.labels(kind, family),
        overhead=OVERHEAD.labels(cached),
        provider=PROVIDER.labels(kind, family),
        first=FIRST.labels(kind, family),
    )
