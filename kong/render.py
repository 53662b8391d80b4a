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
from kong.errors import EDGE_ERRORS, REFUSALS
from kong.policy import ANONYMOUS, EdgePolicy, RateClass, load_policy

FUNCTION_URL = "http://{name}.functions.svc.cluster.local"
KEY_HASH_HEADER = "x-dcoder-key-hash"
SESSION_BUCKET_HEADER = "x-dcoder-session-bucket"
# No hash has this form, so no API key is ever taken for it.
SESSIONS = "sessions"
_TAGS = ["dcoder"]
# Kong answers in words of its own when a limit is reached; what a function answers is left alone.
_ENVELOPE_HEADERS = """
if kong.response.get_source() ~= "service" and kong.response.get_status() == 429 then
  kong.ctx.plugin.enveloped = true
  kong.response.set_header("Content-Type", "application/json")
  kong.response.clear_header("Content-Length")
end
"""
# Kong sets these itself, after the pre-function, from the connection or a trusted proxy.
_KONGS_OWN = ("x-forwarded-", "x-real-ip")
_BANNER = "# Rendered by `python -m kong.render --edition free`: change kong/base.yaml or a func.yaml instead.\n"


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


def render(
    *,
    catalogue: Catalogue | None = None,
    policy: EdgePolicy | None = None,
    function_url: str = FUNCTION_URL,
    redis_host: str = "redis",
) -> dict[str, Any]:
    """The configuration of the free edition (Kong 3.9) as one document of format 3.0.

    Args:
        catalogue: the functions; by default those of the installation.
        policy: the edge's policy; by default `kong/base.yaml`.
        function_url: address of a function, with `{name}` in it.
        redis_host: where the rate limits are counted.
    """
    policy = policy or load_policy()
    routes = edge_routes(catalogue or load_catalogue(), policy)
    return {
        "_format_version": "3.0",
        "_transform": True,
        "services": [_edge_service(policy), *_services(routes, policy, function_url)],
        "consumers": [_anonymous(), _sessions(policy, redis_host)],
        "plugins": _plugins(policy, redis_host),
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
            "redis": {
                "host": redis_host,
                "port": 6379,
                "timeout": 2000,
                "password": "{vault://env/dcoder-redis-password}",
            },
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
        "preserve_host": True,
        "request_buffering": True,
        "response_buffering": not route.stream,
        "plugins": [] if route.public else _authentication(),
    }


def _authentication() -> list[dict[str, Any]]:
    # Either of the two will do: each lets the caller on as `anonymous`, who is turned away.
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
        {
            "name": "jwt",
            "config": {
                "key_claim_name": "iss",
                "claims_to_verify": ["exp"],
                "uri_param_names": [],
                "cookie_names": [],
                "run_on_preflight": False,
                "anonymous": ANONYMOUS,
            },
        },
    ]


def _anonymous() -> dict[str, Any]:
    return {"username": ANONYMOUS, "tags": _TAGS, "plugins": [_answer(401, _error(401, REFUSALS["missing"]))]}


def _sessions(policy: EdgePolicy, redis_host: str) -> dict[str, Any]:
    """Signed-in browsers: the pre-function gives them this consumer's key, and a bucket of tenant and address."""
    limit = rate_limiting(policy.rate_classes[policy.default_class], redis_host)
    by_bucket = {**limit["config"], "limit_by": "header", "header_name": SESSION_BUCKET_HEADER}
    return {
        "username": SESSIONS,
        "tags": _TAGS,
        "keyauth_credentials": [{"key": SESSIONS, "tags": _TAGS}],
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
    return {
        "name": "edge",
        "tags": _TAGS,
        "url": "http://127.0.0.1:1",
        "routes": [own("welcome", "/", welcome), own("live", "/health/live", {"status": "ok", "checks": {}})],
    }


def _plugins(policy: EdgePolicy, redis_host: str) -> list[dict[str, Any]]:
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
        "post-function": {"header_filter": [_ENVELOPE_HEADERS], "body_filter": [_envelope(429)]},
        "prometheus": {
            "per_consumer": True,
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
    values = {
        "RESERVED_NAMES": _lua({name: True for name in names if not name.endswith("*")}),
        "RESERVED_PREFIXES": "{" + ", ".join(f'"{name[:-1]}"' for name in names if name.endswith("*")) + "}",
        "REQUEST_ID_HEADER": policy.request_id.header,
        "REQUEST_ID_PATTERN": policy.request_id.pattern,
        "KEY_HEADER": policy.credentials.header,
        "KEY_PATTERN": policy.credentials.key_pattern,
        "SESSION_COOKIE": policy.credentials.session_cookie,
        "SESSIONS": SESSIONS,
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


def _envelope(status: int) -> str:
    body = json.dumps(_error(status, _message(status)))
    return f"""if kong.ctx.plugin.enveloped then kong.response.set_raw_body([[{body}]]) end"""


def _message(status: int) -> str:
    return next(error.message for error in EDGE_ERRORS if error.status == status)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the configuration to standard output."""
    parser = argparse.ArgumentParser(prog="python -m kong.render", description=__doc__)
    parser.add_argument("--edition", choices=["free"], default="free")
    parser.add_argument("--function-url", default=FUNCTION_URL, help="address of a function, {name} in it")
    parser.add_argument("--redis-host", default="redis", help="where rate limits are counted")
    chosen = parser.parse_args(arguments)
    document = render(function_url=chosen.function_url, redis_host=chosen.redis_host)
    sys.stdout.write(_BANNER + yaml.dump(document, Dumper=_Plain, sort_keys=False, width=120))


if __name__ == "__main__":
    main()
