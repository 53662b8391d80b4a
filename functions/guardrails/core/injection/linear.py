"""A linear classifier over windows of a text: logistic regression with hashed features, in plain Python."""

import json
import math
import zlib
from array import array
from dataclasses import dataclass
from typing import Any

from functions.guardrails.core.injection.features import (
    BUCKETS,
    bigram_bucket,
    meaning_bucket,
    meanings,
    new_words,
    word_buckets,
)
from functions.guardrails.core.injection.lexicon import Tokens

WINDOW = 40
STRIDE = 10
SHORTEST = 6
_MAGIC = b"dcoder-guardrails-1\n"
_MOST_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class Window:
    """The likeliest window of a text: its tokens and how likely it is an attack."""

    first: int
    last: int
    probability: float


class LinearModel:
    """Weights of one head, ready to score.

    Args:
        weights: one per bucket, in units of `scale`.
        bias: added to every window's score.
        threshold: the probability from which on a window is reported.
    """

    def __init__(self, weights: "array[int]", scale: float, bias: float, threshold: float) -> None:
        if len(weights) != BUCKETS:
            raise ValueError("the weights are of another size than the features")
        self._weights = weights
        self._scale = scale
        self._bias = bias
        #: How likely an attack is in a text of which nothing is known.
        self.prior = sigmoid(bias)
        self.threshold = threshold
        self._words: dict[str, int] = {}
        self._meanings: dict[str, int] = {}

    def best_window(self, found: Tokens, signs: str) -> Window:
        """The window that looks most like an attack; the whole text when it is no longer than one."""
        sums = self._running_sums(found, signs)
        count = len(found.words)
        best = Window(0, count, self._probability(sums[-1], count)) if count <= WINDOW * 3 // 2 else None
        if count > WINDOW // 2:
            for width in (WINDOW // 2, WINDOW):
                for first in range(0, max(1, count - width // 2), STRIDE):
                    last = min(count, first + width)
                    probability = self._probability(sums[last] - sums[first], last - first)
                    if best is None or probability > best.probability:
                        best = Window(first, last, probability)
        return best or Window(0, count, 0.0)

    def _probability(self, total: int, count: int) -> float:
        return sigmoid(self._bias + self._scale * total * length_factor(count))

    def _running_sums(self, found: Tokens, signs: str) -> list[int]:
        weights, known = self._weights, self._words
        if len(known) > _MOST_REMEMBERED:
            known.clear()
        totals = [0] * len(found.words)
        for at, before, word in new_words(found.words):
            weight = known.get(word)
            if weight is None:
                weight = known[word] = sum(weights[bucket] for bucket in word_buckets(word))
            totals[at] = weight + weights[bigram_bucket(before, word)]
        remembered = self._meanings
        for at, key in meanings(signs):
            weight = remembered.get(key)
            if weight is None:
                weight = remembered[key] = weights[meaning_bucket(key)]
            totals[at] += weight
        sums = [0]
        running = 0
        for weight in totals:
            running += weight
            sums.append(running)
        return sums


def length_factor(count: int) -> float:
    """What a window's sum is multiplied by, so that long windows do not outweigh short ones."""
    return 1.0 / math.sqrt(max(count, SHORTEST))


def sigmoid(score: float) -> float:
    """The logistic function."""
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, score))))


def dump(header: dict[str, Any], heads: dict[str, "array[int]"]) -> bytes:
    """A weights file: a line of JSON, then each head's weights as signed bytes, compressed."""
    named = {**header, "heads": list(heads)}
    body = b"".join(weights.tobytes() for weights in heads.values())
    return _MAGIC + zlib.compress(json.dumps(named, sort_keys=True).encode() + b"\n" + body, 9)


def load(raw: bytes) -> tuple[dict[str, Any], dict[str, LinearModel]]:
    """The header and the models of a weights file.

    Raises:
        ValueError: it is not one.
    """
    if not raw.startswith(_MAGIC):
        raise ValueError("not a weights file")
    line, _, body = zlib.decompress(raw[len(_MAGIC) :]).partition(b"\n")
    header: dict[str, Any] = json.loads(line)
    models = {}
    for index, name in enumerate(header["heads"]):
        weights = array("b", body[index * BUCKETS : (index + 1) * BUCKETS])
        facts = header[name]
        models[name] = LinearModel(weights, facts["scale"], facts["bias"], facts["threshold"])
    return header, models
