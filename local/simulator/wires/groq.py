"""Groq: OpenAI's wire with timings in the usage, an `x_groq` object and shorter errors (console.groq.com/docs)."""

import secrets
from collections.abc import Iterator

import orjson
from starlette.requests import Request

from local.simulator.asks import Answer, Usage
from local.simulator.exchange import ErrorAnswer
from local.simulator.fields import Json, names
from local.simulator.refusals import Problem, Refusal
from local.simulator.responses import Frame
from local.simulator.wires.openai_chat import ChatShape, sse
from local.simulator.wires.openai_errors import OpenAiDialect, Wording, retry_headers, worded
from local.simulator.wires.openai_requests import CHAT_FIELDS

FIELDS = CHAT_FIELDS - names("logit_bias logprobs top_logprobs") | names(
    """citation_options compound_custom disable_tool_validation documents exclude_domains include_domains
    include_reasoning reasoning_format search_settings"""
)

_WORDINGS = {
    Problem.MISSING_KEY: Wording(401, "Invalid API Key", code="invalid_api_key"),
    Problem.INVALID_KEY: Wording(401, "Invalid API Key", code="invalid_api_key"),
    Problem.UNKNOWN_MODEL: Wording(
        404, "The model `{model}` does not exist or you do not have access to it.", code="model_not_found"
    ),
    Problem.WRONG_MODEL_KIND: Wording(400, "The model `{model}` does not support chat completions"),
    Problem.UNKNOWN_ROUTE: Wording(
        404,
        "Unknown request URL: {method} {path}. Please check the URL for typos, or see the docs at "
        "https://console.groq.com/docs/",
        code="unknown_url",
    ),
    Problem.MALFORMED_JSON: Wording(400, "failed to decode json: {message}"),
    Problem.MISSING_FIELD: Wording(400, "'{field}' : property '{field}' is missing"),
    Problem.INVALID_FIELD: Wording(400, "'{field}' : {message}"),
    Problem.UNKNOWN_FIELD: Wording(400, "property '{field}' is unsupported"),
    Problem.CONTEXT_LENGTH: Wording(
        400,
        "Please reduce the length of the messages or completion.",
        code="context_length_exceeded",
        param="messages",
    ),
    Problem.RATE_LIMITED: Wording(
        429,
        "Rate limit reached for model `{model}` in organization `org_simulator` service tier `on_demand` on requests "
        "per minute (RPM): Limit 3, Used 3, Requested 1. Please try again in {retry_after}s. Need more tokens? Upgrade "
        "to Dev Tier today at https://console.groq.com/settings/billing",
        code="rate_limit_exceeded",
        type="requests",
    ),
    Problem.INTERNAL: Wording(500, "Internal Server Error", type="internal_server_error"),
    Problem.UNAVAILABLE: Wording(503, "Service Unavailable", type="internal_server_error"),
}


class GroqDialect(OpenAiDialect):
    """Groq's credentials and errors."""

    def error(self, refusal: Refusal, request: Request) -> ErrorAnswer:
        """The documented error body, which leaves out what is not known."""
        wording = _WORDINGS[refusal.problem]
        body = {
            "message": worded(refusal, request, wording.message),
            "type": wording.type,
            "param": wording.param,
            "code": wording.code,
        }
        known = {name: value for name, value in body.items() if value is not None}
        return ErrorAnswer(wording.status, {"error": known}, retry_headers(refusal))

    def stream_error(self) -> bytes:
        """An error event with the status in it."""
        error = {"message": "Internal Server Error", "type": "internal_server_error", "status_code": 500}
        return b"data: " + orjson.dumps({"error": error}) + b"\n\n"


class GroqShape(ChatShape):
    """Groq's bodies."""

    call_prefix = ""

    def __init__(self, model: str, *, include_usage: bool = False, most_logprobs: int | None = None) -> None:
        super().__init__(model, include_usage=include_usage, most_logprobs=most_logprobs)
        self.x_groq: Json = {"id": f"req_{secrets.token_hex(13)}", "seed": 1}

    def usage(self, usage: Usage) -> Json:
        """Tokens and seconds."""
        return {
            "queue_time": 0.01,
            "prompt_tokens": usage.prompt,
            "prompt_time": usage.prompt / 10_000,
            "completion_tokens": usage.completion,
            "completion_time": usage.completion / 500,
            "total_tokens": usage.total,
            **({"prompt_tokens_details": {"cached_tokens": usage.cached}} if usage.cached else {}),
            **({"completion_tokens_details": {"reasoning_tokens": usage.reasoning}} if usage.reasoning else {}),
            "total_time": usage.prompt / 10_000 + usage.completion / 500,
        }

    def message(self, answer: Answer) -> Json:
        """A message without what it does not hold."""
        calls = {"tool_calls": self.calls(answer)} if answer.calls else {"content": answer.text}
        return {"role": "assistant", **calls}

    def whole(self, chosen: list[Answer], usage: Usage | None) -> Json:
        """The body of an answer that is not streamed."""
        body = super().whole(chosen, usage)
        return body | {"service_tier": "on_demand", "usage_breakdown": None, "x_groq": self.x_groq}

    def chunk(self, choices: list[Json]) -> Json:
        """A stream chunk, which never has a null usage."""
        body = super().chunk(choices)
        return {name: value for name, value in body.items() if name not in {"usage", "service_tier"}}

    def opening(self, index: int, answer: Answer) -> Json:
        """The first chunk of a choice names the request."""
        content = {} if answer.calls else {"content": ""}
        return self.delta(index, {"role": "assistant", **content}) | {"x_groq": self.x_groq}

    def call_frames(self, index: int, answer: Answer) -> Iterator[Frame]:
        """Each tool call whole, in one chunk."""
        for place, (call, body) in enumerate(zip(answer.calls, self.calls(answer), strict=True)):
            yield Frame(sse(self.delta(index, {"tool_calls": [body | {"index": place}]})), call.tokens)

    def closing(self, index: int, answer: Answer, usage: Usage | None) -> Json:
        """The last chunk of a choice carries the usage, asked for or not."""
        body = super().closing(index, answer, usage)
        if usage is None:
            return body
        counted = self.usage(usage)
        return body | {"x_groq": {"id": self.x_groq["id"], "usage": counted}, "usage": counted}
