"""The use case: examine the texts of a call with every detector and report what was found."""

import asyncio
import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from functions.guardrails.core.errors import DetectorUnavailable
from functions.guardrails.core.excerpts import Covered, covered, excerpt
from functions.guardrails.core.models import Examination, Finding, Kind, Match, Part
from functions.guardrails.core.ports import Detector, Policy
from functions.guardrails.core.spans import Apart

_logger = logging.getLogger(__name__)
_VALUES = (Kind.PII, Kind.SECRET)
# The classifier's word for any kind of injection: the same matter as each of them.
_LIKELY = "injection_likely"


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
        by_part = _by_part(matches)
        sights = [sight for sight in _sights(read, by_part) if self._is_certain(sight.match)]
        kept = _findings(read, sights[: self._limits.most_findings], by_part)
        return Examination(
            findings=kept,
            decision=self._policy.decide(kept),
            failed=tuple(
                detector.name for detector, answer in zip(self._detectors, answers, strict=True) if answer is None
            ),
            dropped=len(sights) - len(kept),
            unread_characters=unread,
        )

    def _is_certain(self, match: Match) -> bool:
        # Only here: what is too uncertain to be reported is certain enough not to be quoted.
        return match.score >= self._limits.least_scores.get(match.detector, 0.0)

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


@dataclass(slots=True)
class _Sight:
    """A match, and how often the same was seen in the call."""

    match: Match
    occurrences: int = 1


def _by_part(matches: Sequence[Match]) -> Mapping[int, Sequence[Match]]:
    by_part: defaultdict[int, list[Match]] = defaultdict(list)
    for match in matches:
        by_part[match.part].append(match)
    return by_part


def _sights(parts: Sequence[Part], by_part: Mapping[int, Sequence[Match]]) -> list[_Sight]:
    """The matches without duplicates, gravest first. A call may have tens of thousands, so nothing compares all."""
    seen: dict[tuple[str, ...], _Sight] = {}
    for index in sorted(by_part):
        for match in _distinct(by_part[index]):
            known = seen.setdefault(_identity(parts[index].text, match), _Sight(match, 0))
            known.occurrences += 1
    return sorted(seen.values(), key=lambda sight: _gravity(sight.match))


def _gravity(match: Match) -> tuple[int, float, int, int]:
    return -match.severity, -match.score, match.part, match.start


def _findings(
    parts: Sequence[Part], sights: Sequence[_Sight], by_part: Mapping[int, Sequence[Match]]
) -> tuple[Finding, ...]:
    """What is reported, with what may be quoted of it."""
    hidden = {part: covered(by_part[part]) for part in {sight.match.part for sight in sights}}
    return tuple(_finding(parts[sight.match.part], sight, hidden[sight.match.part]) for sight in sights)


def _distinct(matches: Iterable[Match]) -> list[Match]:
    """Of matches of one part that overlap and mean the same, the most telling."""
    kept: list[Match] = []
    # Of one matter none overlap, so that the neighbours tell.
    by_matter: defaultdict[Kind, dict[str, Apart]] = defaultdict(dict)
    for match in sorted(matches, key=_weight, reverse=True):
        matters = by_matter[_VALUES[0] if match.kind in _VALUES else match.kind]
        name = "" if match.kind in _VALUES else match.type
        alike = matters.values() if name == _LIKELY else [matters[n] for n in (name, _LIKELY) if n in matters]
        if not any(apart.overlaps(match.start, match.end) for apart in alike):
            matters.setdefault(name, Apart()).add(match.start, match.end)
            kept.append(match)
    return sorted(kept, key=lambda entry: entry.start)


def _weight(match: Match) -> tuple[bool, bool, int, float, int]:
    """A secret tells more than personal data in it, a rule more than the classifier's window around it."""
    likely = match.type == _LIKELY
    return match.kind is Kind.SECRET, not likely, match.severity, match.score, match.end - match.start


def _identity(text: str, match: Match) -> tuple[str, ...]:
    """What makes two matches the same finding: a value of one type wherever it stands, an attack with the same words.

    Values are compared by digest, so that none is kept.
    """
    digest = hashlib.sha256(text[match.start : match.end].casefold().encode("utf-8", "surrogatepass")).hexdigest()
    return match.kind, match.type, digest


def _finding(part: Part, sight: _Sight, hidden: Sequence[Covered]) -> Finding:
    match = sight.match
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
        excerpt=excerpt(part.text, match, hidden),
        disguise=match.disguise,
        occurrences=sight.occurrences,
    )
