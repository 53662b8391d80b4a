"""How much a Claude model shall think: OpenAI's `reasoning_effort` in Anthropic's terms.

Models since 4.6 decide themselves how much to think and take an effort; older ones since 3.7 take a budget of tokens.
Source: platform.claude.com/docs, "Adaptive thinking", "Effort", "Extended thinking".
"""

import re
from dataclasses import dataclass

from functions.gateway.core.models import Json
from functions.gateway.core.translation.refusals import refuse

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
SMALLEST_BUDGET = 1024

_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768, "max": 32768}
_VERSIONS = (
    re.compile(r"claude-[a-z]+-(\d{1,2})(?:-(\d{1,2}))?(?:-|@|$)"),
    re.compile(r"claude-(\d{1,2})(?:[-.](\d{1,2}))?(?:-|@|$)"),
)
_FIRST_THINKING, _FIRST_ADAPTIVE, _FIRST_XHIGH = (3, 7), (4, 6), (4, 7)
_UNKNOWN = (99, 0)


@dataclass(frozen=True, slots=True)
class Thinking:
    """The fields of Anthropic's request that say it.

    Attributes:
        budget: tokens of thinking within `max_tokens`; None when the model decides.
    """

    thinking: Json | None = None
    effort: str | None = None
    budget: int | None = None


def thinking_of(effort: str | None, model: str, token_limit: int | None) -> Thinking:
    """What an effort means for a model.

    Args:
        token_limit: the caller's own limit of the answer with its thinking; None when it gave none.

    Raises:
        ProviderRejected: the model does not think, or the limit leaves no room for thinking.
    """
    if effort is None:
        return Thinking()
    version = _version(model)
    if version < _FIRST_THINKING:
        if effort == "none":
            return Thinking()
        raise refuse("reasoning_effort", f"{model} does not think")
    if effort == "none":
        return Thinking({"type": "disabled"})
    if version >= _FIRST_ADAPTIVE:
        # What was thought comes back only when it is asked for.
        return Thinking({"type": "adaptive", "display": "summarized"}, _effort(effort, version))
    budget = _BUDGETS[effort]
    if token_limit is not None and budget >= token_limit:
        budget = token_limit - 1
        if budget < SMALLEST_BUDGET:
            raise refuse(
                "reasoning_effort", f"{model} thinks within the token limit, which must be above {SMALLEST_BUDGET}"
            )
    return Thinking({"type": "enabled", "budget_tokens": budget}, None, budget)


def _effort(effort: str, version: tuple[int, int]) -> str:
    if effort == "minimal":
        return "low"
    return "max" if effort == "xhigh" and version < _FIRST_XHIGH else effort


def _version(model: str) -> tuple[int, int]:
    """The version in a model's name, e.g. (4, 5); a name without one is taken for a recent model."""
    for pattern in _VERSIONS:
        match = pattern.search(model)
        if match:
            return int(match.group(1)), int(match.group(2) or 0)
    return _UNKNOWN
