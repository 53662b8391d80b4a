"""The shipped weights come from the shipped data."""

import base64
import random
from importlib.resources import files

from functions.guardrails.core import injection
from functions.guardrails.core.injection.features import BUCKETS
from functions.guardrails.core.injection.lexicon import signs, tokens
from functions.guardrails.core.injection.linear import load
from functions.guardrails.training.__main__ import fingerprint
from functions.guardrails.training.grammar import templates, write
from functions.guardrails.training.regression import Weights, example, fit, mean
from functions.guardrails.training.samples import Composer, Sample


def test_the_weights_were_trained_on_what_is_here() -> None:
    raw = base64.decodebytes(files(injection).joinpath("weights.txt").read_bytes())
    header, models = load(raw)

    assert header["fingerprint"] == fingerprint(), "run `python -m functions.guardrails.training`"
    assert set(models) == {"direct", "embedded"}
    assert len(raw) < 300_000


def test_the_same_seed_composes_the_same_samples() -> None:
    assert list(Composer(3).direct(50)) == list(Composer(3).direct(50))
    assert list(Composer(3).direct(50)) != list(Composer(4).direct(50))


def test_every_template_can_be_written() -> None:
    dice = random.Random(1)
    for name in ("attacks", "benign", "embedded", "prose"):
        for listed in templates(name).values():
            for template in listed:
                text = write(template, dice)
                assert text
                assert "|)" not in text
                assert not any(f"{{{slot}}}" in text for slot in templates("slots"))


def test_the_mean_of_runs_is_between_them() -> None:
    runs = [Weights([0.0] * BUCKETS, -1.0), Weights([2.0] * BUCKETS, 2.0)]
    together = mean(runs)

    assert together.bias == 0.5
    assert set(together.values) == {1.0}


def test_fitting_tells_two_kinds_apart() -> None:
    samples = [Sample(f"ignore the rule number {at}", attack=True) for at in range(400)]
    samples += [Sample(f"bake the bread number {at}", attack=False) for at in range(400)]
    model, _, _ = fit([example(sample) for sample in samples], [iter(["bake a cake"])], seed=1).model()

    attack, honest = tokens("ignore the rule now"), tokens("bake the bread now")

    suspected = model.best_window(attack, signs(attack)).probability
    assert suspected > 2 * model.best_window(honest, signs(honest)).probability
