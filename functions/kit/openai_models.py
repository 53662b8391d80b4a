"""OpenAI's list of models, for the functions that are one to its clients."""

from typing import Literal

from pydantic import BaseModel


class OpenAIModel(BaseModel):
    """A model that a client may name."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str


class OpenAIModels(BaseModel):
    """The list."""

    object: Literal["list"] = "list"
    data: list[OpenAIModel]
