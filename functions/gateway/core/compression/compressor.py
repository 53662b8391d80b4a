"""Makes a conversation shorter by the steps that its tenant chose, or leaves it as it is."""

import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from functions.gateway.core.compression.conversation import Text, texts_of, with_texts
from functions.gateway.core.compression.duplicates import leave_out_duplicates
from functions.gateway.core.compression.filler import take_out_filler
from functions.gateway.core.compression.passages import Page, Reading, was_pruned
from functions.gateway.core.compression.pruning import FULL, LIGHT, Pruning, Shortener, Strategy, is_long_context
from functions.gateway.core.compression.question import Question, find_question
from functions.gateway.core.compression.relevance import score
from functions.gateway.core.compression.structure import Block, split_blocks
from functions.gateway.core.compression.tidy import tidy
from functions.gateway.core.models import Json

_logger = logging.getLogger(__name__)

Level = Literal["off", "light", "full"]
Count = Callable[[str], int]

_STRATEGIES: dict[Level, Strategy] = {"light": LIGHT, "full": FULL}
_REMARK_CHARACTERS = 1000
_TRIES = 4
# More are no prose, and reading them would keep a processor busy for longer than the saving is worth.
_MOST_SENTENCES = 150_000
# Text that is nearly all numbers and quotations is not worth mangling for the little that pruning can take from it.
_WORTH_IT = 0.5


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did.

    Attributes:
        name: tidy, filler, duplicates or pruning.
        saved: tokens.
    """

    name: str
    saved: int


@dataclass(frozen=True, slots=True)
class Compressed:
    """A conversation after compression.

    Attributes:
        messages: those given where nothing was to be gained.
        tokens_before: of all texts in the messages, before.
        tokens_after: the same after; never more.
        steps: those that saved something.
    """

    messages: list[Json]
    tokens_before: int
    tokens_after: int
    steps: tuple[Step, ...] = ()


def compress(messages: list[Json], level: Level, *, count: Count, shortener: Shortener | None = None) -> Compressed:
    """Say the same with fewer tokens.

    System and developer messages, the assistant's, tool calls, code, JSON, tables and quoted text keep every byte;
    every number, address and quotation of the rest is still there afterwards. Deterministic; what has been
    compressed before is not pruned again. Never raises: when something goes wrong the messages come back as they are.

    Args:
        messages: in OpenAI's or Anthropic's form; not changed.
        level: `light` saves a fifth to a third of a long prompt, `full` about half, `off` nothing.
        count: tokens of a text.
        shortener: shortens at level `full` what would be left out without it.
    """
    before: list[int] = []
    try:
        texts = texts_of(messages)
        before = [count(text.text) for text in texts]
        strategy = _STRATEGIES.get(level)
        if strategy is not None:
            done = _Work(texts, before, strategy, count, shortener if level == "full" else None).result(messages)
            # What stood behind filler, or behind what was left out, may now begin like filler, or be a ruler.
            is_settled = all(step.name not in {"filler", "pruning"} for step in done.steps)
            return done if is_settled else _again(done, level, count)
    except Exception as error:  # noqa: BLE001 - a longer prompt is no reason to fail a call
        # Not its message: that may quote the prompt.
        place = traceback.extract_tb(error.__traceback__)[-1]
        _logger.warning("compression failed: %s in %s:%s", type(error).__name__, place.name, place.lineno)
    return Compressed(messages, sum(before), sum(before))


def _again(done: Compressed, level: Level, count: Count) -> Compressed:
    more = compress(done.messages, level, count=count)
    return Compressed(more.messages, done.tokens_before, more.tokens_after, done.steps + more.steps)


class _Work:
    """One conversation on its way through the steps."""

    def __init__(
        self,
        texts: Sequence[Text],
        before: Sequence[int],
        strategy: Strategy,
        count: Count,
        shortener: Shortener | None,
    ) -> None:
        self._texts = texts
        self._before = before
        self._strategy = strategy
        self._count = count
        self._shortener = shortener
        self._reading = Reading()
        self._open = [index for index, text in enumerate(texts) if text.may_change and text.text]
        self._current = [texts[index].text for index in self._open]
        self._tokens = [before[index] for index in self._open]
        self._steps: list[Step] = []

    def result(self, messages: list[Json]) -> Compressed:
        """The conversation after all steps."""
        self._run()
        changed: list[tuple[Text, str]] = []
        after = list(self._before)
        for index, text, tokens in zip(self._open, self._current, self._tokens, strict=True):
            original = self._texts[index]
            is_shorter = tokens <= self._before[index] and len(text) <= len(original.text)
            if text != original.text and is_shorter and text.strip():
                changed.append((original, text))
                after[index] = tokens
        if not changed:
            return Compressed(messages, sum(after), sum(after))
        steps = tuple(step for step in self._steps if step.saved > 0)
        return Compressed(with_texts(messages, changed), sum(self._before), sum(after), steps)

    def _run(self) -> None:
        tidied = [_tidied(self._texts[index].text) for index in self._open]
        self._measure("tidy", ["".join([block.text for block in blocks]) for blocks in tidied])
        if sum(text.count("\n") + text.count(". ") for text in self._current) > _MOST_SENTENCES:
            return
        pages = [
            self._reading.add(blocks, is_data=self._texts[index].is_data)
            for index, blocks in zip(self._open, tidied, strict=True)
        ]
        question = self._question(pages)
        if question.on_wording:
            return
        if take_out_filler(pages):
            self._measure("filler", [page.render() for page in pages])
        if leave_out_duplicates(pages):
            self._measure("duplicates", [page.render() for page in pages])
        passages = self._reading.passages
        if question.on_whole or self._was_pruned() or not is_long_context(passages, self._strategy):
            return
        if score(passages, question.weights):
            self._prune(pages)

    def _was_pruned(self) -> bool:
        return any(was_pruned(self._texts[index].text) for index in self._open)

    def _question(self, pages: Sequence[Page]) -> Question:
        """Find what is asked, and see to it that remarks made on the way there stay whole."""
        of_users: dict[int, list[Page]] = {}
        for index, page in zip(self._open, pages, strict=True):
            if not page.is_data:
                of_users.setdefault(self._texts[index].message, []).append(page)
        turns = list(of_users.values())
        for turn in turns[:-1]:
            sentences = [sentence for page in turn for line in page.lines() for sentence in line.sentences]
            if sum(len(sentence.text) for sentence in sentences) < _REMARK_CHARACTERS:
                for sentence in sentences:
                    sentence.fixed = True
        if not turns:
            return Question()
        return find_question(turns[-1], turns[-2] if len(turns) > 1 else (), self._reading.passages)

    def _prune(self, pages: Sequence[Page]) -> None:
        """Prune until about the wanted share of the conversation's tokens is saved."""
        total, context = sum(self._before), sum(self._tokens)
        saved = sum(step.saved for step in self._steps)
        pruning = Pruning(self._reading.passages, self._strategy, self._shortener)
        per_token = sum(map(len, self._current)) / max(1, context)
        goal = min(self._strategy.share * total - saved, pruning.limit / per_token)
        if goal <= 0:
            return
        characters = goal * per_token
        rendered, tokens, too_few = self._current, self._tokens, 0
        for _ in range(_TRIES):
            gained = pruning.save(int(characters), more_than=too_few)
            rendered = [page.render() for page in pages]
            tokens = [self._count(text) for text in rendered]
            missing = goal - (context - sum(tokens))
            if abs(missing) <= self._strategy.tolerance * total:
                break
            too_few = gained if missing > 0 else too_few
            characters = gained + missing * per_token
        if context - sum(tokens) >= goal * _WORTH_IT:
            self._accept("pruning", rendered, tokens)

    def _measure(self, name: str, rendered: list[str]) -> None:
        tokens = [
            known if text == old else self._count(text)
            for text, old, known in zip(rendered, self._current, self._tokens, strict=True)
        ]
        self._accept(name, rendered, tokens)

    def _accept(self, name: str, rendered: list[str], tokens: list[int]) -> None:
        self._steps.append(Step(name, sum(self._tokens) - sum(tokens)))
        self._current, self._tokens = rendered, tokens


def _tidied(text: str) -> list[Block]:
    return [block._replace(text=tidy(block.text)) if block.prose else block for block in split_blocks(text)]
