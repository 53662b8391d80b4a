"""Base of the models that cross the wire."""

from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel


class ApiModel(BaseModel):
    """camelCase on the wire, snake_case in code, unknown fields refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", from_attributes=True)


def _check_sendable(secret: SecretStr) -> SecretStr:
    # One with a line's end, as it is easily copied, is in no header's value.
    if not secret.get_secret_value().isprintable():
        raise ValueError("must be printable characters")
    return secret


SentSecret = Annotated[SecretStr, Field(min_length=1, max_length=8_192), AfterValidator(_check_sendable)]
"""A credential that the platform sends for a tenant, in a header perhaps."""

Item = TypeVar("Item")


class Page(ApiModel, Generic[Item]):
    """One page of a listing; `nextCursor` is null on the last."""

    items: list[Item]
    next_cursor: str | None = None
