"""Who asks, for which tenant, under which request id: carried beside the call, not through it."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from functions.kit.errors import DcoderError
from functions.kit.principal import Principal


@dataclass(slots=True)
class Outside:
    """Seconds in which a request waited for somebody who is not the platform's, such as a provider."""

    seconds: float = 0.0


@dataclass(slots=True)
class RequestContext:
    """What every log line, event and answer of a request is labelled with. Never changed: `identify` makes another.

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


class serving:  # noqa: N801 - a context manager, used like a function
    """Make `context` the current one within the block."""

    __slots__ = ("_context", "_token")

    def __init__(self, context: RequestContext) -> None:
        self._context = context

    def __enter__(self) -> None:
        self._token = _context.set(self._context)

    def __exit__(self, *_: object) -> None:
        _context.reset(self._token)


def identify(principal: Principal) -> None:
    """Record who the current request turned out to be from."""
    was = _context.get()
    # What `replace` does, at a third of its time. Not frozen for the same reason: that takes a call a field.
    _context.set(
        RequestContext(
            was.request_id, was.traceparent, was.platform_id, principal, was.suspect, was.error_body, was.outside
        )
    )


def suspect(principal: Principal) -> None:
    """Record whom a genuine credential names before it is known whether they may call."""
    _context.set(replace(_context.get(), suspect=principal))
