"""The prompt library on the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, model_validator

from functions.kit.models import ApiModel
from functions.llmops.core.models import Prompt as CorePrompt
from functions.llmops.core.models import Version as CoreVersion
from functions.llmops.core.prompts import MOST_VERSIONS, Draft

NAME = r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$"
LABEL = r"^[a-z0-9]([a-z0-9_-]{0,30}[a-z0-9])?$"

_TEXT = r"^[^\x00]*$"
Number = Annotated[int, Field(ge=1, le=MOST_VERSIONS)]
Template = Annotated[
    str,
    Field(min_length=1, max_length=32_000, pattern=_TEXT, description=r"`{{name}}` is a variable, `\{{` are braces."),
]
Note = Annotated[str, Field(max_length=2_000, pattern=_TEXT, description="What there is to say of this version.")]


class VersionBody(ApiModel):
    """A text for models."""

    template: Template
    note: Note = ""

    def draft(self) -> Draft:
        """As the use case takes it."""
        return Draft(self.template, self.note)


class CreatePromptBody(VersionBody):
    """A prompt with its first version."""

    name: Annotated[str, Field(pattern=NAME)]
    description: Annotated[str, Field(max_length=2_000, pattern=_TEXT)] = ""


class DeployBody(ApiModel):
    """What is to hold for a label."""

    version: Number


class RenderBody(ApiModel):
    """Which version is to be filled in, and with what: by its number, by a label, or the newest."""

    version: Number | None = None
    label: Annotated[str | None, Field(pattern=LABEL)] = None
    variables: Annotated[
        dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=100_000, pattern=_TEXT)]],
        Field(max_length=200),
    ] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_one_version(self) -> Self:
        if self.version is not None and self.label is not None:
            raise ValueError("a version is named by its number or by a label, not by both")
        return self


class Prompt(ApiModel):
    """A prompt and what of it is deployed."""

    name: str
    description: str
    latest_version: int
    labels: Annotated[Mapping[str, int], Field(description="Which version is deployed under which label.")]
    created_by: str
    created_at: datetime

    @classmethod
    def of(cls, prompt: CorePrompt) -> "Prompt":
        """From the core's."""
        return cls(**_fields(prompt))


class PromptVersion(ApiModel):
    """One text of a prompt; it never changes."""

    number: int
    template: str
    variables: list[str]
    note: str
    created_by: str
    created_at: datetime


class CreatedPrompt(Prompt):
    """A prompt with its first version."""

    version: PromptVersion

    @classmethod
    def made(cls, prompt: CorePrompt, version: CoreVersion) -> "CreatedPrompt":
        """From the core's."""
        return cls(**_fields(prompt), version=PromptVersion.model_validate(version))


class PromptDeployment(ApiModel):
    """Something that was done to a label."""

    label: str
    version: Annotated[int | None, Field(description="Null where the label was taken from the prompt.")]
    created_by: str
    created_at: datetime


class RenderedPrompt(ApiModel):
    """A version with its variables filled in."""

    version: int
    text: str


def _fields(prompt: CorePrompt) -> dict[str, object]:
    names = ("name", "description", "labels", "created_by", "created_at")
    return {"latest_version": prompt.latest, **{name: getattr(prompt, name) for name in names}}
