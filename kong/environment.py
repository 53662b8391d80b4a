"""Kong's own configuration from the edge's policy: variables, each `KONG_` and a name of kong.conf (3.9)."""

from kong.policy import EdgePolicy

# What `credential.lua` needs and the sandbox of serverless functions withholds.
_LUA = "resty.sha256,resty.string,cjson.safe"
_PROTOCOLS = {"1.2": "TLSv1.2", "1.3": "TLSv1.3"}


def kong_environment(
    policy: EdgePolicy,
    *,
    certificate: str = "/run/secrets/edge_tls_certificate",
    key: str = "/run/secrets/edge_tls_key",
) -> dict[str, str]:
    """Listeners, TLS, limits on headers and bodies, timeouts of clients.

    Args:
        certificate: file with the edge's certificate chain.
        key: file with its key.
    """
    body, headers, timeouts = policy.body, policy.headers, policy.timeouts
    protocols = " ".join(_PROTOCOLS[version] for version in policy.tls.versions)
    return {
        "KONG_PROXY_LISTEN": "0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 ssl http2 reuseport backlog=16384",
        "KONG_STATUS_LISTEN": "0.0.0.0:8100",
        "KONG_SSL_CERT": certificate,
        "KONG_SSL_CERT_KEY": key,
        "KONG_SSL_PROTOCOLS": protocols,
        "KONG_NGINX_HTTP_SSL_PROTOCOLS": protocols,
        "KONG_PROXY_ACCESS_LOG": "/dev/stdout",
        "KONG_PROXY_ERROR_LOG": "/dev/stderr",
        "KONG_ADMIN_ACCESS_LOG": "off",
        "KONG_ANONYMOUS_REPORTS": "off",
        "KONG_HEADERS": "off",
        "KONG_ROUTER_FLAVOR": "traditional_compatible",
        "KONG_TRUSTED_IPS": ",".join(policy.trusted_proxies),
        "KONG_REAL_IP_HEADER": "X-Forwarded-For",
        "KONG_REAL_IP_RECURSIVE": "on",
        "KONG_TRACING_INSTRUMENTATIONS": "request",
        "KONG_UNTRUSTED_LUA_SANDBOX_REQUIRES": _LUA,
        "KONG_NGINX_HTTP_CLIENT_MAX_BODY_SIZE": str(body.maximum),
        "KONG_NGINX_HTTP_LARGE_CLIENT_HEADER_BUFFERS": f"{headers.lines} {headers.line}",
        "KONG_NGINX_HTTP_CLIENT_HEADER_TIMEOUT": f"{timeouts.client_headers}s",
        "KONG_NGINX_HTTP_CLIENT_BODY_TIMEOUT": f"{timeouts.client_body}s",
        "KONG_NGINX_HTTP_KEEPALIVE_TIMEOUT": f"{timeouts.client_idle}s",
        "KONG_NGINX_HTTP_SEND_TIMEOUT": f"{timeouts.send}s",
    }
