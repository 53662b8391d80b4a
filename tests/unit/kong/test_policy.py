import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from kong.policy import ANONYMOUS, BASE, Cors, PolicyError, RateClass, load_policy

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(BASE.read_text())
    return loaded


def reload(document: dict[str, Any], folder: Path) -> None:
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump(document))
    load_policy(path)


def test_base_is_valid() -> None:
    policy = load_policy()
    assert policy.body.maximum == 64 * 1024**2
    assert policy.rate_classes["standard"] == RateClass(per_minute=6000, burst=500)
    assert policy.rate_classes["enterprise"].per_minute == 60_000
    assert ANONYMOUS in policy.rate_classes


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (("body", "maximum"), "64MB", "body.maximum"),
        (("body", "maximum"), 0, "body.maximum"),
        (("request_id", "pattern"), "[a-z]+", "request_id.pattern"),
        (("request_id", "pattern"), "^[a-z$", "request_id.pattern"),
        (("cors", "origins"), ["*"], "cors.origins"),
        (("cors", "methods"), ["BREW"], "cors.methods"),
        (("tls", "versions"), ["1.0"], "tls.versions"),
        (("tls", "versions"), [], "tls.versions"),
        (("trusted_proxies",), ["everyone"], "trusted_proxies"),
        (("security_headers", "X-Note"), 'a"; evil', "security_headers.X-Note"),
        (("hsts",), "max-age=1\nX: y", "hsts"),
        (("credentials", "algorithms"), ["HS256"], "HS256"),
        (("credentials", "algorithms"), ["none"], "none"),
        (("rate_classes", "free"), {"per_minute": 0, "burst": 1}, "rate_classes.free.per_minute"),
        (("default_class",), "gold", "gold"),
        (("surprise",), 1, "surprise"),
        (("public_paths",), ["v1/auth"], "public_paths"),
    ],
)
def test_fault_names_the_file_and_the_field(
    document: dict[str, Any], tmp_path: Path, keys: tuple[str, ...], value: object, said: str
) -> None:
    inner = document
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    with pytest.raises(PolicyError, match=re.escape(said)) as fault:
        reload(document, tmp_path)
    assert str(tmp_path) in str(fault.value)


def test_missing_anonymous_class(document: dict[str, Any], tmp_path: Path) -> None:
    del document["rate_classes"]["anonymous"]
    with pytest.raises(PolicyError, match="anonymous"):
        reload(document, tmp_path)


def test_not_yaml(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("a: [")
    with pytest.raises(PolicyError, match="not YAML"):
        load_policy(path)


@pytest.mark.parametrize(
    ("path", "public"),
    [
        ("/health/live", True),
        ("/v1/auth/login", True),
        ("/v1/auth/callback/{provider}", True),
        ("/v1/authors", False),
        ("/v1/auth", False),
        ("/v1/tenants", False),
        ("/docs", True),
        ("/docs/private", False),
    ],
)
def test_public_paths(path: str, public: bool) -> None:
    assert load_policy().is_public(path) is public


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://app.example.com", True),
        ("https://appxexample.com", False),
        ("https://app.example.com.evil", False),
        ("https://app.example.com:8443", False),
        ("http://localhost", True),
        ("http://localhost:3000", True),
        ("http://localhost:3000x", False),
    ],
)
def test_origins(origin: str, allowed: bool) -> None:
    origins = ("https://app.example.com", "http://localhost:*")
    cors = Cors(origins=origins, methods=(), headers=(), exposed_headers=(), max_age_seconds=0, credentials=False)
    assert bool(re.match(cors.origin_pattern, origin)) is allowed


def test_pages_may_send_what_the_gateway_s_page_says_they_may() -> None:
    page = (ROOT / "docs" / "gateway-api.md").read_text()
    table = page.split("## Headers of requests")[1].split("Pages on other origins")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {name.lower() for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert {"authorization", "cache-control", "x-compression", "anthropic-beta", "traceparent"} <= named
    assert named <= {name.lower() for name in load_policy().cors.headers}


def test_no_origins_allow_none() -> None:
    cors = Cors(origins=(), methods=(), headers=(), exposed_headers=(), max_age_seconds=0, credentials=False)
    assert not re.match(cors.origin_pattern, "https://app.example.com")


@pytest.mark.parametrize(("per_minute", "seconds"), [(1, 60), (7, 9), (60, 1), (6000, 1)])
def test_retry_after(per_minute: int, seconds: int) -> None:
    assert RateClass(per_minute=per_minute, burst=0).retry_after == seconds
