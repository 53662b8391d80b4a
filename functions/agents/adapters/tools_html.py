"""The text of a page, without its markup."""

import re
from typing import Any

from lxml import etree

_UNREAD = {"script", "style", "noscript", "template", "svg", "head", "iframe", "object"}
# Within a line; all others begin one.
_INLINE = {"a", "abbr", "b", "code", "em", "font", "i", "img", "kbd", "label", "mark", "q", "s", "small", "span"}
_INLINE |= {"strong", "sub", "sup", "time", "tt", "u", "var", "wbr"}
_SPACES = re.compile(r"[ \t\r\f\v\u00a0]+")
_LINES = re.compile(r" ?\n\s*")


def text_of(body: bytes, media_type: str, charset: str | None) -> str:
    """The text that a reader sees of HTML; any other text as it is.

    Args:
        charset: as the host says; what it does not say, or says wrongly, the page tells, or it is UTF-8.
    """
    if media_type in {"text/html", "application/xhtml+xml"}:
        return _text_of_html(body, charset)
    try:
        return body.decode(charset or "utf-8", errors="replace")
    except LookupError:
        return body.decode("utf-8", errors="replace")


def _text_of_html(body: bytes, charset: str | None) -> str:
    try:
        parser = etree.HTMLParser(no_network=True, remove_comments=True, remove_pis=True, encoding=charset)
    except LookupError:
        parser = etree.HTMLParser(no_network=True, remove_comments=True, remove_pis=True)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError:
        root = None
    if root is None:
        return ""
    title = " ".join(root.itertext("title")).strip()
    pieces = [f"{title}\n\n"] if title else []
    _gather(root, pieces)
    return _LINES.sub("\n", _SPACES.sub(" ", "".join(pieces))).strip()


def _gather(root: Any, pieces: list[str]) -> None:
    """Put the texts below an element in their order; a walk without recursion, since pages nest as they like."""
    skipped = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        unread, block = element.tag in _UNREAD, element.tag not in _INLINE
        if event == "start":
            skipped += unread
            if not skipped:
                pieces.append("\n" if block else "")
                pieces.append(element.text or "")
        else:
            skipped -= unread
            if not skipped:
                pieces.append("\n" if block else "")
                pieces.append(element.tail or "")
