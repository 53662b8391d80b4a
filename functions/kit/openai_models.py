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


def asked_model(name: str, own: str) -> str | None:
    """The gateway's model in `own/provider/model`; None for `own` alone, the tenant's default.

    Args:
        own: the function's own name among models.

    Raises:
        ValueError: it is no model of that function.
    """
    head, slash, rest = name.partition("/")
    if head != own or (slash and not rest):
        raise ValueError(f"the models are {own} and {own}/<a model of the gateway>")
    return rest or None
