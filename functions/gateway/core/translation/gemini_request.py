"""OpenAI's chat request as Gemini's generateContent request.

Source: ai.google.dev/api/generate-content. What Google's own OpenAI-compatible endpoint takes beside OpenAI's fields is
taken here too: `extra_body.google` with `thinking_config`, `cached_content` and `safety_settings`, and the thought
signatures in `extra_content.google`.
"""

import mimetypes
from collections.abc import Iterator

from functions.gateway.core.models import Json
from functions.gateway.core.translation.conversation import (
    Call,
    Result,
    Turn,
    UserTurn,
    read_conversation,
)
from functions.gateway.core.translation.gemini_thinking import EFFORTS, thinking_config
from functions.gateway.core.translation.parameters import Parameters
from functions.gateway.core.translation.parts import Media, Part, Text, known_only
from functions.gateway.core.translation.refusals import refuse
from functions.gateway.core.translation.tools import Tool, ToolChoice, read_tool_choice, read_tools

_PROVIDER = "Gemini"
_LARGEST_SEED = 2**31 - 1
_MOST_STOPS, _MOST_CHOICES, _MOST_LOGPROBS = 5, 8, 20
# The documented stand-in for the signature of a call that Gemini did not make itself, in base64
# (ai.google.dev/gemini-api/docs/thought-signatures, "skip_thought_signature_validator").
_NO_SIGNATURE = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
_TIERS = {"default": "standard", "flex": "flex", "priority": "priority"}


def content_request(body: Json) -> Json:
    """Gemini's request for an OpenAI one; the model stands in the URL.

    Raises:
        ProviderRejected: something in it has no equal at Google.
    """
    parameters = Parameters(body, _PROVIDER)
    conversation = read_conversation(body.get("messages"))
    own = _own(parameters)
    request = {
        "systemInstruction": _instruction(conversation.instructions),
        "contents": [content for content in map(_content, conversation.turns) if content["parts"]],
        "generationConfig": _config(parameters, str(body.get("model")), own.get("thinking_config")),
        "cachedContent": own.get("cached_content"),
        "safetySettings": own.get("safety_settings"),
        "serviceTier": _TIERS.get(parameters.one_of("service_tier", tuple(_TIERS)) or ""),
        **_tools(parameters),
    }
    parameters.finish()
    return _given(request)


def _given(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if value is not None}


def _own(parameters: Parameters) -> Json:
    """Google's own fields."""
    extra = parameters.table("extra_body") or {}
    known_only(extra, {"google"}, "extra_body")
    google = extra.get("google") or {}
    if not isinstance(google, dict):
        raise refuse("extra_body.google", "must be an object")
    known_only(google, {"thinking_config", "cached_content", "safety_settings"}, "extra_body.google")
    return google


def _instruction(instructions: tuple[Text, ...]) -> Json | None:
    return {"parts": [_text(text) for text in instructions]} if instructions else None


def _config(parameters: Parameters, model: str, thinking: Json | None) -> Json | None:
    effort = parameters.one_of("reasoning_effort", EFFORTS)
    if effort is not None and thinking is not None:
        raise refuse("extra_body.google.thinking_config", "contradicts reasoning_effort; give one of them")
    wants_logprobs, top_logprobs = parameters.flag("logprobs"), parameters.integer("top_logprobs", 0, _MOST_LOGPROBS)
    if top_logprobs and not wants_logprobs:
        raise refuse("top_logprobs", "needs logprobs: true")
    config = {
        "temperature": parameters.number("temperature", 0, 2),
        "topP": parameters.number("top_p", 0, 1),
        "topK": parameters.integer("top_k", 1),
        "maxOutputTokens": parameters.token_limit(),
        "stopSequences": parameters.stops(_MOST_STOPS),
        "candidateCount": parameters.integer("n", 1, _MOST_CHOICES),
        "seed": parameters.integer("seed", -_LARGEST_SEED - 1, _LARGEST_SEED),
        "presencePenalty": parameters.number("presence_penalty", -2, 2),
        "frequencyPenalty": parameters.number("frequency_penalty", -2, 2),
        "responseLogprobs": wants_logprobs,
        "logprobs": top_logprobs,
        "thinkingConfig": thinking or thinking_config(effort, model),
        **_format(parameters),
    }
    return _given(config) or None


def _format(parameters: Parameters) -> Json:
    wanted = parameters.table("response_format")
    if wanted is None:
        return {}
    kind = wanted.get("type")
    if kind == "json_object":
        return {"responseMimeType": "application/json"}
    described = wanted.get("json_schema")
    schema = described.get("schema") if isinstance(described, dict) else None
    if kind != "json_schema" or not isinstance(schema, dict):
        raise refuse("response_format", "must be text, json_object, or a json_schema with its schema")
    return {"responseMimeType": "application/json", "responseJsonSchema": schema}


def _tools(parameters: Parameters) -> Json:
    tools, choice = read_tools(parameters), read_tool_choice(parameters)
    if not tools:
        if choice.mode == "required":
            raise refuse("tool_choice", "there are no tools to choose from")
        return {}
    if not choice.parallel:
        raise refuse("parallel_tool_calls", "Gemini cannot be held to one call at a time")
    return {"tools": [{"functionDeclarations": [_tool(tool) for tool in tools]}], **_choice(choice, tools)}


def _tool(tool: Tool) -> Json:
    _unmarked(tool)
    return {"name": tool.name, "description": tool.description or "", "parametersJsonSchema": tool.schema}


def _choice(choice: ToolChoice, tools: tuple[Tool, ...]) -> Json:
    # VALIDATED is AUTO with arguments that fit their schema.
    free = "VALIDATED" if choice.names or any(tool.strict for tool in tools) else "AUTO"
    mode = {"auto": free, "required": "ANY", "none": "NONE"}[choice.mode or "auto"]
    if mode == "AUTO":
        return {}
    allowed = {"allowedFunctionNames": list(choice.names)} if choice.names else {}
    return {"toolConfig": {"functionCallingConfig": {"mode": mode, **allowed}}}


def _content(turn: Turn) -> Json:
    return {"role": "user" if isinstance(turn, UserTurn) else "model", "parts": list(_parts(turn))}


def _parts(turn: Turn) -> Iterator[Json]:
    if isinstance(turn, UserTurn):
        yield from (_result(result) for result in turn.results)
        yield from (_part(part) for part in turn.parts)
        return
    texts = [_text(text) for text in turn.texts if text.text]
    if texts and turn.signature:
        texts[-1]["thoughtSignature"] = turn.signature
    yield from texts
    for index, call in enumerate(turn.calls):
        yield _call(call, call.signature or (None if index else _NO_SIGNATURE))


def _call(call: Call, signature: str | None) -> Json:
    _unmarked(call)
    return {
        "functionCall": {"id": call.id, "name": call.name, "args": call.arguments},
        **({"thoughtSignature": signature} if signature else {}),
    }


def _result(result: Result) -> Json:
    if result.name is None:
        raise refuse(f"{result.place}.tool_call_id", "answers a call that no earlier message makes")
    _unmarked(result)
    parts = [_part(part) for part in result.parts]
    media = [part for part in parts if "text" not in part]
    # Left as text: Google would read numbers within JSON as floating point.
    text = "".join(part["text"] for part in parts if "text" in part)
    return {
        "functionResponse": {
            "id": result.call_id,
            "name": result.name,
            "response": {"error" if result.is_error else "output": text},
            **({"parts": media} if media else {}),
        }
    }


def _part(part: Part) -> Json:
    if isinstance(part, Text):
        return _text(part)
    _unmarked(part)
    if part.url is None:
        return {"inlineData": {"mimeType": part.media_type, "data": part.data}}
    return {"fileData": {**_media_type(part), "fileUri": part.url}}


def _media_type(media: Media) -> Json:
    guessed, _ = mimetypes.guess_type((media.url or "").partition("?")[0])
    return {"mimeType": guessed} if guessed else {}


def _text(text: Text) -> Json:
    _unmarked(text)
    return {"text": text.text}


def _unmarked(part: Call | Part | Result | Tool) -> None:
    if part.cache_control:
        raise refuse(f"{part.place}.cache_control", "Gemini caches by itself, or by extra_body.google.cached_content")
