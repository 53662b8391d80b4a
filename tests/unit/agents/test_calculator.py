"""The calculator computes exactly, and whatever it is given it ends soon and says what is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.agents.core.calculator import calculate
from functions.agents.core.tool_errors import ToolFailed


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
        ("sqrt(16) * 2", "8"),
        ("round(2 / 3, 4)", "0.6667"),
        ("max(1, 2.5, -3) + abs(-1)", "3.5"),
        ("round(ln(exp(2)), 20)", "2"),
    ],
)
def test_exact_values(expression: str, value: str) -> None:
    assert calculate(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "", "1 +", "1 / 0", "9 ** 9 ** 9", "10 ** 1001", "__import__('os')", "x", "'a' * 9", "True + 1", "[1]",
        "(" * 300 + "1" + ")" * 300, "-" * 400 + "1", "1e999999 ** 1000", "2j", "x" * 501, "\x00", "0 ** 0.5j",
        "sqrt(-1)", "sqrt()", "sqrt(1, 2)", "ln(0)", "exp(1e9)", "round(1, 1e9)", "round(1, 0.5)", "max(x=1)",
        "sqrt(*[1])", "abs.real(1)",
    ],
)  # fmt: skip
def test_what_is_no_arithmetic_is_said_to_the_model(expression: str) -> None:
    with pytest.raises(ToolFailed) as failed:
        calculate(expression)
    assert failed.value.code == "not_computable"
    assert failed.value.message


@given(st.text(max_size=60))
def test_any_text_ends_in_a_value_or_a_reason(text: str) -> None:
    try:
        told = calculate(text)
    except ToolFailed as failed:
        told = failed.message
    assert told
