"""What Kong Gateway Enterprise does in front of the functions that answer chats.

Kong reads a chat by its plugin `ai-proxy`, whose upstream is our function, compresses it and limits its tokens; the
function still meters, audits and answers it. Fields are those of developer.konghq.com for 3.11.
"""

from collections.abc import Sequence
from typing import Any

# Of formats only OpenAI's chats are read by Kong; other paths of the function go by untouched.
CHAT = "/v1/chat/completions"
_LARGEST_CHAT = 32 * 1024**2
# A flood of tokens is turned away here, roughly; the tenant's own limits are the gateway's and exact.
_TOKENS_A_MINUTE = 2_000_000


def add_ai_plugins(service: dict[str, Any], *, redis_host: str, compressor_url: str) -> None:
    """Put the AI plugins before the route that takes chats in OpenAI's format."""
    for route in service["routes"]:
        if route["paths"] == [f"~{CHAT}$"]:
            route["plugins"] = [*route["plugins"], *_chain(f"{service['url']}{CHAT}", redis_host, compressor_url)]


def _chain(url: str, redis_host: str, compressor_url: str) -> Sequence[dict[str, Any]]:
    return (
        {
            "name": "ai-proxy",
            "config": {
                "route_type": "llm/v1/chat",
                # Whose model it is the function decides; the caller's credential is what it needs.
                "model": {"provider": "openai", "options": {"upstream_url": url}},
                "auth": {"allow_override": True},
                "max_request_body_size": _LARGEST_CHAT,
                "model_name_header": False,
                "logging": {"log_payloads": False, "log_statistics": True},
            },
        },
        {
            "name": "ai-prompt-compressor",
            "config": {
                "compressor_type": "rate",
                "compressor_url": compressor_url,
                "compression_ranges": [{"min_tokens": 1000, "max_tokens": 1_000_000, "value": 0.7}],
                "log_text_data": False,
                # A compressor that is away costs the saving, not the call.
                "stop_on_error": False,
                "timeout": 2000,
            },
        },
        {
            "name": "ai-rate-limiting-advanced",
            "config": {
                "llm_providers": [{"name": "openai", "limit": [_TOKENS_A_MINUTE], "window_size": [60]}],
                "identifier": "header",
                "header_name": "x-dcoder-bucket",
                "strategy": "redis",
                "sync_rate": 1,
                "redis": {"host": redis_host, "port": 6379, "password": "{vault://env/dcoder-redis-password}"},
            },
        },
    )
