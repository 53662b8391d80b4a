"""Words as relevance and likeness see them: lower case, lightly stemmed, without the words that carry nothing."""

import re
from collections.abc import Iterable

_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
# In ASCII, which is most of what comes, a table is twice as fast as a pattern.
_SPACED = "".join(chr(code) if chr(code).isalnum() else " " for code in range(128))
_SUFFIXES = ("ing", "es", "ed", "ly", "s")

# Articles, auxiliaries, pronouns, prepositions and question words of English, German, French and Spanish.
_FUNCTION_WORDS = """
a an the is are was were be been being am do does did done can could will would shall should may might must i you
he she it we they me him us them my your his its our their this that these those there here what which who whom
whose when where why how of in on at to for from by with about as into over under than then so and or but if not no
nor up out off only own same such very just also has have had having any some s t d ll re ve m
der die das den dem des ein eine einen einem einer eines und oder aber ist sind war waren wird werden wurde wurden
hat haben nicht kein keine mit von zu zum zur im am an auf aus bei nach als wie was wer wo wann warum welche welcher
welches es er sie wir ihr ich
le la les un une des du de et ou est sont dans en sur pour par avec que qui quoi quand comment pourquoi quel quelle
ne pas au aux ce cette il elle nous vous ils elles
el los las una unos unas y o es son del al por para con que quien cuando donde como cual no se su lo
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())


def words_of(text: str) -> list[str]:
    """Lower-case words in order; text written without spaces comes as overlapping pairs of characters."""
    lowered = text.lower()
    if lowered.isascii():
        return lowered.translate(_SPACED).split()
    words = _WORD.findall(lowered)
    if not _UNSPACED.search(lowered):
        return words
    return [term for word in words for term in _pairs(word)]


def stem(word: str) -> str:
    """A word without its commonest English ending, so that "writes" meets "write" and "opened" meets "opening"."""
    if len(word) > 4:
        for suffix in _SUFFIXES:
            if word.endswith(suffix) and len(word) - len(suffix) >= 3:
                return word[: -len(suffix)]
        return word.removesuffix("e")
    return word[:-1] if len(word) == 4 and word[-1] == "s" else word


def content_stems(words: Iterable[str]) -> list[str]:
    """Stems of the words that carry meaning."""
    return [stem(word) for word in words if word not in FUNCTION_WORDS]


def _pairs(word: str) -> list[str]:
    if not _UNSPACED.search(word) or len(word) < 2:
        return [word]
    return [word[index : index + 2] for index in range(len(word) - 1)]
