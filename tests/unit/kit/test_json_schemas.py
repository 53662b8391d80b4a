"""Arguments against schemas, the hostile ones included."""

from typing import Any

import pytest

from functions.kit.json_schemas import problems

PAIR = {
    "type": "object",
    "properties": {"a": {"type": "integer"}},
    "required": ["a"],
    "additionalProperties": False,
}


def doubling(depth: int) -> dict[str, Any]:
    """Each definition refers twice to the next: 2^depth paths."""
    definitions: dict[str, Any] = {
        f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}, {"$ref": f"#/$defs/d{i + 1}"}]} for i in range(depth)
    }
    definitions[f"d{depth}"] = {"type": "string"}
    return {"$ref": "#/$defs/d0", "$defs": definitions}


def test_what_fits_has_no_problem() -> None:
    assert problems(PAIR, {"a": 1}) == []


def test_each_problem_is_told_with_its_place() -> None:
    assert problems(PAIR, {"a": "x"}) == ["a: 'x' is not of type 'integer'"]
    assert "'a' is a required property" in problems(PAIR, {})[0]
    assert "'b' was unexpected" in problems(PAIR, {"a": 1, "b": 2})[0]


def test_problems_are_few_and_short() -> None:
    found = problems({"items": {"type": "integer"}}, ["x" * 10_000] * 1_000)
    assert len(found) == 20
    assert all(len(problem) < 300 for problem in found)


@pytest.mark.parametrize(
    ("schema", "arguments", "why"),
    [
        (doubling(40), "text", "never ends"),
        ({"$ref": "#"}, 1, "never ends"),
        ({"$ref": "http://127.0.0.1:1/schema"}, 1, "does not have"),
        ({"$ref": "#/$defs/none"}, 1, "does not have"),
        ({"type": "nonsense"}, 1, "cannot be read"),
        ({"properties": []}, {"a": 1}, "cannot be read"),
    ],
)
def test_a_schema_that_makes_no_sense_fits_nothing(schema: dict[str, Any], arguments: Any, why: str) -> None:
    found = problems(schema, arguments)
    assert len(found) == 1
    assert why in found[0]


@pytest.mark.parametrize("keyword", ["additionalProperties", "unevaluatedProperties"])
def test_names_are_matched_by_nobody_s_expressions(keyword: str) -> None:
    schema = {"type": "object", "patternProperties": {"^(a+)+$": {}}, keyword: False}
    assert problems(schema, {"a" * 40 + "!": 1}) == []


def test_what_alternatives_quote_is_bounded() -> None:
    (found,) = problems({"anyOf": [{"type": "integer"}] * 2_000}, "x" * 100_000)
    assert "never ends" in found


def test_expressions_are_left_to_whoever_takes_the_arguments() -> None:
    assert problems({"type": "string", "pattern": "(a+)+$"}, "a" * 50 + "!") == []
