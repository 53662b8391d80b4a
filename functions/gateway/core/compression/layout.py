"""Marks lines that keep every byte for what stands around them: YAML, preformatted HTML, reStructuredText's blocks."""

import re
from bisect import bisect_left

_KEY = re.compile(r"(\s{0,60})(?:-\s+){0,3}([\w./$@-]{1,80}|'[^'\n]{1,80}'|\"[^\"\n]{1,80}\"):(?:\s+(\S.*))?\s*$")
_ITEM = re.compile(r"\s{0,60}-\s+\S")
_LONGEST = 200
# A value of more words is a sentence, and its key who says it or what it is about.
_MOST_WORDS = 8
_NAMES_OF_PASSAGES = (
    "question query task instructions request answer response output title url content text abstract document passage"
    " source context"
)
_LABELS = frozenset(_NAMES_OF_PASSAGES.split())
_PREFORMATTED = re.compile(r"<(pre|script|style|textarea|svg)\b", re.IGNORECASE)
_CLOSED = re.compile(r"</(pre|script|style|textarea|svg)\b", re.IGNORECASE)
_DIRECTIVE = re.compile(r"(\s*)\.\. [\w-]{1,40}::")


def mark_keys(lines: list[str], verbatim: list[bool]) -> None:
    """Mark runs of lines with at least two keys that are identifiers: YAML, front matter, headers of a request."""
    start, keys = 0, 0
    for index in range(len(lines) + 1):
        kind = _kind(lines[index]) if index < len(lines) else ""
        if kind:
            keys += kind == "key"
            continue
        if keys >= 2:
            verbatim[start:index] = [True] * (index - start)
        start, keys = index + 1, 0


def mark_preformatted(lines: list[str], verbatim: list[bool]) -> None:
    """Mark HTML elements in which white space means something, from their first line to their last."""
    closed: dict[str, list[int]] = {}
    for index, line in enumerate(lines):
        for found in _CLOSED.finditer(line) if "</" in line else ():
            closed.setdefault(found[1].lower(), []).append(index)
    done = -1
    for index, line in enumerate(lines):
        opened = _PREFORMATTED.search(line) if index > done and "<" in line else None
        if opened:
            ends = closed.get(opened[1].lower(), [])
            at = bisect_left(ends, index)
            if at < len(ends):
                done = ends[at]
                verbatim[index : done + 1] = [True] * (done + 1 - index)


def mark_directives(lines: list[str], verbatim: list[bool]) -> None:
    """Mark reStructuredText's directives and what is indented below them."""
    depth: int | None = None
    for index, line in enumerate(lines):
        found = _DIRECTIVE.match(line) if ".. " in line else None
        if found:
            depth = len(found[1])
        elif depth is not None and line.strip() and len(line) - len(line.lstrip()) <= depth:
            depth = None
        if depth is not None:
            verbatim[index] = True


def _kind(line: str) -> str:
    """`key`, or `more` for what may stand among keys; empty for anything else."""
    if not line.strip() or len(line) > _LONGEST:
        return ""
    found = _KEY.match(line) if ":" in line else None
    if found and len((found[3] or "").split()) <= _MOST_WORDS:
        name = found[2]
        is_label = not found[1] and name.lower() in _LABELS
        return "more" if is_label or (name[0].isupper() and not found[1]) else "key"
    return "more" if _ITEM.match(line) or line.startswith(("  ", "#")) else ""
