"""Turns text into the terms it is found by: words stemmed by language, identifiers split, CJK in pairs of characters.

Stop words stay in what is indexed; a query drops them unless it has nothing else ("to be or not to be").
"""

import threading
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import regex
import Stemmer
import yaml

# ISO 639-1 to Snowball's algorithm (snowballstem.org).
_ALGORITHMS = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "eo": "esperanto", "es": "spanish", "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish",
    "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian",
    "it": "italian", "lt": "lithuanian", "ne": "nepali", "nl": "dutch", "no": "norwegian", "pl": "polish",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian", "sv": "swedish", "ta": "tamil",
    "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
# A word in another script than the text's language is stemmed by the language that most texts in that script have.
_SCRIPTS = (
    (regex.compile(r"\p{Arabic}"), "ar", frozenset({"ar", "fa"})),
    (regex.compile(r"\p{Cyrillic}"), "ru", frozenset({"ru", "sr"})),
    (regex.compile(r"\p{Devanagari}"), "hi", frozenset({"hi", "ne"})),
    (regex.compile(r"\p{Greek}"), "el", frozenset({"el"})),
    (regex.compile(r"\p{Armenian}"), "hy", frozenset({"hy"})),
    (regex.compile(r"\p{Tamil}"), "ta", frozenset({"ta"})),
    (regex.compile(r"\p{Hebrew}"), "yi", frozenset({"yi"})),
    (
        regex.compile(r"\p{Latin}"),
        "en",
        frozenset(_ALGORITHMS) - {"ar", "fa", "ru", "hi", "ne", "el", "hy", "ta", "yi"},
    ),
)
DEFAULT_LANGUAGE = "en"

# Scripts written without spaces between words: pairs of neighbouring characters stand for words.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー々〆"
_TOKEN = regex.compile(
    rf"[{_UNSPACED}][{_UNSPACED}\p{{M}}]*+|(?:(?![{_UNSPACED}])[\p{{L}}\p{{N}}_][\p{{M}}]*+)+(?:['\u2019](?:(?![{_UNSPACED}])[\p{{L}}]\p{{M}}*+)+)*"
)
_ASCII_TOKEN = regex.compile(r"[A-Za-z0-9_]+(?:'[A-Za-z]+)*")
_IS_UNSPACED = regex.compile(rf"[{_UNSPACED}]")
_GRAPHEME = regex.compile(r"\P{M}\p{M}*")
# An identifier: parts joined by underscores, or a small letter before a capital, or capitals before a capitalised word.
_IDENTIFIER = regex.compile(r"[^_]_+[^_]|\p{Ll}\p{Lu}|\p{Lu}\p{Lu}\p{Ll}")
_PART = regex.compile(r"\p{Lu}+(?=\p{Lu}\p{Ll})|\p{Lu}?[\p{Ll}\p{Lo}\p{M}]+|\p{Lu}+|\p{N}+")
_ARABIC_MARKS = regex.compile(r"[\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed]")
# Alif in its forms, alif maksura and the Persian ya and kaf.
_ARABIC_LETTERS = str.maketrans(
    "\u0622\u0623\u0625\u0671\u0649\u06cc\u06a9", "\u0627\u0627\u0627\u0627\u064a\u064a\u0643"
)
_LONGEST_TERM = 64
_cache = threading.local()


def terms(text: str, language: str = DEFAULT_LANGUAGE) -> list[str]:
    """The terms of a text in order, repetitions kept; its length in BM25 is their number.

    Args:
        language: ISO 639-1; one without a stemmer, or a programming language, is read as English.
    """
    language = language if language in _ALGORITHMS else DEFAULT_LANGUAGE
    return _stemmed(_words(text), language)


def query_terms(text: str, languages: Iterable[str] = (DEFAULT_LANGUAGE,)) -> list[str]:
    """The distinct terms to look for, in order of the query, without stop words unless it has nothing else.

    Args:
        languages: those of the texts to be searched; a word is looked for as each of them stems it.
    """
    found: dict[str, None] = {}
    words = _words(text)
    for language in sorted({known if known in _ALGORITHMS else DEFAULT_LANGUAGE for known in languages}):
        meaningful = [word for word in words if word not in stop_words(language)]
        found.update(dict.fromkeys(_stemmed(meaningful or words, language)))
    return list(found)


@lru_cache(maxsize=64)
def stop_words(language: str) -> frozenset[str]:
    """Words that carry no meaning by themselves; none for a language without a list."""
    return frozenset(str(_lists().get(language, "")).split())


@lru_cache(maxsize=1)
def _lists() -> dict[str, str]:
    lists: dict[str, str] = yaml.safe_load(Path(__file__).with_name("stop_words.yaml").read_text(encoding="utf-8"))
    return lists


def _words(text: str) -> list[str]:
    """Case-folded words; an identifier gives itself and its parts."""
    plain = text.isascii()
    if not plain:
        text = unicodedata.normalize("NFKC", text)
    found: list[str] = []
    for token in (_ASCII_TOKEN if plain else _TOKEN).findall(text):
        if not plain and _IS_UNSPACED.match(token):
            found.extend(_pairs(token))
        elif token.islower() and "_" not in token and token.isascii():
            found.append(_bare(token))
        else:
            found.extend(_parts(token))
    return [word[:_LONGEST_TERM] for word in found if word]


def _bare(word: str) -> str:
    """Without the English possessive, which French and Italian elisions do not have."""
    return word.removesuffix("'s").removesuffix("\u2019s")


def _parts(token: str) -> list[str]:
    token = token.strip("_")
    whole = _bare(token.casefold())
    if not _IDENTIFIER.search(token):
        return [whole]
    parts = [part.casefold() for part in _PART.findall(token)]
    return [whole, *parts] if len(parts) > 1 else [whole]


def _pairs(run: str) -> Sequence[str]:
    letters: list[str] = _GRAPHEME.findall(run)
    if len(letters) < 2:
        return letters
    return [letters[at] + letters[at + 1] for at in range(len(letters) - 1)]


def _stemmed(words: list[str], language: str) -> list[str]:
    distinct = list(dict.fromkeys(words))
    plain = [word for word in distinct if word.isascii()]
    latin = _stemmer(language if language in _SCRIPTS[-1][2] else DEFAULT_LANGUAGE)
    stems = dict(zip(plain, latin.stemWords(plain), strict=True))
    stems.update((word, _stem(word, language)) for word in distinct if word not in stems)
    return [stems[word] for word in words]


def _stem(word: str, language: str) -> str:
    if _IS_UNSPACED.match(word):
        return word
    for pattern, usual, languages in _SCRIPTS:
        if pattern.search(word):
            own = language if language in languages else usual
            break
    else:
        return word
    if own in {"ar", "fa"}:
        word = _ARABIC_MARKS.sub("", word).translate(_ARABIC_LETTERS)
    return _without_accents(_stemmer(own).stemWord(word)) if own != "hi" else _stemmer(own).stemWord(word)


def _without_accents(word: str) -> str:
    if word.isascii():
        return word
    split = unicodedata.normalize("NFD", word)
    return unicodedata.normalize("NFC", "".join(letter for letter in split if not "\u0300" <= letter <= "\u036f"))


def _stemmer(language: str) -> "Stemmer.Stemmer":
    """A stemmer of this thread's own: Snowball's are not safe to share."""
    made: dict[str, Stemmer.Stemmer] = _cache.__dict__.setdefault("made", {})
    if language not in made:
        made[language] = Stemmer.Stemmer(_ALGORITHMS[language])
    return made[language]
