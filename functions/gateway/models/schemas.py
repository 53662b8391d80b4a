"""The answers of GET /v1/models and GET /v1/models/{model}."""

from typing import Literal

from pydantic import BaseModel, Field

from functions.gateway.core.catalogue import NamedModel


class Model(BaseModel):
    """A model a tenant may call, under a name that requests may use."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = Field(description="The provider's name.")
    root: str = Field(description="`provider/model`, which an alias leads to.")

    @classmethod
    def of(cls, named: NamedModel) -> "Model":
        """From what the use case gives."""
        return cls(id=named.name, owned_by=named.target.provider.name, root=named.full_name)


class ModelList(BaseModel):
    """OpenAI's list of models."""

    object: Literal["list"] = "list"
    data: list[Model]
