"""Anthropic's message request as OpenAI's chat request, for callers who speak Anthropic to any provider.

Marks for Anthropic's prompt cache are left out for the others, which cache by themselves; so are thinking blocks of
earlier answers, but for Google's signatures in them, which go back to Google.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from functions.gateway.core.models import Json
from functions.gateway.core.needs import thinks_unasked
from functions.gateway.core.translation.parts import known_only
from functions.gateway.core.translation.reasoning_items import read_thoughts
from functions.gateway.core.translation.refusals import refuse

_PLAIN = {
    "model": "model",
    "temperature": "temperature",
    "top_p": "top_p",
    "stop_sequences": "stop",
    "stream": "stream",
}
_FIELDS = {
    *_PLAIN,
    *("max_tokens", "messages", "system", "top_k", "tools", "tool_choice", "thinking", "output_config", "metadata"),
    *("service_tier", "cache_control"),
}
_TOOL = {"type", "name", "description", "input_schema", "strict", "cache_control"}
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_TIERS = {"auto": "auto", "standard_only": "default"}
_GROQ_TIERS = {**_TIERS, "standard_only": "on_demand"}
_THINKING = ("enabled", "disabled", "adaptive")
_GOOGLE = frozenset({"google", "vertex"})
_LOW_BUDGET, _MEDIUM_BUDGET = 4096, 16384


def chat_request(request: Json, kind: str, model: str) -> Json:
    """OpenAI's request for an Anthropic one.

    Args:
        kind: the kind of provider that will get it; Anthropic's own fields are kept for Anthropic alone.
        model: the provider's name of the model.

    Raises:
        ProviderRejected: something in it has no equal there.
    """
    return _Reader(kind, model).request(request)


class _Reader:
    def __init__(self, kind: str, model: str) -> None:
        self._kind = kind
        self._model = model
        self._anthropic = kind == "anthropic"
        self._google = kind in _GOOGLE

    def request(self, request: Json) -> Json:
        for name, value in request.items():
            if name not in _FIELDS and value is not None:
                raise refuse(name, "is not offered here")
        messages = [*self._system(request.get("system")), *self._messages(request.get("messages"))]
        body = {
            **{theirs: request.get(ours) for ours, theirs in _PLAIN.items()},
            "messages": messages,
            "max_completion_tokens": request.get("max_tokens"),
            "tools": list(self._tools(request.get("tools"))),
            "user": _table(request, "metadata").get("user_id"),
            "service_tier": self._tier(request.get("service_tier")),
            **_tool_choice(request.get("tool_choice")),
            **_format(_table(request, "output_config")),
            **self._own(request),
        }
        return {name: value for name, value in body.items() if value not in (None, [])}

    def _own(self, request: Json) -> Json:
        """Fields that OpenAI's format does not have."""
        if not self._anthropic:
            if request.get("top_k") is not None and not self._google:
                raise refuse("top_k", "this provider has no such parameter")
            return {"top_k": request.get("top_k"), "reasoning_effort": self._effort(request)}
        config = {name: value for name, value in _table(request, "output_config").items() if name != "format"}
        return {
            "top_k": request.get("top_k"),
            "thinking": request.get("thinking"),
            "output_config": config or None,
            "cache_control": request.get("cache_control"),
        }

    def _tier(self, tier: Any) -> str | None:
        if tier is None:
            return None
        if tier not in tuple(_TIERS):
            raise refuse("service_tier", f"must be {' or '.join(_TIERS)}")
        return (_GROQ_TIERS if self._kind == "groq" else _TIERS)[tier]

    def _effort(self, request: Json) -> str | None:
        """The effort that comes nearest to how much Claude should think; None leaves it to the model."""
        thinking, config = _table(request, "thinking"), _table(request, "output_config")
        known_only(config, {"format", "effort"}, "output_config")
        kind, stated = thinking.get("type"), config.get("effort")
        if thinking and kind not in _THINKING:
            raise refuse("thinking.type", f"{kind!r} is not offered for this provider")
        if stated is not None:
            # OpenAI has the same words; others have none above these.
            return str(stated) if self._kind == "openai" or stated not in ("max", "xhigh") else "high"
        if kind == "disabled" and thinks_unasked(self._model):
            return "none"
        if kind != "enabled":
            return None
        budget = thinking.get("budget_tokens")
        if not isinstance(budget, int):
            raise refuse("thinking.budget_tokens", "must be an integer")
        return "low" if budget < _LOW_BUDGET else "medium" if budget < _MEDIUM_BUDGET else "high"

    def _system(self, system: Any) -> Iterator[Json]:
        if system:
            yield {"role": "system", "content": self._content(system, "system")}

    def _messages(self, messages: Any) -> Iterator[Json]:
        if not isinstance(messages, list):
            raise refuse("messages", "must be a list")
        for index, message in enumerate(messages):
            place = f"messages[{index}]"
            role = message.get("role") if isinstance(message, dict) else None
            if role == "user":
                yield from self._user(message.get("content"), f"{place}.content")
            elif role == "assistant":
                yield self._assistant(message.get("content"), f"{place}.content")
            elif role == "system":
                yield {"role": "system", "content": self._content(message.get("content"), f"{place}.content")}
            else:
                raise refuse(f"{place}.role", "must be user, assistant or system")

    def _user(self, content: Any, place: str) -> Iterator[Json]:
        """The tools' results, each a message of its own, and what the user says beside them."""
        blocks = _blocks(content, place)
        if not blocks:
            raise refuse(place, "must not be empty")
        for index, block in enumerate(blocks):
            if block.get("type") == "tool_result":
                yield self._result(block, f"{place}[{index}]")
        said = [(index, block) for index, block in enumerate(blocks) if block.get("type") != "tool_result"]
        if said:
            parts = [self._part(block, f"{place}[{index}]") for index, block in said]
            yield {"role": "user", "content": _content(parts)}

    def _assistant(self, content: Any, place: str) -> Json:
        texts, calls, thinking = [], [], []
        extras: Json = {}
        for index, block in enumerate(_blocks(content, place)):
            kind, at = block.get("type"), f"{place}[{index}]"
            if kind == "tool_use":
                calls.append(self._call(block, at))
            elif kind in ("thinking", "redacted_thinking"):
                thinking.append(block)
                extras |= read_thoughts(block.get("signature"), self._kind).extras
            elif kind == "text":
                texts.append(self._part(block, at))
            else:
                raise refuse(f"{at}.type", f"{kind!r} is not offered here")
        message = {
            "role": "assistant",
            "content": _content(texts) if texts else None,
            "tool_calls": calls,
            "thinking_blocks": thinking if self._anthropic else [],
            "extra_content": extras.pop("", None),
        }
        for call in calls:
            if call["id"] in tuple(extras):
                call["extra_content"] = extras[call["id"]]
        return {name: value for name, value in message.items() if name in {"role", "content"} or value}

    def _call(self, block: Json, place: str) -> Json:
        # Who called is told in answers; sent back it says nothing new.
        known_only(block, {"type", "id", "name", "input", "caller", "cache_control"}, place)
        arguments = block.get("input")
        if not isinstance(arguments, dict):
            raise refuse(f"{place}.input", "must be an object")
        function = {"name": block.get("name"), "arguments": orjson.dumps(arguments).decode()}
        return {"id": block.get("id"), "type": "function", "function": function, **self._mark(block)}

    def _mark(self, block: Json) -> Json:
        mark = block.get("cache_control") if self._anthropic else None
        return {"cache_control": mark} if mark else {}

    def _result(self, block: Json, place: str) -> Json:
        known_only(block, {"type", "tool_use_id", "content", "is_error", "cache_control"}, place)
        parts = [
            self._part(inner, f"{place}.content[{index}]")
            for index, inner in enumerate(_blocks(block.get("content") or [], f"{place}.content"))
        ]
        answered = {"role": "tool", "tool_call_id": block.get("tool_use_id")}
        result = {**answered, "content": _content(parts), **self._mark(block)}
        if not block.get("is_error"):
            return result
        if self._anthropic or self._google:
            return {**result, "is_error": True}
        # OpenAI's format has no field for it, so that the words must say it.
        return {**result, "content": _content([{"type": "text", "text": "Error: "}, *parts])}

    def _content(self, content: Any, place: str) -> Any:
        return _content([self._part(block, f"{place}[{i}]") for i, block in enumerate(_blocks(content, place))])

    def _part(self, block: Json, place: str) -> Json:
        kind = block.get("type")
        mark = self._mark(block)
        if kind == "text" and isinstance(block.get("text"), str):
            known_only(block, {"type", "text", "cache_control"}, place)
            return {"type": "text", "text": block["text"], **mark}
        source = block.get("source")
        if kind == "image" and isinstance(source, dict):
            known_only(block, {"type", "source", "cache_control"}, place)
            return {"type": "image_url", "image_url": {"url": _image_url(source, f"{place}.source")}, **mark}
        if kind == "document" and isinstance(source, dict):
            known_only(block, {"type", "source", "title", "cache_control"}, place)
            return {"type": "file", "file": _file(source, block.get("title"), f"{place}.source"), **mark}
        raise refuse(f"{place}.type", f"{kind!r} is not offered here")

    def _tools(self, tools: Any) -> Iterator[Json]:
        if not isinstance(tools, list | None):
            raise refuse("tools", "must be a list")
        yield from (self._tool(tool, f"tools[{index}]") for index, tool in enumerate(tools or ()))

    def _tool(self, tool: Any, place: str) -> Json:
        if not isinstance(tool, dict) or tool.get("type") not in ("custom", None):
            raise refuse(f"{place}.type", "only custom tools are offered here")
        known_only(tool, _TOOL, place)
        function = {
            "name": tool.get("name"),
            "description": tool.get("description"),
            "parameters": tool.get("input_schema"),
            "strict": tool.get("strict"),
        }
        given = {name: value for name, value in function.items() if value is not None}
        return {"type": "function", "function": given, **self._mark(tool)}


def _table(request: Json, name: str) -> Json:
    value = request.get(name)
    if not isinstance(value, dict | None):
        raise refuse(name, "must be an object")
    return value or {}


def _blocks(content: Any, place: str) -> list[Json]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list) or not all(isinstance(block, dict) for block in content):
        raise refuse(place, "must be a string or a list of blocks")
    return content


def _content(parts: list[Json]) -> Any:
    """A lone text as a string, the commonest form; everything else as parts."""
    if not parts:
        return ""
    lone = len(parts) == 1 and parts[0].keys() == {"type", "text"}
    return parts[0]["text"] if lone else parts


def _image_url(source: Json, place: str) -> str:
    if source.get("type") == "base64":
        return _data_url(source, place)
    if source.get("type") == "url" and isinstance(source.get("url"), str):
        return str(source["url"])
    raise refuse(f"{place}.type", "must be base64 or url")


def _data_url(source: Json, place: str) -> str:
    for name in ("media_type", "data"):
        if not isinstance(source.get(name), str):
            raise refuse(f"{place}.{name}", "must be a string")
    return f"data:{source['media_type']};base64,{source['data']}"


def _file(source: Json, title: str | None, place: str) -> Json:
    if source.get("type") != "base64":
        raise refuse(f"{place}.type", "must be base64")
    return {"file_data": _data_url(source, place), **({"filename": title} if title else {})}


def _tool_choice(choice: Any) -> Json:
    if choice is None:
        return {}
    kind = choice.get("type") if isinstance(choice, dict) else None
    parallel = {"parallel_tool_calls": False} if kind and choice.get("disable_parallel_tool_use") else {}
    if kind == "tool":
        return {"tool_choice": {"type": "function", "function": {"name": choice.get("name")}}, **parallel}
    if kind not in tuple(_CHOICES):
        raise refuse("tool_choice.type", "must be auto, any, tool or none")
    return {"tool_choice": _CHOICES[str(kind)], **parallel}


def _format(config: Json) -> Json:
    wanted = config.get("format")
    if wanted is None:
        return {}
    schema = wanted.get("schema") if isinstance(wanted, dict) else None
    if not isinstance(schema, dict):
        raise refuse("output_config.format.schema", "must be a JSON Schema")
    described = {"name": "answer", "schema": schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": described}}
