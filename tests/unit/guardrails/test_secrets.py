"""Credentials, and what merely looks like them."""

import base64
import json
import random
import string

import pytest

from functions.guardrails.core.models import Part
from functions.guardrails.core.secrets import checks
from functions.guardrails.core.secrets.scanner import SecretScanner
from scenarios.quality.credentials import credentials

CREDENTIALS = credentials(random.Random(11))


@pytest.mark.parametrize("name", sorted(CREDENTIALS))
def test_a_credential_is_found(name: str) -> None:
    assert SecretScanner().scan(0, Part("user", CREDENTIALS[name]))


@pytest.mark.parametrize(
    "text",
    [
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "token: 550e8400-e29b-41d4-a716-446655440000",
        "password: required, token: optional",
        "password = os.environ['DB_PASSWORD']; api_key = settings.api_key",
        "api_key = YOUR_API_KEY_HERE and secret=${SECRET_VALUE}",
        "The token is expired and the password is incorrect.",
        "const accessToken = response.data.accessToken;",
        "max_tokens: 4096, next_token_id, tokenizer = load('bert-base-uncased-2024')",
        "AKIAIOSFODNN7EXAMPLE is Amazon's own example",
        "Lorem ipsum dolor sit amet, consectetur adipiscing elit",
        "https://user@host/path and ssh://git@server:22/repo",
        "sk-learn-contrib-extension-package is a name",
        "Basic English and Bearer bonds",
        "sdk-version, pa-rt, re_use, sk_learn, fw_update and csk-like names",
        "curl -u user:password https://example.com/v1.0-beta?sv=1&sig=none",
    ],
)
def test_look_alikes_are_not(text: str) -> None:
    assert not SecretScanner().scan(0, Part("user", text))


def test_only_the_credential_is_marked() -> None:
    text = "postgresql://app:S3cr3tPw9@db.internal:5432/orders"
    (match,) = SecretScanner().scan(0, Part("tool", text))

    assert text[match.start : match.end] == "S3cr3tPw9"


def test_a_token_whose_checksum_is_wrong_is_less_certain() -> None:
    body = "".join(random.Random(5).choices(string.ascii_letters + string.digits, k=30))
    (match,) = SecretScanner().scan(0, Part("user", f"ghp_{body}000000"))

    assert match.score == 0.5


def test_a_json_web_token_is_told_by_its_header() -> None:
    header = base64.urlsafe_b64encode(json.dumps({"alg": "RS256"}).encode()).decode()

    assert checks.jwt(f"{header}.x.y")
    assert not checks.jwt("eyJub3QiOiAianNvbg.x.y")


def test_random_text_has_more_entropy_than_words() -> None:
    assert checks.entropy("aaaaaaaa") == 0
    assert checks.entropy("password") < checks.entropy("q8Z!r2Lx")
