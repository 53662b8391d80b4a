"""What is said to an execution that runs, or has failed."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from functions.agents.core.models import Decision, Json
from functions.kit.models import ApiModel

Text = Annotated[str, Field(max_length=20_000, pattern=r"^[^\x00]*$")]


class RetryBody(ApiModel):
    """From where on it is to be done again."""

    from_step: Annotated[
        int | None, Field(ge=1, le=10_000, description="Absent: the one that failed. Steps before it are kept.")
    ] = None


class Word(ApiModel):
    """What somebody says to an interrupt."""

    decision: Decision
    comment: Annotated[Text, Field(description="Told to the model when it is refused.")] = ""
    answer: Annotated[Text, Field(description="To a question.")] = ""

    @model_validator(mode="after")
    def _answers(self) -> Self:
        if self.decision == "answer" and not self.answer.strip():
            raise ValueError("decision answer needs an answer")
        return self

    def word(self) -> Json:
        """As the use case takes it."""
        return self.model_dump()
