"""Clean-ups of prose that take nothing from its meaning. Done twice they change nothing more."""

import re

from functions.gateway.core.compression.kept import QUOTED, has_quotes

_RULERS = ("---", "===", "___", "***", "~~~", "###", "+++", "...", "\u2500" * 3, "\u2550" * 3)

# Not the zero-width joiners: Persian, Indic scripts and emoji mean something by them.
_INVISIBLE = re.compile("[\u200b\u2060\ufeff\u00ad]")
_WORD_OR_KEPT = re.compile(rf'({QUOTED})|[^\s"`\'$\\\u201c\u201e\u00ab\u2018\u300c\u300e]+')
_TRAILING = re.compile(r"(?<![ \t])[ \t]+(?=\r?\n)")
_BLANK_LINES = re.compile(r"\n(?:\r?\n){2,}")
_SPACES = re.compile("  +")
_INNER_RUN_OR_KEPT = re.compile(rf"({QUOTED})|(?<=\S)[ \t]{{2,}}(?=\S)")
_RULER = re.compile(r"(?m)^( {0,3})([-=_*~#+.\u2500\u2550])\2{3,}[ \t]*$")
_RULERS_IN_A_ROW = re.compile(r"(?m)^(([-=_*~#+.\u2500\u2550])\2\2)\n(?:\n?\1\n)+")


def tidy(text: str) -> str:
    """Prose without invisible characters, runs of spaces, long rulers and more than one blank line together."""
    if not text.isascii() and _INVISIBLE.search(text):
        lines = text.split("\n")
        text = "\n".join([_WORD_OR_KEPT.sub(_visible, line) if _INVISIBLE.search(line) else line for line in lines])
    if " \n" in text or "\t\n" in text or " \r" in text:
        text = _TRAILING.sub("", text)
    if "\n\n\n" in text or "\n\r\n" in text:
        text = _BLANK_LINES.sub("\n\n", text)
    if "  " in text or "\t" in text:
        text = _single_spaces(text)
    if any(ruler in text for ruler in _RULERS):
        text = _RULERS_IN_A_ROW.sub(r"\1\n", _RULER.sub(r"\1\2\2\2", text))
    return text


def _visible(match: re.Match[str]) -> str:
    word = match[0]
    return word if match[1] or "@" in word or "://" in word else _INVISIBLE.sub("", word)


def _single_spaces(text: str) -> str:
    return "\n".join([_single_spaced(line) if "  " in line or "\t" in line else line for line in text.split("\n")])


def _single_spaced(line: str) -> str:
    if has_quotes(line) or "\t" in line:
        return _INNER_RUN_OR_KEPT.sub(lambda match: match[1] or " ", line)
    indentation = len(line) - len(line.lstrip(" "))
    end = len(line.rstrip(" "))
    return line[:indentation] + _SPACES.sub(" ", line[indentation:end]) + line[end:]
