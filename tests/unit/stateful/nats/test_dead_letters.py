"""How a dead letter is addressed and known again."""

from dataclasses import replace
from datetime import UTC, datetime

from stateful.nats.dead_letters import Letter

LETTER = Letter(
    function="platform-quota-mirror",
    subject="quota.updated",
    event_id="e1",
    sequence=7,
    deliveries=20,
    status=503,
    reason="20 tries exhausted",
    published=datetime(2026, 11, 1, 8, tzinfo=UTC),
    last_try=datetime(2026, 11, 1, 9, tzinfo=UTC),
)


def test_a_letter_lies_under_its_events_subject() -> None:
    assert LETTER.address == "dlq.quota.updated"


def test_the_same_death_is_known_again_and_another_is_not() -> None:
    assert LETTER.message_id == replace(LETTER, reason="sent again", deliveries=21).message_id
    others = {replace(LETTER, sequence=8), replace(LETTER, function="f"), replace(LETTER, event_id="e2")}
    assert len({LETTER.message_id, *(other.message_id for other in others)}) == 4


def test_headers_are_text() -> None:
    assert all(isinstance(value, str) for value in LETTER.headers().values())
    assert LETTER.headers()["Dcoder-Dead-Letter-Published"] == "2026-11-01T08:00:00.000000Z"
