"""A gateway as far as telemetry knows it, in a process of its own: tracing is set up once a process.

Tells of a whole call, a stream, a cached answer and a refusal; then of as many more calls as its argument says.
"""

import sys
import time
from typing import Any

from functions.gateway.adapters.call_telemetry import CallTelemetry
from functions.gateway.core.booking import Booking
from functions.gateway.core.models import Caller, Provider, Target, Usage
from functions.gateway.core.prices import load_prices
from functions.gateway.core.usage import Said
from functions.kit.context import RequestContext, serving
from functions.kit.settings import TenantSettings, load_settings
from functions.kit.telemetry import configure_tracing, server_span

TRACE = "0af7651916cd43dd8448eb211c80319c"
PROMPT = "My mail is joe@example.org; what is the capital of France?"
ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1",
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "Paris"}}],
}
BODY = {"model": "gpt-4o-mini", "temperature": 0.5, "messages": [{"role": "user", "content": PROMPT}]}


def caller(**settings: Any) -> Caller:
    return Caller("tenant-1", "key-1", "user-1", "req-1", TenantSettings.of(settings), session_id="talk-7")


def booked(kind: str = "openai", **settings: Any) -> Booking:
    target = Target(Provider("main", kind, "https://api.example.com/v1", "sk-secret"), "gpt-4o-mini")
    booking = Booking(caller(**settings), target)
    booking.asked = time.perf_counter()
    return booking


def main() -> None:
    configure_tracing("gateway", load_settings())
    telemetry = CallTelemetry(load_prices().family)
    own = server_span("POST", "gateway-chat", "/v1/chat/completions", f"00-{TRACE}-b7ad6b7169203331-00")
    with own, serving(RequestContext("req-1", own.traceparent, "acme")):
        whole = booked()
        whole.cost_micro_usd = 7
        record = whole.record(Usage(12, 3))
        telemetry.ended(whole, record, Said(BODY, ANSWER, 0.0012, 0.4))
        stream = booked("google", tracedContent="redacted")
        told = stream.record(Usage(12, 3, estimated=True), status="cancelled")
        telemetry.ended(stream, told, Said(BODY, ANSWER, 0.001, 0.4, 0.2))
        cached = booked()
        telemetry.ended(cached, cached.record(Usage(), cached="semantic", saved_tokens=15), Said(BODY, ANSWER))
        telemetry.failed(booked(), "provider_unavailable")
        for _ in range(int(sys.argv[1])):
            telemetry.ended(whole, record, Said(BODY, ANSWER))
    print("told")  # noqa: T201 - to the test


if __name__ == "__main__":
    main()
