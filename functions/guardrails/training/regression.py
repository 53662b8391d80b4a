"""Logistic regression on sparse features by AdaGrad (Duchi et al., 2011), in plain Python: every run is the same."""

import math
import random
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from functions.guardrails.core.injection.features import BUCKETS, token_buckets
from functions.guardrails.core.injection.lexicon import Tokens, signs, tokens
from functions.guardrails.core.injection.linear import LinearModel, length_factor, sigmoid
from functions.guardrails.training.samples import Sample

_LONGEST = 60
_RATE = 0.1
_BIAS_RATE = 0.02
_SHRINK = 1e-3
# The share of features hidden from each step (Srivastava et al., Dropout, 2014): no single word may decide.
_HIDDEN = 0.3
# A window of honest text that looks this much like an attack is learnt from as a further example.
_MISTAKEN = 0.3


@dataclass(slots=True)
class Weights:
    """What was learnt, before it is rounded."""

    values: list[float]
    bias: float

    def model(self) -> tuple[LinearModel, "array[int]", float]:
        """A classifier with these weights rounded to signed bytes, the bytes, and the unit they are counted in.

        The unit is set by all but the largest thousandth, which are clipped: one outlier must not coarsen the rest.
        """
        sizes = sorted((abs(value) for value in self.values if value), reverse=True) or [1.0]
        scale = sizes[len(sizes) // 1000] / 127
        weights = array("b", (max(-127, min(127, round(value / scale))) for value in self.values))
        return LinearModel(weights, scale, self.bias, 1.0), weights, scale


@dataclass(frozen=True, slots=True)
class Example:
    """A sample as its features."""

    buckets: Sequence[int]
    factor: float
    attack: bool


def example(sample: Sample) -> Example:
    """The features of a sample's first `_LONGEST` tokens."""
    found = tokens(sample.text)
    return _example(Tokens(found.words[:_LONGEST], found.starts[:_LONGEST]), attack=sample.attack)


def fit(examples: Sequence[Example], honest: Sequence[Iterator[str]], *, seed: int) -> Weights:
    """Weights that part attacks from the rest.

    Args:
        honest: for each round after the first, long honest texts: the windows mistaken for attacks join the examples.
    """
    dice = random.Random(seed)  # noqa: S311 - shuffles examples, guards nothing
    weights = Weights([0.0] * BUCKETS, 0.0)
    squares = [1.0] * BUCKETS
    order = list(examples)
    for texts in [iter(()), *honest]:
        order += _mistaken(weights, texts)
        dice.shuffle(order)
        for entry in order:
            _step(weights, squares, entry, dice)
    return weights


def mean(runs: Sequence[Weights]) -> Weights:
    """The mean of several runs' weights."""
    columns = zip(*(run.values for run in runs), strict=True)
    return Weights([sum(column) / len(runs) for column in columns], sum(run.bias for run in runs) / len(runs))


def _example(found: Tokens, *, attack: bool) -> Example:
    buckets = [bucket for listed in token_buckets(found, signs(found)) for bucket in listed]
    return Example(array("H", buckets), length_factor(len(found.words)), attack)


def _mistaken(weights: Weights, honest: Iterator[str]) -> Iterator[Example]:
    model, _, _ = weights.model()
    for text in honest:
        found = tokens(text)
        window = model.best_window(found, signs(found))
        if window.probability > _MISTAKEN:
            words, starts = found.words[window.first : window.last], found.starts[window.first : window.last]
            yield _example(Tokens(words, starts), attack=False)


def _step(weights: Weights, squares: list[float], entry: Example, dice: random.Random) -> None:
    values, toss = weights.values, dice.random
    shown = [bucket for bucket in entry.buckets if toss() >= _HIDDEN]
    factor = entry.factor / (1 - _HIDDEN)
    error = sigmoid(weights.bias + factor * sum([values[bucket] for bucket in shown])) - float(entry.attack)
    weights.bias -= _BIAS_RATE * error
    gradient = error * factor
    square = gradient * gradient
    for bucket in shown:
        squares[bucket] += square
        value = values[bucket]
        values[bucket] = value - _RATE * (gradient + _SHRINK * value) / math.sqrt(squares[bucket])
