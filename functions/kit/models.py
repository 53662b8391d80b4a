"""Base of the models that cross the wire."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class ApiModel(BaseModel):
    """camelCase on the wire, snake_case in code, unknown fields refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", from_attributes=True)


Item = TypeVar("Item")


class Page(ApiModel, Generic[Item]):
    """One page of a listing; `nextCursor` is null on the last."""

    items: list[Item]
    next_cursor: str | None = None
