"""`builtin.calculator`: exact arithmetic, because models count badly."""

import ast
import operator
from collections.abc import Callable, Mapping
from decimal import Context, Decimal, DecimalException, localcontext
from typing import Final

from functions.agents.core.built_in import BuiltIn
from functions.agents.core.tool_errors import ToolFailed
from functions.agents.core.tool_models import Space, Tool, ToolAnswer, ToolSetting
from functions.agents.core.toolbox import ToolCall, ToolSpec

_LONGEST = 500
_DIGITS = 50
_HIGHEST_POWER = 1_000
_DEEPEST = 100
_MOST_DECIMALS = 40

TOOL: Final = Tool(
    spec=ToolSpec(
        name="builtin.calculator",
        description=(
            "Computes an arithmetic expression, exactly to 50 digits: numbers, + - * / // % ** and brackets, and "
            "abs, min, max, round, sqrt, exp, ln, log10."
        ),
        input_schema={
            "type": "object",
            "properties": {"expression": {"type": "string", "minLength": 1, "maxLength": _LONGEST}},
            "required": ["expression"],
            "additionalProperties": False,
        },
        idempotent=True,
        timeout_seconds=2.0,
    ),
    title="Calculate",
    source="builtin",
    on_by_default=True,
)

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


async def run(space: Space, call: ToolCall, setting: ToolSetting) -> ToolAnswer:
    """Compute what the arguments say."""
    del space, setting
    return ToolAnswer(calculate(str(call.arguments["expression"])))


def calculate(expression: str) -> str:
    """The value of an expression.

    Raises:
        ToolFailed: it is no arithmetic, or its value is beyond what is computed.
    """
    if len(expression) > _LONGEST:
        raise ToolFailed("not_computable", f"an expression has at most {_LONGEST} characters")
    try:
        with localcontext(Context(prec=_DIGITS)):
            source = expression.strip()
            return _text(_Computation(source).value(ast.parse(source, mode="eval").body, 0))
    except _Wrong as error:
        raise ToolFailed("not_computable", str(error)) from error
    except (SyntaxError, ValueError, TypeError, DecimalException, MemoryError, RecursionError) as error:
        raise ToolFailed("not_computable", f"cannot be computed: {type(error).__name__}") from error


class _Computation:
    """Computes an expression that has been parsed.

    Args:
        source: its text, in which numbers have all their digits.
    """

    def __init__(self, source: str) -> None:
        self._source = source

    def value(self, node: ast.expr, depth: int) -> Decimal:
        """The value of a part of it, that many brackets deep."""
        if depth > _DEEPEST:
            raise _Wrong("the expression is nested too deeply")
        match node:
            case ast.Constant(value=bool()):
                raise _Wrong("true and false are no numbers")
            case ast.Constant(value=int() as number):
                return Decimal(number)
            case ast.Constant(value=float()):
                return Decimal(ast.get_source_segment(self._source, node) or "")
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.value(operand, depth + 1)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.value(operand, depth + 1)
            case ast.BinOp(op=ast.Pow(), left=left, right=right):
                return _power(self.value(left, depth + 1), self.value(right, depth + 1))
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _BINARY:
                return _BINARY[type(op)](self.value(left, depth + 1), self.value(right, depth + 1))
            case ast.Call(func=ast.Name(id=name), args=[_, *_] as arguments, keywords=[]) if name in _FUNCTIONS:
                return _FUNCTIONS[name](*(self.value(argument, depth + 1) for argument in arguments))
            case _:
                raise _Wrong("only numbers, + - * / // % **, brackets and a few functions are understood")


def _power(base: Decimal, exponent: Decimal) -> Decimal:
    if abs(exponent) > _HIGHEST_POWER:
        raise _Wrong(f"powers go up to {_HIGHEST_POWER}")
    return base**exponent


def _round(number: Decimal, decimals: Decimal = Decimal(0)) -> Decimal:
    if abs(decimals) > _MOST_DECIMALS or decimals != decimals.to_integral_value():
        raise _Wrong(f"rounding goes to {_MOST_DECIMALS} whole decimals")
    return round(number, int(decimals))


def _exp(number: Decimal) -> Decimal:
    return _power(Decimal(1).exp(), number) if abs(number) > 1 else number.exp()


_FUNCTIONS: Mapping[str, Callable[..., Decimal]] = {
    "abs": abs,
    "min": min,
    "max": max,
    "round": _round,
    "sqrt": Decimal.sqrt,
    "exp": _exp,
    "ln": Decimal.ln,
    "log10": Decimal.log10,
}


def _text(value: Decimal) -> str:
    if not value.is_finite():
        raise _Wrong("the result is not a number")
    whole = value == value.to_integral_value() and value.adjusted() < _DIGITS
    return str(value.quantize(Decimal(1))) if whole else str(value.normalize())


CALCULATOR: Final = BuiltIn(TOOL, run)
