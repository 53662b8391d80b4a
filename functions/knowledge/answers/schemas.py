"""Questions and grounded answers on the wire."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from functions.kit.models import ApiModel
from functions.knowledge.core.answers import Answer, Question
from functions.knowledge.core.support import Claim, Verdict
from functions.knowledge.filter_schemas import Filter
from functions.knowledge.search.schemas import CorpusIds, FoundPassage, LeftOut, Query
from functions.knowledge.wire_types import Model


class Turn(ApiModel):
    """One message of the conversation."""

    role: Literal["user", "assistant"]
    content: Annotated[str, Field(max_length=100_000, pattern=r"^[^\x00]*$")]


class AnswerQuery(ApiModel):
    """A question, by itself or at the end of a conversation."""

    question: Query
    conversation: Annotated[
        list[Turn], Field(default_factory=list, max_length=100, description="What was said before, oldest first.")
    ]
    model: Annotated[Model | None, Field(description="As the gateway names it; null for the tenant's default.")] = None
    corpus_ids: CorpusIds = None
    filters: Filter | None = None
    rerank: bool = False
    diversity: Annotated[float, Field(ge=0, le=1)] = 0.0
    context_tokens: Annotated[int, Field(ge=200, le=100_000, description="Tokens of passages to answer from.")] = 3_000
    follow_ups: Annotated[bool, Field(description="Suggest what to ask next.")] = False

    @model_validator(mode="after")
    def _ends_with_an_answer(self) -> "AnswerQuery":
        if self.conversation and self.conversation[-1].role != "assistant":
            raise ValueError("the conversation ends with an answer; the question goes into `question`")
        return self

    def asked(self) -> Question:
        """As the use case takes it."""
        before = [{"role": turn.role, "content": turn.content} for turn in self.conversation]
        return Question(
            [*before, {"role": "user", "content": self.question}],
            model=self.model,
            corpus_ids=self.corpus_ids,
            condition=self.filters.condition() if self.filters else None,
            rerank=self.rerank,
            diversity=self.diversity,
            budget=self.context_tokens,
            follow_ups=self.follow_ups,
        )


class Citation(FoundPassage):
    """A passage that the answer could cite; `number` is that of its markers."""

    number: int
    cited: Annotated[bool, Field(description="Whether a sentence that it supports names it.")]


class CheckedClaim(ApiModel):
    """A sentence of the answer."""

    text: str
    start: Annotated[int, Field(description="Where it begins in the answer, in characters.")]
    end: int
    citations: list[int]
    verdict: Verdict
    overlap: Annotated[float, Field(description="Share of its meaningful words that the cited passages have.")]
    closest: Annotated[int, Field(description="The passage that has most of them; 0 for none.")]

    @classmethod
    def of(cls, claim: Claim) -> "CheckedClaim":
        """From the use case's."""
        return cls(
            text=claim.text,
            start=claim.start,
            end=claim.end,
            citations=list(claim.citations),
            verdict=claim.verdict,
            overlap=claim.overlap,
            closest=claim.closest,
        )


class GroundedAnswer(ApiModel):
    """An answer and what it rests on."""

    answer: str
    question: Annotated[str, Field(description="The question by itself, as it was searched for.")]
    model: str
    abstained: Annotated[bool, Field(description="The passages do not say.")]
    grounded: Annotated[bool, Field(description="Every claim is supported by what it cites.")]
    claims: list[CheckedClaim]
    citations: list[Citation]
    follow_ups: list[str]
    degraded: list[LeftOut]
    prompt_version: Annotated[
        int | None, Field(description="Of the tenant's own prompt `knowledge.answer`; null for the platform's.")
    ]
    usage: Annotated[dict[str, Any] | None, Field(description="Tokens as the gateway counted them.")]

    @classmethod
    def of(cls, answer: Answer) -> "GroundedAnswer":
        """From the use case's."""
        supported = {n for claim in answer.claims if claim.verdict == "supported" for n in claim.citations}
        verdicts = {claim.verdict for claim in answer.claims}
        return cls(
            answer=answer.text,
            question=answer.grounding.question,
            model=answer.grounding.model,
            abstained=answer.abstained,
            grounded=not answer.abstained and verdicts <= {"supported", "not_a_claim"},
            claims=[CheckedClaim.of(claim) for claim in answer.claims],
            citations=[
                Citation(**Citation.fields(passage), number=number, cited=number in supported)
                for number, passage in enumerate(answer.grounding.passages, start=1)
            ],
            follow_ups=list(answer.follow_ups),
            degraded=[LeftOut.of(degradation) for degradation in answer.degraded],
            prompt_version=answer.grounding.prompt_version,
            usage=dict(answer.usage) if answer.usage else None,
        )
