"""Undoes what Unicode allows: compatibility forms, invisible characters, lookalike letters, hidden tags."""

import re
import unicodedata

from functions.guardrails.core.normalise.confusables import (
    FLAG,
    FLAGS,
    INVISIBLE,
    LATIN,
    SELECTORS,
    STACKED_MARKS,
    TAGS,
)
from functions.guardrails.core.normalise.view import View

_WORD = re.compile(r"\w+", re.UNICODE)
# Latin, its phonetic extensions and small capitals: no language is written in the latter.
_LATIN_BLOCKS = re.compile("[A-Za-z\u00c0-\u02af\u1d00-\u1dbf\u1e00-\u1eff\ua720-\ua7ff]")
_STRANGE = re.compile("[" + "".join(LATIN) + "\U0001f1e6-\U0001f1ff\u0300-\u036f]")
_REGIONAL_A = 0x1F1E6


def folded(view: View) -> View | None:
    """The view in plain letters, or None when it already is."""
    if _is_plain(view.text):
        return None
    characters, moved = _compatible(view.text)
    lookalikes = _fold_lookalikes(characters)
    if not moved and not lookalikes:
        return None
    name = "homoglyphs" if lookalikes else "unicode"
    return view.derive(name, [(new, at, end) for new, at, end in characters if new])


def hidden(view: View) -> list[View]:
    """Text written in characters that do not show: Unicode tags, or bytes as variation selectors."""
    if view.text.isascii():
        return []
    found = [
        view.derive("tags", [(_from_tags(match[0]), match.start(), match.end())], decoded=True)
        for match in TAGS.finditer(view.text)
        if view.text[match.start() - 1 : match.start()] != FLAG
    ]
    for match in SELECTORS.finditer(view.text):
        text = _from_selectors(match[0])
        if text:
            found.append(view.derive("selectors", [(text, match.start(), match.end())], decoded=True))
    return found


def _is_plain(text: str) -> bool:
    """Whether there is nothing to undo; the quick answer for honest text in any language."""
    if INVISIBLE.search(text):
        return False
    return text.isascii() or not (_STRANGE.search(text) or unicodedata.normalize("NFKC", text) != text)


def _compatible(text: str) -> tuple[list[tuple[str, int, int]], bool]:
    """The text character by character in NFKC, without what does not show; whether that hid anything.

    Accents, quotes, ligatures and spaces that honest text is full of are folded too, yet do not count as hiding.
    """
    flags = {at for match in FLAGS.finditer(text) for at in range(match.start(), match.end())}
    marks = {at for match in STACKED_MARKS.finditer(text) for at in range(match.start(), match.end())}
    characters: list[tuple[str, int, int]] = []
    moved = bool(marks)
    for at, character in enumerate(text):
        if character < "\x7f" and character >= " ":
            characters.append((character, at, at + 1))
        elif at in marks or INVISIBLE.match(character):
            moved = moved or not (at in flags or _joins_emoji(text, at))
        elif _REGIONAL_A <= ord(character) < _REGIONAL_A + 26:
            characters.append((chr(ord("a") + ord(character) - _REGIONAL_A), at, at + 1))
            moved = True
        else:
            plain = unicodedata.normalize("NFKC", character)
            moved = moved or (plain != character and plain[:1].isalpha() and plain.isascii())
            characters.append((plain, at, at + 1))
    return characters, moved


def _joins_emoji(text: str, at: int) -> bool:
    """Whether an invisible character is the joiner or the selector of an emoji, or a byte-order mark up front."""
    if text[at] == "\ufeff":
        return at == 0
    return text[at] in "\u200d\ufe0e\ufe0f" and at > 0 and ord(text[at - 1]) > 0x2000


def _fold_lookalikes(characters: list[tuple[str, int, int]]) -> bool:
    """Replace letters drawn like Latin ones, in place, where a word mixes scripts or stands among Latin words."""
    text = "".join(new or " " for new, _, _ in characters)
    if len(text) != len(characters) or text.isascii():
        return _fold_lookalikes_slowly(characters) if not text.isascii() else False
    return _fold_words(text, characters, list(range(len(characters))))


def _fold_lookalikes_slowly(characters: list[tuple[str, int, int]]) -> bool:
    """The same where a character became several: each letter is looked up with the character it belongs to."""
    owners = [index for index, (new, _, _) in enumerate(characters) for _ in new]
    return _fold_words("".join(new for new, _, _ in characters), characters, owners)


def _fold_words(text: str, characters: list[tuple[str, int, int]], owners: list[int]) -> bool:
    letters = [character for character in text if character.isalpha()]
    mostly_latin = sum(bool(_LATIN_BLOCKS.match(character)) for character in letters) * 2 > len(letters)
    changed = False
    for match in _WORD.finditer(text):
        word = match[0]
        strange = [character for character in word if character in LATIN]
        if not strange or not _is_disguised(word, strange, mostly_latin=mostly_latin):
            continue
        changed = True
        for at in range(match.start(), match.end()):
            owner = owners[at]
            new, start, end = characters[owner]
            characters[owner] = ("".join(LATIN.get(character, character) for character in new), start, end)
    return changed


def _is_disguised(word: str, strange: list[str], *, mostly_latin: bool) -> bool:
    """Whether the strange letters of a word stand for Latin ones, rather than belong to their own language."""
    if all(character < "\u0250" for character in strange):
        return False
    plain = sum(character.isascii() and character.isalpha() for character in word)
    rest = sum(character.isalpha() for character in word) - plain - len(strange)
    if plain:
        return rest <= len(word) // 4
    return mostly_latin and not rest and len(word) > 1


def _from_tags(run: str) -> str:
    return "".join(chr(ord(character) - 0xE0000) for character in run if ord(character) < 0xE007F)


def _from_selectors(run: str) -> str:
    """Bytes hidden in variation selectors (16 in the basic plane, 240 above), as text; empty when they are none."""
    raw = bytes(ord(c) - 0xFE00 if ord(c) < 0xFE10 else ord(c) - 0xE0100 + 16 for c in run)
    text = raw.decode("utf-8", "ignore")
    return text if len(text) >= 4 and text.isprintable() else ""
