"""Real traffic with the providers, recorded by others. It lies beside the project, never in it.

`DCODER_RECORDINGS` names the folder: `index.jsonl`, and one JSON file for each interaction with its request, status and
response (the body as JSON, or a stream as text).
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

Json = dict[str, Any]

FOLDER = Path(os.environ.get("DCODER_RECORDINGS", Path(__file__).parents[5] / "shared" / "data" / "api"))
ABSENT = f"no recordings in {FOLDER}" if not (FOLDER / "index.jsonl").is_file() else ""

_EVENT_END = re.compile(r"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class Recording:
    name: str
    provider: str
    path: str
    status: int
    request: Json
    response: Json | str

    @property
    def kind(self) -> str:
        """Which wire, or which other API, it is of."""
        path = self.path.partition("?")[0]
        if path.endswith("/chat/completions"):
            return "openai"
        if path.endswith("/messages"):
            return "anthropic"
        if path.endswith((":generateContent", ":streamGenerateContent")):
            return "vertex" if self.provider == "gemini_vertex" else "google"
        return "other"

    @property
    def model(self) -> str:
        named = re.search(r"/models/([^:/]+):", self.path)
        return named.group(1) if named else str(self.request.get("model"))

    @property
    def body(self) -> bytes:
        return self.response.encode() if isinstance(self.response, str) else orjson.dumps(self.response)

    @property
    def streamed(self) -> bool:
        return isinstance(self.response, str)

    @property
    def whole(self) -> Json:
        assert isinstance(self.response, dict)
        return self.response

    @property
    def events(self) -> list[Json]:
        """The data of the stream's events, read without the code under test."""
        assert isinstance(self.response, str)
        lines = [line for frame in _EVENT_END.split(self.response) for line in frame.splitlines()]
        data = [line[5:].strip() for line in lines if line.startswith("data:")]
        return [orjson.loads(text) for text in data if text != "[DONE]"]


def load() -> list[Recording]:
    if ABSENT:
        return []
    rows = [orjson.loads(line) for line in (FOLDER / "index.jsonl").read_bytes().splitlines()]
    return [_read(row) for row in rows]


def _read(row: Json) -> Recording:
    whole = orjson.loads((FOLDER / row["file"]).read_bytes())
    response = whole["response"]
    if isinstance(response, str) and response.startswith("{"):
        response = orjson.loads(response)
    return Recording(
        row["file"].removesuffix(".json"),
        whole["provider"],
        "/" + whole["uri"].split("/", 3)[3],
        whole["status"],
        whole["request"] or {},
        response,
    )


ALL = load()


def of(*kinds: str) -> list[Recording]:
    return [recording for recording in ALL if recording.kind in kinds]
