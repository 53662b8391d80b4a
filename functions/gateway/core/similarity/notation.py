"""Code and formulas in a question: there every mark counts, and a letter is not what it is in prose."""

import re

_EMPHASIS = re.compile(r"(?<![\w*])(\*{1,3}|~~)(?=[^\s*])([^*~\n]{1,200}?)(?<=[^\s*])\1(?![\w*])")
_NOTATION = re.compile(
    r"""
    [=^<>|{}\\*~]                                       # operators, escapes, what is left of stars
    |\(\)|\[\]                                          # calls, lists
    |\w[(\[]\w                                          # f(x), a[0]
    |(?:\d|(?<![\w'])[A-Za-z](?!\w)|\))\s?[-+/]\s?(?:\d|[A-Za-z](?!\w)|\()    # 5 - 3, a + b
    |(?<!\S)--?[A-Za-z]                                 # --force
    |[$%\#@][A-Za-z_]|&&                                # $x, %s
    |(?<!\w)(['"])\w\1(?!\w)                            # 'a'
    |\d['"](?!\w)                                       # 5'
    """,
    re.VERBOSE,
)
_PART = re.compile(r"\w+|[^\w\s]")
_PROSE_MARKS = frozenset("\"'`?!;:\u2026")
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")


def notation(text: str) -> tuple[str, ...]:
    """The marks and single letters of a text with code or a formula in it, in their order; of other texts nothing.

    What ends a sentence is no mark, nor are quotation marks, a comma outside of brackets and Markdown's emphasis.
    """
    text = _EMPHASIS.sub(r"\2", text)
    if not _NOTATION.search(text):
        return ()
    found: list[str] = []
    depth = 0
    for match in _PART.finditer(text):
        part, after = match[0], text[match.end() : match.end() + 1]
        depth += (part in _OPENING) - (part in _CLOSING)
        if part.isalnum():
            is_mark = len(part) == 1 and part.isalpha() and part != "I"
        elif part in _PROSE_MARKS:
            is_mark = text[match.start() - 1 : match.start()].isdigit() and part in "'\""
        elif part in {",", "."}:
            is_mark = depth > 0 if part == "," else bool(after.strip())
        else:
            is_mark = True
        if is_mark:
            found.append(part)
    return tuple(found)
