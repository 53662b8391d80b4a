"""Compares the answers' keys with recorded traffic of the real providers, when a folder of it is given."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.local.simulator.conftest import Simulator

Json = dict[str, Any]
FOLDER = Path(__file__).resolve().parents[5] / "shared" / "data" / "api"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="no recorded traffic beside the project")

QUESTION = [{"role": "user", "content": "Why do tides rise?"}]
CHAT = {"model": "sim-chat", "messages": QUESTION}
CONTENTS = {"contents": [{"parts": [{"text": "Why do tides rise?"}]}]}
GOOGLE = "/v1/projects/p/locations/l/publishers/google/models/sim-chat"


def recorded(provider: str, path: str, *, stream: bool, host: str = "") -> Iterator[Any]:
    """Answers with status 200 to calls whose path ends so."""
    with Path(FOLDER, "index.jsonl").open() as index:
        rows = [json.loads(line) for line in index]
    for row in rows:
        wanted = row["provider"] == provider and row["path"].endswith(path) and row["sse"] is stream
        if wanted and row["status"] == 200 and not row["has_tool_call"]:
            call = json.loads(Path(FOLDER, row["file"]).read_text())
            if host in call["uri"]:
                yield call["response"]


def data_lines(text: str) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def check(ours: Any, theirs: list[Any], pick: Callable[[Any], Any]) -> None:
    """All keys that every recorded object has, and none that no recorded object has."""
    keys = [set(pick(answer)) for answer in theirs]
    assert keys, "nothing recorded"
    assert set.intersection(*keys) <= set(pick(ours)) <= set.union(*keys)


OPENAI_PARTS: list[Callable[[Any], Any]] = [
    lambda answer: answer,
    lambda answer: answer["choices"][0],
    lambda answer: answer["choices"][0]["message"],
    lambda answer: answer["usage"],
]


@pytest.mark.parametrize("pick", OPENAI_PARTS)
@pytest.mark.parametrize(
    ("provider", "host", "path"), [("openai", "api.openai.com", "/openai/v1"), ("groq", "groq.com", "/groq/openai/v1")]
)
async def test_chat_completions(
    simulator: Simulator, key: str, provider: str, host: str, path: str, pick: Callable[[Any], Any]
) -> None:
    _, ours = await simulator.post(f"{path}/chat/completions", CHAT, {"authorization": f"Bearer {key}"})
    check(ours, list(recorded(provider, "/chat/completions", stream=False, host=host)), pick)


@pytest.mark.parametrize("place", [0, 1, -2])
async def test_chat_completion_chunks(simulator: Simulator, key: str, place: int) -> None:
    request = CHAT | {"stream": True, "stream_options": {"include_usage": True}}
    lines = await simulator.lines("/openai/v1/chat/completions", request, {"authorization": f"Bearer {key}"})
    streams = [data_lines(text) for text in recorded("openai", "/chat/completions", stream=True, host="api.openai.com")]
    theirs = [stream[place] for stream in streams if stream[place]["choices"]]
    ours = data_lines("\n".join(lines))[place]
    # `obfuscation` is padding against traffic analysis; the API documents that it may be absent.
    ours["obfuscation"] = ""
    check(ours, theirs, lambda chunk: chunk)
    check(ours, theirs, lambda chunk: chunk["choices"][0])


@pytest.mark.parametrize("pick", [lambda answer: answer, lambda answer: answer["usage"]])
async def test_messages(simulator: Simulator, key: str, pick: Callable[[Any], Any]) -> None:
    headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
    _, ours = await simulator.post("/anthropic/v1/messages", CHAT | {"max_tokens": 50}, headers)
    check(ours, list(recorded("anthropic", "/v1/messages", stream=False)), pick)


@pytest.mark.parametrize("kind", ["message_start", "content_block_start", "content_block_delta", "message_delta"])
async def test_message_events(simulator: Simulator, key: str, kind: str) -> None:
    headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
    lines = await simulator.lines("/anthropic/v1/messages", CHAT | {"max_tokens": 50, "stream": True}, headers)
    streams = [data_lines(text) for text in recorded("anthropic", "/v1/messages", stream=True)]
    theirs = [event for stream in streams for event in stream if event["type"] == kind]
    (ours, *_) = (event for event in data_lines("\n".join(lines)) if event["type"] == kind)
    check(ours, theirs, lambda event: event)
    if kind == "message_start":
        check(ours, theirs, lambda event: event["message"])
    if kind == "message_delta":
        check(ours, theirs, lambda event: event["delta"])
        check(ours, theirs, lambda event: event["usage"])


GOOGLE_PARTS: list[Callable[[Any], Any]] = [
    lambda answer: answer,
    lambda answer: answer["candidates"][0],
    lambda answer: answer["usageMetadata"],
]


@pytest.mark.parametrize("pick", GOOGLE_PARTS)
@pytest.mark.parametrize(
    ("provider", "path"), [("gemini", "/google/v1beta/models/sim-chat"), ("gemini_vertex", f"/vertex{GOOGLE}")]
)
async def test_generate_content(
    simulator: Simulator, key: str, provider: str, path: str, pick: Callable[[Any], Any]
) -> None:
    headers = {"authorization": f"Bearer {key}", "x-goog-api-key": key}
    _, ours = await simulator.post(f"{path}:generateContent", CONTENTS, headers)
    theirs = [answer for answer in recorded(provider, ":generateContent", stream=False) if "candidates" in answer]
    check(ours, theirs, pick)


@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize("pick", GOOGLE_PARTS)
async def test_stream_generate_content(simulator: Simulator, key: str, place: int, pick: Callable[[Any], Any]) -> None:
    path = "/google/v1beta/models/sim-chat:streamGenerateContent?alt=sse"
    lines = await simulator.lines(path, CONTENTS, {"x-goog-api-key": key})
    theirs = [data_lines(text)[place] for text in recorded("gemini", ":streamGenerateContent", stream=True)]
    check(data_lines("\n".join(lines))[place], theirs, pick)
