"""What the simulated model says: always the same for the same prompt."""

import hashlib
import itertools
import re

import orjson

from local.simulator import tokens
from local.simulator.asks import Answer, Ask, Finish, Role, ToolCall
from local.simulator.judging import judged
from local.simulator.quoting import content_words, quoted_answer
from local.simulator.schemas import Hints, example
from local.simulator.tool_calls import tool_calls

_ECHO = re.compile(r"\s*echo:\s?", re.IGNORECASE)
_WORDS = re.compile(r"\s*words:\s*(\d{1,6})\s*", re.IGNORECASE)
_OPENINGS = (
    "The short answer about {topic} is that it depends on what you want to achieve.",
    "There are two sides to {topic}, and both matter here.",
    "Most people who ask about {topic} want a practical answer first.",
    "With {topic} it helps to begin with the facts that are certain.",
    "A good way to look at {topic} is to start from its purpose.",
)
_MIDDLES = (
    "Begin with the simplest case, check the result, and change one thing at a time.",
    "What counts is a clear goal, a small first step and a way to measure it.",
    "The usual mistake is to decide early, before the numbers are known.",
    "In practice the first version should be small enough to be thrown away.",
    "Write down what you expect, then compare it with what you see.",
)
_CLOSINGS = (
    "Tell me more about your situation and I can be more precise.",
    "That covers {topic} for most purposes.",
    "From there the remaining questions about {topic} are easy to settle.",
    "If something looks odd, go back one step and look at the input again.",
)
_VOCABULARY = """
alder beacon candle dune ember fjord garnet harbour island juniper kestrel lantern meadow nectar orchard pebble quarry
ripple saffron thicket umber valley willow yarrow zephyr
"""


def answers(ask: Ask) -> list[Answer]:
    """One answer for each choice that `ask` wants."""
    return [_answer(ask, index) for index in range(ask.choices)]


def _answer(ask: Ask, index: int) -> Answer:
    calls = tool_calls(ask)
    return _calling(ask, calls) if calls else _limited(ask, _text(ask, index))


def _calling(ask: Ask, calls: tuple[ToolCall, ...]) -> Answer:
    """Whole calls alone: one that does not fit in `max_tokens` is left out."""
    kept: list[ToolCall] = []
    used = 0
    for call in calls:
        used += call.tokens
        if ask.max_tokens is not None and used > ask.max_tokens:
            return Answer("", Finish.LENGTH, tuple(kept))
        kept.append(call)
    return Answer("", Finish.TOOL_CALLS, tuple(kept))


def _limited(ask: Ask, text: str) -> Answer:
    found = [(position, stop) for stop in ask.stop if (position := text.find(stop)) >= 0]
    position, stop = min(found, default=(len(text), None))
    finish = Finish.STOP if stop is None else Finish.STOP_SEQUENCE
    text = text[:position]
    if ask.max_tokens is not None and tokens.count(text) > ask.max_tokens:
        return Answer(tokens.first(text, ask.max_tokens), Finish.LENGTH)
    return Answer(text, finish, stopped_by=stop)


def _text(ask: Ask, index: int) -> str:
    question = ask.question
    if ask.last.role is Role.USER and (echo := _ECHO.match(question)):
        return question[echo.end() :]
    prose = _prose(ask, question, index)
    if not ask.as_json:
        return prose
    schema = ask.schema or {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
    return orjson.dumps(example(schema, Hints(question, prose))).decode()


def _prose(ask: Ask, question: str, index: int) -> str:
    if (said := judged(ask)) is not None or (said := quoted_answer(ask)) is not None:
        return said
    if ask.last.role is Role.TOOL:
        return _tool_report(ask)
    if (wanted := _WORDS.fullmatch(question)) is not None:
        return " ".join(itertools.islice(itertools.cycle(_VOCABULARY.split()), int(wanted[1])))
    return _plausible(ask, question, index)


def _tool_report(ask: Ask) -> str:
    results = []
    for turn in reversed(ask.turns):
        if turn.role is not Role.TOOL:
            break
        results.append(f"{turn.tool or 'The tool'} returned {turn.text.strip()}")
    return "; ".join(reversed(results)) + "."


def _plausible(ask: Ask, question: str, index: int) -> str:
    seed = hashlib.sha256(repr([(turn.role.value, turn.text) for turn in ask.turns]).encode()).digest()
    topic = " ".join(list(dict.fromkeys(content_words(question)))[:4]) or "that"
    pools = (_OPENINGS, _MIDDLES, _CLOSINGS)
    picked = (pool[(seed[place] + index) % len(pool)] for place, pool in enumerate(pools))
    return " ".join(sentence.format(topic=topic) for sentence in picked)
