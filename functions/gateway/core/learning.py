"""How alike a question must be to share an answer, learned from what was right and what was wrong.

After vCache (Schroeder et al., 2025, "vCache: Verified Semantic Prompt Caching"): whether a hit at similarity s is
right is modelled as a logistic function of s, per cached answer, and a hit is given only where its probability of being
wrong is at most an error rate. Ours differs in two ways. The parameters are averaged over their posterior on a grid,
instead of bounded after a maximum-likelihood fit, because an entry has few observations; and an entry's prior is what
its tenant's other entries taught, whose prior is the tenant's setting. Nothing learned leaves the setting as it is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_STEP = 0.005
_SPREAD = 0.03
_SLOPES = (40.0, 80.0, 160.0, 320.0)
_NEVER = 1.01
_BISECTIONS = 24

Observation = tuple[float, bool]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between what thresholds are learned, and how seldom a hit may be wrong.

    Attributes:
        error_rate: largest share of hits that may be wrong.
    """

    least: float
    most: float
    error_rate: float


def learned_threshold(start: float, bounds: Bounds, observations: Sequence[Observation]) -> float:
    """Least similarity at which a hit is right with probability 1 - error rate.

    Args:
        start: the answer without observations.
        observations: similarity, and whether the answer was right.

    Returns:
        A similarity within the bounds; more than 1 when none of them is enough.
    """
    start = min(max(start, bounds.least), bounds.most)
    if not observations:
        return start
    found = _safe(_prior_middle(start, bounds.error_rate), bounds, observations)
    return max(bounds.least, found) if found <= bounds.most else _NEVER


@lru_cache(maxsize=1024)
def _prior_middle(start: float, error_rate: float) -> float:
    """Where the prior of the logistic's middle lies, so that without observations `start` is safe and less is not."""
    low, high = start - 0.3, start
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        weights = _posterior(middle, ())
        low, high = (low, middle) if _right(start, weights) < 1 - error_rate else (middle, high)
    return low


def _safe(middle: float, bounds: Bounds, observations: Sequence[Observation]) -> float:
    weights = _posterior(middle, observations)
    low, high = bounds.least, 1.0
    if _right(high, weights) < 1 - bounds.error_rate:
        return _NEVER
    for _ in range(_BISECTIONS):
        at = (low + high) / 2
        low, high = (low, at) if _right(at, weights) >= 1 - bounds.error_rate else (at, high)
    return round(high, 4)


def _posterior(middle: float, observations: Sequence[Observation]) -> list[tuple[float, float, float]]:
    """Middle and slope of logistics on a grid, with the posterior's weight of each."""
    points = []
    for number in range(-30, 31):
        at = middle + number * _STEP
        prior = -((at - middle) ** 2) / (2 * _SPREAD**2)
        for slope in _SLOPES:
            likelihood = sum(
                _log_logistic(slope * (s - at) if right else slope * (at - s)) for s, right in observations
            )
            points.append((at, slope, prior + likelihood))
    best = max(weight for _, _, weight in points)
    return [(at, slope, math.exp(weight - best)) for at, slope, weight in points]


def _right(similarity: float, weights: Sequence[tuple[float, float, float]]) -> float:
    """The probability that a hit is right, over all logistics."""
    total = sum(weight for _, _, weight in weights)
    return sum(weight * math.exp(_log_logistic(slope * (similarity - at))) for at, slope, weight in weights) / total


def _log_logistic(x: float) -> float:
    return -math.log1p(math.exp(-x)) if x > -30 else x
