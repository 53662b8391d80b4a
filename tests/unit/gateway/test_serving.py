"""What leaves the gateway can be sent, whatever a caller or a provider says."""

import time

import pytest

from functions.gateway.core.booking import Booking
from functions.gateway.core.call import Call
from functions.gateway.core.errors import ProviderBadResponse
from functions.gateway.core.models import CacheControl, Caller, Json, Provider, Target
from functions.gateway.serving import data_frame, headers_of, json_response, named_frame
from functions.kit.settings import TenantSettings

CALLER = Caller("t1", None, None, "r", TenantSettings.of({}))


def headers(model: str) -> dict[str, str]:
    target = Target(Provider("openai", "openai", "https://api.openai.com/v1", "sk-x"), model)
    return headers_of(Call(Booking(CALLER, target), {}, None, CacheControl()))


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("models/gemini-2.5:latest", "models/gemini-2.5:latest"),
        ("a\r\nset-cookie: b=c", "a%0D%0Aset-cookie: b%3Dc"),
        ("модель", "%D0%BC%D0%BE%D0%B4%D0%B5%D0%BB%D1%8C"),
    ],
)
def test_the_name_of_a_model_fits_in_a_header(model: str, told: str) -> None:
    answer = json_response({}, headers(model))
    assert dict(answer.raw_headers)[b"x-dcoder-model"] == told.encode()


def test_a_model_s_endless_name_is_cut() -> None:
    assert len(headers("x" * 100_000)["x-dcoder-model"]) == 256
    assert len(headers("й" * 100_000)["x-dcoder-model"]) == 256


def test_what_is_nested_too_deep_to_be_written_is_the_provider_s_fault() -> None:
    deep: Json = {}
    for _ in range(900):
        deep = {"x": deep}
    for send in (data_frame, named_frame, lambda body: json_response(body, {})):
        with pytest.raises(ProviderBadResponse):
            send(deep)


def test_no_more_time_is_the_provider_s_than_passed_since_it_was_asked() -> None:
    began = time.perf_counter()
    call = Call(
        Booking(CALLER, Target(Provider("openai", "openai", "https://x", "sk-x"), "m")), {}, None, CacheControl()
    )
    # Somebody else's answer was waited for in vain, then a provider asked, whose stream ends before that is noticed.
    call.was_answered(began)
    waited = call.provider_seconds
    since = call.asks()
    said = call.said(None, time.perf_counter())
    passed = time.perf_counter() - since
    assert waited < said.provider_seconds <= waited + passed
    assert said.first_chunk_seconds is not None
    assert said.first_chunk_seconds <= passed
