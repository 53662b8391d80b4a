"""What prompt compression saves and what it keeps: `python -m scenarios.quality.compression`.

Question answering over twenty passages (Liu et al., "Lost in the Middle", 2023): an answer survives when it still
stands in the prompt to the letter.
"""

import json
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from functions.gateway.core.compression import Level, compress
from functions.gateway.core.tokens import counter

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "longprompts"
MODEL = "gpt-4o"
_MUST: dict[Level, tuple[float, float, float]] = {"light": (0.20, 0.30, 0.98), "full": (0.50, 0.60, 0.95)}
_INSTRUCTION = (
    "Write a high-quality answer for the given question using only the provided search results "
    "(some of which might be irrelevant)."
)

Json = dict[str, Any]
Layout = Callable[[Json], list[Json]]


@dataclass(frozen=True, slots=True)
class Figures:
    """What compression did to a set of prompts.

    Attributes:
        saved: share of all tokens.
        least: share saved of the prompt that saved least.
        any_answer: share of the prompts that still hold one of their answers, of those that did.
        each_answer: share of all answers that are still there.
        milliseconds: median for a prompt.
    """

    prompts: int
    saved: float
    least: float
    any_answer: float
    each_answer: float
    milliseconds: float


def _user(text: str) -> Json:
    return {"role": "user", "content": text}


def _marked(row: Json) -> str:
    return "\n\n".join(
        f"Document [{number}](Title: {document['title']}) {document['text']}"
        for number, document in enumerate(row["documents"], 1)
    )


def in_the_paper(row: Json) -> list[Json]:
    """Instruction, marked passages, question: the paper's own prompt."""
    return [_user(f"{_INSTRUCTION}\n\n{_marked(row)}\n\nQuestion: {row['question']}\nAnswer:")]


def question_first(row: Json) -> list[Json]:
    """The question before passages that only numbers mark, without blank lines."""
    passages = "\n".join(f"[{number}] {item['text']}" for number, item in enumerate(row["documents"], 1))
    return [_user(f"Answer the question with the sources below: {row['question']}?\n{passages}")]


def unmarked(row: Json) -> list[Json]:
    """Bare paragraphs and the question in one message."""
    return [_user("\n\n".join(item["text"] for item in row["documents"]) + f"\n\n{row['question']}")]


def from_a_tool(row: Json) -> list[Json]:
    """Passages as a tool's result, the question in the user's message before."""
    call = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": "{}"}}
    return [
        {"role": "system", "content": "Answer from the search results."},
        _user(row["question"]),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": _marked(row)},
    ]


LAYOUTS: dict[str, Layout] = {
    "as in the paper": in_the_paper,
    "question first": question_first,
    "unmarked": unmarked,
    "from a tool": from_a_tool,
}


def measure(rows: Sequence[Json], layout: Layout, level: Level) -> Figures:
    """Compress every prompt and look for its answers."""
    count = counter(MODEL)
    before = after = found = prompts = answers = kept = 0
    times: list[float] = []
    shares: list[float] = []
    for row in rows:
        messages = layout(row)
        original = _context(messages, row["question"])
        started = time.perf_counter()
        done = compress(messages, level, count=count)
        times.append(time.perf_counter() - started)
        shorter = _context(done.messages, row["question"])
        there = [answer for answer in row["answers"] if answer in original]
        still = [answer for answer in there if answer in shorter]
        before, after = before + done.tokens_before, after + done.tokens_after
        shares.append(1 - done.tokens_after / done.tokens_before)
        prompts, found = prompts + bool(there), found + bool(still)
        answers, kept = answers + len(there), kept + len(still)
    return Figures(
        len(rows), 1 - after / before, min(shares), found / prompts, kept / answers, statistics.median(times) * 1000
    )


def _context(messages: Sequence[Json], question: str) -> str:
    """All texts without the question, which could hold the answer by chance."""
    return "\n".join(str(message.get("content") or "") for message in messages).replace(question, "")


def speed(rows: Sequence[Json]) -> None:
    """Print what compression costs on prompts of several lengths."""
    count = counter(MODEL)
    documents = [document for row in rows for document in row["documents"]]
    for wanted in (1_000, 4_000, 10_000, 100_000):
        per_document = 116
        row = {"question": rows[0]["question"], "documents": (documents * 2)[: wanted // per_document]}
        messages = in_the_paper(row)
        line = f"{count(messages[0]['content']):7,} tokens:"
        for level in _MUST:
            times: list[float] = []
            for _ in range(max(5, 100_000 // wanted)):
                started = time.perf_counter()
                compress(messages, level, count=count)
                times.append(time.perf_counter() - started)
            line += f"  {level} {statistics.median(times) * 1000:.2f} ms (best {min(times) * 1000:.2f})"
        print(line)


def main() -> int:
    """Print the figures; 1 when one that must hold does not."""
    source = DATA / "nq_20docs" / "prompts.jsonl"
    if not source.exists():
        print(f"skipped: {source} is not there")
        return 0
    rows = [json.loads(line) for line in source.read_text().splitlines()]
    halves = {"even rows": rows[::2], "odd rows": rows[1::2], "all": rows}
    failures = 0
    print(f"{'level':6} {'layout':16} {'rows':10} {'saved':>6} {'least':>6} {'answer':>7} {'answers':>8} {'ms':>6}")
    for level, (low, high, least) in _MUST.items():
        for name, layout in LAYOUTS.items():
            for half, part in halves.items():
                figures = measure(part, layout, level)
                ok = low <= figures.saved <= high and figures.any_answer >= least
                failures += not ok
                print(
                    f"{level:6} {name:16} {half:10} {figures.saved:6.1%} {figures.least:6.1%} {figures.any_answer:7.1%}"
                    f" {figures.each_answer:8.1%} {figures.milliseconds:6.2f}{'' if ok else '  <- must be better'}"
                )
    speed(rows)
    _print_arithmetic()
    return 1 if failures else 0


def _print_arithmetic() -> None:
    """Worked sums are all numbers: there is little to take, and nothing may be lost."""
    source = DATA / "gsm8k_cot_hardest" / "prompt_hardest.txt"
    if not source.exists():
        return
    prompt = source.read_text() + "\n\nQuestion: Tom has 3 apples and buys 4 more. How many are there?\nAnswer:"
    for level in _MUST:
        done = compress([_user(prompt)], level, count=counter(MODEL))
        lost = set(re.findall(r"\d+", prompt)) - set(re.findall(r"\d+", str(done.messages)))
        saved = 1 - done.tokens_after / done.tokens_before
        print(f"gsm8k_cot_hardest at {level}: {saved:.1%} saved, {len(lost)} numbers lost")


if __name__ == "__main__":
    sys.exit(main())
