"""A call's record is whole, though nobody validates it."""

from datetime import UTC, datetime

import pytest

from functions.gateway.adapters.redis_meter import line_of
from functions.gateway.core.booking import Booking
from functions.gateway.core.models import Caller, Provider, Target, Usage
from functions.kit.settings import TenantSettings
from functions.kit.subjects import UsageRecord


def test_a_record_has_every_field_and_reads_back_as_it_was() -> None:
    caller = Caller("tenant", "key", None, "request", TenantSettings.of({}), groups=frozenset({"b", "a"}))
    booking = Booking(caller, Target(Provider("main", "openai", "https://api.example.com/v1", "sk"), "gpt-4o"))
    booking.cost_micro_usd = 7
    record = booking.record(Usage(12, 3, cached_prompt_tokens=4), status="cancelled")
    assert set(vars(record)) == set(UsageRecord.model_fields)
    assert (record.groups, record.cost_micro_usd) == (["a", "b"], 7)
    again = UsageRecord.model_validate_json(record.model_dump_json(by_alias=True))
    assert again == record
    assert record.model_copy(update={"latency_ms": 1}).latency_ms == 1


@pytest.mark.parametrize("microsecond", [0, 120_000, 5])
def test_a_record_is_written_as_its_model_would_be(microsecond: int) -> None:
    record = UsageRecord(
        usage_id="u", tenant_id="t", at=datetime(2026, 11, 27, 8, 5, 9, microsecond, UTC), provider="main",
        model='größe "8b"\n', operation="embeddings", prompt_tokens=12, completion_tokens=0, cached="semantic",
        cost_micro_usd=10**15, status="cancelled", groups=["a", "b"], estimated=True,
    )  # fmt: skip
    assert line_of(record).decode() == record.model_dump_json(by_alias=True)
