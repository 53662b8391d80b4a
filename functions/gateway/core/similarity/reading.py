"""A question read as a row of content words, each with what relates it to the rest."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile

from functions.gateway.core.similarity.lexicon import Lexicon, Rows, load_lexicon
from functions.gateway.core.similarity.notation import notation

_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u02bc": "'", "\u201c": '"', "\u201d": '"', "\u2212": "-"})
_TOKEN = re.compile(
    r"""
    ```.*?```|`[^`]+`                                   # code
    |(?:https?://|www\.)\S*[^\s.,;:!?)\]}'"]            # addresses
    |[\w.+-]+@[\w-]+(?:\.[\w-]+)+
    |(?:[^\W\d_]\.){2,}(?!\w)                          # U.S.
    |\w*[^\W\d_]\w*_\w*|_+\w*[^\W\d_]\w*              # get_user, __init__
    |(?<!\w)\.?[^\W\d_]\w*(?:\.[^\W\d_]\w*)+          # foo.bar
    |(?<![\w.])\.[^\W\d_]\w*                           # .NET
    |\d+(?:[.,]\d+)*(?:[^\W\d_]+)?                      # 1,000  4.1bn  8pm  2nd
    |[^\W\d_]+(?:'[^\W\d_]+)*(?:[+\#]+(?=\W|$))?        # words, C++, C\#
    |[^\s]
    """,
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"(\d+(?:[.,]\d+)*)(\w*)")
_SOFT_MARKS = frozenset("\"'`()[]{}\u2014\u2013\u2026\u00b4\u00ab\u00bb\u2022*_~")
_CUTS = frozenset(",;:")
_ENDS = frozenset(".?!\n")
_SCALES = {"k": 3, "thousand": 3, "m": 6, "mn": 6, "million": 6, "bn": 9, "billion": 9, "trillion": 12}
_LONGEST_TAKEN = 6
# They ask, or begin a clause: "when does it rain", "when it rains, …".
_OF_CLAUSES = frozenset(("when", "where"))
_PERCENT = frozenset(("%", "percent", "pct", "pc"))
_GENERIC = frozenset(("~i", "~you"))
_ARTICLES = frozenset(("a", "an", "the"))
_HALVES_OF_THE_DAY = frozenset(("am", "pm"))
_MONEY = frozenset("$\u20ac\u00a3")
_IDENTIFIER = re.compile(r"_|.\.|[^\W\d_A-Z][A-Z]")
_BITS = re.compile(r"[KMGT]b")


@dataclass(frozen=True, slots=True)
class Unit:
    """A content word.

    Attributes:
        word: its stem, or a number, date, name or mark as it stands.
        relations: prepositions, conjunctions and negations between the word before and this one.
        cut: the word begins something: a list's next entry (`and`, `,`), a sentence (`.`), or, after an article or
            auxiliary, a phrase (`_`).
        is_name: written with a capital where no sentence begins.
    """

    word: str
    relations: tuple[str, ...] = ()
    cut: str = ""
    is_name: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as it is compared.

    Attributes:
        frames: what each sentence asks for: its question word or mood, and its tense.
        tail: relations after the last word.
        notation: marks and letters of code and formulas.
    """

    frames: tuple[str, ...]
    units: tuple[Unit, ...]
    tail: tuple[str, ...] = ()
    notation: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def read(text: str) -> Reading:
    """Read a question; what was read last is remembered, because what is stored is compared again and again."""
    text = _plain_marks(text)
    words = tokens(text)
    lexicon = load_lexicon()
    is_english = any(word.lower() in lexicon.english for word in words)
    frames: list[str] = []
    units: list[Unit] = []
    tail: tuple[str, ...] = ()
    for sentence in _sentences(words):
        reader = _Sentence(lexicon, sentence, is_english=is_english)
        frames.append(reader.frame)
        units.extend(reader.units)
        tail = reader.tail
    return Reading(tuple(frame for frame in frames if frame), tuple(units), tail, notation(text))


def _plain_marks(text: str) -> str:
    """The text with plain quotation marks and widths; one all in capitals in lower case."""
    text = unicodedata.normalize("NFKC", text).translate(_QUOTES)
    return text.lower() if text.isupper() else text


def tokens(text: str) -> list[str]:
    """Words, numbers and marks as they are written."""
    found = []
    for match in _TOKEN.finditer(text):
        written = match[0]
        start, end = match.span()
        if written == "-" and text[end : end + 1].isdecimal() and not text[start - 1 : start].isalnum():
            found.append("minus")
        else:
            is_dotted = len(written) > 2 and written[1] == "." and written[0].isalpha()
            found.append(written.replace(".", "") if is_dotted else written)
    return found


def _sentences(words: Sequence[str]) -> list[list[str]]:
    sentences: list[list[str]] = [[]]
    for word in words:
        if word in _ENDS:
            sentences.append([])
        else:
            sentences[-1].append(word)
    return [sentence for sentence in sentences if sentence]


class _Sentence:
    """Reads one sentence."""

    def __init__(self, lexicon: Lexicon, words: list[str], *, is_english: bool) -> None:
        self._lexicon = lexicon
        self._is_english = is_english
        # A form of `to be` stands right before, or begins the sentence; the word before is a content word.
        self._is_be_before = self._is_be_first = self._follows_word = False
        self.frame = ""
        self.units: list[Unit] = []
        self._relations: list[str] = []
        self._cut = "."
        self._is_told = False
        row = self._plain(words)
        self._is_negated = any(word.lower() in lexicon.negations for word in row)
        row = self._framed(row)
        at = 0
        while at < len(row):
            at += self._take(row[at : at + _LONGEST_TAKEN])

    @property
    def tail(self) -> tuple[str, ...]:
        """Relations that no word follows."""
        return tuple(self._relations)

    def _plain(self, words: list[str]) -> list[str]:
        """Contractions written out, phrases replaced, lead-ins taken off."""
        lexicon = self._lexicon
        whole = [part for word in words for part in self._written_out(word) if part]
        start = 0
        while start < len(whole) and (whole[start].lower() in lexicon.openings or whole[start] in _CUTS):
            start += 1
        cut = whole[start:]
        while (skipped := _matches(cut, lexicon.lead_ins)) is not None:
            cut = cut[len(skipped[0]) :]
            self._is_told = True
            while cut and (cut[0] in _CUTS or cut[0].lower() in {"please", "if"}):
                cut = cut[1:]
        row: list[str] = []
        at = 0
        while at < len(cut):
            found = _matches(cut, lexicon.phrases, at)
            row.extend(found[1] if found else (cut[at],))
            at += len(found[0]) if found else 1
        return row

    def _written_out(self, word: str) -> Sequence[str]:
        lowered = word.lower()
        if lowered in self._lexicon.contractions:
            return self._lexicon.contractions[lowered]
        if "'" not in lowered or len(lowered) == 1:
            return (word,)
        stem, _, ending = word.partition("'")
        if ending.lower() == "t" and stem[-1:].lower() == "n":
            return (stem[:-1], "not")
        expanded = {"s": (), "re": ("are",), "ve": ("have",), "ll": ("will",), "d": ("would",), "m": ("am",)}
        if ending.lower() == "s" and stem.lower() in self._lexicon.frames:
            return (stem, "is")
        return (stem, *expanded.get(ending.lower(), (ending,)))

    def _framed(self, row: list[str]) -> list[str]:
        """The row without what makes it a question, which becomes the frame."""
        lexicon = self._lexicon
        if not row:
            return row
        first = row[0].lower()
        mood = next(
            (lexicon.auxiliaries[word.lower()] for word in row if word.lower() in lexicon.auxiliaries), "present"
        )
        rest = row[1:]
        is_asked = bool(rest) and (rest[0].lower() in lexicon.auxiliaries or "," not in rest)
        if first in lexicon.frames and (is_asked or first not in _OF_CLAUSES):
            if first == "how":
                return self._how(rest, mood)
            self.frame = f"{lexicon.frames[first]}:{'present' if mood == 'can' else mood}"
            return rest
        if first in lexicon.auxiliaries and len(row) > 1:
            self._is_be_first = first in lexicon.be
            self.frame = f"{'do' if lexicon.auxiliaries[first] in {'present', 'past', 'future'} else 'modal'}:{mood}"
            return row[1:]
        return row

    def _how(self, rest: list[str], mood: str) -> list[str]:
        """How to do something is the same question whoever is to do it."""
        lexicon = self._lexicon
        auxiliary = bool(rest) and rest[0].lower() in lexicon.auxiliaries
        generic = len(rest) > 1 and lexicon.pronouns.get(rest[1].lower()) in _GENERIC
        if rest and (rest[0].lower() == "to" or (auxiliary and generic and mood != "past")):
            self.frame = "how to"
            return [
                "~my" if lexicon.pronouns.get(word.lower()) in _GENERIC else word
                for word in rest[1 if rest[0].lower() == "to" else 2 :]
            ]
        self.frame = f"how:{'present' if mood == 'can' else mood}"
        return rest

    def _take(self, row: list[str]) -> int:
        """Read what the row begins with; how many of its words that was."""
        token = row[0]
        lowered = token.lower()
        if lowered == "too" and len(row) > 1 and row[1] not in _CUTS:
            self._add("too")
            return 1
        if token[0].isdecimal() or lowered in self._lexicon.months:
            date = _date(row, self._lexicon.months)
            if date is not None:
                self._add(date[0])
                return date[1]
        if token[0].isdecimal() or lowered in self._lexicon.numbers:
            return self._number(row)
        is_letter = lowered == "a" and token != lowered and self._cut != "."
        if is_letter or (token.isupper() and len(token) > 1):
            self._add(self._lexicon.stems.get(lowered, lowered), is_name=True)
        elif self._joins(lowered):
            self._is_be_before = lowered in self._lexicon.be or (self._is_be_before and lowered not in _ARTICLES)
            self._follows_word = False
        else:
            self._word(token, lowered, row[1].lower() if len(row) > 1 else "")
        return 1

    def _joins(self, word: str) -> bool:
        """Take in what is no content word."""
        lexicon = self._lexicon
        if word in lexicon.negations:
            self._relations.append("not")
        elif word in lexicon.relations:
            self._relations.append(lexicon.relations[word])
        elif word in {"and", "&"} or word in _CUTS:
            self._cut = "and" if word in {"and", "&"} else (self._cut if self._cut == "and" else word)
        elif self._is_negated and word in lexicon.some:
            return False
        elif word in lexicon.dropped or word in lexicon.auxiliaries:
            if word in lexicon.auxiliaries and lexicon.auxiliaries[word] in {"should", "must", "future"}:
                self._relations.append(lexicon.auxiliaries[word])
            self._cut = self._cut or "_"
        elif word in _SOFT_MARKS or word == "-":
            pass
        else:
            return False
        return True

    def _word(self, token: str, lowered: str, following: str) -> None:
        lexicon = self._lexicon
        is_name = token[0].isupper() and self._cut != "."
        if lowered in lexicon.pronouns:
            self._add(lexicon.pronouns[lowered])
        elif token[0] == "`" or "/" in token or "@" in token or _BITS.fullmatch(token):
            self._add(token)
        elif _IDENTIFIER.search(token):
            self._add(token if "_" in token else lowered, is_name=is_name)
        elif not self._is_english:
            self._add(token if lowered in lexicon.cased_foreign else lexicon.stem(lowered), is_name=is_name)
        elif lowered in lexicon.cased and token == lowered:
            self._add(f"{lowered}~", is_name=False)
        else:
            self._add(lexicon.stem(_unaccented(lowered)) + self._form(lowered, following), is_name=is_name)

    def _form(self, word: str, following: str) -> str:
        """What sets the form of a verb apart: what boring people do is not what bored people do."""
        lexicon = self._lexicon
        if word.endswith("ing") and lexicon.is_inflected(word):
            is_first = not self.units and (self.frame == "how to" or self._is_told)
            is_verb = self._is_be_before or (self._follows_word and word not in lexicon.gerunds)
            return "" if is_first or (self.units and is_verb) else "~ing"
        if (word.endswith("ed") and lexicon.is_inflected(word)) or word in lexicon.irregular:
            is_last = not following or following in _CUTS or following in lexicon.relations
            return "~ed" if self._is_be_before or (self._is_be_first and self._follows_word and is_last) else ""
        return ""

    def _number(self, row: list[str]) -> int:
        lexicon = self._lexicon
        word = row[0].lower()
        following = row[1].lower() if len(row) > 1 else ""
        if (
            word in lexicon.tens
            and lexicon.numbers.get(following, "").isdigit()
            and len(lexicon.numbers[following]) == 1
        ):
            self._add(f"#{lexicon.tens[word] + int(lexicon.numbers[following])}")
            return 2
        digits, unit = lexicon.numbers.get(word), ""
        if digits is None:
            match = _NUMBER.fullmatch(word)
            assert match is not None  # noqa: S101 - the tokens' own pattern
            digits, unit = _canonical(match[1]), match[2]
            unit = row[0][match.start(2) :] if _BITS.fullmatch(row[0][match.start(2) :]) else unit
        elif digits.endswith("th"):
            digits, unit = digits[:-2], "th"
        taken = 1
        is_scale = following in _SCALES and row[1] != "m"
        if not unit and (is_scale or following in _PERCENT or following in _HALVES_OF_THE_DAY):
            unit, taken = following, 2
        is_metre = unit == "m" and row[0].endswith("m") and not (self.units and self.units[-1].word in _MONEY)
        if unit in {"st", "nd", "rd", "th"}:
            self._add(f"#{digits}th")
        elif unit in _SCALES and not is_metre:
            self._add(f"#{_scaled(digits, _SCALES[unit])}")
        elif unit in _PERCENT:
            self._add(f"#{digits}%")
        else:
            self._add(f"#{digits}")
            if unit:
                self._add(unit)
        return taken

    def _add(self, word: str, *, is_name: bool = False) -> None:
        self.units.append(Unit(word, tuple(self._relations), self._cut, is_name))
        self._relations.clear()
        self._cut = ""
        self._is_be_before = False
        self._follows_word = True


def _matches(row: Sequence[str], rows: Rows, at: int = 0) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The longest of the rows that this one has there."""
    if at >= len(row):
        return None
    for said, meant in rows.get(row[at].lower(), ()):
        if len(said) <= len(row) - at and all(said[i] == row[at + i].lower() for i in range(1, len(said))):
            return said, meant
    return None


def _date(row: Sequence[str], months: Mapping[str, int]) -> tuple[str, int] | None:
    """A date written with the month's name, and how many words it takes: day or year or both beside the month."""
    words = [word.lower().rstrip(".") for word in row]
    if words[0] in months and len(words) > 1:
        month, at, day = months[words[0]], 1, ""
        if _is_day(words[at]):
            day, at = _digits(words[at]), at + 1
            at += len(words) > at + 1 and words[at] == "," and _is_year(words[at + 1])
        year = words[at] if len(words) > at and _is_year(words[at]) else ""
        return (f"@{year}-{month}-{day}", at + bool(year)) if day or year else None
    if _is_day(words[0]) and len(words) > 1:
        at = 2 if words[1] == "of" and len(words) > 2 else 1
        if words[at] in months:
            month, day, at = months[words[at]], _digits(words[0]), at + 1
            year = words[at] if len(words) > at and _is_year(words[at]) else ""
            return f"@{year}-{month}-{day}", at + bool(year)
    return None


def _is_day(word: str) -> bool:
    digits = _digits(word)
    return 0 < len(digits) <= 2 and word[len(digits) :] in {"", "st", "nd", "rd", "th"}


def _is_year(word: str) -> bool:
    return len(word) == 4 and word.isdecimal()


def _digits(word: str) -> str:
    return "".join(takewhile(str.isdigit, word))


def _canonical(number: str) -> str:
    """`1,000` as 1000 and `1.50` as it stands: what a comma means is told by the digits after it."""
    parts = number.split(",")
    return "".join(parts) if len(parts) > 1 and all(len(part.split(".")[0]) == 3 for part in parts[1:]) else number


def _scaled(digits: str, zeros: int) -> str:
    whole, _, part = digits.partition(".")
    return (whole + part.ljust(zeros, "0")).lstrip("0") if len(part) <= zeros else f"{digits}e{zeros}"


def _unaccented(word: str) -> str:
    if word.isascii():
        return word
    return "".join(mark for mark in unicodedata.normalize("NFD", word) if not unicodedata.combining(mark))
