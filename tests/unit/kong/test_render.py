from typing import Any

import pytest
import yaml

from functions.kit.catalogue import Catalogue
from kong.edge import edge_routes
from kong.policy import load_policy
from kong.render import main, render

# The bundled plugins of the last free image, 3.9, that the platform uses.
FREE = {
    "correlation-id",
    "cors",
    "jwt",
    "key-auth",
    "post-function",
    "pre-function",
    "prometheus",
    "rate-limiting",
    "request-size-limiting",
    "request-termination",
    "response-transformer",
}


@pytest.fixture
def document(catalogue: Catalogue) -> dict[str, Any]:
    return render(catalogue=catalogue)


def service(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(dict(one) for one in document["services"] if one["name"] == name)


def plugin(owner: dict[str, Any], name: str) -> dict[str, Any]:
    return next(dict(one["config"]) for one in owner["plugins"] if one["name"] == name)


def plugins_in(node: object) -> set[str]:
    found: set[str] = set()
    if isinstance(node, dict):
        found |= {one["name"] for one in node.get("plugins", [])}
        node = list(node.values())
    if isinstance(node, list):
        for one in node:
            found |= plugins_in(one)
    return found


def test_free_edition_uses_free_plugins_alone(document: dict[str, Any]) -> None:
    assert document["_format_version"] == "3.0"
    assert plugins_in(document) == FREE


def test_one_service_a_function(document: dict[str, Any], catalogue: Catalogue) -> None:
    names = [one["name"] for one in document["services"]]
    assert names == ["edge", *sorted(function.name for function in catalogue.http())]
    chat = service(document, "gateway-chat")
    assert chat["url"] == "http://gateway-chat.functions.svc.cluster.local"
    assert chat["read_timeout"] == 600_000
    assert chat["retries"] == 0
    assert plugin(chat, "request-size-limiting")["allowed_payload_size"] == 1024**2
    assert chat["routes"][0]["response_buffering"] is False


def test_routes_keep_the_order_of_the_edge(document: dict[str, Any], catalogue: Catalogue) -> None:
    routes = [route for one in document["services"][1:] for route in one["routes"]]
    ordered = sorted(routes, key=lambda route: -route["regex_priority"])
    assert [route["paths"][0][1:] for route in ordered] == [route.pattern[1:] for route in edge_routes(catalogue)]
    assert len({route["name"] for route in routes}) == len(routes)
    assert all("OPTIONS" in route["methods"] for route in routes)


def test_public_routes_ask_for_no_credential(document: dict[str, Any]) -> None:
    assert service(document, "platform-sign-in")["routes"][0]["plugins"] == []
    names = [one["name"] for one in service(document, "gateway-chat")["routes"][0]["plugins"]]
    assert names == ["key-auth", "jwt"]


def test_who_has_no_credential_is_turned_away_with_the_envelope(document: dict[str, Any]) -> None:
    anonymous, _ = document["consumers"]
    refusal = plugin(anonymous, "request-termination")
    assert refusal["status_code"] == 401
    assert yaml.safe_load(refusal["body"])["error"]["code"] == "unauthenticated"


def test_signed_in_browsers_pass_and_are_limited_by_tenant_and_address(document: dict[str, Any]) -> None:
    _, sessions = document["consumers"]
    (credential,) = sessions["keyauth_credentials"]
    (script,) = plugin(document, "pre-function")["access"]
    limit = plugin(sessions, "rate-limiting")
    assert f'set_header("x-dcoder-key-hash", "{credential["key"]}")' in script
    assert (limit["limit_by"], limit["header_name"]) == ("header", "x-dcoder-session-bucket")
    assert load_policy().credentials.session_cookie in script
    assert 'clear_header("x-dcoder-session-bucket")' in script


def test_policy_reaches_the_plugins(document: dict[str, Any]) -> None:
    assert plugin(document, "correlation-id")["header_name"] == "X-Request-Id"
    assert "x-dcoder-cache" in plugin(document, "cors")["exposed_headers"]
    assert plugin(document, "rate-limiting")["policy"] == "redis"
    assert "X-Content-Type-Options:nosniff" in plugin(document, "response-transformer")["add"]["headers"]
    (script,) = plugin(document, "pre-function")["access"]
    assert '["x-user-id"] = true' in script
    assert '"x-dcoder-"' in script
    assert "^dck_[0-9A-Za-z]{40}$" in script
    assert "x-forwarded" not in script
    assert not [
        word
        for word in ("RESERVED_NAMES", "RESERVED_PREFIXES", "KEY_PATTERN", "REQUEST_ID_", "SESSION_COOKIE")
        if word in script
    ]


def test_command_writes_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--edition", "free", "--redis-host", "cache", "--function-url", "http://{name}:8080"])
    document = yaml.safe_load(capsys.readouterr().out)
    assert plugin(document, "rate-limiting")["redis"]["host"] == "cache"
    assert all(one["url"].endswith(":8080") for one in document["services"][1:])
