"""OpenAI's chat format, as far as answers from documents have a use for it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from functions.kit.models import ApiModel
from functions.kit.openai_models import asked_model
from functions.kit.storable import encoded
from functions.knowledge.core.answers import Question
from functions.knowledge.core.doc_chat import MODEL
from functions.knowledge.filter_schemas import Filter
from functions.knowledge.search.schemas import CorpusIds

_PASSED_ON = (
    "frequency_penalty",
    "max_completion_tokens",
    "max_tokens",
    "presence_penalty",
    "reasoning_effort",
    "seed",
    "stop",
    "temperature",
    "top_p",
    "user",
)


class DocChatMessage(BaseModel):
    """One message of the conversation."""

    model_config = ConfigDict(extra="ignore")

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[dict[str, Any]] | None = None


class KnowledgeOptions(ApiModel):
    """What to answer from; an extension of OpenAI's request."""

    corpus_ids: CorpusIds = None
    filters: Filter | None = None
    rerank: bool = False
    diversity: Annotated[float, Field(ge=0, le=1)] = 0.0
    context_tokens: Annotated[int, Field(ge=200, le=100_000)] = 3_000


class DocChatRequest(BaseModel):
    """OpenAI's chat completion request; what is not known here is ignored."""

    model_config = ConfigDict(extra="allow")

    model: Annotated[str, Field(max_length=300, description="`doc-chat`, or `doc-chat/` and a model of the gateway.")]
    messages: Annotated[list[DocChatMessage], Field(min_length=1, max_length=1_000)]
    stream: bool | None = None
    knowledge: KnowledgeOptions = KnowledgeOptions()

    @field_validator("model")
    @classmethod
    def _known(cls, name: str) -> str:
        asked_model(name, MODEL)
        return name

    @field_validator("messages")
    @classmethod
    def _asks(cls, messages: list[DocChatMessage]) -> list[DocChatMessage]:
        if not any(message.role == "user" and message.content for message in messages):
            raise ValueError("no message of a user asks anything")
        encoded([message.content for message in messages], "messages")
        return messages

    def asked(self) -> Question:
        """As the use case takes it."""
        extra = self.model_extra or {}
        passed_on = (*_PASSED_ON, "stream_options") if self.stream else _PASSED_ON
        return Question(
            [message.model_dump() for message in self.messages],
            model=asked_model(self.model, MODEL),
            corpus_ids=self.knowledge.corpus_ids,
            condition=self.knowledge.filters.condition() if self.knowledge.filters else None,
            rerank=self.knowledge.rerank,
            diversity=self.knowledge.diversity,
            budget=self.knowledge.context_tokens,
            options={name: extra[name] for name in passed_on if extra.get(name) is not None},
        )
