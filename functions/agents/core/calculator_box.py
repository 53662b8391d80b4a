"""A toolbox with the calculator alone."""

import time
from collections.abc import Sequence

from functions.agents.core import calculator
from functions.agents.core.errors import ToolNotFound
from functions.agents.core.toolbox import ToolCall, ToolResult, ToolSpec
from functions.kit.service_tokens import OnBehalf


class CalculatorBox:
    """Port `ToolBox`."""

    async def specs(
        self, tenant_id: str, on_behalf: OnBehalf, names: Sequence[str] | None = None
    ) -> Sequence[ToolSpec]:
        """The calculator.

        Raises:
            ToolNotFound: another is named.
        """
        del tenant_id, on_behalf
        for name in names or ():
            if name != calculator.SPEC.name:
                raise ToolNotFound("there is no such tool", details={"tool": name})
        return [calculator.SPEC] if names is None or names else []

    async def call(self, call: ToolCall) -> ToolResult:
        """Compute."""
        if call.name != calculator.SPEC.name:
            return ToolResult(f"there is no tool {call.name}", is_error=True, error_code=ToolNotFound.code)
        began = time.monotonic()
        result = calculator.calculate(call.arguments)
        duration = round((time.monotonic() - began) * 1000)
        return ToolResult(result.content, result.is_error, result.error_code, result.truncated, duration)
