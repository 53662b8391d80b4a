"""The words that questions may differ in, read once from `lexicon.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

_FILE = Path(__file__).with_name("lexicon.yaml")
Rows = Mapping[str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]]
_VOWELS = frozenset("aeiouy")


@dataclass(frozen=True, slots=True)
class Lexicon:
    """What single words, and words in a row, are read as.

    Attributes:
        words: what a word that is no content word is read as; empty for those that say nothing.
        auxiliaries: tense or mood of an auxiliary.
        relations: prepositions and conjunctions.
        phrases: by their first word, rows of words and the row they are read as, the longest first.
        lead_ins: by their first word, rows of words that only introduce a question, the longest first.
        stems: the stem that stands for all of a stem's synonyms.
        irregular: what an irregular form is a form of.
        openings: dropped words that a question may begin with.
        english: words that no other language has and hardly an English question does without.
        be: the forms of `to be`.
        some: say nothing unless something is denied.
        cased: words that a capital makes another word; `cased_foreign` in other languages.
        gerunds: words in -ing that mean something else than their verb.
    """

    dropped: frozenset[str]
    auxiliaries: Mapping[str, str]
    pronouns: Mapping[str, str]
    relations: Mapping[str, str]
    soft: frozenset[str]
    negations: frozenset[str]
    frames: Mapping[str, str]
    phrases: Rows
    lead_ins: Rows
    contractions: Mapping[str, tuple[str, ...]]
    numbers: Mapping[str, str]
    tens: Mapping[str, int]
    months: Mapping[str, int]
    spellings: Mapping[str, str]
    irregular: Mapping[str, str]
    stems: Mapping[str, str]
    openings: frozenset[str]
    english: frozenset[str]
    be: frozenset[str]
    some: frozenset[str]
    cased: frozenset[str]
    cased_foreign: frozenset[str]
    gerunds: frozenset[str]

    def is_inflected(self, word: str) -> bool:
        """Whether a word is a form of another."""
        word = self.spellings.get(word, word)
        return word in self.irregular or _root(word) != word

    def stem(self, word: str) -> str:
        """What stands for a content word, its inflections and synonyms."""
        word = self.spellings.get(word, word)
        root = _root(self.irregular.get(word, word))
        return self.stems.get(root, root)


@lru_cache(maxsize=1)
def load_lexicon() -> Lexicon:
    """The lexicon of this release."""
    raw: dict[str, Any] = yaml.safe_load(_FILE.read_text("utf-8"))
    irregular = _inverted(raw["irregular"])
    spellings = raw["spellings"]
    numbers = {word: str(value) for value, word in enumerate(raw["numbers"].split())}
    numbers |= {word: f"{value}th" for value, word in enumerate(raw["ordinals"].split(), start=1)}
    tens = {word: 10 * value for value, word in enumerate(raw["tens"].split(), start=2)}
    stems: dict[str, str] = {}
    for group in raw["synonyms"]:
        first, *others = [_root(irregular.get(word, word)) for word in group.split()]
        # A word in several groups joins them no further than its first: sameness is not inherited.
        stems |= {root: stems.get(first, first) for root in others if root not in stems}
    months = {word: value for value, word in enumerate(raw["months"].split(), start=1)}
    months |= {word[:3]: value for word, value in months.items()} | {"sept": 9}
    return Lexicon(
        dropped=frozenset(raw["dropped"].split()),
        auxiliaries=_inverted(raw["auxiliaries"]),
        pronouns=_inverted(raw["pronouns"]),
        relations=_inverted(raw["relations"]),
        soft=frozenset(raw["soft"].split()),
        negations=frozenset(raw["negations"].split()),
        frames=_inverted(raw["frames"]),
        phrases=_rows({said: meant for meant, rows in raw["phrases"].items() for said in rows}),
        lead_ins=_rows(dict.fromkeys(raw["lead_ins"], "")),
        contractions={word: tuple(row.split()) for word, row in raw["contractions"].items()},
        numbers=numbers | {word: str(value) for word, value in tens.items()},
        tens=tens,
        months=months,
        spellings=spellings,
        irregular=irregular,
        stems=stems,
        openings=frozenset(raw["dropped"].split()) - _inverted(raw["frames"]).keys(),
        **{
            name: frozenset(raw[name].split())
            for name in ("english", "be", "some", "cased", "cased_foreign", "gerunds")
        },
    )


def _inverted(groups: Mapping[str, str]) -> dict[str, str]:
    return {word: name for name, words in groups.items() for word in words.split()}


def _rows(meant: Mapping[str, str]) -> Rows:
    rows: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
    for said, meaning in meant.items():
        words = tuple(said.split())
        rows.setdefault(words[0], []).append((words, tuple(meaning.split())))
    return {first: tuple(sorted(found, key=lambda row: -len(row[0]))) for first, found in rows.items()}


def _root(word: str) -> str:
    """A word without its inflection: plural, third person, past and progressive. Derivations are other words."""
    if len(word) <= 3:
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1].removesuffix("e")
    for ending in ("ing", "ed"):
        if word.endswith(ending) and not _VOWELS.isdisjoint(word[: -len(ending)]) and len(word) - len(ending) > 1:
            return _without_doubling(word[: -len(ending)])
    return word.removesuffix("e") if not word.endswith("ee") else word


def _without_doubling(root: str) -> str:
    if len(root) > 2 and root[-1] == root[-2] and root[-1] not in "lsz":
        return root[:-1]
    return root[:-1] + "y" if root.endswith("i") else root
