"""Reads OpenAI's tool definitions and the choice among them."""

from dataclasses import dataclass
from typing import Any, Literal

from functions.gateway.core.models import Json
from functions.gateway.core.translation.parameters import Parameters
from functions.gateway.core.translation.parts import known_only
from functions.gateway.core.translation.refusals import refuse


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call.

    Attributes:
        schema: JSON Schema of its arguments; an object without properties when the caller gave none.
        strict: the arguments must fit the schema.
    """

    name: str
    description: str | None
    schema: Json
    strict: bool
    cache_control: Json | None
    place: str


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """What the model must do with the tools.

    Attributes:
        mode: `auto` leaves it to the model, `required` makes it call, `none` forbids it.
        names: the only tools it may call; None for all.
        parallel: it may call several at once.
    """

    mode: Literal["auto", "required", "none"] | None
    names: tuple[str, ...] | None
    parallel: bool


def read_tools(parameters: Parameters) -> tuple[Tool, ...]:
    """The `tools`.

    Raises:
        ProviderRejected: one is not a function, or cannot be read.
    """
    tools = parameters.take("tools")
    if tools is None:
        return ()
    if not isinstance(tools, list):
        raise refuse("tools", "must be a list")
    return tuple(_tool(tool, f"tools[{index}]") for index, tool in enumerate(tools))


def read_tool_choice(parameters: Parameters) -> ToolChoice:
    """The `tool_choice` and `parallel_tool_calls`.

    Raises:
        ProviderRejected: the choice is none of OpenAI's.
    """
    parallel = parameters.flag("parallel_tool_calls") is not False
    choice = parameters.take("tool_choice")
    if choice is None:
        return ToolChoice(None, None, parallel)
    if choice in ("auto", "required", "none"):
        return ToolChoice(choice, None, parallel)
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind == "function":
        return ToolChoice("required", (_name(choice, "tool_choice"),), parallel)
    if kind == "allowed_tools":
        return _allowed(choice.get("allowed_tools"), parallel)
    raise refuse("tool_choice", "must be auto, required, none, or name a function")


def _tool(tool: Any, place: str) -> Tool:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        raise refuse(f"{place}.type", "only functions are offered for this provider")
    known_only(tool, {"type", "function", "cache_control"}, place)
    name = _name(tool, place)
    function = tool["function"]
    known_only(function, {"name", "description", "parameters", "strict"}, f"{place}.function")
    schema = function.get("parameters")
    if schema is None:
        schema = {"type": "object", "properties": {}}
    if not isinstance(schema, dict):
        raise refuse(f"{place}.function.parameters", "must be a JSON Schema")
    strict = function.get("strict") is True
    return Tool(name, function.get("description"), schema, strict, tool.get("cache_control"), place)


def _allowed(allowed: Any, parallel: bool) -> ToolChoice:
    place = "tool_choice.allowed_tools"
    if not isinstance(allowed, dict) or allowed.get("mode") not in ("auto", "required"):
        raise refuse(f"{place}.mode", "must be auto or required")
    tools = allowed.get("tools")
    if not isinstance(tools, list) or not tools:
        raise refuse(f"{place}.tools", "must be a list of tools")
    names = tuple(_name(tool, f"{place}.tools[{index}]") for index, tool in enumerate(tools))
    return ToolChoice(allowed["mode"], names, parallel)


def _name(carrier: Any, place: str) -> str:
    function = carrier.get("function") if isinstance(carrier, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str) or not name:
        raise refuse(f"{place}.function.name", "must be a string")
    return name
