"""What the wires share: which answers become which errors, and what is tried again."""

import asyncio
import email.utils
import time
from typing import Any

import orjson
import pytest

from functions.gateway.adapters import provider_http
from functions.gateway.adapters.circuit_breaker import CircuitBreakers
from functions.gateway.adapters.openai_wire import OpenAIWire
from functions.gateway.adapters.provider_http import ProviderHttp, ProviderRequest
from functions.gateway.adapters.retries import Failure, RetryPolicy
from functions.gateway.core.errors import (
    ModelNotFound,
    ProviderAuthenticationFailed,
    ProviderBadResponse,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from functions.kit.context import RequestContext, serving
from functions.kit.egress import EgressDenied
from functions.kit.errors import DcoderError
from functions.kit.principal import Principal
from tests.unit.gateway.wires.provider import DROP, LocalProvider, Reply, calling, target

COMPLETION = {"id": "1", "choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}]}
QUESTION: dict[str, Any] = {"messages": [{"role": "user", "content": "?"}]}
OK = Reply.json(COMPLETION)


def request(provider: LocalProvider, key: str = "sk-secret") -> ProviderRequest:
    to = target(provider.url, key=key)
    return ProviderRequest.of(to, f"{provider.url}/chat/completions", {"authorization": f"Bearer {key}"}, QUESTION)


def refused(status: int, message: str = "no", **headers: str) -> Reply:
    return Reply.json({"error": {"message": message}}, status, **headers)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ProviderRejected),
        (401, ProviderAuthenticationFailed),
        (402, ProviderRejected),
        (403, ProviderAuthenticationFailed),
        (404, ModelNotFound),
        (408, ProviderTimeout),
        (413, ProviderRejected),
        (422, ProviderRejected),
        (429, ProviderRateLimited),
        (500, ProviderUnavailable),
        (502, ProviderUnavailable),
        (503, ProviderUnavailable),
        (504, ProviderTimeout),
        (529, ProviderUnavailable),
        (302, ProviderUnavailable),
    ],
)
async def test_each_status_has_its_error(
    provider: LocalProvider, http: ProviderHttp, status: int, kind: type[DcoderError]
) -> None:
    provider.will(refused(status, "this is why", Location="http://169.254.169.254/"))
    with pytest.raises(kind) as caught:
        await http.post(request(provider))
    details = {"provider": "acme", "model": "m", "providerStatus": status, "providerMessage": "this is why"}
    assert caught.value.details == details


@pytest.mark.parametrize(
    ("error", "code", "field"),
    [
        ({"code": "context_length_exceeded", "type": "t", "param": "messages"}, "context_length_exceeded", "messages"),
        ({"code": 400, "status": "INVALID_ARGUMENT"}, "INVALID_ARGUMENT", None),
        ({"type": "invalid_request_error", "code": None, "param": None}, "invalid_request_error", None),
        ({"code": ["odd"], "param": {}}, None, None),
        ({"code": "sk-abcdefghijklmnopqrstuv" * 20}, "[key]", None),
    ],
)
async def test_what_programs_go_by_is_told(
    provider: LocalProvider, http: ProviderHttp, error: dict[str, Any], code: str | None, field: str | None
) -> None:
    provider.will(Reply.json({"error": {"message": "no", **error}}, 400))
    with pytest.raises(ProviderRejected) as caught:
        await http.post(request(provider))
    details = caught.value.details
    assert (details.get("providerCode"), details.get("field")) == (code, field)


async def test_a_key_in_an_error_message_is_not_passed_on(provider: LocalProvider, http: ProviderHttp) -> None:
    provider.will(refused(401, "Incorrect API key provided: sk-abcdefghijklmnopqrstuv"))
    with pytest.raises(ProviderAuthenticationFailed) as caught:
        await http.post(request(provider))
    assert "abcdefgh" not in str(caught.value.details)
    assert "sk-secret" not in repr(request(provider))


@pytest.mark.parametrize("body", [b"", b"<html>oops</html>", b"[]", b'{"error": "just words"}', b'{"error": {}}'])
async def test_an_error_body_may_be_anything(provider: LocalProvider, http: ProviderHttp, body: bytes) -> None:
    provider.will(Reply(400, body, "text/html"))
    with pytest.raises(ProviderRejected):
        await http.post(request(provider))


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "17"}, {}, 17),
        ({"retry-after": "0"}, {}, 1),
        ({"retry-after": "soon"}, {}, 1),
        ({"retry-after": "nan"}, {}, 1),
        ({"retry-after": "-1"}, {}, 1),
        ({"retry-after": "1e400"}, {}, 1),
        ({"retry-after": "Fri, 31 Dec 99999 23:59:59 GMT"}, {}, 1),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}, {}, 1),
        ({"retry-after-ms": "7500", "retry-after": "9"}, {}, 7.5),
        ({}, {"details": [{"@type": "google.rpc.RetryInfo", "retryDelay": "34.5s"}]}, 34.5),
        ({}, {}, 1),
    ],
)
async def test_the_wait_a_provider_asks_for_is_told(
    provider: LocalProvider, http: ProviderHttp, headers: dict[str, str], body: dict[str, Any], seconds: float
) -> None:
    provider.will(Reply(429, orjson.dumps({"error": {"message": "slow", **body}}), headers=headers))
    with pytest.raises(ProviderRateLimited) as caught:
        await http.post(request(provider))
    assert caught.value.retry_after == pytest.approx(seconds)


async def test_a_wait_given_as_a_date_is_understood(provider: LocalProvider, http: ProviderHttp) -> None:
    provider.will(refused(429, retry_after=email.utils.formatdate(time.time() + 90, usegmt=True)))
    with pytest.raises(ProviderRateLimited) as caught:
        await http.post(request(provider))
    assert caught.value.retry_after == pytest.approx(90, abs=3)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"not json"),
        Reply(body=b"[1]"),
        Reply(body=b""),
        Reply(body=b'{"id": ', cut=True),
    ],
)
async def test_garbage_is_a_bad_response(provider: LocalProvider, http: ProviderHttp, reply: Reply) -> None:
    provider.will(reply)
    with pytest.raises(ProviderBadResponse):
        await http.post(request(provider))
    assert len(provider.asked) == 1, "an answer has begun: it may be on the bill"


async def test_a_stream_must_be_a_stream(provider: LocalProvider, http: ProviderHttp) -> None:
    provider.will(OK)
    with pytest.raises(ProviderBadResponse):
        async with http.stream(request(provider)):
            pass


async def test_a_stream_without_an_end_is_given_up(
    provider: LocalProvider, http: ProviderHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_http, "_LARGEST_ANSWER", 100)
    provider.will(Reply.events(*[{"choices": [{"delta": {"content": "word"}}]}] * 9, hang=True))
    with pytest.raises(ProviderBadResponse, match="too large"):
        async with OpenAIWire(http).stream(target(provider.url), QUESTION) as chunks:
            [chunk async for chunk in chunks]


async def test_only_allowed_addresses_are_called(provider: LocalProvider, http: ProviderHttp) -> None:
    to = target("http://127.0.0.1:1")
    with pytest.raises(EgressDenied):
        await http.post(ProviderRequest.of(to, "http://127.0.0.1:1/x", {}, {}))


async def test_a_silent_provider_times_out_and_is_not_asked_twice(provider: LocalProvider) -> None:
    provider.will(Reply(body=b"", hang=True))
    async with calling(provider.host, first_byte_seconds=0.05) as http:
        with pytest.raises(ProviderTimeout):
            await http.post(request(provider))
    assert len(provider.asked) == 1


async def test_nobody_there() -> None:
    async with calling("127.0.0.1:9") as http:
        to = target("http://127.0.0.1:9")
        with pytest.raises(ProviderUnavailable):
            await http.post(ProviderRequest.of(to, "http://127.0.0.1:9/x", {}, {}))


@pytest.mark.parametrize(
    ("replies", "tries"),
    [
        ((DROP, OK), 2),
        ((DROP, DROP, OK), 3),
        ((refused(429, retry_after="0.001"), OK), 2),
        ((refused(503, retry_after="0.001"), refused(529, retry_after="0.001"), OK), 3),
        ((refused(529), OK), 2),
        ((refused(500), OK), 2),
        ((refused(502), OK), 2),
        ((refused(504), OK), 2),
    ],
)
async def test_what_passes_is_tried_again(
    provider: LocalProvider, http: ProviderHttp, replies: tuple[Reply, ...], tries: int
) -> None:
    provider.will(*replies)
    assert await http.post(request(provider)) == COMPLETION
    assert len(provider.asked) == tries
    assert len({asked.body for asked in provider.asked}) == 1


@pytest.mark.parametrize(
    ("reply", "tries"),
    [
        (DROP, 3),
        (refused(429, retry_after="0.001"), 3),
        (refused(429), 1),
        (refused(429, retry_after="3"), 1),
        (refused(503, retry_after="60"), 1),
        (refused(503), 2),
        (refused(500), 2),
        (refused(500, x_should_retry="false"), 1),
        (refused(400), 1),
        (refused(401), 1),
        (refused(408), 1),
    ],
)
async def test_tries_are_few(provider: LocalProvider, http: ProviderHttp, reply: Reply, tries: int) -> None:
    provider.will(reply)
    with pytest.raises(DcoderError):
        await http.post(request(provider))
    assert len(provider.asked) == tries


async def test_a_stream_that_has_begun_is_not_begun_again(provider: LocalProvider, http: ProviderHttp) -> None:
    provider.will(Reply.events({"choices": [{"delta": {"content": "a"}}]}, cut=True))
    wire, read = OpenAIWire(http), []
    with pytest.raises(ProviderBadResponse):
        async with wire.stream(target(provider.url), QUESTION) as chunks:
            read += [chunk async for chunk in chunks]
    assert len(provider.asked) == 1


async def test_a_stream_is_opened_again_before_it_has_begun(provider: LocalProvider, http: ProviderHttp) -> None:
    provider.will(DROP, DROP, Reply.events({"choices": [{"finish_reason": "stop"}]}, b"[DONE]"))
    async with OpenAIWire(http).stream(target(provider.url), QUESTION) as chunks:
        assert [chunk async for chunk in chunks] == [{"choices": [{"finish_reason": "stop"}]}]


@pytest.mark.parametrize(
    ("failure", "tried", "remaining", "bounds"),
    [
        ({"repeatable": True}, 1, 60, (0, 0.2)),
        ({"repeatable": True}, 2, 60, (0, 0.4)),
        ({"repeatable": True}, 3, 60, None),
        ({"status": 429, "asked_wait": 1.5}, 1, 60, (1.5, 1.5)),
        ({"status": 429, "asked_wait": 1.5}, 1, 1, None),
        ({"status": 429, "asked_wait": 2.1}, 1, 60, None),
        ({"status": 500}, 1, 60, (0, 0.2)),
        ({"status": 500}, 2, 60, None),
        ({"status": None}, 1, 60, None),
    ],
)
def test_pauses(failure: dict[str, Any], tried: int, remaining: float, bounds: tuple[float, float] | None) -> None:
    given = Failure(ProviderUnavailable("x"), **failure)
    pauses = {RetryPolicy().pause(given, tried, remaining) for _ in range(50)}
    if bounds is None:
        assert pauses == {None}
        return
    assert all(pause is not None and bounds[0] <= pause <= bounds[1] for pause in pauses)
    assert len(pauses) > 1 or bounds[0] == bounds[1]


async def test_retries_stay_within_the_time_of_the_call(provider: LocalProvider) -> None:
    provider.will(refused(429, retry_after="0.5"))
    async with calling(provider.host, total_seconds=0.2) as http:
        with pytest.raises(ProviderRateLimited):
            await http.post(request(provider))
    assert len(provider.asked) == 1


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def fail(http: ProviderHttp, provider: LocalProvider, times: int, key: str = "sk-secret") -> None:
    for _ in range(times):
        with pytest.raises(ProviderUnavailable):
            await http.post(request(provider, key))


async def test_a_provider_that_is_down_is_left_alone_and_then_probed(provider: LocalProvider) -> None:
    clock = Clock()
    async with calling(provider.host, retries=RetryPolicy(most=0), breakers=CircuitBreakers(clock=clock)) as http:
        provider.will(refused(500))
        await fail(http, provider, 5)
        assert len(provider.asked) == 5
        with pytest.raises(ProviderUnavailable) as caught:
            await http.post(request(provider))
        assert caught.value.retry_after == 5
        assert len(provider.asked) == 5

        clock.now += 5
        await fail(http, provider, 3)
        assert len(provider.asked) == 6, "one probe, and left alone again"

        clock.now += 5
        provider.will(OK)
        await http.post(request(provider))
        provider.will(refused(500))
        await fail(http, provider, 4)
        assert len(provider.asked) == 4, "closed: it takes five failures again"


async def test_a_probe_is_not_repeated(provider: LocalProvider) -> None:
    clock = Clock()
    async with calling(provider.host, breakers=CircuitBreakers(clock=clock)) as http:
        provider.will(DROP)
        await fail(http, provider, 5)
        clock.now += 5
        provider.asked.clear()
        await fail(http, provider, 1)
        assert len(provider.asked) == 1


@pytest.mark.parametrize("answer", [OK, refused(400), refused(401), refused(429)])
async def test_any_answer_shows_that_the_provider_is_there(provider: LocalProvider, answer: Reply) -> None:
    async with calling(provider.host, retries=RetryPolicy(most=0)) as http:
        provider.will(refused(500))
        await fail(http, provider, 4)
        provider.will(answer)
        await asyncio.gather(http.post(request(provider)), return_exceptions=True)
        provider.will(refused(500))
        await fail(http, provider, 4)
        assert len(provider.asked) == 4


async def test_failures_far_apart_do_not_add_up(provider: LocalProvider) -> None:
    clock = Clock()
    async with calling(provider.host, retries=RetryPolicy(most=0), breakers=CircuitBreakers(clock=clock)) as http:
        provider.will(refused(500))
        for _ in range(10):
            clock.now += 8
            await fail(http, provider, 1)
        assert len(provider.asked) == 10


async def test_another_tenant_and_another_provider_are_not_held_back(provider: LocalProvider) -> None:
    async with calling(provider.host, retries=RetryPolicy(most=0)) as http:
        provider.will(refused(500))
        await fail(http, provider, 6)
        provider.will(OK)
        await http.post(request(provider, "sk-other"))
        principal = Principal("u", "user", "tenant-2", frozenset(), None, "u", None)
        with serving(RequestContext(principal=principal)):
            await http.post(request(provider))
        await fail(http, provider, 1)


async def test_the_connection_is_used_again_after_a_stream(provider: LocalProvider, http: ProviderHttp) -> None:
    provider.will(Reply.events({"choices": [{"finish_reason": "stop"}]}, b"[DONE]"))
    ports = set()
    for _ in range(5):
        async with OpenAIWire(http).stream(target(provider.url), QUESTION) as chunks:
            [chunk async for chunk in chunks]
        ports.add(provider.asked[-1].port)
    assert len(ports) == 1
