"""What words mean to an attack: every word becomes one sign, whatever its language and ending."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

UNKNOWN, NUMBER, STOP, MARK = "x", "0", ".", "#"
_STOPS = ".!?;:\u3002\uff01\uff1f\u061f\u0964\n"
# Vowel signs and other marks that belong to the word they stand in: Hebrew, Arabic, Indic scripts, Thai, Lao.
_MARKS = (
    "\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0903\u093a-\u093c\u093e-\u094f\u0981-\u0983\u09bc\u09be-\u09cd"
    "\u0a01-\u0a03\u0a3c-\u0a4d\u0a81-\u0a83\u0abc-\u0acd\u0b01-\u0b03\u0b3c-\u0b4d\u0b82\u0bbe-\u0bcd\u0c00-\u0c04\u0c3c-\u0c4d"
    "\u0c81-\u0c83\u0cbc-\u0ccd\u0d00-\u0d03\u0d3b-\u0d4d\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd"
)
_LETTERS = rf"[^\W\d_]+(?:[{_MARKS}]+[^\W\d_]*)*"
_TOKEN = re.compile(
    rf"{_LETTERS}(?:['\u2019-]{_LETTERS})*|\d+|[.!?;:\u3002\uff01\uff1f\u061f\u0964\n]+|[{{}}<>\[\]|=#*`\"]+",
    re.UNICODE,
)
# Scripts written without spaces: a run is cut where a known word begins.
_UNSPACED = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_LONGEST_UNSPACED = 4
# Thai and Lao write a vowel or a tone as a sign of its own.
_LONGEST_THAI = 12


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Words and stems by meaning.

    Attributes:
        words: sign of a whole word.
        stems: sign of every word that begins so.
        signs: sign of each meaning's name.
    """

    words: dict[str, str]
    stems: dict[str, str]
    signs: dict[str, str]

    def sign(self, word: str) -> str:
        """The sign of a lower-case word; `UNKNOWN` for words that mean nothing to an attack."""
        found = self.words.get(word)
        if found is not None:
            return found
        for length in range(len(word), 1, -1):
            found = self.stems.get(word[:length])
            if found is not None:
                return found
        return UNKNOWN


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text's words, numbers and punctuation in lower case, and where each begins."""

    words: list[str]
    starts: list[int]

    def span(self, first: int, last: int) -> tuple[int, int]:
        """The characters of the tokens `first` to `last`, the latter excluded."""
        return self.starts[first], self.starts[last - 1] + len(self.words[last - 1])


@cache
def lexicon() -> Lexicon:
    """The lexicon that ships with the package."""
    listed = yaml.safe_load(files(__package__).joinpath("lexicon.yaml").read_text("utf-8"))
    words: dict[str, str] = {}
    stems: dict[str, str] = {}
    signs: dict[str, str] = {}
    for name, entry in listed.items():
        signs[name] = entry["sign"]
        for word in entry["words"].lower().split():
            (stems if word.endswith("*") else words).setdefault(word.rstrip("*"), signs[name])
    return Lexicon(words, stems, signs)


def tokens(text: str) -> Tokens:
    """The words of a text; runs without spaces are cut into known words and single characters."""
    words: list[str] = []
    starts: list[int] = []
    for match in _TOKEN.finditer(_lowered(text)):
        word = match[0]
        if word.isascii() or not _UNSPACED.match(word):
            words.append(word)
            starts.append(match.start())
        else:
            _cut(word, match.start(), words, starts)
    return Tokens(words, starts)


def _lowered(text: str) -> str:
    """Lower case of the same length: a few capitals (`İ`) have two characters in lower case."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(small if len(small := character.lower()) == 1 else character for character in text)


def _cut(run: str, offset: int, words: list[str], starts: list[int]) -> None:
    known = lexicon().words
    longest = _LONGEST_THAI if "\u0e00" <= run[0] <= "\u0eff" else _LONGEST_UNSPACED
    at = 0
    while at < len(run):
        size = next((size for size in range(longest, 1, -1) if run[at : at + size] in known), 1)
        words.append(run[at : at + size])
        starts.append(offset + at)
        at += size


_sign_of: dict[str, str] = {}
_MOST_REMEMBERED = 50_000


def signs(found: Tokens) -> str:
    """One sign per token."""
    known = _sign_of
    return "".join([known.get(word) or _remember(word) for word in found.words])


def _remember(word: str) -> str:
    if len(_sign_of) >= _MOST_REMEMBERED:
        _sign_of.clear()
    first = word[0]
    if first.isalpha():
        sign = lexicon().sign(word)
    elif first.isdigit():
        sign = NUMBER
    else:
        sign = STOP if first in _STOPS else MARK
    _sign_of[word] = sign
    return sign
