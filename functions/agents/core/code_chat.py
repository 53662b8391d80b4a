"""The model code-chat: the code assistant's graph in OpenAI's chat format."""

import time
from collections.abc import Mapping
from typing import Any

from functions.agents.core.models import Execution, Spent

MODEL = "code-chat"
Json = dict[str, Any]


def completion(execution: Execution, model: str) -> Json:
    """The whole answer of an execution that has ended, or, cut short, of one that works on."""
    text = str((execution.output or {}).get("answer") or "")
    reason = "stop" if execution.output is not None else "length"
    message = {"role": "assistant", "content": text}
    return {
        "id": f"chatcmpl-{execution.id}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": usage(execution.spent),
        "executionId": execution.id,
    }


def chunk(execution_id: str, model: str, delta: Mapping[str, Any], finish: str | None = None) -> Json:
    """One piece of a stream."""
    return {
        "id": f"chatcmpl-{execution_id}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "delta": dict(delta), "finish_reason": finish}],
    }


def usage(spent: Spent) -> Json:
    """OpenAI's `usage`: all calls of models together."""
    return {
        "prompt_tokens": spent.prompt_tokens,
        "completion_tokens": spent.completion_tokens,
        "total_tokens": spent.prompt_tokens + spent.completion_tokens,
    }
