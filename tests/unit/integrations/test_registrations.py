"""What a registration may hold."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from functions.integrations.mcp_servers.schemas import PutMcpServerBody


def body(**more: Any) -> dict[str, Any]:
    return {"title": "Pets", "openapi": {"openapi": "3.1.0"}, "operations": ["getPet"], **more}


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ('{"openapi": {"x": 123456789012345678901234567890}}', "64 bits"),
        ('{"openapi": {"x": "\\ud800"}}', "well-formed"),
        ('{"openapi": {"x": "\\u0000"}}', "character zero"),
        ('{"openapi": {"x": ' + "[" * 300 + "]" * 300 + "}}", "nested"),
        ('{"operations": ["get\\u0000Pet"]}', "pattern"),
        ('{"operations": ["get\\ud800Pet"]}', "unicode"),
        ('{"secret": "copied with its end\\n"}', "printable"),
        ('{"secret": "\\ud800"}', "printable"),
        ('{"secret": ""}', "at least 1"),
    ],
)
def test_what_cannot_be_stored_or_sent_is_refused(written: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        PutMcpServerBody.model_validate(body(**json.loads(written)))


def test_what_can_be() -> None:
    told = body(
        openapi={"most": 18446744073709551615, "deep": [[[{}]]], "pattern": "[^\\u0000]"}, secret="a key, perhaps"
    )
    assert PutMcpServerBody.model_validate(told).draft("pets").secret == "a key, perhaps"
