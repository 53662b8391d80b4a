"""Filters on the wire: one condition an object, nested by `and`, `or` and `not`."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from functions.kit.models import ApiModel
from functions.knowledge.core.filters import (
    LONGEST_TEXT,
    OWN_FIELDS,
    All,
    Between,
    Condition,
    Exists,
    Not,
    OneOf,
    Some,
    comparable,
)

_DEEPEST = 8
_MOST = 64

FieldName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
Text = Annotated[str, Field(max_length=LONGEST_TEXT, pattern=r"^[^\x00]*$")]
Number = Annotated[float, Field(allow_inf_nan=False)]
Value = bool | Number | Text
Bound = Number | Text


class Range(ApiModel):
    """Bounds of a value: numbers, or texts (RFC 3339 times sort as texts)."""

    gte: Bound | None = None
    gt: Bound | None = None
    lte: Bound | None = None
    lt: Bound | None = None

    @model_validator(mode="after")
    def _bounds_agree(self) -> "Range":
        kinds = {isinstance(bound, str) for bound in (self.gte, self.gt, self.lte, self.lt) if bound is not None}
        if len(kinds) != 1:
            raise ValueError("a range needs bounds, either all numbers or all texts")
        return self


class Filter(ApiModel):
    """Exactly one condition.

    A field is one of the document's metadata (`owner.name` for nested ones), or its own: `@document`, `@name`, `@kind`,
    `@language`, `@path`, `@symbol`.
    """

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    eq: Annotated[dict[FieldName, Value] | None, Field(min_length=1, max_length=1)] = None
    in_: Annotated[
        dict[FieldName, Annotated[list[Value], Field(min_length=1, max_length=1_000)]] | None,
        Field(alias="in", min_length=1, max_length=1),
    ] = None
    range: Annotated[dict[FieldName, Range] | None, Field(min_length=1, max_length=1)] = None
    exists: FieldName | None = None
    and_: Annotated[list["Filter"] | None, Field(alias="and", min_length=1, max_length=_MOST)] = None
    or_: Annotated[list["Filter"] | None, Field(alias="or", min_length=1, max_length=_MOST)] = None
    not_: Annotated["Filter | None", Field(alias="not")] = None

    @model_validator(mode="after")
    def _one_condition(self) -> "Filter":
        if len(self._given()) != 1:
            raise ValueError("a filter is exactly one of eq, in, range, exists, and, or, not")
        for field in (*(self.eq or ()), *(self.in_ or ()), *(self.range or ()), self.exists or ""):
            if field.startswith("@") and field not in OWN_FIELDS:
                raise ValueError(f"there is no field {field}; there are {', '.join(OWN_FIELDS)}")
        if self._depth() > _DEEPEST or self._count() > _MOST:
            raise ValueError(f"filters may be nested {_DEEPEST} deep and have {_MOST} conditions")
        return self

    def condition(self) -> Condition:
        """As the use case takes it."""
        if self.eq is not None:
            return next(OneOf(field, (comparable(value),)) for field, value in self.eq.items())
        if self.in_ is not None:
            return next(OneOf(field, tuple(map(comparable, values))) for field, values in self.in_.items())
        if self.range is not None:
            return next(Between(field, r.gte, r.gt, r.lte, r.lt) for field, r in self.range.items())
        if self.exists is not None:
            return Exists(self.exists)
        if self.not_ is not None:
            return Not(self.not_.condition())
        parts = tuple(part.condition() for part in self._parts())
        return All(parts) if self.and_ is not None else Some(parts)

    def _given(self) -> list[Any]:
        every = (self.eq, self.in_, self.range, self.exists, self.and_, self.or_, self.not_)
        return [value for value in every if value is not None]

    def _parts(self) -> Sequence["Filter"]:
        return self.and_ or self.or_ or ([self.not_] if self.not_ else [])

    def _depth(self) -> int:
        return 1 + max((part._depth() for part in self._parts()), default=0)  # noqa: SLF001 - its own class

    def _count(self) -> int:
        return 1 + sum(part._count() for part in self._parts())  # noqa: SLF001
