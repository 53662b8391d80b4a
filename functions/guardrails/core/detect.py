"""The use case: examine the texts of a call with every detector and report what was found."""

import asyncio
import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from functions.guardrails.core.errors import DetectorUnavailable
from functions.guardrails.core.excerpts import excerpt
from functions.guardrails.core.models import Examination, Finding, Kind, Match, Part
from functions.guardrails.core.ports import Detector, Policy

_logger = logging.getLogger(__name__)
_VALUES = (Kind.PII, Kind.SECRET)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one examination may cost.

    Attributes:
        most_characters: read per call, the latest parts first.
        most_findings: reported per call, the gravest first.
        timeout_seconds: how long each detector may take.
        least_scores: certainty that a detector's matches need, by its name; any where it has none.
    """

    most_characters: int = 400_000
    most_findings: int = 50
    timeout_seconds: float = 20.0
    least_scores: Mapping[str, float] = field(default_factory=dict)


class Detection:
    """Examines calls. A detector that fails takes nothing but its own findings with it."""

    def __init__(self, detectors: Sequence[Detector], policy: Policy, limits: Limits | None = None) -> None:
        self._detectors = detectors
        self._policy = policy
        self._limits = limits or Limits()

    async def detect(self, parts: Sequence[Part]) -> list[Finding]:
        """The findings of `examine`."""
        return list((await self.examine(parts)).findings)

    async def examine(self, parts: Sequence[Part]) -> Examination:
        """Ask every detector at once and put together what they say."""
        read, unread = _within(parts, self._limits.most_characters)
        answers = await asyncio.gather(*(self._ask(detector, read) for detector in self._detectors))
        matches = [match for answer in answers if answer is not None for match in answer]
        findings = [finding for finding in _findings(read, matches) if self._is_certain(finding)]
        kept = tuple(findings[: self._limits.most_findings])
        return Examination(
            findings=kept,
            decision=self._policy.decide(kept),
            failed=tuple(
                detector.name for detector, answer in zip(self._detectors, answers, strict=True) if answer is None
            ),
            dropped=len(findings) - len(kept),
            unread_characters=unread,
        )

    def _is_certain(self, finding: Finding) -> bool:
        # Only here: what is too uncertain to be reported is certain enough not to be quoted.
        return finding.score >= self._limits.least_scores.get(finding.detector, 0.0)

    async def _ask(self, detector: Detector, parts: Sequence[Part]) -> list[Match] | None:
        """What a detector says, or None when it gave no answer."""
        try:
            async with asyncio.timeout(self._limits.timeout_seconds):
                return await detector.detect(parts)
        except (DetectorUnavailable, TimeoutError) as error:
            _logger.warning("a detector gave no answer", extra={"detector": detector.name, "reason": str(error)})
        except Exception:
            _logger.exception("a detector failed", extra={"detector": detector.name})
        return None


def _within(parts: Sequence[Part], most_characters: int) -> tuple[list[Part], int]:
    """The parts within the limit, and how many characters are left out; the latest parts are read first."""
    left, unread = most_characters, 0
    read: list[Part] = []
    for part in reversed(parts):
        kept = part if len(part.text) <= left else replace(part, text=part.text[:left])
        read.append(kept)
        left -= len(kept.text)
        unread += len(part.text) - len(kept.text)
    return read[::-1], unread


def _findings(parts: Sequence[Part], matches: Sequence[Match]) -> list[Finding]:
    """The matches without duplicates as findings, gravest first."""
    by_part: defaultdict[int, list[Match]] = defaultdict(list)
    for match in matches:
        by_part[match.part].append(match)
    seen: dict[tuple[str, ...], Finding] = {}
    for index in sorted(by_part):
        for match in _distinct(by_part[index]):
            key = _identity(parts[index].text, match)
            known = seen.get(key)
            if known is None:
                seen[key] = _finding(parts[index], match, by_part[index])
            else:
                seen[key] = replace(known, occurrences=known.occurrences + 1)
    return sorted(seen.values(), key=lambda finding: (-finding.severity, -finding.score, finding.part, finding.start))


def _distinct(matches: Iterable[Match]) -> list[Match]:
    """Of matches of one part that overlap and mean the same, the most telling."""
    kept: list[Match] = []
    for match in sorted(matches, key=_weight, reverse=True):
        if not any(_overlap(match, other) and _same_matter(match, other) for other in kept):
            kept.append(match)
    return sorted(kept, key=lambda entry: entry.start)


def _weight(match: Match) -> tuple[bool, bool, int, float, int]:
    """A secret tells more than personal data in it, a rule more than the classifier's window around it."""
    likely = match.type == "injection_likely"
    return match.kind is Kind.SECRET, not likely, match.severity, match.score, match.end - match.start


def _same_matter(match: Match, other: Match) -> bool:
    if match.kind in _VALUES:
        return other.kind in _VALUES
    return match.kind is other.kind and (match.type == other.type or "injection_likely" in {match.type, other.type})


def _overlap(match: Match, other: Match) -> bool:
    return match.start < other.end and other.start < match.end


def _identity(text: str, match: Match) -> tuple[str, ...]:
    """What makes two matches the same finding: a value of one type wherever it stands, an attack with the same words.

    Values are compared by digest, so that none is kept.
    """
    digest = hashlib.sha256(text[match.start : match.end].casefold().encode("utf-8", "surrogatepass")).hexdigest()
    return match.kind, match.type, digest


def _finding(part: Part, match: Match, found: Sequence[Match]) -> Finding:
    return Finding(
        kind=match.kind,
        type=match.type,
        detector=match.detector,
        rule=match.rule,
        severity=match.severity,
        score=match.score,
        role=part.role,
        part=match.part,
        start=match.start,
        end=match.end,
        excerpt=excerpt(part.text, match, found),
        disguise=match.disguise,
    )
