"""The answer of GET /v1/models."""

from typing import Literal

from pydantic import BaseModel


class Model(BaseModel):
    """A model a tenant may call, under its full name."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str


class ModelList(BaseModel):
    """OpenAI's list of models."""

    object: Literal["list"] = "list"
    data: list[Model]
