"""Feature flags for any context: asked in memory, followed in the background, never a network call on a request's path.

In a context's wiring: `async with feature_flags(runtime) as flags:`; in its use cases, behind a port of their own:
`await flags.is_enabled("semantic-cache", tenant_id)`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from copy import deepcopy
from weakref import WeakKeyDictionary

from pydantic import JsonValue

from functions.kit.errors import DependencyUnavailable
from functions.kit.flag_document import Document, Evaluation, FlagDocument
from functions.kit.flag_registry import FlagRegistry, load_flags
from functions.kit.flag_sources import FlagsmithFlagSource, FlagSource, PostgresFlagSource
from functions.kit.flag_states import render
from functions.kit.runtime import Runtime
from functions.kit.subjects import FlagUpdated
from functions.kit.subscriptions import Subscriptions

_FIRST_LOAD_SECONDS = 5.0
_NOT_A_DOCUMENT = (KeyError, TypeError, ValueError, AttributeError)
_logger = logging.getLogger(__name__)


class Flags:
    """The flags as this process knows them; as declared, until its source was reached for the first time.

    Args:
        poll_seconds: how often the source is asked when no event says that something changed.
    """

    def __init__(self, source: FlagSource, registry: FlagRegistry, *, environment: str, poll_seconds: float) -> None:
        self._source = source
        self._registry = registry
        self._poll_seconds = poll_seconds
        self._document = FlagDocument(render(registry, environment=environment), registry)
        self._changed = asyncio.Event()
        self._loading = asyncio.Lock()
        self._failure: DependencyUnavailable | None = None
        self._listener: Callable[[FlagDocument], None] | None = None

    @property
    def document(self) -> FlagDocument:
        """All flags as they are known now."""
        return self._document

    async def is_enabled(self, name: str, tenant_id: str | None = None, user_id: str | None = None) -> bool:
        """Whether a flag is on: for everybody, for a tenant, or for one of its users.

        Raises:
            UnknownFlag: there is no such flag; declare it in features.yaml.
        """
        return self._document.evaluate(name, tenant_id, user_id).enabled

    async def value(self, name: str, tenant_id: str | None = None, user_id: str | None = None) -> JsonValue:
        """A flag's value, of the type it is declared with, whether or not it is on.

        Raises:
            UnknownFlag: there is no such flag; declare it in features.yaml.
        """
        # A copy: evaluations are remembered, and whoever asks may change what it was given.
        return deepcopy(self._document.evaluate(name, tenant_id, user_id).value)

    async def evaluate(self, name: str, tenant_id: str | None = None, user_id: str | None = None) -> Evaluation:
        """A flag's state and value, and where they come from.

        Raises:
            UnknownFlag: there is no such flag; declare it in features.yaml.
        """
        return self._document.evaluate(name, tenant_id, user_id)

    async def refresh(self) -> FlagDocument:
        """Ask the source now, and say what it answers.

        Raises:
            DependencyUnavailable: it is away; what was known last stays.
        """
        await self._load(again=True)
        return self._document

    def wake(self) -> None:
        """Ask the source at once: something has changed."""
        self._changed.set()

    def on_change(self, listener: Callable[[FlagDocument], None]) -> None:
        """Call `listener` with every document that the source gives from now on."""
        self._listener = listener

    async def follow(self) -> None:
        """Keep up with the source until cancelled, through any outage of it."""
        while True:
            self._changed.clear()
            with suppress(DependencyUnavailable):
                await self._load()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._poll_seconds)

    async def check(self) -> None:
        """For the readiness report.

        Raises:
            DependencyUnavailable: the source was away when it was asked last.
        """
        if self._failure is not None:
            raise self._failure

    async def _load(self, *, again: bool = False) -> None:
        # One at a time: who asked later must not be overtaken by an older answer.
        async with self._loading:
            try:
                raw = await self._source.load(again=again)
                if raw is not None:
                    self._take(raw)
            except DependencyUnavailable as error:
                if self._failure is None:
                    _logger.warning("flags: going on with what is known", extra={"reason": error.message})
                self._failure = error
                raise
            self._failure = None

    def _take(self, raw: Document) -> None:
        try:
            self._document = FlagDocument(raw, self._registry)
        except _NOT_A_DOCUMENT as error:
            _logger.warning("flags: the environment document cannot be read", exc_info=error)
            raise DependencyUnavailable("the environment document cannot be read") from error
        if self._listener is not None:
            self._listener(self._document)


class _Share:
    """A process's one `Flags`, as long as anybody uses it."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0
        self.stack = AsyncExitStack()
        self.flags: Flags | None = None


_shares: WeakKeyDictionary[Runtime, _Share] = WeakKeyDictionary()


@asynccontextmanager
async def feature_flags(runtime: Runtime) -> AsyncIterator[Flags]:
    """The flags, followed in the background within the block; contexts of one process share them."""
    share = _shares.setdefault(runtime, _Share())
    async with share.lock:
        if share.flags is None:
            share.flags = await share.stack.enter_async_context(_following(runtime))
        share.users += 1
    try:
        yield share.flags
    finally:
        async with share.lock:
            share.users -= 1
            if not share.users:
                share.flags = None
                await share.stack.aclose()


@asynccontextmanager
async def _following(runtime: Runtime) -> AsyncIterator[Flags]:
    settings = runtime.settings
    registry = load_flags(settings.flags_file)
    environment = settings.platform_id
    source = _source(runtime, registry, environment)
    flags = Flags(source, registry, environment=environment, poll_seconds=settings.flags_poll_seconds)
    with suppress(DependencyUnavailable, TimeoutError):
        await asyncio.wait_for(flags.refresh(), _FIRST_LOAD_SECONDS)
    runtime.health.add("flags", flags.check, required=False)
    subscriptions = Subscriptions(settings.nats_url.get_secret_value())
    subscriptions.on(FlagUpdated.subject, lambda _: flags.wake())
    tasks = [
        asyncio.create_task(flags.follow(), name="flags"),
        asyncio.create_task(subscriptions.run(), name="flags-subscription"),
    ]
    try:
        yield flags
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def _source(runtime: Runtime, registry: FlagRegistry, environment: str) -> FlagSource:
    settings = runtime.settings
    if not settings.flagsmith_url:
        return PostgresFlagSource(runtime.databases, registry, environment)
    key = settings.flagsmith_environment_key
    return FlagsmithFlagSource(
        runtime.http, settings.flagsmith_url, key.get_secret_value() if key else "", runtime.databases
    )
