"""What is sent to a provider and what it said, in the words of whoever hears it."""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import NamedTuple

from functions.gateway.core.call import Answer, Call
from functions.gateway.core.dialects import Dialect, understanding
from functions.gateway.core.models import Json
from functions.gateway.core.needs import LIMITS, limited
from functions.gateway.core.thinking_limits import ensure_effort_fits, within_limit


class Told(NamedTuple):
    """What a provider said, and the words it used where they were not a chat completion's."""

    completion: Json
    own: Json | None = None


def told_answer(call: Call, told: Told) -> Answer:
    """The answer in the format of its request."""
    if call.passage is None or told.own is not None:
        return Answer(call, told.own or told.completion)
    with understanding(call.target):
        return Answer(call, call.passage.dialect.answer(told.completion))


def reading_of(call: Call) -> Callable[[Json], Iterable[Json]] | None:
    """How to read what the provider streams, where it is not chunks of a chat."""
    if call.passage is None or call.passage.wire is None:
        return None
    reader = call.passage.dialect.reader()

    def read(event: Json) -> Iterable[Json]:
        with understanding(call.target):
            return tuple(reader.add(event))

    return read


async def events_told(dialect: Dialect, events: AsyncIterator[Json]) -> AsyncIterator[Json]:
    """Of what a provider streamed, the events that the caller is told."""
    async for event in events:
        if dialect.is_told(event):
            yield event


async def in_words(call: Call, chunks: AsyncIterator[Json]) -> AsyncIterator[Json]:
    """The chunks as the caller's format tells them."""
    if call.passage is None:
        async for chunk in chunks:
            yield chunk
        return
    writer = call.passage.dialect.writer()
    async for chunk in chunks:
        with understanding(call.target):
            events = list(writer.add(chunk))
        for event in events:
            yield event
    for event in writer.end():
        yield event


def sent_to_provider(call: Call) -> Json:
    """The request as the provider gets it, but for what asks it for a stream."""
    target, most = call.target, call.most_tokens
    body = {**call.body, "model": target.model}
    body.pop("stream", None)
    body.pop("stream_options", None)
    if most is None:
        return body
    ensure_effort_fits(target, body, most)
    return within_limit(body, limited(target, body, most), most, *LIMITS)


def native_request(call: Call, *, stream: bool) -> Json:
    """The request as a provider gets it that speaks the caller's format.

    Raises:
        QuotaExceeded: what a limit leaves has no room for the thinking that is asked for.
    """
    if call.passage is None:
        return sent_to_provider(call)
    native = call.passage.dialect.native(call.target, call.most_tokens, stream=stream)
    return within_limit(call.passage.dialect.request, native, call.most_tokens, "max_tokens")


async def each_of(chunks: Iterable[Json]) -> AsyncIterator[Json]:
    """Chunks that are there already, as a stream."""
    for chunk in chunks:
        yield chunk


async def without_unasked_usage(chunks: AsyncIterator[Json], wanted: bool) -> AsyncIterator[Json]:
    """Take out the usage chunk that we asked the provider for and the client did not."""
    async for chunk in chunks:
        if wanted or chunk.get("choices") or not chunk.get("usage"):
            yield chunk
