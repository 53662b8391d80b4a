"""Reads Google's generateContent requests; fields may be camelCase or snake_case, as in protobuf's JSON."""

from typing import Any

import orjson
from pydantic.alias_generators import to_camel

from local.simulator.asks import Ask, Role, Tool, ToolMode, Turn
from local.simulator.fields import Json, integer, known_only, names, required_text, strings, table, tables, text
from local.simulator.refusals import invalid, missing

_FIELDS = names(
    """cachedContent contents generationConfig labels modelArmorConfig safetySettings serviceTier store
    systemInstruction toolConfig tools"""
)
_CONFIG_FIELDS = names(
    """audioTimestamp candidateCount enableAffectiveDialog enableEnhancedCivicAnswers frequencyPenalty imageConfig
    logprobs maxOutputTokens mediaResolution modelConfig presencePenalty responseJsonSchema responseLogprobs
    responseMimeType responseModalities responseSchema routingConfig seed speechConfig stopSequences temperature
    thinkingConfig topK topP"""
)
_ROLES = {None: Role.USER, "user": Role.USER, "model": Role.ASSISTANT, "function": Role.TOOL}
_MODES = {
    "MODE_UNSPECIFIED": ToolMode.AUTO,
    "AUTO": ToolMode.AUTO,
    "VALIDATED": ToolMode.AUTO,
    "ANY": ToolMode.REQUIRED,
    "NONE": ToolMode.NONE,
}


def camel(body: Json) -> Json:
    """The object with its own keys in camelCase; what is below is left alone."""
    return {to_camel(key) if "_" in key else key: value for key, value in body.items()}


def content_ask(body: Json, model: str) -> Ask:
    """A generateContent request.

    Raises:
        Refusal: it does not fit Google's description.
    """
    body = camel(body)
    known_only(body, _FIELDS)
    contents = tables(body, "contents")
    if not contents:
        raise missing("contents")
    config = camel(table(body, "generationConfig"))
    known_only(config, _CONFIG_FIELDS)
    mode, allowed = _tool_choice(camel(table(body, "toolConfig")))
    mime = text(config, "responseMimeType") or "text/plain"
    if mime not in {"text/plain", "application/json", "text/x.enum"}:
        raise invalid("generation_config.response_mime_type", f"allowed mimetypes do not include {mime}")
    schema = table(config, "responseJsonSchema") or table(config, "responseSchema") or None
    return Ask(
        model=model,
        turns=(*_system(body), *(turn for index, content in enumerate(contents) for turn in _turns(content, index))),
        tools=_tools(body),
        tool_mode=mode,
        names=allowed,
        as_json=mime == "application/json",
        schema=schema,
        max_tokens=integer(config, "maxOutputTokens", low=1),
        stop=strings(config, "stopSequences", most=5),
        choices=integer(config, "candidateCount", low=1, high=8) or 1,
    )


def content_text(content: Any) -> str:
    """The text of a content object."""
    if not isinstance(content, dict):
        raise invalid("content", "expected an object")
    return "\n".join(str(part.get("text", "")) for part in tables(content, "parts"))


def _system(body: Json) -> list[Turn]:
    instruction = body.get("systemInstruction")
    return [Turn(Role.SYSTEM, content_text(instruction))] if instruction else []


def _turns(content: Json, index: int) -> list[Turn]:
    """The content as one turn, after one turn for each function response in it."""
    role = content.get("role")
    if role not in _ROLES:
        raise invalid(f"contents[{index}].role", "Please use a valid role: user, model.")
    parts = [camel(part) for part in tables(content, "parts")]
    if not parts:
        raise missing(f"contents[{index}].parts")
    responses = [table(part, "functionResponse") for part in parts if "functionResponse" in part]
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    texts = [str(part["text"]) for part in parts if "text" in part]
    images = sum(1 for part in parts if "inlineData" in part or "fileData" in part)
    turns = [Turn(Role.TOOL, _response(response), tool=str(response.get("name", ""))) for response in responses]
    if responses and not texts and not images:
        return turns
    encoded = orjson.dumps(calls).decode() if calls else ""
    return [*turns, Turn(_ROLES[role], "\n".join(texts), images, encoded)]


def _response(response: Json) -> str:
    """A function's result: bare when it is one value, else as JSON."""
    result = table(response, "response")
    values = list(result.values())
    if len(values) == 1 and isinstance(values[0], str):
        return values[0]
    return orjson.dumps(result).decode()


def _tools(body: Json) -> tuple[Tool, ...]:
    declared = [
        camel(function) for tool in tables(body, "tools") for function in tables(camel(tool), "functionDeclarations")
    ]
    return tuple(
        Tool(
            required_text(function, "name"),
            text(function, "description"),
            table(function, "parametersJsonSchema") or table(function, "parameters"),
        )
        for function in declared
    )


def _tool_choice(config: Json) -> tuple[ToolMode, tuple[str, ...]]:
    calling = camel(table(config, "functionCallingConfig"))
    mode = calling.get("mode") or "AUTO"
    if mode not in _MODES:
        raise invalid("tool_config.function_calling_config.mode", f'"{mode}"')
    return _MODES[mode], strings(calling, "allowedFunctionNames", most=512)
