"""A call's record is whole, though nobody validates it."""

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
