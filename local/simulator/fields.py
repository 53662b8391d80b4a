"""Reads fields of a request body, refusing what has the wrong type."""

from collections.abc import Iterable, Mapping
from typing import Any

from local.simulator.refusals import Problem, Refusal, invalid, missing

Json = dict[str, Any]


def names(text: str) -> frozenset[str]:
    """The words of `text`, as a set."""
    return frozenset(text.split())


def known_only(body: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse a field that the provider does not have, as the providers do."""
    unknown = sorted(set(body) - set(known))
    if unknown:
        raise Refusal(Problem.UNKNOWN_FIELD, field=unknown[0])


def required_text(body: Mapping[str, Any], field: str) -> str:
    """A string that must be there and not be empty."""
    value = body.get(field)
    if value is None or value == "":
        raise missing(field)
    if not isinstance(value, str):
        raise invalid(field, "expected a string")
    return value


def text(body: Mapping[str, Any], field: str) -> str:
    """A string, empty when absent."""
    value = body.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise invalid(field, "expected a string")
    return value


def integer(body: Mapping[str, Any], field: str, *, low: int = 0, high: int | None = None) -> int | None:
    """An integer in range, or None when absent."""
    value = body.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid(field, "expected an integer")
    if value < low:
        raise invalid(field, f"integer below minimum value, expected a value >= {low}, but got {value}")
    if high is not None and value > high:
        raise invalid(field, f"integer above maximum value, expected a value <= {high}, but got {value}")
    return value


def flag(body: Mapping[str, Any], field: str) -> bool:
    """A boolean, false when absent."""
    value = body.get(field)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise invalid(field, "expected a boolean")
    return value


def table(body: Mapping[str, Any], field: str) -> Json:
    """An object, empty when absent."""
    value = body.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid(field, "expected an object")
    return value


def tables(body: Mapping[str, Any], field: str) -> list[Json]:
    """An array of objects, empty when absent; one bare object counts as an array of it."""
    value = body.get(field)
    if value is None:
        return []
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        raise invalid(field, "expected an array of objects")
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            raise invalid(f"{field}[{index}]", "expected an object")
    return value


def strings(body: Mapping[str, Any], field: str, *, most: int) -> tuple[str, ...]:
    """A string or an array of strings, empty when absent."""
    value = body.get(field)
    if value is None:
        return ()
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise invalid(field, "expected a string or an array of strings")
    if len(items) > most:
        raise invalid(field, f"array too long, expected an array with maximum length {most}, but got {len(items)}")
    return tuple(item for item in items if item)
