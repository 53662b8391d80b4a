"""Trains both heads and writes the weights file. Run it after any change to the data, the lexicon or the features."""

import base64
import hashlib
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from functions.guardrails.core import injection
from functions.guardrails.core.injection.lexicon import signs, tokens
from functions.guardrails.core.injection.linear import dump
from functions.guardrails.training.regression import Weights, example, fit, mean
from functions.guardrails.training.samples import Composer, Sample

WEIGHTS = Path(str(files(injection))) / "weights.txt"
# The mean of several runs: what one run makes of its samples by chance, the others do not.
_TRAINING_SEEDS = (20_260_101, 20_260_201, 20_260_301)
_VALIDATION_SEED = 77
_SAMPLES = 60_000
_VALIDATION_SAMPLES = 6_000
_LONG_TEXTS = 3_000
# A head reports windows beyond the score that this share of long honest texts stays under, and never below the least:
# what people write is more varied than what templates write.
_QUIET_SHARE = 0.995
_LEAST_THRESHOLDS = {"direct": 0.8, "embedded": 0.9}
_SOURCES = (
    "core/injection/features.py",
    "core/injection/lexicon.py",
    "core/injection/lexicon.yaml",
    "training/data/attacks.yaml",
    "training/data/benign.yaml",
    "training/data/embedded.yaml",
    "training/data/prose.yaml",
    "training/data/slots.yaml",
    "training/grammar.py",
    "training/regression.py",
    "training/samples.py",
)


def fingerprint() -> str:
    """A digest of all that the weights depend on."""
    digest = hashlib.sha256()
    for name in _SOURCES:
        digest.update(files("functions.guardrails").joinpath(name).read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Course:
    """What one head learns from."""

    samples: Callable[[Composer, int], Iterator[Sample]]
    honest: Callable[[Composer, int], Iterator[str]]


_COURSES = {
    "direct": Course(Composer.direct, Composer.honest),
    "embedded": Course(Composer.embedded, Composer.honest_data),
}


def train(name: str, course: Course) -> tuple["array[int]", dict[str, float]]:
    """One head: its weights, and the facts that the file's header keeps."""
    learnt = mean([_fitted(course, seed) for seed in _TRAINING_SEEDS])
    model, weights, scale = learnt.model()

    def probability(text: str) -> float:
        found = tokens(text)
        return model.best_window(found, signs(found)).probability

    quiet = sorted(probability(text) for text in course.honest(Composer(_VALIDATION_SEED + 1), _LONG_TEXTS))
    threshold = max(_LEAST_THRESHOLDS[name], quiet[int(len(quiet) * _QUIET_SHARE)])
    attacks = [
        sample.text for sample in course.samples(Composer(_VALIDATION_SEED), _VALIDATION_SAMPLES) if sample.attack
    ]
    recall = sum(probability(text) > threshold for text in attacks) / len(attacks)
    return weights, {"scale": scale, "bias": learnt.bias, "threshold": threshold, "recall": recall}


def _fitted(course: Course, seed: int) -> Weights:
    examples = [example(sample) for sample in course.samples(Composer(seed), _SAMPLES)]
    honest = [course.honest(Composer(seed + further), _LONG_TEXTS) for further in (1, 2)]
    return fit(examples, honest, seed=seed)


def main() -> int:
    """Train, write, and say how well it went on texts composed with another seed."""
    began = time.perf_counter()
    heads = {}
    header: dict[str, Any] = {"fingerprint": fingerprint()}
    for name, course in _COURSES.items():
        heads[name], header[name] = train(name, course)
        sys.stdout.write(f"{name}: {header[name]}\n")
    # As text, so that a change of it can be reviewed, merged and stored like any other.
    WEIGHTS.write_bytes(base64.encodebytes(dump(header, heads)))
    sys.stdout.write(f"{WEIGHTS.name}: {WEIGHTS.stat().st_size} bytes in {time.perf_counter() - began:.0f} s\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
