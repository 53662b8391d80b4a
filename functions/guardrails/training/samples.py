"""Labelled texts for training and validation, composed from the templates."""

import base64
import random
from collections.abc import Iterator
from dataclasses import dataclass

from functions.guardrails.training.grammar import templates, write

_LANGUAGES = ("de", "fr", "es", "it", "pt", "slavic", "other")


@dataclass(frozen=True, slots=True)
class Sample:
    """A text and whether it is an attack."""

    text: str
    attack: bool


class Composer:
    """Writes samples; the same seed writes the same ones."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - chooses templates, guards nothing
        self._attacks = [(kind, text) for kind, listed in templates("attacks").items() for text in listed]
        self._benign = templates("benign")
        self._embedded = templates("embedded")

    def direct(self, count: int) -> Iterator[Sample]:
        """What users write: half of it attacks, alone or beside honest sentences."""
        for _ in range(count):
            if self._dice.random() < 0.5:
                yield Sample(self._disturb(self._attack()), attack=True)
            else:
                yield Sample(self._disturb(self._honest()), attack=False)

    def embedded(self, count: int) -> Iterator[Sample]:
        """What tools return: half of it with an instruction to the model among the data."""
        for _ in range(count):
            told = self._dice.random()
            if told < 0.35:
                yield Sample(self._disturb(self._among_data(self._from("embedded", "instructions"))), attack=True)
            elif told < 0.5:
                yield Sample(self._disturb(self._among_data(self._attack())), attack=True)
            else:
                yield Sample(self._disturb(self._data()), attack=False)

    def honest(self, count: int) -> Iterator[str]:
        """Long honest texts, as users write them with what they quote."""
        for _ in range(count):
            write_piece = self._dice.choice((self._honest, self._honest, self._data))
            yield self._glue().join(write_piece() for _ in range(self._dice.randint(3, 8)))

    def honest_data(self, count: int) -> Iterator[str]:
        """Long honest texts, as tools return them."""
        for _ in range(count):
            yield self._glue().join(self._data() for _ in range(self._dice.randint(3, 8)))

    def _attack(self) -> str:
        kinds = sorted({kind for kind, _ in self._attacks})
        kind = self._dice.choice([*kinds, *(name for name in kinds if name.endswith(("_en", "_de")))])
        text = write(self._dice.choice(templates("attacks")[kind]), self._dice)
        where = self._dice.random()
        if where < 0.22:
            return f"{self._honest_prompt(kind)}{self._glue()}{text}"
        if where < 0.3:
            return f"{text}{self._glue()}{self._honest_prompt(kind)}"
        if where < 0.36:
            return f"{text}{self._glue()}{write(self._dice.choice(templates('attacks')[kind]), self._dice)}"
        return text

    def _honest(self) -> str:
        kind = self._dice.random()
        if kind < 0.1:
            return self._data()
        if kind < 0.25:
            return self._running_text()
        if kind < 0.45:
            return self._from("prose", "tasks_defined")
        text = self._honest_prompt("")
        return f"{text}{self._glue()}{self._honest_prompt('')}" if self._dice.random() < 0.25 else text

    def _honest_prompt(self, beside: str) -> str:
        """An honest prompt; beside an attack mostly in the attack's language."""
        language = beside.rpartition("_")[2]
        if language in _LANGUAGES and self._dice.random() < 0.6:
            kinds = [kind for kind in self._benign if kind.endswith(language)]
        else:
            kinds = list(self._benign)
            # Words that attacks use too are where a classifier goes wrong: such prompts come thrice as often.
            kinds += [kind for kind in kinds if kind.startswith("triggers")] * 2
            kinds += [kind for kind in kinds if kind.endswith("_en") and not kind.startswith("triggers")]
        return write(self._dice.choice(self._benign[self._dice.choice(kinds)]), self._dice)

    def _running_text(self) -> str:
        kind = self._dice.choice(("prose_en", "prose_en", "prose_casual", "prose_technical", "prose_de"))
        return " ".join(self._from("prose", kind) for _ in range(self._dice.choice((1, 2, 3, 4))))

    def _data(self) -> str:
        if self._dice.random() < 0.3:
            return self._running_text()
        pieces = [self._from("embedded", "data") for _ in range(self._dice.choice((1, 1, 2, 3)))]
        return self._glue().join(pieces)

    def _among_data(self, text: str) -> str:
        before, after = self._dice.choice(((0, 0), (0, 0), (1, 0), (0, 1), (1, 1)))
        pieces = [*(self._from("embedded", "data") for _ in range(before)), text]
        pieces += [self._from("embedded", "data") for _ in range(after)]
        return self._glue().join(pieces)

    def _from(self, name: str, kind: str) -> str:
        return write(self._dice.choice(templates(name)[kind]), self._dice)

    def _glue(self) -> str:
        return self._dice.choice((" ", " ", ". ", "? ", "\n", "\n\n", " - ", ".. "))

    def _disturb(self, text: str) -> str:
        """The text as people write it: sloppy capitals, dropped letters, missing or doubled marks."""
        chance = self._dice.random()
        if chance < 0.3:
            text = text[:1].upper() + text[1:]
        elif chance < 0.36:
            text = text.upper()
        elif chance < 0.42:
            text = text.lower()
        if self._dice.random() < 0.1 and len(text) > 12:
            at = self._dice.randrange(1, len(text) - 1)
            text = text[:at] + text[at + 1 :]
        if self._dice.random() < 0.35:
            text = f"{text.rstrip('.!? ')}{self._dice.choice(('.', '!', '?', '...', ''))}"
        if self._dice.random() < 0.02:
            text = f"{text} {base64.b64encode(self._dice.randbytes(24)).decode()}"
        return text
