"""Who asks, for which tenant, under which request id: carried beside the call, not through it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from functions.kit.errors import DcoderError
from functions.kit.principal import Principal


@dataclass(slots=True)
class Outside:
    """Seconds in which a request waited for somebody who is not the platform's, such as a provider."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What every log line, event and answer of a request is labelled with.

    Attributes:
        suspect: whom a credential names that was then refused; nothing is allowed by it, the audit trail names them.
        error_body: words errors as the function's callers know them; None for the platform's own envelope.
    """

    request_id: str = ""
    traceparent: str = ""
    platform_id: str = "dcoder"
    principal: Principal | None = None
    suspect: Principal | None = None
    error_body: Callable[[DcoderError], Mapping[str, Any]] | None = None
    outside: Outside = field(default_factory=Outside, compare=False)

    @property
    def tenant_id(self) -> str | None:
        """The tenant of the verified credential."""
        return self.principal.tenant_id if self.principal else None

    @property
    def user_id(self) -> str | None:
        """The user of the verified credential, if a person is behind it."""
        return self.principal.user_id if self.principal else None

    @property
    def trace_id(self) -> str:
        """The W3C trace id: 32 hex digits, or empty."""
        parts = self.traceparent.split("-")
        return parts[1] if len(parts) == 4 else ""


_context: ContextVar[RequestContext] = ContextVar("dcoder_request", default=RequestContext())


def current() -> RequestContext:
    """The context of the request being served, or an empty one outside any."""
    return _context.get()


@contextmanager
def serving(context: RequestContext) -> Iterator[None]:
    """Make `context` the current one within the block."""
    token = _context.set(context)
    try:
        yield
    finally:
        _context.reset(token)


def identify(principal: Principal) -> None:
    """Record who the current request turned out to be from."""
    _context.set(replace(_context.get(), principal=principal))


def suspect(principal: Principal) -> None:
    """Record whom a genuine credential names before it is known whether they may call."""
    _context.set(replace(_context.get(), suspect=principal))
