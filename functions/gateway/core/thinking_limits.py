"""Keeps Claude's thinking within an answer that was limited for the sake of a quota.

Anthropic refuses a budget that is not below the limit of the answer (platform.claude.com/docs, "Extended thinking"),
and the caller would be told of a fault that is not theirs.
"""

from typing import Any

from functions.gateway.core.errors import ProviderRejected, QuotaExceeded
from functions.gateway.core.models import Json, Target
from functions.gateway.core.translation.claude_thinking import SMALLEST_BUDGET, thinking_of


def within_limit(asked: Json, sent: Json, most: int | None, *limits: str) -> Json:
    """What is sent, its budget for thinking below the limit that was put in place of the caller's own.

    Args:
        most: most tokens of the answer; None where no quota limits it.
        limits: the request's fields that bound its answer.

    Raises:
        QuotaExceeded: the smallest budget does not fit.
    """
    thinking = asked.get("thinking")
    if most is None or not isinstance(thinking, dict):
        return sent
    budget = thinking.get("budget_tokens")
    if not isinstance(budget, int) or budget < most or not _had_room(asked, budget, limits):
        return sent
    if most <= SMALLEST_BUDGET:
        raise _no_room(most)
    return {**sent, "thinking": {**thinking, "budget_tokens": most - 1}}


def ensure_effort_fits(target: Target, body: Json, most: int) -> None:
    """Refuse an effort that means a budget, where the limit leaves less than the smallest.

    Raises:
        QuotaExceeded: as above.
    """
    if target.provider.kind != "anthropic" or most > SMALLEST_BUDGET or not body.get("reasoning_effort"):
        return
    asked = body.get("max_completion_tokens") or body.get("max_tokens")
    try:
        thinking = thinking_of(body["reasoning_effort"], target.model, asked)
    except (ProviderRejected, KeyError):
        # Refused for what the caller wrote, when it is translated.
        return
    if thinking.budget is not None:
        raise _no_room(most)


def _had_room(asked: Json, budget: int, limits: tuple[str, ...]) -> bool:
    """Whether the caller's own limit was above the budget; with interleaved thinking it need not be."""
    own = next((asked[name] for name in limits if asked.get(name)), None)
    return not isinstance(own, int) or budget < own


def _no_room(most: int) -> QuotaExceeded:
    details: dict[str, Any] = {"maxTokens": most, "needed": SMALLEST_BUDGET + 1}
    return QuotaExceeded(
        "what is left of a limit has no room for the thinking that is asked for",
        details=details,
        retry_after=1,
        is_final=True,
    )
