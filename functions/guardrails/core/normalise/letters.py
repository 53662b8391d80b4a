"""Undoes what people do with letters: digits for letters, spaces or markup between them, none, words backwards."""

import re

from functions.guardrails.core.normalise.view import View

_LEET = str.maketrans("013457$@!|€", "oieastsaiie")
_LEET_L = str.maketrans("013457$@!|€", "oleastsalle")
_LEET_HINT = re.compile(r"[A-Za-z][0134$@57|€][A-Za-z]|\b[0134@|€$][A-Za-z]")
_LEET_TOKEN = re.compile(r"(?<![\w+/=$@!|€-])[A-Za-z0-9$@!|€]{3,24}(?![\w+/=$@|€-])")
_LEET_WORD = re.compile(
    r"(?=.*[A-Za-z])[A-Za-z$@!|€0-9]*[0134$@57!|€][A-Za-z][A-Za-z$@!|€0134579]*|[A-Za-z]+[0134$@57]+[A-Za-z]+"
)
_FEWEST_LEET_WORDS = 2
_SPACED_RUN = re.compile(r"(?:(?<!\w)[^\W\d_](?=[\W_])[\W_]{1,4}){5,}[^\W\d_](?!\w)")
# Marks inside a word: of HTML's inline elements and comments, of Markdown's emphasis.
_TAG = r"</?(?:b|i|u|s|a|em|strong|span|font|mark|small|big|sub|sup|code|wbr)(?:\s[^<>]{0,200})?/?>|<!--.{0,200}?-->"
_MARKUP = re.compile(rf"(?:{_TAG})+|[*~`]{{1,3}}", re.IGNORECASE)
_MARKED_WORD = re.compile(rf"[^\W\d_](?:(?:{_TAG})+|[*~`]{{1,3}})[^\W\d_]", re.IGNORECASE)
_RUN_TOGETHER = re.compile(r"[A-Za-z_/\\.+-]{16,400}")
_RUN_TOGETHER_HINTS = (
    ("ignore", "disregard", "forget", "override", "bypass", "reveal", "vergiss", "ignorier"),
    ("instruction", "prompt", "rule", "direction", "guideline", "command", "context", "anweisung", "regel", "befehl"),
)
_BACKWARDS = ("erongi", "drageried", "tegrof", "snoitcurtsni", "tpmorp", "laever", "suoiverp", "ssergre", "nekaw")


def unleeted(view: View) -> list[View]:
    """The view with digits and signs read as letters, if several words ask for it; twice where 1 may be i or l."""
    if not _LEET_HINT.search(view.text):
        return []
    words = list(_LEET_TOKEN.finditer(view.text))
    if sum(_is_leet(match[0]) for match in words) < _FEWEST_LEET_WORDS:
        return []
    words = [match for match in words if any(character.isalpha() for character in match[0])]
    tables = [_LEET]
    if any("1" in word[0] or "|" in word[0] for word in words):
        tables.append(_LEET_L)
    return [view.derive("leet", _translated(view.text, words, table)) for table in tables]


def joined(view: View) -> View | None:
    """The view with spaced-out letters put together; words are parted where the gaps are wider."""
    runs = list(_SPACED_RUN.finditer(view.text))
    if not runs:
        return None
    pieces: list[tuple[str, int, int]] = []
    at = 0
    for run in runs:
        pieces.append((view.text[at : run.start()], at, run.start()))
        pieces.extend(_letters_of(run))
        at = run.end()
    pieces.append((view.text[at:], at, len(view.text)))
    return view.derive("spaced", [piece for piece in pieces if piece[0]], squeezed=True)


def unmarked(view: View) -> View | None:
    """The view without markup, if any stands inside a word."""
    if not ("<" in view.text or "*" in view.text or "~" in view.text or "`" in view.text):
        return None
    if not _MARKED_WORD.search(view.text):
        return None
    pieces: list[tuple[str, int, int]] = []
    at = 0
    for mark in _MARKUP.finditer(view.text):
        pieces.append((view.text[at : mark.start()], at, mark.start()))
        at = mark.end()
    pieces.append((view.text[at:], at, len(view.text)))
    return view.derive("markup", [piece for piece in pieces if piece[0]])


def run_together(view: View) -> View | None:
    """The words that are written without spaces between them, letter by letter, if some that matter are among them."""
    pieces: list[tuple[str, int, int]] = []
    for run in _RUN_TOGETHER.finditer(view.text):
        lowered = run[0].lower()
        if all(any(hint in lowered for hint in hints) for hints in _RUN_TOGETHER_HINTS):
            for at, letter in enumerate(lowered, run.start()):
                pieces += [(letter, at, at + 1), (" ", at, at + 1)]
    return view.derive("run-together", pieces, squeezed=True) if pieces else None


def reversed_text(view: View) -> View | None:
    """The view read backwards, if words that matter stand in it backwards."""
    lowered = view.text.lower()
    if sum(word in lowered for word in _BACKWARDS) < 2:
        return None
    last = len(view.text)
    return view.derive("reversed", [(view.text[at], at, at + 1) for at in range(last - 1, -1, -1)])


def _is_leet(word: str) -> bool:
    """Whether letters and stand-ins mix inside a word, as in `pr3v10us`; not `h264`, `v1`, `0x3f` or `$100`."""
    letters = sum(character.isalpha() for character in word)
    inner = word.strip("!$0123456789|")
    if letters < 2 or len(inner) < 3:
        return bool(re.fullmatch(r"[@4]l[l1|]|[a-z]?[0134][a-z]{2,}|[a-z]{2,}[0134][a-z]", word, re.IGNORECASE))
    return bool(_LEET_WORD.fullmatch(word)) and letters * 2 >= len(word) and not re.fullmatch(r"[0-9a-fA-F]+", word)


def _translated(text: str, words: list[re.Match[str]], table: dict[int, int]) -> list[tuple[str, int, int]]:
    pieces: list[tuple[str, int, int]] = []
    at = 0
    for word in words:
        pieces.append((text[at : word.start()], at, word.start()))
        pieces.append((word[0].translate(table), word.start(), word.end()))
        at = word.end()
    pieces.append((text[at:], at, len(text)))
    return [piece for piece in pieces if piece[0]]


def _letters_of(run: re.Match[str]) -> list[tuple[str, int, int]]:
    """The letters of a run; a gap wider than the commonest one, or a space among other signs, parts two words."""
    gaps = list(re.finditer(r"[\W_]+", run[0]))
    written = [gap[0] for gap in gaps]
    usual = max(set(written), key=lambda gap: (written.count(gap), -len(gap)))
    pieces: list[tuple[str, int, int]] = []
    at = 0
    for gap in gaps:
        pieces.append((run[0][at : gap.start()], run.start() + at, run.start() + gap.start()))
        if gap[0] != usual and (len(gap[0]) > len(usual) or " " in gap[0]):
            pieces.append((" ", run.start() + gap.start(), run.start() + gap.end()))
        at = gap.end()
    pieces.append((run[0][at:], run.start() + at, run.end()))
    return pieces
