"""Bodies of PATCH: what is left out stays as it is (RFC 7396)."""

from typing import Any, ClassVar, Self

from pydantic import model_validator

from functions.kit.models import ApiModel


class Patch(ApiModel):
    """Base of them. Every field has the default None, which says "left out"; to send null clears a field.

    Attributes:
        clearable: fields that may be null.
    """

    clearable: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="after")
    def _only_clears_what_can_be_clear(self) -> Self:
        for name in self.model_fields_set - self.clearable:
            if getattr(self, name) is None:
                raise ValueError(f"{type(self).model_fields[name].alias or name} cannot be null")
        return self

    def given(self) -> dict[str, Any]:
        """The fields that were sent, as they were parsed."""
        return {name: getattr(self, name) for name in self.model_fields_set}
