"""Answers a question from a tenant's passages, every sentence checked against what it cites."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from functions.kit.errors import DcoderError
from functions.kit.service_tokens import OnBehalf
from functions.knowledge.core.answer_ports import ChatModel, DefaultModels, Prompts
from functions.knowledge.core.filters import Condition
from functions.knowledge.core.models import Reader, Space
from functions.knowledge.core.packing import pack, prompt
from functions.knowledge.core.prompts import ANSWER, FOLLOW_UPS, REWRITE
from functions.knowledge.core.search import Degradation, Search, SearchRequest
from functions.knowledge.core.search_ports import Passage
from functions.knowledge.core.support import ABSTENTION, Claim, abstains, check

_SEARCHED = 24
_REMEMBERED = 8
_REWRITTEN_TOKENS = 200
_LONGEST_QUESTION = 4_000
_SHORT, _GROWS = 200, 3

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        messages: the conversation as OpenAI's messages; its last one of a user is the question.
        model: as the gateway names it; None for the tenant's default.
        budget: tokens of passages that the model is shown.
        options: what else the model is told (`temperature`, `max_tokens`, …), as it came.
    """

    messages: Sequence[Message]
    model: str | None = None
    corpus_ids: Sequence[str] | None = None
    condition: Condition | None = None
    rerank: bool = False
    diversity: float = 0.0
    budget: int = 3_000
    follow_ups: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grounding:
    """What an answer is made from.

    Attributes:
        question: the question by itself, as it was searched for.
        passages: those that the model is shown; passage 1 is the first.
        body: the request that asks the model; None where there is nothing to answer from.
        prompt_version: of the tenant's own instructions; None for the released ones.
    """

    question: str
    model: str
    passages: Sequence[Passage]
    body: Mapping[str, Any] | None
    degraded: Sequence[Degradation] = ()
    prompt_version: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, checked.

    Attributes:
        abstained: the passages do not say, and so says the answer.
        usage: as the gateway told it; None where no model was asked.
        finish: why the model ended, as OpenAI names it.
    """

    text: str
    grounding: Grounding
    claims: Sequence[Claim]
    abstained: bool
    follow_ups: Sequence[str] = ()
    usage: Mapping[str, Any] | None = None
    degraded: Sequence[Degradation] = ()
    finish: str = "stop"


class Answers:
    """The use case."""

    def __init__(self, search: Search, chat: ChatModel, models: DefaultModels, prompts: Prompts) -> None:
        self._search = search
        self._chat = chat
        self._models = models
        self._prompts = prompts

    async def ground(self, space: Space, reader: Reader, behalf: OnBehalf, asked: Question) -> Grounding:
        """Find what the question can be answered from.

        Raises:
            CorpusNotFound: a corpus is not there, or not for the reader.
            NoDefaultModel: no model is named, and the tenant has none.
            DependencyUnavailable: the store is away.
        """
        model = asked.model or await self._models.chat(behalf.tenant_id)
        question, degraded = await self._standalone(behalf, model, asked.messages)
        wanted = SearchRequest(
            question,
            asked.corpus_ids,
            asked.condition,
            top_k=_SEARCHED,
            rerank=asked.rerank,
            diversity=asked.diversity,
            highlight=False,
        )
        found = await self._search(space, reader, behalf, wanted)
        passages = pack([hit.passage for hit in found.hits], asked.budget)
        degraded = (*degraded, *found.degraded)
        if not passages:
            return Grounding(question, model, (), None, degraded)
        instructions = await self._prompts.find(behalf.tenant_id, ANSWER)
        body = {**asked.options, "model": model, "messages": prompt(instructions.text, question, passages)}
        return Grounding(question, model, passages, body, degraded, instructions.version)

    async def __call__(self, space: Space, reader: Reader, behalf: OnBehalf, asked: Question) -> Answer:
        """The answer.

        Raises:
            DcoderError: as `ground`, or what the gateway answers instead.
        """
        grounding = await self.ground(space, reader, behalf, asked)
        if grounding.body is None:
            return self.checked(grounding, ABSTENTION)
        completion = await self._chat.complete(behalf, grounding.body)
        answer = self.checked(grounding, _content(completion))
        answer = replace(answer, usage=completion.get("usage"), finish=_finish(completion))
        return await self._with_follow_ups(behalf, answer) if asked.follow_ups and not answer.abstained else answer

    async def stream(self, behalf: OnBehalf, grounding: Grounding) -> AsyncIterator[Mapping[str, Any]]:
        """The answer's chunks, as OpenAI's objects, as the model writes them; nothing where there is nothing to ask.

        Raises:
            DcoderError: what the gateway answers instead.
        """
        if grounding.body is not None:
            async for chunk in self._chat.stream(behalf, grounding.body):
                yield chunk

    def checked(self, grounding: Grounding, text: str) -> Answer:
        """A whole answer with what is to be thought of each of its sentences."""
        claims = check(text, [passage.chunk.text for passage in grounding.passages])
        abstained = not grounding.passages or abstains(text)
        return Answer(text, grounding, claims, abstained, degraded=grounding.degraded)

    async def _standalone(
        self, behalf: OnBehalf, model: str, messages: Sequence[Message]
    ) -> tuple[str, tuple[Degradation, ...]]:
        """The last question by itself; as it stands where there is nothing before it, or no model to rewrite it."""
        turns = [(str(message["role"]), _text(message)) for message in messages if message.get("role") != "system"]
        question = next((text for role, text in reversed(turns) if role == "user" and text), "")[:_LONGEST_QUESTION]
        if len(turns) < 2:
            return question, ()
        told = "\n".join(f"{role}: {text[:_LONGEST_QUESTION]}" for role, text in turns[-_REMEMBERED:])
        instructions = await self._prompts.find(behalf.tenant_id, REWRITE)
        body = {
            "model": model,
            "temperature": 0,
            "max_tokens": _REWRITTEN_TOKENS,
            "messages": [
                {"role": "system", "content": instructions.text},
                {"role": "user", "content": f"Conversation:\n{told}\n\nRewrite this question: {question}"},
            ],
        }
        try:
            rewritten = _content(await self._chat.complete(behalf, body)).strip()
        except DcoderError as error:
            return question, (Degradation("rewrite", error.code, error.message),)
        # A model that chats instead of rewriting says much more than was asked.
        longest = max(_SHORT, _GROWS * len(question))
        return (rewritten if 0 < len(rewritten) <= longest else question), ()

    async def _with_follow_ups(self, behalf: OnBehalf, answer: Answer) -> Answer:
        instructions = await self._prompts.find(behalf.tenant_id, FOLLOW_UPS)
        messages = [
            *(answer.grounding.body or {})["messages"],
            {"role": "assistant", "content": answer.text},
            {"role": "user", "content": instructions.text},
        ]
        try:
            told = _content(await self._chat.complete(behalf, {"model": answer.grounding.model, "messages": messages}))
            suggested = [str(question) for question in orjson.loads(told[told.index("[") : told.rindex("]") + 1])]
        except DcoderError as error:
            left_out = Degradation("follow_ups", error.code, error.message)
            return replace(answer, degraded=(*answer.degraded, left_out))
        except (ValueError, TypeError):
            left_out = Degradation("follow_ups", "model_refused", "the model does not suggest questions as asked")
            return replace(answer, degraded=(*answer.degraded, left_out))
        return replace(answer, follow_ups=tuple(suggested[:3]))


def _finish(completion: Mapping[str, Any]) -> str:
    choices = completion.get("choices") or [{}]
    return str(choices[0].get("finish_reason") or "stop")


def _content(completion: Mapping[str, Any]) -> str:
    choices = completion.get("choices") or [{}]
    return str((choices[0].get("message") or {}).get("content") or "")


def _text(message: Message) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if part.get("type") == "text").strip()
    return str(content or "").strip()
