"""What can go wrong, as the caller is told."""

from functions.kit.errors import DcoderError, DependencyUnavailable, NotFound, RateLimited, Unprocessable


class McpServerNotFound(NotFound):
    """The tenant has no such MCP server."""

    code = "mcp_server_not_found"


class OpenApiRefused(Unprocessable):
    """The OpenAPI document cannot be made into tools; the details say which part of it."""

    code = "openapi_refused"


class DocumentRefused(Unprocessable):
    """What is at an address is no OpenAPI document, and will be none the next time."""

    code = "document_refused"


class DocumentAway(DependencyUnavailable):
    """The document cannot be had from its address now."""

    code = "document_away"


class TooManyPending(RateLimited):
    """As many documents of the tenant as may wait to be read do already; other tenants' wait behind them."""

    code = "too_many_pending"


class UpstreamSecretMissing(Unprocessable):
    """The upstream needs a secret: none is stored, or the stored one was given for another host or kind."""

    code = "upstream_secret_missing"


class ToolFailed(DcoderError):
    """A tool was called and did not do what it was asked; the model that called it is told why."""

    status = 502
    code = "tool_failed"
