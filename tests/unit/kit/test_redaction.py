"""What never reaches a log."""

import logging

import orjson
import pytest

from functions.kit.logs import JsonFormatter
from functions.kit.principal import new_api_key
from functions.kit.redaction import redact


@pytest.mark.parametrize(
    ("secret", "kind"),
    [
        (new_api_key(), "key"),
        ("sk-proj-abcdefghijklmnop1234", "key"),
        ("gsk_abcdefghijklmnop1234567890", "key"),
        ("AKIAABCDEFGHIJKLMNOP", "key"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0xxx.c2lnbmF0dXJl", "jwt"),
        ("token_eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0xxx.c2lnbmF0dXJl", "jwt"),
        ("Bearer abcdef0123456789", "bearer"),
        ("jane.doe@example.com", "email"),
        ("4111 1111 1111 1111", "card"),
        ("078-05-1120", "ssn"),
    ],
)
def test_a_secret_is_replaced_by_its_kind(secret: str, kind: str) -> None:
    assert redact(f"before {secret} after") == f"before [{kind}] after"


def test_the_password_in_an_address_is_taken_out() -> None:
    assert redact("postgresql://role:hunter2@127.0.0.1:5432/db") == "postgresql://[password]@127.0.0.1:5432/db"


@pytest.mark.parametrize("text", ["tenant 0199a3f0-7c1e-7000-8000-000000000001", "took 12.5 ms", "port 5432"])
def test_the_rest_is_left_alone(text: str) -> None:
    assert redact(text) == text


def test_a_log_line_is_one_json_object_without_secrets() -> None:
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "key %s", (new_api_key(),), None)
    record.note = "mail jane@example.com"
    line = JsonFormatter().format(record)
    fields = orjson.loads(line)
    assert "\n" not in line
    assert fields["message"] == "key [key]"
    assert fields["note"] == "mail [email]"


@pytest.mark.parametrize("piece", ["eyJ", "a.", "a-.", "eyJaaaaaaaaa.bbb ", "a@", "://a:b", "bearer ", "sk-a ", "1-"])
def test_a_text_made_for_it_takes_no_longer_than_another(piece: str) -> None:
    # What grows with the square of the length would take the better part of an hour.
    text = piece * (1_000_000 // len(piece))
    assert len(redact(text)) <= len(text)
