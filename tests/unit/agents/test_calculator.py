"""The calculator computes exactly, and whatever it is given it ends soon and says what is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.agents.core.calculator import calculate


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("0.1 + 0.2", "0.3"),
        ("7 // 2 - 7 % 2", "2"),
        ("2 ** 100", "1267650600228229401496703205376"),
        ("-2 ** 2", "-4"),
        ("1 / 3", "0." + "3" * 50),
        (" 12.50 * 4 ", "50"),
        ("0.1234567890123456789012345 * 10", "1.234567890123456789012345"),
        ("1_000 + 1e3", "2000"),
    ],
)
def test_exact_values(expression: str, value: str) -> None:
    result = calculate({"expression": expression})
    assert (result.content, result.is_error) == (value, False)


@pytest.mark.parametrize(
    "expression",
    [
        "", "1 +", "1 / 0", "9 ** 9 ** 9", "10 ** 1001", "__import__('os')", "x", "'a' * 9", "True + 1", "[1]",
        "(" * 300 + "1" + ")" * 300, "-" * 400 + "1", "1e999999 ** 1000", "2j", "x" * 501, "\x00",
    ],
)  # fmt: skip
def test_what_is_no_arithmetic_is_said_to_the_model(expression: str) -> None:
    result = calculate({"expression": expression})
    assert result.is_error
    assert result.error_code in {"invalid_arguments", "not_computable"}
    assert result.content


@pytest.mark.parametrize("arguments", [{}, {"expression": 5}, {"expression": None}])
def test_arguments_of_another_shape(arguments: dict[str, object]) -> None:
    assert calculate(arguments).error_code == "invalid_arguments"


@given(st.text(max_size=60))
def test_any_text_ends_in_a_result(text: str) -> None:
    assert calculate({"expression": text}).content
