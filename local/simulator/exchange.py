"""One call to a simulated provider: credential, faults, delay, billing, and the provider's own error bodies."""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp

from local.simulator.asks import Ask, Usage
from local.simulator.billing import Bill, Ledger
from local.simulator.embeddings import EmbeddingEngine
from local.simulator.faults import Conduct, Fault, FaultBook
from local.simulator.fields import Json
from local.simulator.journal import Journal
from local.simulator.listing import Model
from local.simulator.refusals import Problem, Refusal
from local.simulator.responses import DamagedReply, Frame, Headers, JsonReply, SilentReply, StreamReply, departure


@dataclass(frozen=True, slots=True)
class Simulator:
    """What all simulated providers share."""

    ledger: Ledger = field(default_factory=Ledger)
    faults: FaultBook = field(default_factory=FaultBook)
    journal: Journal = field(default_factory=Journal)
    engine: EmbeddingEngine = field(default_factory=EmbeddingEngine)


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """A provider's documented error."""

    status: int
    body: Any
    headers: Headers = ()


class Dialect(Protocol):
    """How one provider reads credentials and words its errors."""

    request_id_header: str

    def key(self, request: Request) -> str:
        """The credential, empty when there is none."""

    def check(self, request: Request) -> None:
        """Refuse a request that lacks what else the provider demands of every call."""

    def error(self, refusal: Refusal, request: Request) -> ErrorAnswer:
        """The documented error."""

    def stream_error(self) -> bytes:
        """What a stream carries when the provider fails in the middle of it."""

    def streams(self, request: Request, body: Json) -> bool:
        """Whether a stream was asked for."""


_REFUSALS = {
    Fault.UNAUTHORISED: Problem.INVALID_KEY,
    Fault.RATE_LIMITED: Problem.RATE_LIMITED,
    Fault.INTERNAL: Problem.INTERNAL,
    Fault.UNAVAILABLE: Problem.UNAVAILABLE,
    Fault.OVERLOADED: Problem.UNAVAILABLE,
    Fault.CONTEXT_LENGTH: Problem.CONTEXT_LENGTH,
}


@dataclass(slots=True)
class Exchange:
    """A call; what a wire module answers from.

    Attributes:
        key: the caller's credential.
        body: the parsed request, empty for a GET.
        conduct: how the answer shall misbehave.
    """

    simulator: Simulator
    dialect: Dialect
    request: Request
    raw: bytes = b""
    key: str = ""
    body: Json = field(default_factory=dict)
    conduct: Conduct = field(default_factory=Conduct)

    def ask_fits(self, ask: Ask, model: Model) -> None:
        """Refuse a prompt that is longer than the model takes."""
        if ask.prompt_tokens > model.context:
            raise Refusal(
                Problem.CONTEXT_LENGTH, field="messages", model=ask.model, limit=model.context, tokens=ask.prompt_tokens
            )

    def billed_chat(self, ask: Ask) -> Bill:
        """A bill with the call and its prompt on it."""
        bill = self._bill(ask.model)
        prompt = self.charged(ask.prompt_tokens)
        bill.chat(prompt, *self._cached(prompt))
        return bill

    def bill_embeddings(self, model: str, tokens: int) -> None:
        """Bill an embedding call."""
        self._bill(model).embeddings(self.charged(tokens))

    def charged(self, tokens: int) -> int:
        """`tokens`, unless this call shall report and bill none."""
        return 0 if self.conduct.fault is Fault.ZERO_USAGE else tokens

    def usage(self, prompt: int, completion: int) -> Usage | None:
        """What the answer reports; None when it shall not say."""
        if self.conduct.fault is Fault.NO_USAGE:
            return None
        prompt, completion = self.charged(prompt), self.charged(completion)
        cached, written = self._cached(prompt)
        return Usage(prompt, completion, cached, written, min(self.conduct.reasoning, completion))

    def json(self, body: Any) -> JsonReply:
        """A whole answer; fails here when the call shall fail in the middle."""
        return JsonReply(200, encode(body), self.conduct, _request_id(self.dialect))

    def whole_chat(self, ask: Ask, completion_tokens: int, body: Callable[[Usage | None], Any]) -> JsonReply:
        """Bill and send a chat answer that is not streamed."""
        if self.conduct.fault is Fault.ERROR_MID_STREAM:
            raise Refusal(Problem.INTERNAL, model=ask.model)
        self.billed_chat(ask).completion(self.charged(completion_tokens))
        return self.json(body(self.usage(ask.prompt_tokens, completion_tokens)))

    def stream(self, ask: Ask, frames: Sequence[Frame], media_type: str = "text/event-stream") -> StreamReply:
        """Bill the prompt and stream the answer, billing each frame as it is sent."""
        if self.conduct.fault is Fault.ZERO_USAGE:
            frames = [Frame(frame.data) for frame in frames]
        return StreamReply(
            frames,
            media_type,
            bill=self.billed_chat(ask),
            conduct=self.conduct,
            error=self.dialect.stream_error(),
            headers=_request_id(self.dialect),
        )

    def _cached(self, prompt: int) -> tuple[int, int]:
        """Of a prompt, the tokens that the cache had, and those that it keeps."""
        cached = min(self.conduct.cached, prompt)
        return cached, min(self.conduct.written, prompt - cached)

    def _bill(self, model: str) -> Bill:
        return self.simulator.ledger.open(self.key, model)


Handler = Callable[[Exchange], Awaitable[ASGIApp]]


def endpoint(dialect: Dialect, handler: Handler) -> Callable[[Request], Awaitable[ASGIApp]]:
    """A Starlette endpoint that runs `handler` within the conventions of this module."""

    async def answer(request: Request) -> ASGIApp:
        exchange = Exchange(request.app.state.simulator, dialect, request)
        try:
            return await _converse(exchange, handler)
        except ClientDisconnect:
            return Response(status_code=400)
        except Refusal as refusal:
            if exchange.key:
                exchange.simulator.ledger.failed(exchange.key)
            error = dialect.error(refusal, request)
            return JsonReply(error.status, encode(error.body), Conduct(), [*error.headers, *_request_id(dialect)])

    return answer


async def _converse(exchange: Exchange, handler: Handler) -> ASGIApp:
    request, simulator = exchange.request, exchange.simulator
    exchange.raw = await request.body()
    exchange.key = key = exchange.dialect.key(request)
    simulator.journal.add(key, request, exchange.raw)
    if not key:
        raise Refusal(Problem.MISSING_KEY)
    if "invalid" in key:
        raise Refusal(Problem.INVALID_KEY, field=key)
    exchange.dialect.check(request)
    try:
        exchange.conduct = simulator.faults.conduct(key, request.headers)
    except ValidationError as error:
        return JsonReply(400, encode({"error": error.errors(include_url=False, include_context=False)}), Conduct())
    if exchange.conduct.latency and await _client_left(request, exchange.conduct.latency):
        return Response(status_code=400)
    if (disturbed := _disturbed(exchange)) is not None:
        return disturbed
    if request.method != "GET":
        exchange.body = _parsed(exchange.raw)
    return await handler(exchange)


async def _client_left(request: Request, seconds: float) -> bool:
    async with departure(request.receive) as client:
        return await client.within(seconds)


def _disturbed(exchange: Exchange) -> ASGIApp | None:
    """The answer of a fault that happens before the provider has done anything, if it is one."""
    fault, request = exchange.conduct.fault, exchange.request
    if fault in _REFUSALS:
        raise Refusal(
            _REFUSALS[fault],
            field=exchange.key,
            model=_model_of(exchange.raw),
            limit=8192,
            tokens=8193,
            retry_after=exchange.conduct.retry_after,
        )
    if fault in {Fault.TIMEOUT, Fault.RESET}:
        exchange.simulator.ledger.failed(exchange.key)
        return SilentReply(reset=fault is Fault.RESET)
    if fault in {Fault.GARBAGE, Fault.WRONG_CONTENT_TYPE}:
        exchange.simulator.ledger.failed(exchange.key)
        streams = request.method == "POST" and exchange.dialect.streams(request, _parsed(exchange.raw))
        return DamagedReply(fault, stream=streams)
    return None


def _model_of(raw: bytes) -> str:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return ""
    return str(body.get("model", "")) if isinstance(body, dict) else ""


def _parsed(raw: bytes) -> Json:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Refusal(Problem.MALFORMED_JSON, str(error)) from error
    if not isinstance(body, dict):
        raise Refusal(Problem.MALFORMED_JSON, "the body is not a JSON object")
    return body


def encode(body: Any) -> bytes:
    """JSON bytes; numpy vectors become arrays."""
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def _request_id(dialect: Dialect) -> Headers:
    return [(dialect.request_id_header.encode(), f"req_{secrets.token_hex(12)}".encode())]
