"""A request to Anthropic's Messages API, for any provider.

Source: platform.claude.com/docs/en/api/messages, …/beta-headers.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from functions.gateway.core.dialects import ChunkReader, EventWriter
from functions.gateway.core.models import Json, Target
from functions.gateway.core.outlines import outline_of
from functions.gateway.core.translation.anthropic_response import chat_completion
from functions.gateway.core.translation.anthropic_stream import AnthropicStream
from functions.gateway.core.translation.messages_request import chat_request
from functions.gateway.core.translation.messages_response import message
from functions.gateway.core.translation.messages_stream import MessageStream
from functions.gateway.core.translation.reasoning_items import is_sealed
from functions.gateway.core.translation.refusals import refuse

# Anthropic runs these itself and bills them by use, which no count of tokens shows.
_HOSTED = ("web_search", "web_fetch", "code_execution", "tool_search", "mcp_toolset", "advisor")
_STATEFUL = ("mcp_servers", "container")
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}")
# What may be tried before it is released: nothing that keeps state at Anthropic, or calls others from there.
_BETAS: Final = (
    "claude-code",
    "compact",
    "computer-use",
    "context-1m",
    "context-management",
    "effort",
    "extended-cache-ttl",
    "fine-grained-tool-streaming",
    "interleaved-thinking",
    "max-tokens-3-5-sonnet",
    "mid-conversation-output-config",
    "model-context-window-exceeded",
    "output-128k",
    "output-300k",
    "pdfs",
    "prompt-caching",
    "redact-thinking",
    "structured-outputs",
    "task-budgets",
    "thinking-display-updates",
    "thinking-token-count",
    "token-counting",
    "token-efficient-tools",
)
_BETA = re.compile(rf"({'|'.join(_BETAS)})-\d{{4}}-\d{{2}}-\d{{2}}")


class Messages:
    """One request.

    Args:
        headers: the caller's; of them `anthropic-version` and `anthropic-beta` mean something.
    """

    api: ClassVar[str] = "messages"

    def __init__(self, request: Json, headers: Mapping[str, str]) -> None:
        self.request = request
        self.headers: Mapping[str, str] = {
            name: headers[name] for name in ("anthropic-version", "anthropic-beta") if headers.get(name, "").strip()
        }

    def chat(self, target: Target) -> Json:
        """The request as OpenAI's chat request.

        Raises:
            ProviderRejected: something in it has no equal there.
        """
        return {**chat_request(self.request, target.provider.kind, target.model), "model": target.model}

    def outline(self) -> Json:
        """A chat as long as the request."""
        return outline_of(self.request, "max_tokens")

    def native(self, target: Target, most_tokens: int | None, *, stream: bool) -> Json:
        """The request as Anthropic gets it.

        Raises:
            ProviderRejected: it asks for what Anthropic keeps or bills apart, or for a beta that is not let through.
        """
        self._check_headers()
        for name in _STATEFUL:
            if self.request.get(name):
                raise refuse(name, "is not offered here")
        for index, tool in enumerate(_tools(self.request)):
            if str(tool.get("type")).startswith(_HOSTED):
                raise refuse(f"tools[{index}].type", "tools that Anthropic runs itself are not offered here")
        body = {name: value for name, value in self.request.items() if name != "stream"}
        body |= self._without_others_thoughts()
        limit = {} if most_tokens is None or self.request.get("max_tokens") == 0 else {"max_tokens": most_tokens}
        return {**body, **limit, **({"stream": True} if stream else {}), "model": target.model}

    def _without_others_thoughts(self) -> Json:
        """The messages without what other providers' models thought: Anthropic takes nothing that it did not sign."""
        messages = self.request.get("messages")
        if not isinstance(messages, list) or not any(map(_has_others_thoughts, messages)):
            return {}
        return {
            "messages": [
                {**message, "content": [block for block in message["content"] if not _is_others_thought(block)]}
                if _has_others_thoughts(message)
                else message
                for message in messages
            ]
        }

    def turns(self) -> list[Json]:
        """The messages; those up to the last mark for Anthropic's prompt cache as ones that must not change.

        Were they others, the cache would be of no use. None where the request itself is marked.
        """
        messages = self.request.get("messages")
        if self.request.get("cache_control") or not isinstance(messages, list):
            return []
        if not all(isinstance(message, dict) for message in messages):
            return []
        marked = max((at for at, message in enumerate(messages) if _is_marked(message)), default=-1)
        return [{**message, "role": "system"} if at <= marked else message for at, message in enumerate(messages)]

    def with_turns(self, turns: list[Json]) -> "Messages":
        """The same request with the texts of these messages."""
        pairs = zip(self.request["messages"], turns, strict=True)
        said = [{**message, "content": turn["content"]} if "content" in turn else message for message, turn in pairs]
        return Messages({**self.request, "messages": said}, self.headers)

    def is_told(self, event: Json) -> bool:
        """Everything that Anthropic streams is."""
        del event
        return True

    def completion(self, answer: Json) -> Json:
        """Anthropic's message as a chat completion."""
        return chat_completion(answer)

    def reader(self) -> ChunkReader:
        """Reads Anthropic's events."""
        return AnthropicStream()

    def answer(self, completion: Json) -> Json:
        """A chat completion as a message."""
        return message(completion)

    def writer(self) -> EventWriter:
        """Tells a chat completion in Anthropic's events."""
        return MessageStream()

    def _check_headers(self) -> None:
        version = self.headers.get("anthropic-version")
        if version is not None and not _VERSION.fullmatch(version):
            raise refuse("anthropic-version", "must be a date, such as 2023-06-01")
        named = (beta.strip() for beta in self.headers.get("anthropic-beta", "").split(","))
        if unknown := next((beta for beta in named if beta and not _BETA.fullmatch(beta)), None):
            raise refuse("anthropic-beta", f"{unknown[:80]!r} is not let through")


def _has_others_thoughts(message: Any) -> bool:
    """Whether something is left of a message without them."""
    if not isinstance(message, Mapping) or message.get("role") != "assistant":
        return False
    content = message.get("content")
    return isinstance(content, list) and 0 < sum(map(_is_others_thought, content)) < len(content)


def _is_others_thought(block: Any) -> bool:
    return isinstance(block, Mapping) and block.get("type") == "thinking" and _is_unsigned(block)


def _is_unsigned(block: Mapping[str, Any]) -> bool:
    return block.get("signature") == "" or is_sealed(block.get("signature"))


def _is_marked(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value.get("cache_control")) or any(map(_is_marked, value.values()))
    return isinstance(value, list) and any(map(_is_marked, value))


def _tools(request: Json) -> list[Mapping[str, Any]]:
    tools = request.get("tools")
    return [tool for tool in tools if isinstance(tool, Mapping)] if isinstance(tools, list) else []
