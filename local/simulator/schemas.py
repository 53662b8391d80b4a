"""Builds a value that fits a JSON Schema, filled with what the prompt says."""

import re
from collections.abc import Mapping
from typing import Any

from local.simulator.quoting import content_words

_DEEPEST = 8
_FORMATS = {
    "date": "2026-01-15",
    "time": "09:30:00Z",
    "date-time": "2026-01-15T09:30:00Z",
    "duration": "P1D",
    "email": "ada@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "018f4d2e-7c1a-7b3c-9d5e-1f2a3b4c5d6e",
}
_PROSE = frozenset(
    {
        "answer",
        "content",
        "description",
        "input",
        "message",
        "prompt",
        "query",
        "question",
        "response",
        "summary",
        "text",
    }
)
_PAIR = re.compile(r"""(\w+)\s*[=:]\s*(?:"([^"]*)"|'([^']*)'|([^\s,;]+))""")
_QUOTED = re.compile(r'"([^"]+)"|(?<!\w)\'([^\']+)\'(?!\w)')
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*\w)")
# A capitalised word inside a sentence: most often a name.
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+(?: [A-Z][a-z]+)*")


class Hints:
    """What a prompt offers as values: `name=value` pairs, quoted strings, numbers, names, in that order."""

    def __init__(self, text: str, prose: str) -> None:
        """Takes hints out of `text`; fields that want prose get `prose`, others that find no hint its first words."""
        pairs = ((match[1], match[2] or match[3] or match[4] or "") for match in _PAIR.finditer(text))
        self._pairs = {name.lower(): value.rstrip(".!?") for name, value in pairs}
        self._strings = [match[1] or match[2] for match in _QUOTED.finditer(text)] + _NAME.findall(text)
        self._numbers = [float(number) for number in _NUMBER.findall(text)]
        self._prose = prose
        self._words = " ".join(content_words(text)[:3]) or prose

    def has(self, name: str) -> bool:
        """Whether the prompt gives `name` a value by name."""
        return name.lower() in self._pairs

    def pair(self, name: str) -> str | None:
        """The value that the prompt gives `name`."""
        return self._pairs.get(name.lower())

    def string(self, name: str) -> str:
        """Text for the field `name`."""
        named = self.pair(name)
        if named is not None:
            return named
        if name.lower() in _PROSE:
            return self._prose
        return self._strings.pop(0) if self._strings else self._words

    def number(self, name: str) -> float | None:
        """A number for the field `name`, when the prompt has one."""
        named = self.pair(name)
        if named is not None and re.fullmatch(r"-?\d+(\.\d+)?", named):
            return float(named)
        return self._numbers.pop(0) if self._numbers else None


def example(schema: Mapping[str, Any], hints: Hints) -> Any:
    """A value that fits `schema`; `pattern` and `uniqueItems` are not looked at."""
    return _value(schema, "", hints, schema, 0)


def _value(schema: Any, name: str, hints: Hints, root: Mapping[str, Any], depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return None
    schema = _resolved(schema, root)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return _choice(schema["enum"], name, hints)
    kind = _kind(schema)
    if kind == "object":
        return _object(schema, hints, root, depth)
    if kind == "array":
        return _array(schema, name, hints, root, depth)
    if kind in {"integer", "number"}:
        return _number(schema, kind, hints.number(name))
    if kind == "boolean":
        return hints.pair(name) not in {"false", "no"}
    return None if kind == "null" else _string(schema, name, hints)


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follows `$ref`, takes the first alternative that is not null, merges `allOf`."""
    for _ in range(_DEEPEST):
        if isinstance(reference := schema.get("$ref"), str):
            schema = _pointed(reference, root)
        elif options := schema.get("anyOf") or schema.get("oneOf"):
            schema = next((option for option in options if option.get("type") != "null"), options[0])
        elif parts := schema.get("allOf"):
            schema = _merged({key: value for key, value in schema.items() if key != "allOf"}, parts, root)
        else:
            break
    return schema


def _pointed(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    target: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        if step:
            target = target.get(step, {}) if isinstance(target, Mapping) else {}
    return target if isinstance(target, Mapping) else {}


def _merged(base: dict[str, Any], parts: list[Mapping[str, Any]], root: Mapping[str, Any]) -> Mapping[str, Any]:
    for part in parts:
        resolved = _resolved(part, root)
        properties = {**base.get("properties", {}), **resolved.get("properties", {})}
        required = [*base.get("required", []), *resolved.get("required", [])]
        base = {**base, **resolved}
        if properties:
            base |= {"properties": properties, "required": required}
    return base


def _kind(schema: Mapping[str, Any]) -> str:
    declared = schema.get("type")
    if isinstance(declared, list):
        declared = next((option for option in declared if option != "null"), "null")
    if isinstance(declared, str):
        return declared.lower()
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "string"


def _choice(options: list[Any], name: str, hints: Hints) -> Any:
    named = hints.pair(name)
    return next((option for option in options if str(option) == named), options[0])


def _object(schema: Mapping[str, Any], hints: Hints, root: Mapping[str, Any], depth: int) -> dict[str, Any]:
    properties: Mapping[str, Any] = schema.get("properties") or {}
    required = schema.get("required")
    if required is None:
        required = list(properties) if depth < 2 else []
    wanted = [name for name in properties if name in required or hints.has(name)]
    return {name: _value(properties[name], name, hints, root, depth + 1) for name in wanted}


def _array(schema: Mapping[str, Any], name: str, hints: Hints, root: Mapping[str, Any], depth: int) -> list[Any]:
    first = list(schema.get("prefixItems", []))
    least = max(int(schema.get("minItems", 1)), len(first))
    size = min(least, int(schema.get("maxItems", least)))
    items = [*first, *[schema.get("items", {})] * size][:size]
    return [_value(item, name, hints, root, depth + 1) for item in items]


def _number(schema: Mapping[str, Any], kind: str, hint: float | None) -> int | float:
    step = float(schema.get("multipleOf") or (1 if kind == "integer" else 0))
    unit = step or 1
    low, high = schema.get("minimum"), schema.get("maximum")
    if isinstance(above := schema.get("exclusiveMinimum"), int | float):
        low = above + unit
    if isinstance(below := schema.get("exclusiveMaximum"), int | float):
        high = below - unit
    value = hint if hint is not None else float(low if low is not None else 1)
    value = value if low is None else max(value, low)
    value = value if high is None else min(value, high)
    if step:
        value = value // step * step
        value = value + step if low is not None and value < low else value
    return int(value) if kind == "integer" else value


def _string(schema: Mapping[str, Any], name: str, hints: Hints) -> str:
    named = hints.pair(name)
    if named is None and schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    value = hints.string(name)
    least, most = int(schema.get("minLength", 0)), schema.get("maxLength")
    value = value if len(value) >= least else value.ljust(least, "x")
    return value if most is None else value[: int(most)]
