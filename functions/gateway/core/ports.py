"""What the gateway needs from the outside."""

from asyncio import Future
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from functions.gateway.core.booking import Booking
from functions.gateway.core.models import (
    CacheControl,
    CachedAnswer,
    CacheKey,
    CachePolicy,
    Candidate,
    Found,
    Json,
    Learned,
    Provider,
    QuestionVector,
    Target,
    Usage,
)
from functions.gateway.core.quota import Hold, Limit, TenantLimits
from functions.kit.subjects import UsageRecord

if TYPE_CHECKING:
    from functions.gateway.core.usage import Said


class ProviderDirectory(Protocol):
    """The tenants' provider configurations."""

    async def providers(self, tenant_id: str) -> tuple[Provider, ...]:
        """A tenant's providers in the order it listed them.

        Raises:
            DependencyUnavailable: the database is away and the tenant's providers are not known from before.
        """
        ...


class ChatWire(Protocol):
    """How to speak to one kind of provider. Errors are the gateway's own (core/errors.py)."""

    async def complete(self, target: Target, body: Json) -> Json:
        """A whole completion, as OpenAI's object."""
        ...

    def stream(self, target: Target, body: Json) -> AbstractAsyncContextManager[AsyncIterator[Json]]:
        """A stream of completion chunks, as OpenAI's objects, open once the provider has accepted the request."""
        ...

    async def embed(self, target: Target, body: Json) -> Json:
        """Embeddings, as OpenAI's object."""
        ...

    def most_inputs(self, target: Target) -> int:
        """How many inputs one call of `embed` takes."""
        ...


class NativeWire(Protocol):
    """How to speak one of the other formats to a provider that understands it. Errors are the gateway's own."""

    async def complete(self, target: Target, body: Json, headers: Mapping[str, str]) -> Json:
        """A whole answer, as it came."""
        ...

    def stream(
        self, target: Target, body: Json, headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[AsyncIterator[Json]]:
        """The events of a stream as they come, open once the provider has accepted the request."""
        ...


class CountingWire(Protocol):
    """How to ask a provider that counts the tokens of Anthropic's messages."""

    async def count(self, target: Target, body: Json, headers: Mapping[str, str]) -> Json:
        """`{"input_tokens": …}`, as it came."""
        ...


class AnswerCache(Protocol):
    """Answers given before. Never raises because its store is away: it then knows nothing."""

    def begin_exact(self, key: CacheKey, token: str = "") -> Future[Any] | None:
        """Begin to look for what `find_exact` will be asked for; None where that cannot be done ahead."""
        ...

    async def find_exact(
        self, key: CacheKey, control: CacheControl, token: str = "", begun: Future[Any] | None = None
    ) -> Found:
        """The answer to the very same request, and otherwise who asks for it.

        Args:
            token: names the call, which will ask when nobody does; empty when it would not let others wait for it.
            begun: what `begin_exact` gave for the same key and token.
        """
        ...

    async def land(self, key: CacheKey, token: str) -> None:
        """The call asks no more, and has kept no answer: let others ask, should it be the one that they wait for."""
        ...

    async def find_similar(
        self, key: CacheKey, vector: QuestionVector, control: CacheControl
    ) -> tuple[list[Candidate], Learned | None]:
        """The nearest questions asked under the same conditions, nearest first, and what the tenant's taught."""
        ...

    def store(
        self, key: CacheKey, completion: Json, vector: QuestionVector | None, policy: CachePolicy
    ) -> Coroutine[Any, Any, bool]:
        """Keep an answer, and let others have it: begun at once, as far as it can be, and to be waited for.

        Returns:
            whether others have been let; they still wait for this call where not.
        """
        ...

    async def remember_hit(self, key: CacheKey, request_id: str, answer: CachedAnswer) -> None:
        """Keep which answer a request was given, so that it can be reported."""
        ...

    def note(self, tenant_id: str, counted: dict[str, int], entry_id: str | None = None) -> None:
        """Count what the cache did, soon."""
        ...


class Meter(Protocol):
    """Records what was used. Never loses a record it accepted, and never raises for it."""

    def begin(self, record: UsageRecord, limits: Sequence[Limit], *, held: bool, content: bytes = b"") -> "Settlement":
        """Send one call to the books, to be counted once by its usage id; how that ends is learned by finishing it.

        Args:
            limits: those that it counts against.
            held: whether something is held for it, which ends with this.
            content: what was said in it, sealed; kept beside the record for the event that tells of the call.
        """
        ...


class Settlement(Protocol):
    """One call on its way into the books."""

    @property
    def is_sent(self) -> bool:
        """Whether it is on its way already, ahead of whatever is sent to anybody after it."""
        ...

    async def finish(self) -> None:
        """Wait until it is in the books, or kept where it gets there later."""
        ...


class Contents(Protocol):
    """Seals what was said in calls for those who examine it. Never raises, and nobody waits for it."""

    def expect(self, booking: Booking) -> None:
        """A call has begun whose content will have to be sealed when it ends."""
        ...

    def is_expected(self, booking: Booking) -> bool:
        """Whether what it takes to seal the call's content may be had in a moment."""
        ...

    async def expected(self, booking: Booking) -> None:
        """Wait for that moment."""
        ...

    def sealed(self, booking: Booking, body: Json, completion: Json | None) -> bytes:
        """The call's content; empty where the tenant has nothing examined, or it cannot be had."""
        ...


class CallObserver(Protocol):
    """Is told of calls that have ended, for metrics and traces. Never raises, and nobody waits for it."""

    def ended(self, booking: Booking, record: UsageRecord, said: "Said | None") -> None:
        """A call was counted."""
        ...

    def failed(self, booking: Booking, code: str) -> None:
        """A call has ended without anything to count; `code` is the error's."""
        ...


class LimitDirectory(Protocol):
    """The tenants' limits."""

    async def limits(self, tenant_id: str) -> TenantLimits:
        """All limits of a tenant.

        Raises:
            DependencyUnavailable: the database is away and the tenant's limits are not known from before.
        """
        ...


class Granted(NamedTuple):
    """What a call needs is held.

    Attributes:
        completion: most tokens that an answer may have; at most what was asked for.
    """

    completion: int


class Refused(NamedTuple):
    """What a call needs is not there; nothing is held.

    Attributes:
        used: what was used of the limit that is in the way.
        reserved: what is held of it for calls under way.
    """

    hold: Hold
    used: int
    reserved: int


class Reservations(Protocol):
    """Holds what calls under way may use, so that together they cannot exceed a limit."""

    async def reserve(
        self, record: UsageRecord, holds: Sequence[Hold], completion: int, *, again: bool = False
    ) -> Granted | Refused:
        """Hold what a call needs of every limit, or of none.

        Args:
            record: what is counted should the process die before the call is settled or released.
            completion: most tokens of an answer.
            again: something may be held for the call already, which is given back first.

        Raises:
            DependencyUnavailable: it cannot be found out what is left.
        """
        ...

    async def release(self, usage_id: str) -> None:
        """Give back what is held for a call that has used nothing. Never raises because the store is away."""
        ...

    async def fail(self, record: UsageRecord, *, held: bool) -> None:
        """Count a call that its provider did not answer, and give back what is held for it, in one step."""
        ...


class Prices(Protocol):
    """The price table."""

    def cost_micro_usd(self, kind: str, model: str, usage: Usage) -> int:
        """What a call cost, in millionths of a dollar."""
        ...

    def nano_usd(self, kind: str, model: str, *, prompt_tokens: int = 0, writes_cache: bool = False) -> tuple[int, int]:
        """What a token of the prompt and one of the answer cost at most, in thousandths of a micro-dollar.

        Args:
            prompt_tokens: of the prompt, where a long one may cost more.
            writes_cache: the call tells the provider to keep its prompt, which some bill at a premium.
        """
        ...
