"""Conditions as SQL over `chunks c` and `documents d`; every value is a parameter."""

from collections.abc import Sequence
from typing import Any

from functions.knowledge.core.filters import All, Between, Condition, Exists, Not, OneOf, Some, Value
from functions.knowledge.core.models import Reader

_OWN = {
    "@document": "d.id::text",
    "@kind": "c.kind",
    "@language": "c.language",
    "@name": "d.name",
    "@path": "c.place->>'path'",
    "@symbol": "c.place->>'symbol'",
}
_BOUNDS = (("least", ">="), ("above", ">"), ("most", "<="), ("below", "<"))


class Parameters:
    """The parameters of one statement, numbered as they are first used."""

    def __init__(self, *values: Any) -> None:
        self.values: list[Any] = list(values)

    def add(self, value: Any) -> str:
        """The placeholder of a value."""
        self.values.append(value)
        return f"${len(self.values)}"


def readable(reader: Reader, parameters: Parameters) -> str:
    """That the reader's groups admit to the document."""
    if reader.everything:
        return "true"
    return f"(d.groups = '{{}}' OR d.groups && {parameters.add(sorted(reader.groups))}::text[])"


def condition_sql(condition: Condition | None, parameters: Parameters) -> str:
    """That a condition holds."""
    match condition:
        case None:
            return "true"
        case All(parts):
            return "(" + " AND ".join(condition_sql(part, parameters) for part in parts) + ")"
        case Some(parts):
            return "(" + " OR ".join(condition_sql(part, parameters) for part in parts) + ")"
        case Not(part):
            return f"(NOT {condition_sql(part, parameters)})"
        case Exists(field):
            return _own_exists(field) if field in _OWN else _attribute(field, "true", parameters)
        case OneOf(field, values):
            if field in _OWN:
                return f"({_OWN[field]} = ANY({parameters.add([str(value) for value in values])}::text[]))"
            return _attribute(field, _one_of(values, parameters), parameters)
        case Between(field):
            return _between(field, condition, parameters)


def _between(field: str, condition: Between, parameters: Parameters) -> str:
    is_text = isinstance(_bounds(condition)[0][1], str)
    if field not in _OWN:
        column = "a.text" if is_text else "a.number"
        return _attribute(field, _compare(column, condition, parameters), parameters)
    # All of them are texts, which no number is above or below.
    return f"({_compare(_OWN[field], condition, parameters)})" if is_text else "false"


def _own_exists(field: str) -> str:
    return f"({_OWN[field]} <> '')"


def _attribute(field: str, test: str, parameters: Parameters) -> str:
    key = parameters.add(field)
    return f"(d.id IN (SELECT a.document_id FROM document_attributes a WHERE a.key = {key} AND {test}))"  # noqa: S608


def _one_of(values: Sequence[Value], parameters: Parameters) -> str:
    texts = [value for value in values if isinstance(value, str)]
    numbers = [value for value in values if isinstance(value, float)]
    tests = []
    if texts:
        tests.append(f"a.text = ANY({parameters.add(texts)}::text[])")
    if numbers:
        tests.append(f"a.number = ANY({parameters.add(numbers)}::float8[])")
    return "(" + " OR ".join(tests) + ")"


def _bounds(condition: Between) -> list[tuple[str, Value]]:
    named = ((operator, getattr(condition, name)) for name, operator in _BOUNDS)
    return [(operator, bound) for operator, bound in named if bound is not None]


def _compare(column: str, condition: Between, parameters: Parameters) -> str:
    return " AND ".join(f"{column} {operator} {parameters.add(bound)}" for operator, bound in _bounds(condition))
