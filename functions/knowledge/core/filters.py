"""Conditions on documents' metadata, and what of the metadata they see.

Metadata is seen flat: `{"a": {"b": 1}}` has the field `a.b`, a list has each of its elements. Fields that begin with
`@` are the chunk's and document's own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

OWN_FIELDS = ("@document", "@kind", "@language", "@name", "@path", "@symbol")
LONGEST_TEXT = 512
"""Characters of a text that can be compared; a longer one is only known to exist."""

Value = str | float
Attributes = Mapping[str, Sequence[Value | None]]


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field has one of the values."""

    field: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """The field has a value within the bounds; numbers compare with numbers, texts by code point with texts."""

    field: str
    least: Value | None = None
    above: Value | None = None
    most: Value | None = None
    below: Value | None = None


@dataclass(frozen=True, slots=True)
class Exists:
    """The field has a value other than null."""

    field: str


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one part holds."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold; so too where the field is missing."""

    part: "Condition"


Condition = OneOf | Between | Exists | All | Some | Not


def comparable(value: Any) -> Value:
    """A value as it is compared: numbers as floats, true and false as texts."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return float(value) if isinstance(value, int | float) else str(value)


def attributes(metadata: Mapping[str, Any]) -> dict[str, list[Value | None]]:
    """The fields of some metadata; None stands for a value that is only known to exist."""
    found: dict[str, list[Value | None]] = {}
    for field, value in _flat(metadata, ""):
        seen = comparable(value)
        too_long = isinstance(seen, str) and len(seen) > LONGEST_TEXT
        found.setdefault(field, []).append(None if too_long else seen)
    return found


def holds(condition: Condition, of: Attributes) -> bool:
    """Whether a condition holds."""
    match condition:
        case All(parts):
            return all(holds(part, of) for part in parts)
        case Some(parts):
            return any(holds(part, of) for part in parts)
        case Not(part):
            return not holds(part, of)
        case Exists(field):
            return bool(of.get(field))
        case OneOf(field, values):
            return any(value in values for value in of.get(field, ()) if value is not None)
        case Between(field):
            return any(_within(value, condition) for value in of.get(field, ()))


def _within(value: Value | None, bounds: Between) -> bool:
    limits = [bound for bound in (bounds.least, bounds.above, bounds.most, bounds.below) if bound is not None]
    if value is None or any(isinstance(bound, str) != isinstance(value, str) for bound in limits):
        return False
    checks: tuple[tuple[Value | None, bool], ...] = (
        (bounds.least, bounds.least is not None and value >= bounds.least),  # type: ignore[operator]
        (bounds.above, bounds.above is not None and value > bounds.above),  # type: ignore[operator]
        (bounds.most, bounds.most is not None and value <= bounds.most),  # type: ignore[operator]
        (bounds.below, bounds.below is not None and value < bounds.below),  # type: ignore[operator]
    )
    return all(kept for bound, kept in checks if bound is not None)


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _flat(inner, path)
    elif value is not None:
        yield path, value
