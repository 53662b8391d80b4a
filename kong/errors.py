"""The answers the edge gives by itself, in the platform's error envelope."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EdgeError:
    """One answer of the edge.

    Attributes:
        status: what the caller sees.
        causes: the server's own statuses that become this answer, where they differ.
    """

    status: int
    code: str
    message: str
    causes: tuple[int, ...] = ()

    @property
    def triggers(self) -> tuple[int, ...]:
        """Every status of the server that ends in this answer."""
        return self.causes or (self.status,)


# 494 to 497 are nginx's own: headers too large, faults of a client certificate, plain HTTP on the TLS port. 502 is a
# function whose process is away: a dependency that comes back.
EDGE_ERRORS = (
    EdgeError(400, "invalid_request", "The request cannot be read.", (400, 421, 495, 496)),
    EdgeError(401, "unauthenticated", "A valid credential is needed."),
    EdgeError(403, "tenant_suspended", "The tenant is suspended."),
    EdgeError(404, "not_found", "There is no such route."),
    EdgeError(405, "method_not_allowed", "The route does not take this method."),
    EdgeError(408, "request_timeout", "The request took too long to arrive."),
    EdgeError(411, "length_required", "The request must state the length of its body."),
    EdgeError(413, "payload_too_large", "The body is larger than the route takes."),
    EdgeError(414, "uri_too_long", "The address of the request is too long."),
    EdgeError(429, "rate_limited", "Too many requests; try again later."),
    EdgeError(431, "headers_too_large", "The headers of the request are too large.", (431, 494)),
    EdgeError(400, "invalid_request", "This port speaks TLS; use https.", (497,)),
    EdgeError(500, "internal", "The edge failed."),
    EdgeError(501, "not_implemented", "The edge does not take this kind of request."),
    EdgeError(503, "dependency_unavailable", "The service is away for a moment; try again.", (502, 503)),
    EdgeError(504, "upstream_timeout", "The service took too long to answer."),
    EdgeError(505, "invalid_request", "This version of HTTP is not supported."),
)

# Why a credential is refused, in the words of `local/embedded/edge.js`.
REFUSALS = {
    "missing": "A credential is needed: send Authorization: Bearer with an API key or a token, or sign in.",
    "malformed": "The credential is neither an API key nor a signed token.",
    "expired": "The token is expired.",
    "revoked": "The API key is revoked.",
}
