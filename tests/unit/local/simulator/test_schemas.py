from typing import Any

import jsonschema_rs
import pytest

from local.simulator.schemas import Hints, example

TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["name"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/node",
}

SCHEMAS: list[dict[str, Any]] = [
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False},
    {"type": "object", "properties": {"n": {"type": "integer", "minimum": 10, "maximum": 20, "multipleOf": 5}}},
    {"type": "object", "properties": {"x": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 100}}},
    {"type": "object", "properties": {"unit": {"enum": ["c", "f"]}, "kind": {"const": "k"}, "ok": {"type": "boolean"}}},
    {"type": "array", "items": {"type": "string", "minLength": 3, "maxLength": 8}, "minItems": 2, "maxItems": 4},
    {"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}}, "required": ["at"]},
    {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"a": {"type": ["null", "integer"]}}}]},
    {"allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"properties": {"b": {"type": "null"}}}]},
    {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]},
    TREE,
]


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("text", ["", "use 'quoted' in Paris with 7 and x=3.5, unit=f"])
def test_the_value_fits_the_schema(schema: dict[str, Any], text: str) -> None:
    jsonschema_rs.validate(schema, example(schema, Hints(text, "some prose")))


def test_named_values_win_over_the_others() -> None:
    schema = {
        "type": "object",
        "properties": {
            name: {"type": kind} for name, kind in (("city", "string"), ("days", "integer"), ("to", "string"))
        },
        "required": ["city", "days", "to"],
    }
    hints = Hints("weather, to: Oslo please, for 'Paris' and 3 days", "")
    assert example(schema, hints) == {"city": "Paris", "days": 3, "to": "Oslo"}


def test_optional_fields_are_given_only_when_named() -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    }
    assert example(schema, Hints("weather in Paris, unit=celsius", "")) == {"city": "Paris", "unit": "celsius"}


def test_upper_case_types_are_understood() -> None:
    schema = {"type": "OBJECT", "properties": {"names": {"type": "ARRAY", "items": {"type": "STRING"}}}}
    assert example(schema, Hints("about 'tides'", "")) == {"names": ["tides"]}
