"""The prompt-injection detector: rules and classifier over every reading of a text."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from functions.guardrails.core.injection.lexicon import Tokens, signs, tokens
from functions.guardrails.core.injection.linear import LinearModel, sigmoid
from functions.guardrails.core.injection.rules import matches
from functions.guardrails.core.models import Kind, Match, Part, Role, Severity
from functions.guardrails.core.normalise import View

# Which head reads which role. The instructions of system and developer are the operator's own and are not read.
_HEADS: Mapping[Role, str] = {"user": "direct", "tool": "embedded"}
_READ: frozenset[Role] = frozenset(("user", "tool", "assistant"))
# What a rule of score 1 adds to the classifier's log odds.
_RULE_WEIGHT = 6.0
# Log odds that a disguise adds to what it hides: honest people seldom disguise instructions.
_DISGUISE_WEIGHT = 1.0
_HIDDEN = ("tags", "selectors")
_CERTAIN = 1e-6


@dataclass(frozen=True, slots=True)
class _Sighting:
    """What was seen in one reading, in the reading's own characters."""

    view: View
    start: int
    end: int
    type: str
    rule: str
    severity: Severity
    log_odds: float


class InjectionScanner:
    """Looks for instructions that do not belong where they stand.

    Args:
        models: the classifier's heads, `direct` for what users write and `embedded` for what tools return.
    """

    name = "injection"
    reads_across = True

    def __init__(self, models: Mapping[str, LinearModel]) -> None:
        self._models = models

    def scan(self, index: int, part: Part) -> list[Match]:
        """Every rule that matched, and the likeliest window of each reading beyond its head's threshold."""
        return [
            Match(
                part=index,
                **dict(zip(("start", "end"), seen.view.span(seen.start, seen.end), strict=True)),
                kind=Kind.PROMPT_INJECTION,
                type=seen.type,
                detector=self.name,
                rule=seen.rule,
                severity=_raised(seen.severity) if seen.view.disguise else seen.severity,
                score=round(sigmoid(seen.log_odds), 4),
                disguise=seen.view.disguise,
            )
            for seen in self._sightings(part, everything=False)
        ]

    def score(self, part: Part) -> float:
        """How likely the part carries an injection, reported or not: the figure to draw a curve with."""
        seen = [sighting.log_odds for sighting in self._sightings(part, everything=True)]
        return sigmoid(max(seen)) if seen else 0.0

    def _sightings(self, part: Part, *, everything: bool) -> Iterator[_Sighting]:
        if part.role not in _READ:
            return
        for view in part.views:
            yield from self._in_view(part.text, part.role, view, everything=everything)

    def _in_view(self, original: str, role: Role, view: View, *, everything: bool) -> Iterator[_Sighting]:
        found = tokens(view.text)
        if not found.words:
            return
        for seen in self._seen_by_all(role, view, found, everything=everything):
            hidden = _is_hidden(original, seen)
            if hidden or not view.disguise:
                yield replace(seen, log_odds=seen.log_odds + _DISGUISE_WEIGHT * hidden)

    def _seen_by_all(self, role: Role, view: View, found: Tokens, *, everything: bool) -> Iterator[_Sighting]:
        meanings = signs(found)
        model = self._models.get(_HEADS.get(role, ""))
        base, is_honest = 0.0, False
        if model is not None:
            window = model.best_window(found, meanings)
            base = _log_odds(window.probability)
            # "Why does my linter ignore all rules?" speaks for honesty in every part of it, whatever its words mean.
            is_honest = window.probability < model.prior and not view.disguise
            if everything or window.probability >= model.threshold:
                start, end = found.span(window.first, window.last)
                severity = Severity.MEDIUM if window.probability < _midway(model.threshold) else Severity.HIGH
                rule = f"classifier.{_HEADS[role]}"
                yield _Sighting(view, start, end, "injection_likely", rule, severity, base)
        for hit in matches(role, view.text, view.text.lower(), found, meanings, squeezed=view.squeezed):
            if is_honest and not hit.rule.alone:
                continue
            severity, odds = Severity[hit.rule.severity.upper()], base + _RULE_WEIGHT * hit.rule.score
            yield _Sighting(view, hit.start, hit.end, hit.rule.type, hit.rule.id, severity, odds)
        if view.disguise.rpartition("+")[2] in _HIDDEN:
            odds = base + _RULE_WEIGHT
            yield _Sighting(view, 0, len(view.text), "hidden_text", "disguise.invisible", Severity.HIGH, odds)


def _is_hidden(original: str, seen: _Sighting) -> bool:
    """Whether what a reading shows does not stand in the text as it is."""
    start, end = seen.view.span(seen.start, seen.end)
    return bool(seen.view.disguise) and original[start:end].lower() != seen.view.text[seen.start : seen.end].lower()


def _log_odds(probability: float) -> float:
    bounded = min(max(probability, _CERTAIN), 1 - _CERTAIN)
    return math.log(bounded / (1 - bounded))


def _midway(threshold: float) -> float:
    return (1 + threshold) / 2


def _raised(severity: Severity) -> Severity:
    return Severity(min(severity + 1, Severity.CRITICAL))
