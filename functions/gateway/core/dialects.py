"""The formats that callers speak besides OpenAI's chat, in which the pipeline thinks.

A dialect is one request in such a format: it says itself as a chat, and tells what came back in its own words. Where
the provider speaks the caller's format, the request goes there as it came, and the chat is only what the call is
admitted, priced and cached by.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

from functions.gateway.core.errors import ProviderBadResponse, ProviderRejected
from functions.gateway.core.models import Json, Target
from functions.gateway.core.ports import NativeWire


class ChunkReader(Protocol):
    """Reads a stream in the dialect as chunks of a chat completion."""

    def add(self, event: Json) -> Iterable[Json]:
        """The chunks that an event makes.

        Raises:
            KeyError, TypeError, ValueError: the event is not in the dialect's format.
        """
        ...


class EventWriter(Protocol):
    """Tells the chunks of a chat completion in the dialect."""

    def add(self, chunk: Json) -> Iterable[Json]:
        """The events that a chunk makes.

        Raises:
            KeyError, TypeError, ValueError: the chunk is not in OpenAI's format.
        """
        ...

    def end(self) -> Iterable[Json]:
        """The events behind the last chunk."""
        ...


class Dialect(Protocol):
    """One request in a format of its own.

    Attributes:
        api: the format's name, by which wires that speak it are found.
        request: the request as it came.
        headers: what else the provider is to be told, in headers, when it speaks the format.
    """

    api: ClassVar[str]
    request: Json
    headers: Mapping[str, str]

    def chat(self, target: Target) -> Json:
        """The request as OpenAI's chat request.

        Raises:
            ProviderRejected: something in it has no equal there.
        """
        ...

    def outline(self) -> Json:
        """A chat that is as long as the request, where nothing else can be said of it in a chat's terms."""
        ...

    def native(self, target: Target, most_tokens: int | None, *, stream: bool) -> Json:
        """The request as a provider gets it that speaks the format, its answer limited to so many tokens.

        Raises:
            ProviderRejected: it asks for what is not offered here.
        """
        ...

    def turns(self) -> list[Json]:
        """The request's messages as a chat's, one for one, for what makes prompts shorter.

        Only texts of users and tools that may change have those roles. Empty where nothing may.
        """
        ...

    def with_turns(self, turns: list[Json]) -> "Dialect":
        """The same request with the texts of these turns."""
        ...

    def is_told(self, event: Json) -> bool:
        """Whether the caller is told an event that the provider streamed."""
        ...

    def completion(self, answer: Json) -> Json:
        """An answer in the format as a chat completion.

        Raises:
            KeyError, TypeError, ValueError: it is not in the format.
        """
        ...

    def reader(self) -> ChunkReader:
        """Reads one stream."""
        ...

    def answer(self, completion: Json) -> Json:
        """A chat completion as an answer in the format.

        Raises:
            KeyError, TypeError, ValueError: it is not in OpenAI's format.
        """
        ...

    def writer(self) -> EventWriter:
        """Tells one stream."""
        ...


@dataclass(frozen=True, slots=True)
class Passage:
    """How a request in a dialect gets to its target.

    Attributes:
        chat: what the call is admitted, priced and cached by, and what is sent where `wire` is None.
        wire: speaks the dialect to the target; None where the chat is sent instead.
        may_share: the chat says all that shapes the answer, so that equal chats may share one.
    """

    dialect: Dialect
    chat: Json
    wire: NativeWire | None = None
    may_share: bool = True

    @classmethod
    def of(cls, dialect: Dialect, target: Target, wires: Mapping[tuple[str, str], NativeWire]) -> "Passage":
        """The way to a target: in the dialect itself where it is understood, translated elsewhere.

        Raises:
            ProviderRejected: the target's provider has no equal for what is asked.
        """
        wire = wires.get((dialect.api, target.provider.kind))
        if wire is None:
            return cls(dialect, dialect.chat(target))
        dialect.native(target, None, stream=False)
        try:
            return cls(dialect, dialect.chat(target), wire)
        except ProviderRejected:
            return cls(dialect, dialect.outline(), wire, may_share=False)

    def shortened(self, target: Target, turns: list[Json]) -> "Passage":
        """The same way for a request with other texts."""
        dialect = self.dialect.with_turns(turns)
        return replace(self, dialect=dialect, chat=dialect.chat(target) if self.may_share else dialect.outline())


@contextmanager
def understanding(target: Target) -> Iterator[None]:
    """Turn a translation that met something undocumented into the gateway's error."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        details = {"provider": target.provider.name, "model": target.model}
        raise ProviderBadResponse("the provider's answer is not in its documented format", details=details) from error
