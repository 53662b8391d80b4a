"""`builtin.calculator`: exact arithmetic, because models count badly."""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from decimal import Context, Decimal, DecimalException, localcontext
from typing import Any, Final

from functions.agents.core.toolbox import ToolResult, ToolSpec

SPEC: Final = ToolSpec(
    name="builtin.calculator",
    description="Computes an arithmetic expression of numbers, + - * / // % ** and brackets, exactly to 50 digits.",
    input_schema={
        "type": "object",
        "properties": {"expression": {"type": "string", "minLength": 1, "maxLength": 500}},
        "required": ["expression"],
        "additionalProperties": False,
    },
    idempotent=True,
    timeout_seconds=2.0,
)

_DIGITS = 50
_HIGHEST_POWER = 1_000
_DEEPEST = 100
# Nothing else reaches Python's parser.
_ARITHMETIC = re.compile(r"[0-9eE._+\-*/%()\s]+")
_BINARY: Mapping[type[ast.operator], Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


class _Wrong(ValueError):
    """The expression is not arithmetic; the message is for the model."""


def calculate(arguments: Mapping[str, Any]) -> ToolResult:
    """The value of `expression`; what is no arithmetic is an error of the tool that says why."""
    expression = arguments.get("expression")
    if not isinstance(expression, str) or not 0 < len(expression) <= 500:
        return ToolResult("give `expression`, up to 500 characters", is_error=True, error_code="invalid_arguments")
    try:
        with localcontext(Context(prec=_DIGITS)):
            return ToolResult(_text(_read(expression.strip())))
    except (_Wrong, SyntaxError, ValueError, DecimalException, MemoryError, RecursionError) as error:
        reason = str(error) if isinstance(error, _Wrong) else f"cannot be computed: {type(error).__name__}"
        return ToolResult(reason, is_error=True, error_code="not_computable")


def _read(expression: str) -> Decimal:
    if not _ARITHMETIC.fullmatch(expression):
        raise _Wrong("only numbers, + - * / // % ** and brackets are understood")
    return _value(expression, ast.parse(expression, mode="eval").body, 0)


def _value(text: str, node: ast.expr, depth: int) -> Decimal:
    if depth > _DEEPEST:
        raise _Wrong("the expression is nested too deeply")
    match node:
        case ast.Constant(value=int() | float()):
            # As it is written: a float would have lost digits.
            return Decimal(ast.get_source_segment(text, node) or "")
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(text, operand, depth + 1)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(text, operand, depth + 1)
        case ast.BinOp(op=ast.Pow(), left=left, right=right):
            exponent = _value(text, right, depth + 1)
            if abs(exponent) > _HIGHEST_POWER:
                raise _Wrong(f"powers go up to {_HIGHEST_POWER}")
            return _value(text, left, depth + 1) ** exponent
        case ast.BinOp(op=op, left=left, right=right) if type(op) in _BINARY:
            return _BINARY[type(op)](_value(text, left, depth + 1), _value(text, right, depth + 1))
        case _:
            raise _Wrong("only numbers, + - * / // % ** and brackets are understood")


def _text(value: Decimal) -> str:
    if not value.is_finite():
        raise _Wrong("the result is not a number")
    whole = value == value.to_integral_value() and value.adjusted() < _DIGITS
    return str(value.quantize(Decimal(1))) if whole else str(value.normalize())
