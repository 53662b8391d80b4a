"""Kong's declarative configuration from the edge's policy and the catalogue: `python -m kong.render --edition free`.

Tenants are no part of it: they come and go as consumers through the Admin API.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from functions.kit.catalogue import Catalogue, load_catalogue
from kong.edge import EdgeRoute, edge_routes
from kong.enterprise import add_ai_plugins
from kong.errors import EDGE_ERRORS, REFUSALS
from kong.policy import ANONYMOUS, SUPERADMIN, EdgePolicy, RateClass, load_policy

FUNCTION_URL = "http://{name}.functions.svc.cluster.local"
OTLP_URL = "http://otel-collector:4318"
COMPRESSOR_URL = "http://ai-compress:8080"
KEY_HASH_HEADER = "x-dcoder-key-hash"
BUCKET_HEADER = "x-dcoder-bucket"
# Consumers that many share. No hash has these forms, so no API key is ever taken for one of them.
SESSIONS, TOKENS, OPERATORS = "sessions", "tokens", "operators"
# Consumers that the platform's functions make for tenants are in this group.
TENANTS = "tenants"
EDITIONS = ("free", "enterprise")
_TAGS = ["dcoder"]
# Kong answers in words of its own; what a function answers, and what is ours already, is left alone.
_ENVELOPE_HEADERS = """
local status = kong.response.get_status()
if kong.response.get_source() ~= "service" and (ENVELOPES)[status] then
  kong.ctx.plugin.enveloped = status
  kong.response.set_header("Content-Type", "application/json")
  kong.response.clear_header("Content-Length")
end
"""
_ENVELOPE_BODY = """
if kong.ctx.plugin.enveloped then kong.response.set_raw_body((ENVELOPES)[kong.ctx.plugin.enveloped]) end
"""
# Of these the body says why, or whose it is: `request-termination` gives them the envelope.
_SAID_BY_US = {401, 403}
# Kong sets these itself, after the pre-function, from the connection or a trusted proxy.
_KONGS_OWN = ("x-forwarded-", "x-real-ip")


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


def render(
    *,
    edition: str = "free",
    catalogue: Catalogue | None = None,
    policy: EdgePolicy | None = None,
    function_url: str = FUNCTION_URL,
    redis_host: str = "redis",
    otlp_url: str = OTLP_URL,
    compressor_url: str = COMPRESSOR_URL,
) -> dict[str, Any]:
    """The configuration of an edition as one document of format 3.0.

    Args:
        edition: `free` for Kong 3.9, `enterprise` for Kong Gateway 3.11 with a licence.
        catalogue: the functions; by default those of the installation.
        policy: the edge's policy; by default `kong/base.yaml`.
        function_url: address of a function, with `{name}` in it.
        redis_host: where the rate limits are counted.
        otlp_url: collector of traces, OTLP over HTTP.
        compressor_url: Kong's compression service, of the enterprise edition alone.
    """
    policy = policy or load_policy()
    routes = edge_routes(catalogue or load_catalogue(), policy)
    services = list(_services(routes, policy, function_url))
    if edition == "enterprise":
        for service in services:
            add_ai_plugins(service, redis_host=redis_host, compressor_url=compressor_url)
    return {
        "_format_version": "3.0",
        "_transform": True,
        "services": [_edge_service(policy), *services],
        "consumers": [
            _anonymous(),
            _shared(SESSIONS, policy.rate_classes[policy.default_class], redis_host),
            _shared(TOKENS, policy.rate_classes[policy.default_class], redis_host),
            _shared(OPERATORS, policy.rate_classes[SUPERADMIN], redis_host),
        ],
        "plugins": _plugins(policy, redis_host, otlp_url),
    }


def rate_limiting(rate: RateClass, redis_host: str) -> dict[str, Any]:
    """The plugin `rate-limiting` for a rate class, counted per consumer, or per address where there is none.

    Kong counts whole minutes and knows no burst: the burst is added to the minute.
    """
    return {
        "name": "rate-limiting",
        "tags": _TAGS,
        "config": {
            "minute": rate.per_minute + rate.burst,
            "limit_by": "consumer",
            "policy": "redis",
            "fault_tolerant": True,
            "error_code": 429,
            "error_message": _message(429),
            "redis": redis_server(redis_host),
        },
    }


def _services(routes: Sequence[EdgeRoute], policy: EdgePolicy, function_url: str) -> Iterable[dict[str, Any]]:
    # Kong tries the highest regex_priority first.
    priorities = {route: len(routes) - position for position, route in enumerate(routes)}
    by_function: dict[str, list[EdgeRoute]] = {}
    for route in routes:
        by_function.setdefault(route.function, []).append(route)
    for name, own in sorted(by_function.items()):
        first = own[0]
        yield {
            "name": name,
            "tags": _TAGS,
            "url": function_url.format(name=name),
            "connect_timeout": policy.timeouts.connect * 1000,
            "read_timeout": first.timeout_seconds * 1000,
            "write_timeout": policy.timeouts.send * 1000,
            # A call that reached a function may have had its effect: only the caller may repeat it.
            "retries": 0,
            "routes": [_route(route, priorities[route]) for route in own],
            "plugins": [_size_limit(first)],
        }


def _route(route: EdgeRoute, priority: int) -> dict[str, Any]:
    return {
        "name": f"{route.function}.{priority}",
        "tags": _TAGS,
        "protocols": ["http", "https"],
        "methods": sorted({*route.methods, "OPTIONS"}),
        "paths": [f"~{route.pattern.removeprefix('^')}"],
        "regex_priority": priority,
        "strip_path": False,
        # The functions' router finds a function by its own name; the caller's is in X-Forwarded-Host.
        "preserve_host": False,
        "request_buffering": True,
        "response_buffering": not route.stream,
        "plugins": [] if route.public else _authentication(),
    }


def redis_server(host: str) -> dict[str, Any]:
    """Where counters are; the password is a variable of Kong's process, `DCODER_REDIS_PASSWORD`."""
    return {"host": host, "port": 6379, "timeout": 2000, "password": "{vault://env/dcoder-redis-password}"}


def _authentication() -> list[dict[str, Any]]:
    # Who has no credential goes on as `anonymous`, who is turned away with the envelope.
    return [
        {
            "name": "key-auth",
            "config": {
                "key_names": [KEY_HASH_HEADER],
                "key_in_query": False,
                "hide_credentials": False,
                "run_on_preflight": False,
                "anonymous": ANONYMOUS,
            },
        },
        # A consumer that neither this file nor the platform's functions have made gets nowhere.
        {
            "name": "acl",
            "config": {"allow": [TENANTS, SESSIONS, TOKENS, OPERATORS, ANONYMOUS], "hide_groups_header": True},
        },
    ]


def _anonymous() -> dict[str, Any]:
    refusal = _answer(401, _error(401, REFUSALS["missing"]))
    return {"username": ANONYMOUS, "tags": _TAGS, "acls": [{"group": ANONYMOUS, "tags": _TAGS}], "plugins": [refusal]}


def _shared(name: str, rate: RateClass, redis_host: str) -> dict[str, Any]:
    """Callers whom only a function can verify: the pre-function gives them this consumer's key, and a bucket."""
    limit = rate_limiting(rate, redis_host)
    by_bucket = {**limit["config"], "limit_by": "header", "header_name": BUCKET_HEADER}
    return {
        "username": name,
        "tags": _TAGS,
        "keyauth_credentials": [{"key": name, "tags": _TAGS}],
        "acls": [{"group": name, "tags": _TAGS}],
        "plugins": [{**limit, "config": by_bucket}],
    }


def _edge_service(policy: EdgePolicy) -> dict[str, Any]:
    def own(name: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "name": f"edge.{name}",
            "tags": _TAGS,
            "methods": ["GET", "HEAD"],
            "paths": [f"~{path}$"],
            "plugins": [_answer(200, body)],
        }

    welcome = {"name": policy.product, "links": {"live": "/health/live"}}
    # No regular expression, so it is tried after all others.
    missing = {
        "name": "edge.missing",
        "tags": _TAGS,
        "paths": ["/"],
        "plugins": [_answer(404, _error(404, _message(404)))],
    }
    return {
        "name": "edge",
        "tags": _TAGS,
        "url": "http://127.0.0.1:1",
        "routes": [
            own("welcome", "/", welcome),
            own("live", "/health/live", {"status": "ok", "checks": {}}),
            missing,
        ],
    }


def _plugins(policy: EdgePolicy, redis_host: str, otlp_url: str) -> list[dict[str, Any]]:
    cors = policy.cors
    security = {**policy.security_headers, "Strict-Transport-Security": policy.hsts}
    configured: dict[str, dict[str, Any]] = {
        "pre-function": {"access": [_script(policy)]},
        "correlation-id": {"header_name": policy.request_id.header, "generator": "uuid", "echo_downstream": True},
        "cors": {
            "origins": [cors.origin_pattern],
            "methods": list(cors.methods),
            "headers": list(cors.headers),
            "exposed_headers": list(cors.exposed_headers),
            "max_age": cors.max_age_seconds,
            "credentials": cors.credentials,
            "preflight_continue": False,
        },
        # `add` leaves a header alone that the function has set.
        "response-transformer": {
            "remove": {"headers": ["Server", "X-Powered-By"]},
            "add": {"headers": [f"{name}:{value}" for name, value in security.items()]},
        },
        "post-function": {
            "header_filter": [_ENVELOPE_HEADERS.replace("ENVELOPES", _envelopes())],
            "body_filter": [_ENVELOPE_BODY.replace("ENVELOPES", _envelopes())],
        },
        "opentelemetry": {
            "traces_endpoint": f"{otlp_url}/v1/traces",
            "resource_attributes": {"service.name": "kong", "service.namespace": "dcoder"},
            "propagation": {"extract": ["w3c"], "inject": ["w3c"], "default_format": "w3c"},
            "sampling_rate": 0.1,
        },
        "prometheus": {
            # A thousand tenants times the routes would be more series than a Prometheus holds.
            "per_consumer": False,
            "status_code_metrics": True,
            "latency_metrics": True,
            "bandwidth_metrics": True,
        },
    }
    plugins = [{"name": name, "tags": _TAGS, "config": config} for name, config in configured.items()]
    return [*plugins, rate_limiting(policy.rate_classes[ANONYMOUS], redis_host)]


def _script(policy: EdgePolicy) -> str:
    names = [name.lower() for name in policy.reserved_headers]
    names = [name for name in names if not name.startswith(_KONGS_OWN)]
    credentials = policy.credentials
    values = {
        "RESERVED_NAMES": _lua({name: True for name in names if not name.endswith("*")}),
        "RESERVED_PREFIXES": "{" + ", ".join(f'"{name[:-1]}"' for name in names if name.endswith("*")) + "}",
        "REQUEST_ID_HEADER": policy.request_id.header,
        "REQUEST_ID_PATTERN": policy.request_id.pattern,
        "KEY_HASH_HEADER": KEY_HASH_HEADER,
        "BUCKET_HEADER": BUCKET_HEADER,
        "KEY_HEADER": credentials.header,
        "KEY_PATTERN": credentials.key_pattern,
        "SESSION_COOKIE": credentials.session_cookie,
        "ALGORITHMS": _lua(dict.fromkeys(credentials.algorithms, True)),
        "LEEWAY": str(credentials.leeway_seconds),
        "TENANT_CLAIM": credentials.tenant_claim,
        "ROLES_CLAIM": credentials.roles_claim,
        "SESSIONS": SESSIONS,
        "TOKENS": TOKENS,
        "OPERATORS": OPERATORS,
    }
    script = Path(__file__).with_name("credential.lua").read_text()
    for name, value in values.items():
        script = script.replace(name, value)
    return script


def _lua(table: Mapping[str, bool]) -> str:
    return "{" + ", ".join(f'["{name}"] = true' for name in table) + "}"


def _size_limit(route: EdgeRoute) -> dict[str, Any]:
    config = {"allowed_payload_size": route.body_limit, "size_unit": "bytes", "require_content_length": False}
    return {"name": "request-size-limiting", "tags": _TAGS, "config": config}


def _answer(status: int, body: Mapping[str, Any]) -> dict[str, Any]:
    config = {"status_code": status, "content_type": "application/json", "body": json.dumps(body)}
    return {"name": "request-termination", "config": config}


def _error(status: int, message: str) -> dict[str, Any]:
    code = next(error.code for error in EDGE_ERRORS if error.status == status)
    return {"error": {"code": code, "message": message, "details": {}}}


def _envelopes() -> str:
    """A table of Lua from Kong's own status to the body that becomes of it."""
    bodies = {
        status: json.dumps(_error(error.status, error.message))
        for error in reversed(EDGE_ERRORS)
        for status in error.triggers
        if status not in _SAID_BY_US
    }
    return "{" + ", ".join(f"[{status}] = [=[{body}]=]" for status, body in sorted(bodies.items())) + "}"


def _message(status: int) -> str:
    return next(error.message for error in EDGE_ERRORS if error.status == status)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the configuration to standard output."""
    parser = argparse.ArgumentParser(prog="python -m kong.render", description=__doc__)
    parser.add_argument("--edition", choices=EDITIONS, default="free")
    parser.add_argument("--function-url", default=FUNCTION_URL, help="address of a function, {name} in it")
    parser.add_argument("--redis-host", default="redis", help="where rate limits are counted")
    parser.add_argument("--otlp-url", default=OTLP_URL, help="collector of traces, OTLP over HTTP")
    parser.add_argument("--compressor-url", default=COMPRESSOR_URL, help="Kong's compression service (enterprise)")
    chosen = vars(parser.parse_args(arguments))
    banner = (
        f"# Rendered by `python -m kong.render --edition {chosen['edition']}` from kong/base.yaml and the functions.\n"
    )
    sys.stdout.write(banner + yaml.dump(render(**chosen), Dumper=_Plain, sort_keys=False, width=120))


if __name__ == "__main__":
    main()
