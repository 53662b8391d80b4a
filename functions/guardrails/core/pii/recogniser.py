"""One kind of personal data that can be told by its form."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from functions.guardrails.core.models import Severity

_SEPARATORS = re.compile(r"[\s./_-]")


@dataclass(frozen=True, slots=True)
class Recogniser:
    """One kind of personal data.

    Attributes:
        score: confidence of the form alone.
        keep_case: whether small and capital letters differ in meaning.
        needs: one of these (lower case) must stand in the text; without any, a digit must.
        extent: of what matched, how many characters belong to it; all when it does not say.
        check: confirms the value without separators; what fails is no match at all.
        checked_score: confidence once confirmed.
        context: stems of words nearby that raise the confidence.
    """

    type: str
    pattern: re.Pattern[str]
    score: float
    severity: Severity
    check: Callable[[str], bool] | None = None
    checked_score: float = 0.0
    context: tuple[str, ...] = ()
    keep_case: bool = False
    needs: tuple[str, ...] = ()
    extent: Callable[[str], int] | None = None

    def value(self, text: str) -> str:
        """The value without separators, in capitals unless they mean something."""
        compact = _SEPARATORS.sub("", text)
        return compact if self.keep_case else compact.upper()
