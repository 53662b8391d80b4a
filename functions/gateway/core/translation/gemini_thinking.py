"""How much a Gemini model shall think: OpenAI's `reasoning_effort` in Google's terms.

Gemini 3 takes a level, Gemini 2.5 a budget of tokens; older ones do not think. The table is Google's own
(ai.google.dev/gemini-api/docs/openai, "Thinking").
"""

import re

from functions.gateway.core.models import Json
from functions.gateway.core.translation.refusals import refuse

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")

_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
_VERSION = re.compile(r"gemini-(\d{1,2})(?:\.(\d{1,2}))?")
_FIRST_THINKING, _FIRST_LEVELLED = (2, 5), (3, 0)


def thinking_config(effort: str | None, model: str) -> Json | None:
    """The `thinkingConfig` of an effort, with what was thought in the answer; None to leave it to the model.

    Raises:
        ProviderRejected: the model cannot do that.
    """
    if effort is None:
        return None
    match = _VERSION.search(model)
    version = (int(match.group(1)), int(match.group(2) or 0)) if match else _FIRST_LEVELLED
    if version < _FIRST_THINKING:
        if effort == "none":
            return None
        raise refuse("reasoning_effort", f"{model} does not think")
    if version < _FIRST_LEVELLED:
        if effort not in _BUDGETS:
            raise refuse("reasoning_effort", f"{model} takes {', '.join(_BUDGETS)}")
        return {"thinkingBudget": _BUDGETS[effort], **({} if effort == "none" else {"includeThoughts": True})}
    if effort == "none":
        raise refuse("reasoning_effort", f"{model} always thinks; minimal is the least")
    return {"thinkingLevel": effort.upper(), "includeThoughts": True}
