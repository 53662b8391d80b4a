"""Leaves out of long context what the question does not need, the least relevant first."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from functions.gateway.core.compression.kept import fragments, is_plain
from functions.gateway.core.compression.passages import Passage, Sentence

_LEAST_PASSAGES = 4
_JOINT_CHARACTERS = 3
_BATCH = 64
_SHORTENED_RATE = 0.4

_logger = logging.getLogger(__name__)


class Shortener(Protocol):
    """Shortens sentences by other means than leaving them out, e.g. a model that drops words."""

    def shorten(self, sentences: Sequence[str], *, rate: float) -> Sequence[str]:
        """Each sentence in fewer words.

        Args:
            rate: how much to keep, 0 to 1.
        """
        ...


@dataclass(frozen=True, slots=True)
class Strategy:
    """How much to leave out, and of what.

    Attributes:
        share: of the conversation's tokens that all steps together should save.
        tolerance: how far from `share` is near enough.
        most: of the characters that may go at all, how many may; the most relevant stay whatever the share.
        least_characters: of context, below which there is nothing to choose from.
        spares_best: what is in the best passage or shares a rare word with the question is never touched.
        before: words kept in front of a number, an address or a tag of a sentence that is left out.
        after: words kept behind it.
        around_quotes: as many are kept around quotations and inline code.
    """

    share: float
    tolerance: float
    most: float
    least_characters: int
    spares_best: bool
    before: int
    after: int
    around_quotes: bool


LIGHT = Strategy(
    share=0.24,
    tolerance=0.025,
    most=0.45,
    least_characters=2400,
    spares_best=True,
    before=10,
    after=6,
    around_quotes=True,
)
FULL = Strategy(
    share=0.515,
    tolerance=0.013,
    most=0.72,
    least_characters=1600,
    spares_best=False,
    before=2,
    after=1,
    around_quotes=False,
)


@dataclass(slots=True)
class _Cut:
    sentence: Sentence
    position: int
    gain: int


class Pruning:
    """The sentences of a conversation in the order in which they may go. Their scores must be known."""

    def __init__(self, passages: Sequence[Passage], strategy: Strategy, shortener: Shortener | None = None) -> None:
        self._strategy = strategy
        self._shortener = shortener
        # What is shortened saves less than what is left out, so that the best would have its turn as well.
        spares_best = strategy.spares_best or shortener is not None
        ranked = [
            (sentence.score, -index, sentence)
            for passage in passages
            for index, sentence in enumerate(passage.sentences)
            if not sentence.fixed
            and sentence.kept is None
            and not (spares_best and (sentence.score >= 1 or sentence.shares_rare))
        ]
        ranked.sort(key=lambda item: item[:2])
        self._order = [sentence for _, _, sentence in ranked]
        #: Characters that may be saved at most.
        self.limit = int(strategy.most * sum(len(sentence.text) for sentence in self._order))
        self._cuts: list[_Cut] = []
        self._next = 0
        self._shortened: dict[int, str] = {}

    def save(self, characters: int, *, more_than: int) -> int:
        """Leave out sentences, or put some back, until about so many characters are saved, or as many as may be.

        Args:
            more_than: characters that are known to be too few.

        Returns:
            The characters saved.
        """
        characters = min(characters, self.limit)
        saved = sum(cut.gain for cut in self._cuts)
        while self._cuts and saved - self._cuts[-1].gain >= max(characters, more_than + 1):
            cut = self._cuts.pop()
            cut.sentence.kept = None
            saved -= cut.gain
            self._next = cut.position
        while saved < characters and self._next < len(self._order):
            position = self._next
            sentence = self._order[position]
            self._next += 1
            kept = self._remainder(position)
            gain = len(sentence.text) - sum(map(len, kept)) - _JOINT_CHARACTERS * len(kept)
            if gain > 0:
                sentence.kept = kept
                self._cuts.append(_Cut(sentence, position, gain))
                saved += gain
        return saved

    def _remainder(self, position: int) -> list[str]:
        """What stays of a sentence that is left out."""
        text = self._order[position].text
        if not is_plain(text):
            strategy = self._strategy
            return fragments(text, strategy.before, strategy.after, around_quotes=strategy.around_quotes)
        if self._shortener is None:
            return []
        if position not in self._shortened:
            self._shorten_from(position)
        shortened = self._shortened[position].strip()
        return [shortened] if 0 < len(shortened) < len(text) else []

    def _shorten_from(self, position: int) -> None:
        """Have the next plain sentences shortened together, which is what models are fast at."""
        following = range(position, len(self._order))
        batch = list(islice((index for index in following if is_plain(self._order[index].text)), _BATCH))
        shortened = [""] * len(batch)
        try:
            if self._shortener is not None:
                answer = self._shortener.shorten([self._order[index].text for index in batch], rate=_SHORTENED_RATE)
                shortened = list(answer) if len(answer) == len(batch) else shortened
        except Exception as error:  # noqa: BLE001 - whatever ails it, the sentences can be left out instead
            _logger.warning("the shortener failed: %s", type(error).__name__)
            self._shortener = None
        self._shortened.update(zip(batch, shortened, strict=True))


def is_long_context(passages: Sequence[Passage], strategy: Strategy) -> bool:
    """Whether there is enough to choose from."""
    context = [passage for passage in passages if any(not sentence.fixed for sentence in passage.sentences)]
    characters = sum(len(item.text) for passage in context for item in passage.sentences if not item.fixed)
    return len(context) >= _LEAST_PASSAGES and characters >= strategy.least_characters
