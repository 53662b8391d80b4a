"""Llama Guard and Llama Prompt Guard, asked as chat models through a tenant's own provider key.

Wire formats:
- Llama Guard 3 and 4 (Meta's model cards): the conversation as it is, of which the last message is judged; the answer
  is `safe`, or `unsafe` and on the next line the violated categories, `S1` to `S14` of the MLCommons hazard taxonomy.
- Llama Prompt Guard 2 as Groq serves it: one user message of at most 512 tokens; the answer is the probability of an
  attack as a decimal number. Longer texts go in pieces.
"""

import re
from collections.abc import Sequence

from functions.guardrails.core.errors import DetectorUnavailable
from functions.guardrails.core.models import Kind, Match, Part, Severity
from functions.guardrails.core.ports import Complete

GUARD_MODEL = "meta-llama/llama-guard-4-12b"
PROMPT_GUARD_MODEL = "meta-llama/llama-prompt-guard-2-86m"
_CATEGORIES = {
    "S1": ("violent_crimes", Severity.HIGH),
    "S2": ("non_violent_crimes", Severity.MEDIUM),
    "S3": ("sex_related_crimes", Severity.HIGH),
    "S4": ("child_sexual_exploitation", Severity.CRITICAL),
    "S5": ("defamation", Severity.MEDIUM),
    "S6": ("specialized_advice", Severity.LOW),
    "S7": ("privacy", Severity.MEDIUM),
    "S8": ("intellectual_property", Severity.LOW),
    "S9": ("indiscriminate_weapons", Severity.CRITICAL),
    "S10": ("hate", Severity.HIGH),
    "S11": ("suicide_and_self_harm", Severity.HIGH),
    "S12": ("sexual_content", Severity.MEDIUM),
    "S13": ("elections", Severity.LOW),
    "S14": ("code_interpreter_abuse", Severity.HIGH),
}
_MOST_CHARACTERS = 16_000
# 512 tokens of dense text; pieces overlap so that no attack is cut in two.
_PIECE, _STEP, _MOST_PIECES = 1_400, 1_200, 12


class LlamaGuard:
    """Hazards in the latest user message and in the answer to it: at most two questions per call."""

    name = "llama-guard"

    def __init__(self, complete: Complete, model: str = GUARD_MODEL) -> None:
        self._complete = complete
        self._model = model

    async def detect(self, parts: Sequence[Part]) -> list[Match]:
        """One match per violated category.

        Raises:
            DetectorUnavailable: the model did not answer in its format.
        """
        asked = _latest(parts, "user")
        answered = _latest(parts, "assistant")
        found: list[Match] = []
        if asked is not None:
            found += await self._judge(parts, [asked])
        if answered is not None and (asked is None or answered > asked):
            found += await self._judge(parts, [index for index in (asked, answered) if index is not None])
        return found

    async def _judge(self, parts: Sequence[Part], indexes: Sequence[int]) -> list[Match]:
        conversation = [
            {"role": parts[index].role, "content": parts[index].text[-_MOST_CHARACTERS:]} for index in indexes
        ]
        answer = (await self._complete(self._model, conversation)).strip()
        verdict, _, categories = answer.partition("\n")
        if verdict.strip().lower() == "safe":
            return []
        if verdict.strip().lower() != "unsafe":
            raise DetectorUnavailable(f"{self._model} answered neither safe nor unsafe")
        named = re.findall(r"S\d{1,2}", categories) or ["S0"]
        return [self._match(indexes[-1], parts[indexes[-1]], category) for category in named]

    def _match(self, index: int, part: Part, category: str) -> Match:
        kind, severity = _CATEGORIES.get(category, ("unsafe", Severity.MEDIUM))
        return Match(
            part=index,
            start=0,
            end=len(part.text),
            kind=Kind.UNSAFE_CONTENT,
            type=kind,
            detector=self.name,
            rule=f"{self._model}#{category}",
            severity=severity,
            score=1.0,
        )


class PromptGuard:
    """Injections in what users write and tools return, piece by piece, the latest parts first."""

    name = "prompt-guard"

    def __init__(self, complete: Complete, model: str = PROMPT_GUARD_MODEL, threshold: float = 0.8) -> None:
        self._complete = complete
        self._model = model
        self._threshold = threshold

    async def detect(self, parts: Sequence[Part]) -> list[Match]:
        """One match per piece beyond the threshold.

        Raises:
            DetectorUnavailable: the model did not answer with a number.
        """
        pieces = [
            (index, start, parts[index].text[start : start + _PIECE])
            for index in range(len(parts) - 1, -1, -1)
            if parts[index].role in {"user", "tool"}
            for start in range(0, max(1, len(parts[index].text) - _PIECE + _STEP), _STEP)
        ]
        return [
            match
            for index, start, text in pieces[:_MOST_PIECES]
            if text.strip()
            for match in await self._judge(index, start, text)
        ]

    async def _judge(self, index: int, start: int, text: str) -> list[Match]:
        answer = (await self._complete(self._model, [{"role": "user", "content": text}])).strip()
        try:
            score = float(answer)
        except ValueError as error:
            raise DetectorUnavailable(f"{self._model} answered no number") from error
        if not self._threshold <= score <= 1:
            return []
        severity = Severity.HIGH
        end = start + len(text)
        return [
            Match(index, start, end, Kind.PROMPT_INJECTION, "injection_likely", self.name, self._model, severity, score)
        ]


def _latest(parts: Sequence[Part], role: str) -> int | None:
    found = (
        index for index in range(len(parts) - 1, -1, -1) if parts[index].role == role and parts[index].text.strip()
    )
    return next(found, None)
