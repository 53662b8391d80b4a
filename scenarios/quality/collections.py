"""Collections to try retrieval on: those it was tuned on, and others that were never looked at while tuning.

The others are made of what is at hand for other purposes: questions with the Wikipedia passage that answers each,
sentences that say the same in other words, and the functions of Python's standard library, found by the first line of
their documentation (which is taken out of them) or by their names.
"""

import ast
import json
import random
import sysconfig
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from functions.knowledge.core.models import ChunkKind

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
_ALIKE = 4.0
_LEFT_OUT = {"test", "tests", "idlelib", "lib2to3", "site-packages", "turtledemo", "pydoc_data"}
_FUNCTIONS = 600
_ASKED = 200
_FEWEST_WORDS = 5


@dataclass(frozen=True)
class Collection:
    """Documents, questions, and which documents answer them.

    Attributes:
        least: nDCG@10 and Recall@100 that the hybrid must reach besides what its parts do: the best of BM25, dense
            search and plain RRF as measured elsewhere.
    """

    name: str
    ids: Sequence[str]
    texts: Sequence[str]
    questions: Mapping[str, str]
    relevant: Mapping[str, Mapping[str, float]]
    least: tuple[float, float] = (0.0, 0.0)
    kind: ChunkKind = "text"


def tuned() -> list[Collection]:
    """Those that the weights were chosen on."""
    return [
        load(DATA / "retrieval" / "vaswani_npl", "queries.jsonl", "qrels.tsv", (0.489, 0.678)),
        load(DATA / "code" / "cosqa", "queries.dev.jsonl", "qrels.dev.tsv", (0.603, 0.986)),
    ]


def others() -> Iterator[Collection]:
    """Those that they were not."""
    yield wikipedia(DATA / "longprompts" / "nq_20docs" / "prompts.jsonl")
    yield sentences(DATA / "cache" / "sts_semeval" / "pairs.jsonl")
    yield from standard_library(Path(sysconfig.get_path("stdlib")))


def load(folder: Path, queries: str, judgements: str, least: tuple[float, float]) -> Collection:
    """A collection of the data folder."""
    corpus, questions = list(_lines(folder / "corpus.jsonl")), list(_lines(folder / queries))
    relevant: dict[str, dict[str, float]] = defaultdict(dict)
    ids = [document["id"] for document in corpus]
    known = set(ids)
    for line in (folder / judgements).read_text().splitlines()[1:]:
        question, document, grade = line.split("\t")
        if float(grade) > 0 and document in known:
            relevant[question][document] = float(grade)
    texts = [f"{document.get('title', '')}\n{document['text']}".strip() for document in corpus]
    asked = {question["id"]: question["text"] for question in questions if question["id"] in relevant}
    return Collection(folder.name, ids, texts, asked, relevant, least)


def wikipedia(path: Path) -> Collection:
    """Questions people asked, each with the one passage that answers it among all passages of all questions."""
    prompts = list(_lines(path))
    shown = [[f"{each['title']}\n{each['text']}" for each in prompt["documents"]] for prompt in prompts]
    texts = list(dict.fromkeys(text for passages in shown for text in passages))
    number = {text: str(at) for at, text in enumerate(texts)}
    questions = {f"q{at}": prompt["question"] for at, prompt in enumerate(prompts)}
    relevant = {
        f"q{at}": {number[passages[prompt["gold_position"]]]: 1.0}
        for at, (prompt, passages) in enumerate(zip(prompts, shown, strict=True))
    }
    return Collection("questions of Wikipedia", list(number.values()), texts, questions, relevant)


def sentences(path: Path) -> Collection:
    """Sentences, each with those that people found to say about the same."""
    pairs = list(_lines(path))
    texts = list(dict.fromkeys(pair["b"] for pair in pairs))
    number = {text: str(at) for at, text in enumerate(texts)}
    relevant: dict[str, dict[str, float]] = defaultdict(dict)
    for pair in pairs:
        if pair["score"] >= _ALIKE and pair["a"] != pair["b"]:
            relevant[pair["a"]][number[pair["b"]]] = 1.0
    asked = random.Random(1).sample(sorted(relevant), min(_ASKED * 3, len(relevant)))  # noqa: S311 - a sample
    return Collection("sentences alike", list(number.values()), texts, {each: each for each in asked}, relevant)


def standard_library(folder: Path) -> Iterator[Collection]:
    """Python's own functions, found by what they are said to do, and by their names."""
    found = [
        pair for path in sorted(folder.rglob("*.py")) if not _LEFT_OUT & set(path.parts) for pair in _functions(path)
    ]
    rng = random.Random(1)  # noqa: S311 - a sample
    chosen = rng.sample(found, min(_FUNCTIONS, len(found)))
    ids, texts = [str(at) for at in range(len(chosen))], [source for _, _, source in chosen]
    asked = rng.sample(ids, min(_ASKED, len(ids)))
    relevant = {number: {number: 1.0} for number in asked}
    said = {number: chosen[int(number)][1] for number in asked}
    names = {number: chosen[int(number)][0] for number in asked}
    named = {number: f"where is {name} implemented" for number, name in names.items() if "_" in name.strip("_")}
    yield Collection("library by purpose", ids, texts, said, relevant, kind="code")
    yield Collection("library by name", ids, texts, named, relevant, kind="code")


def _functions(path: Path) -> Iterator[tuple[str, str, str]]:
    """Name, purpose and source without its documentation of each documented function of a module."""
    source = path.read_text(encoding="utf-8", errors="replace")
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    lines = source.splitlines()
    for node in ast.walk(module):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or len(node.body) < 2:
            continue
        purpose = (ast.get_docstring(node) or "").split("\n\n")[0].replace("\n", " ")
        if len(purpose.split()) >= _FEWEST_WORDS:
            text = node.body[0]
            kept = [*lines[node.lineno - 1 : text.lineno - 1], *lines[text.end_lineno or text.lineno : node.end_lineno]]
            yield node.name, purpose, "\n".join(kept)[:1200]


def _lines(path: Path) -> Iterable[dict[str, Any]]:
    return (json.loads(line) for line in path.read_text().splitlines())
