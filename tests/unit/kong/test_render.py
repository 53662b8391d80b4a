import re
from typing import Any

import pytest
import yaml

from functions.kit.catalogue import Catalogue
from kong.edge import edge_routes
from kong.environment import kong_environment
from kong.policy import BASE, load_policy
from kong.render import EDITIONS, main, render
from tests.unit.kong.schemas import faults

# The bundled plugins of the last free image, 3.9, that the platform uses.
FREE = {
    "acl",
    "correlation-id",
    "cors",
    "key-auth",
    "opentelemetry",
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


def consumer(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(dict(one) for one in document["consumers"] if one["username"] == name)


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
    assert chat["routes"][0]["preserve_host"] is False, "the functions' router knows functions by their own names"


def test_routes_keep_the_order_of_the_edge(document: dict[str, Any], catalogue: Catalogue) -> None:
    routes = [route for one in document["services"][1:] for route in one["routes"]]
    ordered = sorted(routes, key=lambda route: -route["regex_priority"])
    assert [route["paths"][0][1:] for route in ordered] == [route.pattern[1:] for route in edge_routes(catalogue)]
    assert len({route["name"] for route in routes}) == len(routes)
    assert all("OPTIONS" in route["methods"] for route in routes)


def test_public_routes_ask_for_no_credential(document: dict[str, Any]) -> None:
    assert service(document, "platform-sign-in")["routes"][0]["plugins"] == []
    names = [one["name"] for one in service(document, "gateway-chat")["routes"][0]["plugins"]]
    assert names == ["key-auth", "acl"]


def test_who_has_no_credential_is_turned_away_with_the_envelope(document: dict[str, Any]) -> None:
    anonymous = consumer(document, "anonymous")
    refusal = plugin(anonymous, "request-termination")
    assert refusal["status_code"] == 401
    assert yaml.safe_load(refusal["body"])["error"]["code"] == "unauthenticated"


def test_signed_in_browsers_pass_and_are_limited_by_tenant_and_address(document: dict[str, Any]) -> None:
    for name in ("sessions", "tokens", "operators"):
        shared = consumer(document, name)
        limit = plugin(shared, "rate-limiting")
        assert [credential["key"] for credential in shared["keyauth_credentials"]] == [name]
        assert (limit["limit_by"], limit["header_name"]) == ("header", "x-dcoder-bucket")
    operators = plugin(consumer(document, "operators"), "rate-limiting")
    assert operators["minute"] == load_policy().rate_classes["superadmin"].per_minute + 2000


def test_policy_reaches_the_plugins(document: dict[str, Any]) -> None:
    assert plugin(document, "correlation-id")["header_name"] == "X-Request-Id"
    assert "x-dcoder-cache" in plugin(document, "cors")["exposed_headers"]
    assert plugin(document, "rate-limiting")["policy"] == "redis"
    assert "X-Content-Type-Options:nosniff" in plugin(document, "response-transformer")["add"]["headers"]
    (script,) = plugin(document, "pre-function")["access"]
    assert '["x-user-id"] = true' in script
    assert '"x-dcoder-"' in script
    assert '"knative-"' in script
    assert '"k-"' in script
    assert "^dck_[0-9A-Za-z]{40}$" in script
    assert "x-forwarded" not in script
    assert not [
        word
        for word in (
            "RESERVED_",
            "KEY_PATTERN",
            "REQUEST_ID_",
            "SESSION_COOKIE",
            "ALGORITHMS",
            "LEEWAY",
            "_CLAIM",
            "TOKENS",
        )
        if word in script
    ]


def test_command_writes_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--edition", "free", "--redis-host", "cache", "--function-url", "http://{name}:8080"])
    document = yaml.safe_load(capsys.readouterr().out)
    assert plugin(document, "rate-limiting")["redis"]["host"] == "cache"
    assert all(one["url"].endswith(":8080") for one in document["services"][1:])


@pytest.mark.parametrize("edition", EDITIONS)
def test_kong_would_take_what_is_rendered(edition: str, catalogue: Catalogue) -> None:
    assert faults(render(edition=edition, catalogue=catalogue), edition) == []
    assert faults(render(edition=edition), edition) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"minutes": 5}, "unknown field"),
        ({"minute": "5"}, "is no number"),
        ({"minute": 0}, "is not above 0"),
        ({"limit_by": "tenant"}, "is none of"),
        ({"redis": {"host": "{vault://env/host}"}}, "a reference to a vault is not resolved here"),
    ],
)
def test_what_kong_would_refuse_is_found(change: dict[str, Any], fault: str, document: dict[str, Any]) -> None:
    limit = next(one for one in document["plugins"] if one["name"] == "rate-limiting")
    limit["config"] = {**limit["config"], **change}
    (found,) = faults(document, "free")
    assert fault in found


def test_plugins_of_the_other_edition_are_refused(catalogue: Catalogue) -> None:
    found = faults(render(edition="enterprise", catalogue=catalogue), "free")
    assert {line.split("plugins[")[1].split("]")[0] for line in found} == {
        "ai-prompt-compressor",
        "ai-rate-limiting-advanced",
    }


def test_enterprise_reads_chats_and_still_asks_the_function(catalogue: Catalogue) -> None:
    document = render(edition="enterprise", catalogue=catalogue)
    route = service(document, "gateway-chat")["routes"][0]
    names = [one["name"] for one in route["plugins"]]
    assert names == ["key-auth", "acl", "ai-proxy", "ai-prompt-compressor", "ai-rate-limiting-advanced"]
    upstream = plugin(route, "ai-proxy")["model"]["options"]["upstream_url"]
    assert upstream == "http://gateway-chat.functions.svc.cluster.local/v1/chat/completions"
    assert plugin(route, "ai-proxy")["logging"]["log_payloads"] is False
    others = [one for one in document["services"] if one["name"] != "gateway-chat"]
    assert not {name for name in plugins_in(others) if name.startswith("ai-")}


def test_the_last_route_answers_what_no_other_does(document: dict[str, Any]) -> None:
    routes = [route for one in document["services"] for route in one["routes"]]
    (missing,) = [route for route in routes if route["paths"] == ["/"]]
    assert plugin(missing, "request-termination")["status_code"] == 404
    assert all(route["paths"][0].startswith("~") for route in routes if route is not missing)


def test_the_server_is_configured_from_the_policy() -> None:
    policy = load_policy()
    variables = kong_environment(policy, certificate="/tls/chain", key="/tls/key")
    assert variables["KONG_SSL_CERT"] == "/tls/chain"
    assert variables["KONG_NGINX_HTTP_CLIENT_MAX_BODY_SIZE"] == str(policy.body.maximum)
    assert variables["KONG_SSL_PROTOCOLS"] == "TLSv1.2 TLSv1.3"
    assert "8443 ssl http2" in variables["KONG_PROXY_LISTEN"]
    required = set(re.findall(r'require "([^"]+)"', (BASE.parent / "credential.lua").read_text()))
    assert required == set(variables["KONG_UNTRUSTED_LUA_SANDBOX_REQUIRES"].split(","))
