"""What no step may alter wherever it stands in prose: inline code, formulas, quoted text, numbers, addresses, tags."""

import re

_CODE = r"`[^`\n]+`"
# TeX as Pandoc reads it: no space inside of single dollars, no digit behind them, or "$5 and $6" would be a formula.
_FORMULAS = (
    r"\$\$[^$\n]{1,1000}+\$\$",
    r"\$(?=[^\s$])[^$`\n]{1,300}+(?<=\S)\$(?!\d)",
    r"\\\((?>[^\\\n]|\\(?!\))){1,1000}+\\\)",
    r"\\\[(?>[^\\\n]|\\(?!\])){1,1000}+\\\]",
)
# No apostrophe: nothing of a word before it, none behind it.
_SINGLE = r"(?<![\w'])'(?=[^\s'])(?>[^'`\n]|(?<=\w)'(?=\w)){1,300}+(?<=\S)'(?!\w)"


def _between(opening: str, closing: str) -> str:
    """A quotation in one line. Code in it counts as one character, whatever marks it contains; hence no going back."""
    return rf"{opening}(?>[^{opening}{closing}`\n]|{_CODE}|`){{1,1000}}+{closing}"


QUOTED = "|".join(
    [
        _CODE,
        _between('"', '"'),
        _between("\u201c", "\u201d"),
        _between("\u201e", "\u201c"),
        _between("\u201e", "\u201d"),
        _between("\u00ab", "\u00bb"),
        _between("\u2018", "\u2019"),
        _between("\u300c", "\u300d"),
        _between("\u300e", "\u300f"),
        _SINGLE,
        *_FORMULAS,
    ]
)
_QUOTED = re.compile(QUOTED)
_QUOTES = ('"', "`", "'", "$", "\\", "\u201c", "\u201e", "\u00ab", "\u2018", "\u300c", "\u300e")
_NUMERALS = r"\d\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u209f\u2150-\u218b\u2460-\u249b"
_PLAIN = re.compile(
    rf'[{_NUMERALS}"`@<\u201c\u201d\u201e\u00ab\u00bb\u300c\u300e$\\]|(?<![\w\'])\'(?=[^\s\'])|(?<!\w)\u2018|://|www\.'
)
_PRECIOUS = re.compile(rf"[{_NUMERALS}@<>]+|://|www\.")
_AS_SPACES = str.maketrans("\n\t\r", "   ")


def has_quotes(text: str) -> bool:
    """Whether a text may hold quotations or inline code."""
    return any(quote in text for quote in _QUOTES)


def quoted_spans(text: str) -> list[tuple[int, int]]:
    """Where quotations and inline code are."""
    return [match.span() for match in _QUOTED.finditer(text)] if has_quotes(text) else []


def is_plain(text: str) -> bool:
    """Whether a text holds nothing but words."""
    return _PLAIN.search(text) is None


def fragments(text: str, before: int, after: int, *, around_quotes: bool) -> list[str]:
    """What must remain of a sentence: its numbers, addresses, tags and quotations, each with some words around it.

    Args:
        before: words kept in front.
        after: words kept behind.
        around_quotes: also around quotations and inline code, which mostly speak for themselves.
    """
    flat = text.translate(_AS_SPACES) if "\n" in text or "\t" in text else text
    wanted = [
        (_words_before(flat, match.start(), before), _words_behind(flat, match.end(), after))
        for match in _PRECIOUS.finditer(text)
    ]
    if quoted := quoted_spans(text):
        before, after = (before, after) if around_quotes else (0, 0)
        wanted += [(_words_before(flat, start, before), _words_behind(flat, end, after)) for start, end in quoted]
        wanted.sort()
    pieces: list[str] = []
    first = last = -2
    for start, end in wanted:
        if start > last + 1:
            if last > 0:
                pieces.append(text[first:last].strip())
            first = start
        last = max(last, end)
    return [*pieces, text[first:last].strip()] if last > 0 else pieces


def _words_before(text: str, position: int, count: int) -> int:
    """Where the word at a position begins, or the one that comes some words before it."""
    for _ in range(count + 1):
        position = text.rfind(" ", 0, position)
        if position < 0:
            return 0
    return position + 1


def _words_behind(text: str, position: int, count: int) -> int:
    for _ in range(count + 1):
        position = text.find(" ", position) + 1
        if not position:
            return len(text)
    return position - 1
