"""OpenAI's Responses request as its chat request, for providers that know only chats.

Source: platform.openai.com/docs/api-reference/responses/create. What would need a state of ours, or tools that OpenAI
runs itself, is refused by `ensure_stateless` for every provider. Marks for OpenAI's prompt cache are left out.
"""

from collections.abc import Iterator
from typing import Any

from functions.gateway.core.models import Json
from functions.gateway.core.translation.parts import known_only
from functions.gateway.core.translation.reasoning_items import Thoughts, read_thoughts
from functions.gateway.core.translation.refusals import refuse

_PLAIN = {
    "temperature": "temperature",
    "top_p": "top_p",
    "parallel_tool_calls": "parallel_tool_calls",
    "max_output_tokens": "max_completion_tokens",
    "user": "user",
    "safety_identifier": "safety_identifier",
    "service_tier": "service_tier",
    "metadata": "metadata",
}
_FIELDS = {
    *_PLAIN,
    *("model", "input", "instructions", "tools", "tool_choice", "text", "reasoning", "include", "top_logprobs"),
    *("stream", "stream_options", "store", "truncation", "background"),
    *("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options"),
}
_NEEDS_STATE = ("previous_response_id", "conversation", "background", "prompt")
_LOGPROBS = "message.output_text.logprobs"
_INCLUDED = ("reasoning.encrypted_content", _LOGPROBS)
_OWN_TOOLS = ("function", "custom")
_TOOL = {"type", "name", "description", "parameters", "strict"}


def ensure_stateless(request: Json) -> None:
    """Refuse what no provider is asked for here.

    Raises:
        ProviderRejected: it needs answers to be kept, or tools that OpenAI runs itself.
    """
    for name in _NEEDS_STATE:
        if request.get(name):
            raise refuse(name, "answers are not kept here; send the conversation in `input`")
    if request.get("store"):
        raise refuse("store", "answers are not kept here; leave it out or send false")
    tools = request.get("tools")
    for index, tool in enumerate(tools if isinstance(tools, list) else ()):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind not in _OWN_TOOLS:
            raise refuse(f"tools[{index}].type", f"{kind!r} is not offered here; function and custom tools are")
    items = request.get("input")
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and item.get("type") == "item_reference":
            raise refuse(f"input[{index}].type", "items are not kept here; send the item itself")


def chat_request(request: Json, kind: str) -> Json:
    """OpenAI's chat request for a Responses one.

    Args:
        kind: the kind of provider that will get it.

    Raises:
        ProviderRejected: something in it has no equal in a chat.
    """
    for name, value in request.items():
        if name not in _FIELDS and value is not None:
            raise refuse(name, "is not offered for this provider")
    if request.get("truncation") not in (None, "disabled"):
        raise refuse("truncation", "is not offered for this provider")
    messages = list(_Messages(kind).of(request))
    if not messages:
        raise refuse("input", "says nothing")
    body = {
        **{theirs: request.get(ours) for ours, theirs in _PLAIN.items()},
        "messages": messages,
        "tools": [_tool(tool, f"tools[{index}]") for index, tool in enumerate(_list(request, "tools"))],
        "tool_choice": _tool_choice(request.get("tool_choice")),
        **_text(_table(request, "text")),
        **_reasoning(_table(request, "reasoning")),
        **_logprobs(request),
    }
    return {name: value for name, value in body.items() if value not in (None, [])}


class _Messages:
    """Puts items together into messages: what the model said and called at once is one message of a chat."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._said: Json | None = None
        self._thoughts = Thoughts()

    def of(self, request: Json) -> Iterator[Json]:
        if request.get("instructions"):
            if not isinstance(request["instructions"], str):
                raise refuse("instructions", "must be a string")
            yield {"role": "system", "content": request["instructions"]}
        items = request.get("input")
        items = [{"role": "user", "content": items}] if isinstance(items, str) else items
        if not isinstance(items, list) or not items:
            raise refuse("input", "must be a string or a list of items")
        for index, item in enumerate(items):
            if not isinstance(item, dict):
                raise refuse(f"input[{index}]", "must be an object")
            yield from self._item(item, f"input[{index}]")
        yield from self._end()

    def _item(self, item: Json, place: str) -> Iterator[Json]:
        kind = item.get("type") or "message"
        if kind == "reasoning":
            if self._said is not None:
                yield from self._end()
            self._thoughts = read_thoughts(item.get("encrypted_content"), self._kind)
        elif kind == "function_call":
            self._assistant().setdefault("tool_calls", []).append(self._call(item, place))
        elif kind == "message" and item.get("role") == "assistant":
            if self._said is not None:
                yield from self._end()
            self._assistant()["content"] = _said(item, place)
        elif kind == "message":
            yield from self._end()
            yield _told(item, place)
        elif kind == "function_call_output":
            yield from self._end()
            content = _content(item.get("output"), f"{place}.output")
            yield {"role": "tool", "tool_call_id": item.get("call_id"), "content": content}
        else:
            raise refuse(f"{place}.type", f"{kind!r} is not offered for this provider")

    def _assistant(self) -> Json:
        if self._said is None:
            self._said = {"role": "assistant", "content": None}
            if self._thoughts.blocks:
                self._said["thinking_blocks"] = self._thoughts.blocks
            if "" in self._thoughts.extras:
                self._said["extra_content"] = self._thoughts.extras[""]
        return self._said

    def _call(self, item: Json, place: str) -> Json:
        if not isinstance(item.get("name"), str) or not isinstance(item.get("call_id"), str):
            raise refuse(place, "must have a name and a call_id")
        call: Json = {
            "id": item["call_id"],
            "type": "function",
            "function": {"name": item["name"], "arguments": item.get("arguments") or "{}"},
        }
        extra = self._thoughts.extras.get(item["call_id"])
        return {**call, "extra_content": extra} if extra else call

    def _end(self) -> Iterator[Json]:
        if self._said is not None:
            yield self._said
        self._said, self._thoughts = None, Thoughts()


def _told(item: Json, place: str) -> Json:
    role = item.get("role")
    if role not in ("user", "system", "developer"):
        raise refuse(f"{place}.role", "must be user, assistant, system or developer")
    content = _content(item.get("content"), f"{place}.content")
    return {"role": "user" if role == "user" else "system", "content": content}


def _said(item: Json, place: str) -> str:
    content = item.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") or part.get("refusal") for part in parts if isinstance(part, dict)]
    if len(texts) != len(parts) or not all(isinstance(text, str) for text in texts):
        raise refuse(f"{place}.content", "must be a string or parts of text")
    return "".join(map(str, texts))


def _content(content: Any, place: str) -> Any:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise refuse(place, "must be a string or a list of parts")
    parts = [_part(part, f"{place}[{index}]") for index, part in enumerate(content)]
    lone = len(parts) == 1 and parts[0]["type"] == "text"
    return parts[0]["text"] if lone else parts


def _part(part: Any, place: str) -> Json:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("input_text", "output_text"):
        known_only(part, {"type", "text", "annotations", "logprobs", "prompt_cache_breakpoint"}, place)
        if not isinstance(part.get("text"), str):
            raise refuse(f"{place}.text", "must be a string")
        return {"type": "text", "text": part["text"]}
    if kind == "input_image":
        known_only(part, {"type", "image_url", "detail", "prompt_cache_breakpoint"}, place)
        detail = {"detail": part["detail"]} if part.get("detail") else {}
        return {"type": "image_url", "image_url": {"url": part.get("image_url"), **detail}}
    if kind == "input_file":
        known_only(part, {"type", "file_data", "filename", "prompt_cache_breakpoint"}, place)
        named = {"filename": part["filename"]} if part.get("filename") else {}
        return {"type": "file", "file": {"file_data": part.get("file_data"), **named}}
    if kind == "input_audio":
        return {"type": "input_audio", "input_audio": part.get("input_audio")}
    raise refuse(f"{place}.type", f"{kind!r} is not offered for this provider")


def _tool(tool: Any, place: str) -> Json:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        raise refuse(f"{place}.type", "only functions are offered for this provider")
    known_only(tool, _TOOL, place)
    names = ("name", "description", "parameters", "strict")
    return {"type": "function", "function": {n: tool[n] for n in names if tool.get(n) is not None}}


def _tool_choice(choice: Any) -> Any:
    if choice is None or isinstance(choice, str):
        return choice
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind == "function":
        return {"type": "function", "function": {"name": choice.get("name")}}
    if kind == "allowed_tools":
        allowed = _list(choice, "tools")
        if not all(isinstance(tool, dict) and tool.get("type") == "function" for tool in allowed):
            raise refuse("tool_choice.tools", "must be functions")
        tools = [{"type": "function", "function": {"name": tool.get("name")}} for tool in allowed]
        return {"type": "allowed_tools", "allowed_tools": {"mode": choice.get("mode"), "tools": tools}}
    raise refuse("tool_choice", "must be auto, required, none, or name a function")


def _text(text: Json) -> Json:
    known_only(text, {"format", "verbosity"}, "text")
    wanted = text.get("format")
    if not isinstance(wanted, dict | None):
        raise refuse("text.format", "must be an object")
    if wanted and wanted.get("type") == "json_schema":
        names = ("name", "description", "schema", "strict")
        described = {name: wanted[name] for name in names if wanted.get(name) is not None}
        wanted = {"type": "json_schema", "json_schema": described}
    return {"response_format": wanted, "verbosity": text.get("verbosity")}


def _reasoning(reasoning: Json) -> Json:
    # A summary is told wherever the provider tells what its model thought.
    known_only(reasoning, {"effort", "summary", "generate_summary"}, "reasoning")
    return {"reasoning_effort": reasoning.get("effort")}


def _logprobs(request: Json) -> Json:
    included = _list(request, "include")
    for index, name in enumerate(included):
        if name not in _INCLUDED:
            raise refuse(f"include[{index}]", f"{name!r} is not offered for this provider")
    most = request.get("top_logprobs")
    return {"logprobs": True, "top_logprobs": most or None} if most or _LOGPROBS in included else {}


def _table(request: Json, name: str) -> Json:
    value = request.get(name)
    if not isinstance(value, dict | None):
        raise refuse(name, "must be an object")
    return value or {}


def _list(request: Json, name: str) -> list[Any]:
    value = request.get(name)
    if not isinstance(value, list | None):
        raise refuse(name, "must be a list")
    return value or []
