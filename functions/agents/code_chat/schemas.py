"""OpenAI's chat format, as far as an agent has a use for it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from functions.agents.core.code_chat import MODEL
from functions.agents.core.executions import Order
from functions.agents.core.models import Limits
from functions.kit.openai_models import asked_model

_GRAPH = "code-assistant"
# Somebody sits before it.
_LIMITS = Limits(steps=30, seconds=600)
_ROLES = {"developer": "system", "system": "system", "user": "user", "assistant": "assistant"}


class CodeChatMessage(BaseModel):
    """One message of the conversation."""

    model_config = ConfigDict(extra="ignore")

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[dict[str, Any]] | None = None

    def text(self) -> str:
        """What it says."""
        if isinstance(self.content, list):
            return "\n".join(str(part.get("text") or "") for part in self.content if part.get("type") == "text")
        return self.content or ""


class CodeChatRequest(BaseModel):
    """OpenAI's chat completion request; what is not known here is ignored."""

    model_config = ConfigDict(extra="ignore")

    model: Annotated[str, Field(max_length=300, description="`code-chat`, or `code-chat/` and a model of the gateway.")]
    messages: Annotated[list[CodeChatMessage], Field(min_length=1, max_length=200)]
    stream: bool | None = None

    @field_validator("model")
    @classmethod
    def _known(cls, name: str) -> str:
        asked_model(name, MODEL)
        return name

    @field_validator("messages")
    @classmethod
    def _asks(cls, messages: list[CodeChatMessage]) -> list[CodeChatMessage]:
        if not any(message.role == "user" and message.text() for message in messages):
            raise ValueError("no message of a user asks anything")
        return messages

    def order(self) -> Order:
        """The execution that answers it."""
        said = [
            {"role": _ROLES[message.role], "content": text}
            for message in self.messages
            if message.role in _ROLES and (text := message.text())
        ]
        given = {"messages": said, "reflections": 0}
        return Order(_GRAPH, given, None, asked_model(self.model, MODEL), _LIMITS, stream=bool(self.stream))
