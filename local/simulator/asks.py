"""A chat call, and the answer to it, in the terms that all providers share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

import orjson

from local.simulator import tokens


class Role(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message.

    Attributes:
        images: parts that are no text; each costs a fixed number of tokens.
        calls: the assistant's tool calls as text; counted, never read.
        tool: the tool's name when the turn is a tool's result.
    """

    role: Role
    text: str
    images: int = 0
    calls: str = ""
    tool: str = ""

    @property
    def tokens(self) -> int:
        """Tokens of this message with the fixed overhead of each."""
        body = tokens.count(self.text) + tokens.count(self.calls)
        return tokens.PER_MESSAGE + body + self.images * tokens.PER_IMAGE


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; `parameters` is JSON Schema."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """Tokens of the definition."""
        return tokens.count(self.name + " " + self.description) + tokens.count(orjson.dumps(self.parameters).decode())


class ToolMode(StrEnum):
    """How far the client forces a tool call."""

    NONE = "none"
    AUTO = "auto"
    REQUIRED = "required"


@dataclass(frozen=True)
class Ask:
    """One chat call.

    Attributes:
        names: tools that a forced call is limited to; all when empty.
        parallel: whether one answer may hold several tool calls.
        as_json: the answer shall be JSON; of `schema` when that is given.
        choices: how many answers are wanted.
        plain: a bare prompt without chat framing (legacy completions), so without its token overhead.
    """

    model: str
    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    tool_mode: ToolMode = ToolMode.AUTO
    names: tuple[str, ...] = ()
    parallel: bool = True
    as_json: bool = False
    schema: Mapping[str, Any] | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    choices: int = 1
    plain: bool = False

    @cached_property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt, as they are reported and billed."""
        if self.plain:
            return sum(tokens.count(turn.text) for turn in self.turns)
        messages = sum(turn.tokens for turn in self.turns)
        return messages + sum(tool.tokens for tool in self.tools) + tokens.PER_REPLY

    @property
    def question(self) -> str:
        """The text of the last user message."""
        return next((turn.text for turn in reversed(self.turns) if turn.role is Role.USER), "")

    @property
    def last(self) -> Turn:
        """The last message."""
        return self.turns[-1]


class Finish(StrEnum):
    """Why an answer ended."""

    STOP = "stop"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model asks for; `arguments` fits the tool's schema."""

    name: str
    arguments: Mapping[str, Any]

    @property
    def encoded(self) -> str:
        """The arguments as JSON text."""
        return orjson.dumps(self.arguments).decode()

    @property
    def tokens(self) -> int:
        """Generated tokens: those of the name and of the JSON text."""
        return tokens.count(self.name) + tokens.count(self.encoded)


@dataclass(frozen=True, slots=True)
class Answer:
    """One choice: text or tool calls.

    Attributes:
        stopped_by: the stop sequence that ended it.
    """

    text: str
    finish: Finish
    calls: tuple[ToolCall, ...] = ()
    stopped_by: str | None = None

    @property
    def tokens(self) -> int:
        """Generated tokens, as they are reported and billed."""
        return tokens.count(self.text) + sum(call.tokens for call in self.calls)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that an answer reports.

    Attributes:
        cached: of the prompt, read from the provider's cache.
        written: of the prompt, written to it.
        reasoning: of the completion, thoughts.
    """

    prompt: int
    completion: int
    cached: int = 0
    written: int = 0
    reasoning: int = 0

    @property
    def total(self) -> int:
        """Both together."""
        return self.prompt + self.completion
