"""What a collector and Langfuse are told of calls, decoded from what really goes over the wire."""

import asyncio
import base64
import json
import os
import sys
from typing import Any

import pytest

from tests.integration.telemetry.receiver import Received, receiving
from tests.integration.telemetry.telling import TRACE

COLLECTOR, LANGFUSE = "/v1/traces", "/api/public/otel/v1/traces"


async def tell(calls: int = 0, **environment: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.telemetry.telling", str(calls),
        stdout=asyncio.subprocess.PIPE, env={**os.environ, **environment},
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), 100)
    assert (process.returncode, said) == (0, b"told\n")


@pytest.fixture(scope="module")
async def received() -> Received:
    async with receiving() as everything:
        await tell(
            DCODER_OTLP_ENDPOINT=everything.address,
            DCODER_LANGFUSE_URL=everything.address,
            DCODER_LANGFUSE_PUBLIC_KEY="pk-lf-1",
            DCODER_LANGFUSE_SECRET_KEY="sk-lf-2",
        )
        return everything


def calls(received: Received, path: str = COLLECTOR) -> list[dict[str, Any]]:
    return received.named(path, "chat gpt-4o-mini")


async def test_a_call_is_a_client_span_in_the_callers_trace(received: Received) -> None:
    whole, stream, cached, failed = calls(received)
    (server,) = received.named(COLLECTOR, "POST gateway-chat")
    trace_id = base64.b64encode(bytes.fromhex(TRACE)).decode()
    assert {span["traceId"] for span in (whole, stream, cached, failed, server)} == {trace_id}
    assert {span["parentSpanId"] for span in (whole, stream, cached, failed)} == {server["spanId"]}
    assert [span["kind"].rpartition("_")[2] for span in calls(received)] == ["CLIENT", "CLIENT", "INTERNAL", "CLIENT"]
    assert whole["resource"]["dcoder.platform.id"] == "dcoder"
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.conversation.id": "talk-7",
        "server.address": "api.example.com",
        "server.port": 443,
        "dcoder.tenant.id": "tenant-1",
        "dcoder.platform.id": "acme",
        "dcoder.cache.state": "miss",
        "dcoder.cost.micro_usd": 7,
        "dcoder.overhead_ms": 1.2,
    }
    assert {name: whole["attributes"].get(name) for name in expected} == expected
    assert stream["attributes"]["gen_ai.provider.name"] == "gcp.gemini"
    assert stream["attributes"]["gen_ai.response.time_to_first_chunk"] == 0.2
    assert stream["attributes"]["dcoder.usage.estimated"] is True
    assert (cached["attributes"]["dcoder.cache.state"], cached["attributes"]["dcoder.cache.saved_tokens"]) == (
        "semantic",
        15,
    )
    assert failed["attributes"]["error.type"] == "provider_unavailable"
    assert failed["status"]["code"] == "STATUS_CODE_ERROR"
    assert "code" not in whole.get("status", {})


async def test_langfuse_is_told_of_llm_calls_alone_with_its_own_attributes(received: Received) -> None:
    assert received.named(LANGFUSE, "POST gateway-chat") == []
    whole = calls(received, LANGFUSE)[0]["attributes"]
    assert whole["langfuse.observation.type"] == "generation"
    assert (whole["user.id"], whole["session.id"]) == ("user-1", "talk-7")
    assert json.loads(whole["langfuse.observation.usage_details"]) == {"input": 12, "output": 3, "total": 15}
    assert json.loads(whole["langfuse.observation.cost_details"]) == {"total": 0.000007}
    assert (whole["langfuse.trace.metadata.tenant"], whole["langfuse.trace.tags"]) == ("tenant-1", ["tenant:tenant-1"])
    assert whole["langfuse.observation.metadata.cache"] == "miss"
    (headers, *_) = received.headers[LANGFUSE]
    assert headers["x-langfuse-ingestion-version"] == "4"
    assert base64.b64decode(headers["authorization"].removeprefix("Basic ")) == b"pk-lf-1:sk-lf-2"
    assert "authorization" not in received.headers[COLLECTOR][0]


async def test_prompts_are_told_only_where_the_tenant_lets_them_and_then_redacted(received: Received) -> None:
    whole, stream, *_ = calls(received)
    assert "capital of France" not in json.dumps(whole)
    (asked,) = json.loads(stream["attributes"]["gen_ai.input.messages"])
    assert asked == {
        "role": "user",
        "parts": [{"type": "text", "content": "My mail is [email]; what is the capital of France?"}],
    }
    assert "Paris" in stream["attributes"]["langfuse.observation.output"]
    assert "sk-secret" not in json.dumps(received.spans)


async def test_a_collector_that_is_not_there_holds_nobody_up() -> None:
    nowhere = "http://127.0.0.1:1"
    await tell(3_000, DCODER_OTLP_ENDPOINT=nowhere, DCODER_LANGFUSE_URL=nowhere, DCODER_LANGFUSE_SECRET_KEY="x")
