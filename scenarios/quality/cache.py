"""How often the semantic cache hits, and how often wrongly: `python -m scenarios.quality.cache`.

Pairs of texts with a label are embedded by the embedded stack's model, as the cache would embed a question and one
asked before. A hit is a pair above the threshold, with guards: one that the guards let pass as well. A hit is wrong
when the label says that the texts do not mean the same.

Sets: PAWS (word swaps that embed alike), and SemEval's sentence pairs, of which scores of 4.5 and more mean the same
and 3 and less do not; those between are left out. The guards were written looking at the development halves; of the
held-out ones nothing but these figures was looked at, save SemEval's negatives that embed most alike.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from functions.gateway.core.similarity import may_share_answer
from local.simulator.embeddings import EmbeddingEngine

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "cache"
THRESHOLDS = (0.80, 0.85, 0.90, 0.93, 0.95, 0.97, 0.98, 0.99)
_PAWS_DEVELOPMENT = 110


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts.

    Attributes:
        same: whether they mean the same.
        held_out: not looked at when the guards were written.
        similarity: cosine of their embeddings.
        passes: whether the guards let one have the other's answer.
    """

    same: bool
    held_out: bool
    similarity: float
    passes: bool


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a curve.

    Attributes:
        hit_rate: share of the pairs that mean the same which hit.
        wrong_rate: share of the hits that are wrong.
    """

    hits: int
    wrong: int
    hit_rate: float
    wrong_rate: float


def main() -> int:
    """Print the curves that the data at hand allows."""
    sets = {"paws": _paws(), "semeval": _semeval()}
    if not all(sets.values()):
        print(f"skipped: {DATA} is not beside the project", file=sys.stderr)
        return 0
    everything: list[Pair] = []
    for name, rows in sets.items():
        pairs = asyncio.run(_measured(rows))
        everything += pairs
        for held_out in (False, True):
            part = [pair for pair in pairs if pair.held_out == held_out]
            report(f"{name}, {'held out' if held_out else 'development'}", part)
    report("all", everything)
    report("all, held out", [pair for pair in everything if pair.held_out])
    return 0


def report(name: str, pairs: Sequence[Pair]) -> None:
    """The curve of a set, with and without guards."""
    print(f"{name}: {len(pairs)} pairs, {sum(pair.same for pair in pairs)} of them the same")
    print("  threshold   without guards: hits   wrong    with guards: hits   wrong")
    for threshold in THRESHOLDS:
        bare, guarded = (point(pairs, threshold, guards=guards) for guards in (False, True))
        print(
            f"       {threshold:.2f}   {bare.hit_rate:14.1%} {bare.hits:5} {bare.wrong_rate:7.1%}"
            f"   {guarded.hit_rate:11.1%} {guarded.hits:5} {guarded.wrong_rate:7.1%}"
        )
    print()


def point(pairs: Sequence[Pair], threshold: float, *, guards: bool) -> Point:
    """How a threshold does."""
    hits = [pair for pair in pairs if pair.similarity >= threshold and (pair.passes or not guards)]
    right = sum(pair.same for pair in hits)
    wrong = len(hits) - right
    return Point(len(hits), wrong, right / max(1, sum(pair.same for pair in pairs)), wrong / len(hits) if hits else 0.0)


async def _measured(rows: Sequence[tuple[str, str, bool, bool]]) -> list[Pair]:
    engine = EmbeddingEngine()
    engine.start()
    try:
        vectors = await engine.embed([text for row in rows for text in row[:2]])
    finally:
        engine.stop()
    began = time.perf_counter()
    passes = [may_share_answer(one, other) for one, other, _, _ in rows]
    print(f"guards: {(time.perf_counter() - began) * 1e6 / len(rows):.0f} µs a pair, neither text read before")
    return [
        Pair(same, held_out, float(vectors[2 * at] @ vectors[2 * at + 1]), passes[at])
        for at, (_, _, same, held_out) in enumerate(rows)
    ]


def _paws() -> list[tuple[str, str, bool, bool]]:
    rows = _rows("paws_small")
    return [(row["a"], row["b"], row["label"] == 1, at >= _PAWS_DEVELOPMENT) for at, row in enumerate(rows)]


def _semeval() -> list[tuple[str, str, bool, bool]]:
    rows = [row for row in _rows("sts_semeval") if not 3 < row["score"] < 4.5]
    return [(row["a"], row["b"], row["score"] >= 4.5, int(row["id"].rpartition("-")[2]) % 2 == 1) for row in rows]


def _rows(name: str) -> list[dict[str, Any]]:
    path = DATA / name / "pairs.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []


if __name__ == "__main__":
    raise SystemExit(main())
